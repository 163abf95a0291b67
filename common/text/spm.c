#include "text/spm.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "text/merge.h"
#include "text/strmap.h"

struct spm {
	/* Pieces with blanks for U+2581, so that a text is looked up as it stands. A U+2581 of
	 * the text itself is in no piece then: bytes spell it, and it comes back as it was. */
	struct strmap ids;
	char *pieces;
	uint32_t *ranks; /* by id: place in the order of scores, equal scores sharing one */
	size_t longest;
	bool words; /* no piece has a blank behind a non-blank: text may be cut there */
	int bytes[256];
	int unk;
};

struct scored {
	float score;
	int id;
};

int
spm_byte(const char *piece, size_t len)
{
	static const char hex[] = "0123456789ABCDEF";
	const char *high, *low;

	if (len != 6 || memcmp(piece, "<0x", 3) || piece[5] != '>' || !piece[3] || !piece[4])
		return -1;
	high = strchr(hex, piece[3]);
	low = strchr(hex, piece[4]);
	return high && low ? (int)((high - hex) * 16 + (low - hex)) : -1;
}

void
spm_unspell(const char *piece, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len; i++) {
		if (len - i >= 3 && !memcmp(piece + i, "\xe2\x96\x81", 3)) {
			buf_putc(out, ' ');
			i += 2;
		} else {
			buf_putc(out, piece[i]);
		}
	}
}

static int
by_score(const void *a, const void *b)
{
	const struct scored *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static void
rank_scores(struct spm *s, const struct vocab *v)
{
	struct scored *order = mem_alloc(v->n, sizeof *order);
	uint32_t rank = 0;

	s->ranks = mem_alloc(v->n, sizeof *s->ranks);
	for (size_t i = 0; i < v->n; i++)
		order[i] = (struct scored){ v->scores[i], (int)i };
	qsort(order, v->n, sizeof *order, by_score);
	for (size_t i = 0; i < v->n; i++) {
		if (i && order[i].score != order[i - 1].score)
			rank++;
		s->ranks[order[i].id] = rank;
	}
	free(order);
}

struct spm *
spm_new(const struct vocab *v, const int *kinds, struct err *e)
{
	struct spm *s;
	struct buf text = { 0 };
	size_t total = 0, at = 0;

	if (!v->scores) {
		err_set(e, "the vocabulary has no scores");
		return NULL;
	}
	for (size_t i = 0; i < v->n; i++) {
		if (isnan(v->scores[i])) {
			err_set(e, "the score of token %zu is not a number", i);
			return NULL;
		}
		total += v->lens[i];
	}
	s = mem_alloc(1, sizeof *s);
	s->unk = v->unk;
	s->words = true;
	memset(s->bytes, -1, sizeof s->bytes);
	rank_scores(s, v);
	buf_room(&text, total + 1); /* pieces only shrink, so the keys below stay where they are */
	for (size_t i = 0; i < v->n; i++) {
		int byte = kinds[i] == TOKEN_BYTE ? spm_byte(v->pieces[i], v->lens[i]) : -1;
		struct strmap_slot *slot;
		bool fresh;

		if (byte >= 0)
			s->bytes[byte] = (int)i;
		if ((kinds[i] != TOKEN_NORMAL && kinds[i] != TOKEN_USER) || !v->lens[i])
			continue;
		at = text.len;
		spm_unspell(v->pieces[i], v->lens[i], &text);
		slot = strmap_put(&s->ids, text.data + at, text.len - at, &fresh);
		if (!fresh)
			continue;
		slot->value = i;
		if (slot->len > s->longest)
			s->longest = slot->len;
		for (size_t j = at + 1; j < text.len; j++)
			if (text.data[j] == ' ' && text.data[j - 1] != ' ')
				s->words = false;
	}
	s->pieces = text.data;
	return s;
}

void
spm_free(struct spm *s)
{
	if (!s)
		return;
	strmap_release(&s->ids);
	free(s->pieces);
	free(s->ranks);
	free(s);
}

static int
id_of(const struct spm *s, const char *text, size_t len)
{
	const struct strmap_slot *slot = len <= s->longest ? strmap_get(&s->ids, text, len) : NULL;

	return slot ? (int)slot->value : -1;
}

struct span {
	const struct spm *s;
	const char *text;
};

static uint32_t
piece_rank(
	const void *ctx, size_t at, const struct symbol *left, const struct symbol *right, int *id)
{
	const struct span *t = ctx;

	*id = id_of(t->s, t->text + at, (size_t)left->len + right->len);
	return *id < 0 ? MERGE_NONE : t->s->ranks[*id];
}

/* Bytes of the character at the start; 1 where the text is not UTF-8. */
static size_t
char_len(const char *text, size_t len)
{
	utf8proc_int32_t c;
	utf8proc_ssize_t n;

	if ((unsigned char)*text < 0x80)
		return 1;
	n = utf8proc_iterate(
		(const utf8proc_uint8_t *)text, len < 4 ? (utf8proc_ssize_t)len : 4, &c);
	return n > 0 ? (size_t)n : 1;
}

/* A symbol that is no piece: its bytes, or the unknown token. */
static void
spell_bytes(const struct spm *s, const char *text, size_t len, struct ids *out)
{
	for (size_t i = 0; i < len; i++) {
		if (s->bytes[(unsigned char)text[i]] < 0) {
			if (s->unk >= 0)
				ids_add(out, s->unk);
			return;
		}
	}
	for (size_t i = 0; i < len; i++)
		ids_add(out, s->bytes[(unsigned char)text[i]]);
}

static void
encode_part(const struct spm *s, struct merge *m, const char *text, size_t len, struct ids *out)
{
	struct symbol *sym = merge_room(m, len);
	struct span span = { s, text };
	uint32_t prev = MERGE_NONE;

	for (size_t i = 0, n; i < len; i += n) {
		n = char_len(text + i, len - i);
		sym[i].len = (uint32_t)n;
		sym[i].prev = prev;
		sym[i].next = i + n < len ? (uint32_t)(i + n) : MERGE_NONE;
		sym[i].id = id_of(s, text + i, n);
		prev = (uint32_t)i;
	}
	merge_run(m, piece_rank, &span);
	for (uint32_t i = 0; i != MERGE_NONE; i = sym[i].next) {
		if (sym[i].id >= 0)
			ids_add(out, sym[i].id);
		else
			spell_bytes(s, text + i, sym[i].len, out);
	}
}

/* Bytes up to the next place where no piece can reach across. */
static size_t
part_len(const struct spm *s, const char *text, size_t len)
{
	size_t n = len < MERGE_MAX ? len : MERGE_MAX;

	if (s->words)
		for (size_t i = 1; i < n; i++)
			if (text[i] == ' ' && text[i - 1] != ' ')
				return i;
	return n;
}

void
spm_encode(const struct spm *s, const char *text, size_t len, bool blank, struct ids *out)
{
	struct merge m = { 0 };
	size_t n;

	if (!len)
		return;
	if (blank) {
		/* The first part with a blank in front; where the text begins with a blank itself,
		 * the run of both is one part. */
		struct buf first = { 0 };

		n = part_len(s, text, len);
		buf_putc(&first, ' ');
		buf_add(&first, text, n);
		encode_part(s, &m, first.data, first.len, out);
		buf_release(&first);
		text += n;
		len -= n;
	}
	for (; len; text += n, len -= n) {
		n = part_len(s, text, len);
		encode_part(s, &m, text, n, out);
	}
	merge_release(&m);
}
