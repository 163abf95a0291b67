#include "text/tokenizer.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/bpe.h"
#include "text/spm.h"

struct tokenizer {
	struct bpe *bpe; /* one of the two */
	struct spm *spm;
	size_t n;
	int bos, eos;
	bool add_bos, add_space;
	int *kinds;
	/* Token i: its piece as stored, and the bytes that it stands for. */
	char *pieces, *bytes;
	size_t *piece_at, *byte_at; /* (n + 1) offsets */
	struct ids controls;
};

static int
check(const struct vocab *v, struct err *e)
{
	const int ids[] = { v->bos, v->eos, v->unk };

	if (!v->model || (strcmp(v->model, "llama") && strcmp(v->model, "gpt2")))
		return err_set(e, "tokenizer model '%s' is not supported (llama and gpt2 are)",
			v->model ? v->model : "");
	if (!v->n || v->n > INT_MAX)
		return err_set(e, "the vocabulary has %zu tokens", v->n);
	for (size_t i = 0; i < v->n; i++)
		if (v->lens[i] > 1 << 20)
			return err_set(e, "token %zu has %zu bytes", i, v->lens[i]);
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
		if (ids[i] < -1 || (ids[i] >= 0 && (size_t)ids[i] >= v->n))
			return err_set(e, "special token %d is outside the vocabulary of %zu",
				ids[i], v->n);
	return 0;
}

/* The kinds as given, but never so that text could become a special token: what marks the beginning
 * or end is a control token whatever the file says. */
static void
settle_kinds(struct tokenizer *t, const struct vocab *v)
{
	t->kinds = mem_alloc(v->n, sizeof *t->kinds);
	for (size_t i = 0; i < v->n; i++) {
		t->kinds[i] = v->kinds ? v->kinds[i] : TOKEN_NORMAL;
		if (t->kinds[i] < TOKEN_NORMAL || t->kinds[i] > TOKEN_BYTE)
			t->kinds[i] = TOKEN_UNUSED;
		if (!v->kinds && !strcmp(v->model, "llama") &&
			spm_byte(v->pieces[i], v->lens[i]) >= 0)
			t->kinds[i] = TOKEN_BYTE;
	}
	if (v->unk >= 0)
		t->kinds[v->unk] = TOKEN_UNKNOWN;
	if (v->bos >= 0)
		t->kinds[v->bos] = TOKEN_CONTROL;
	if (v->eos >= 0)
		t->kinds[v->eos] = TOKEN_CONTROL;
	for (size_t i = 0; i < v->n; i++)
		if (t->kinds[i] == TOKEN_CONTROL)
			ids_add(&t->controls, (int)i);
}

static void
spell_out(const struct tokenizer *t, size_t i, const char *piece, size_t len, struct buf *out)
{
	int byte;

	switch (t->kinds[i]) {
	case TOKEN_NORMAL:
	case TOKEN_UNUSED:
		if (t->bpe)
			bpe_unspell(piece, len, out);
		else
			spm_unspell(piece, len, out);
		break;
	case TOKEN_BYTE:
		if ((byte = spm_byte(piece, len)) >= 0)
			buf_putc(out, byte);
		break;
	case TOKEN_USER:
		if (t->spm)
			spm_unspell(piece, len, out);
		else
			buf_add(out, piece, len);
		break;
	default: /* control and unknown: their names */
		buf_add(out, piece, len);
	}
}

static void
fill_pieces(struct tokenizer *t, const struct vocab *v)
{
	struct buf pieces = { 0 }, bytes = { 0 };

	t->piece_at = mem_alloc(v->n + 1, sizeof *t->piece_at);
	t->byte_at = mem_alloc(v->n + 1, sizeof *t->byte_at);
	for (size_t i = 0; i < v->n; i++) {
		buf_add(&pieces, v->pieces[i], v->lens[i]);
		t->piece_at[i + 1] = pieces.len;
		spell_out(t, i, v->pieces[i], v->lens[i], &bytes);
		t->byte_at[i + 1] = bytes.len;
	}
	t->pieces = buf_str(&pieces);
	t->bytes = buf_str(&bytes);
}

struct tokenizer *
tokenizer_new(const struct vocab *v, struct err *e)
{
	struct tokenizer *t;

	if (check(v, e))
		return NULL;
	t = mem_alloc(1, sizeof *t);
	t->n = v->n;
	t->bos = v->bos;
	t->eos = v->eos;
	t->add_bos = v->add_bos && v->bos >= 0;
	settle_kinds(t, v);
	if (!strcmp(v->model, "gpt2")) {
		t->bpe = bpe_new(v, t->kinds, e);
	} else {
		t->add_space = v->add_space;
		t->spm = spm_new(v, t->kinds, e);
	}
	if (!t->bpe && !t->spm) {
		tokenizer_free(t);
		return NULL;
	}
	fill_pieces(t, v);
	return t;
}

void
tokenizer_free(struct tokenizer *t)
{
	if (!t)
		return;
	bpe_free(t->bpe);
	spm_free(t->spm);
	ids_release(&t->controls);
	free(t->kinds);
	free(t->pieces);
	free(t->bytes);
	free(t->piece_at);
	free(t->byte_at);
	free(t);
}

size_t
tokenizer_n(const struct tokenizer *t)
{
	return t->n;
}

int
tokenizer_bos(const struct tokenizer *t)
{
	return t->bos;
}

int
tokenizer_eos(const struct tokenizer *t)
{
	return t->eos;
}

bool
tokenizer_add_bos(const struct tokenizer *t)
{
	return t->add_bos;
}

const char *
tokenizer_piece(const struct tokenizer *t, int id, size_t *len)
{
	*len = 0;
	if (id < 0 || (size_t)id >= t->n)
		return NULL;
	*len = t->piece_at[id + 1] - t->piece_at[id];
	return t->pieces + t->piece_at[id];
}

enum token_kind
tokenizer_kind(const struct tokenizer *t, int id)
{
	return id < 0 || (size_t)id >= t->n ? TOKEN_UNUSED : (enum token_kind)t->kinds[id];
}

int
tokenizer_control(const struct tokenizer *t, const char *name, size_t len)
{
	for (size_t i = 0; i < t->controls.n; i++) {
		size_t n;
		const char *piece = tokenizer_piece(t, t->controls.v[i], &n);

		if (n == len && !memcmp(piece, name, len))
			return t->controls.v[i];
	}
	if (len == 3 && !memcmp(name, "bos", 3))
		return t->bos;
	if (len == 3 && !memcmp(name, "eos", 3))
		return t->eos;
	return -1;
}

void
tokenizer_encode(
	const struct tokenizer *t, const char *text, size_t len, bool start, struct ids *out)
{
	if (t->bpe)
		bpe_encode(t->bpe, text, len, out);
	else
		spm_encode(t->spm, text, len, start && t->add_space, out);
}

bool
tokenizer_starts(const struct tokenizer *t, const int *ids, size_t n)
{
	return !n || (t->bos >= 0 && ids[n - 1] == t->bos);
}

void
tokenizer_decode(const struct tokenizer *t, int id, bool start, bool control, struct buf *out)
{
	const char *bytes;
	size_t len;

	if (id < 0 || (size_t)id >= t->n || (t->kinds[id] == TOKEN_CONTROL && !control))
		return;
	bytes = t->bytes + t->byte_at[id];
	len = t->byte_at[id + 1] - t->byte_at[id];
	if (start && t->add_space && len && *bytes == ' ' && t->kinds[id] != TOKEN_CONTROL) {
		bytes++;
		len--;
	}
	buf_add(out, bytes, len);
}
