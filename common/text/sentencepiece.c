/* tokenizer.model: SentencePiece's model as a protocol buffer, after its
 * sentencepiece_model.proto. */
#include <stdint.h>
#include <string.h>

#include "text/vocab_room.h"

/* A field of a message: a number, or the bytes of a string or of a message within. */
struct field {
	uint64_t number, value;
	const unsigned char *data;
	size_t len;
};

struct message {
	const unsigned char *at, *end;
};

static bool
varint(struct message *m, uint64_t *out)
{
	*out = 0;
	for (unsigned shift = 0; shift < 64 && m->at < m->end; shift += 7) {
		*out |= (uint64_t)(*m->at & 0x7f) << shift;
		if (!(*m->at++ & 0x80))
			return true;
	}
	return false;
}

/* 1 and the next field, 0 at the end, -1 where the message is cut or strange. */
static int
next_field(struct message *m, struct field *f)
{
	uint64_t tag, n;

	if (m->at == m->end)
		return 0;
	if (!varint(m, &tag))
		return -1;
	*f = (struct field){ .number = tag >> 3 };
	switch (tag & 7) {
	case 0:
		return varint(m, &f->value) ? 1 : -1;
	case 1:
		n = 8;
		break;
	case 2:
		if (!varint(m, &n))
			return -1;
		break;
	case 5:
		n = 4;
		break;
	default:
		return -1;
	}
	if (n > (size_t)(m->end - m->at))
		return -1;
	f->data = m->at;
	f->len = (size_t)n;
	m->at += n;
	if ((tag & 7) == 5)
		memcpy(&f->value, f->data, 4);
	return 1;
}

/* Field numbers. */
enum { PIECES = 1, TRAINER = 2, NORMALIZER = 3 };
enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 };
enum { TRAINER_MODEL = 3, TRAINER_UNK = 40, TRAINER_BOS = 41, TRAINER_EOS = 42 };
enum { NORM_CHARSMAP = 2, NORM_DUMMY_PREFIX = 3, NORM_EXTRA_BLANKS = 4, NORM_ESCAPE = 5 };

static int
read_piece(struct vocab_room *r, size_t id, const struct field *piece, struct err *e)
{
	struct message m = { piece->data, piece->data + piece->len };
	const char *text = "";
	size_t len = 0;
	int kind = TOKEN_NORMAL, status;
	struct field f;

	while ((status = next_field(&m, &f)) > 0)
		if (f.number == PIECE_TEXT && f.data) {
			text = (const char *)f.data;
			len = f.len;
		} else if (f.number == PIECE_SCORE) {
			uint32_t bits = (uint32_t)f.value;

			memcpy(&r->scores[id], &bits, sizeof bits);
		} else if (f.number == PIECE_TYPE) {
			kind = (int)f.value; /* numbered as GGUF's */
		}
	if (status < 0 || kind < TOKEN_NORMAL || kind > TOKEN_BYTE)
		return err_set(e, "piece %zu is damaged", id);
	return room_put(r, (long long)id, text, len, kind, e);
}

static int
read_trainer(const struct field *trainer, struct vocab *v, struct err *e)
{
	struct message m = { trainer->data, trainer->data + trainer->len };
	struct field f;
	int status;

	while ((status = next_field(&m, &f)) > 0) {
		int id = f.value < 1 << 24 ? (int)f.value : -1;

		if (f.number == TRAINER_MODEL && f.value != 1 && f.value != 2)
			return err_set(e, "a SentencePiece model of words or characters "
				"(unigram and BPE are supported)");
		if (f.number == TRAINER_MODEL)
			v->model = f.value == 1 ? "t5" : "llama";
		else if (f.number == TRAINER_UNK)
			v->unk = id;
		else if (f.number == TRAINER_BOS)
			v->bos = id;
		else if (f.number == TRAINER_EOS)
			v->eos = id;
	}
	return status < 0 ? err_set(e, "the trainer's settings are damaged") : 0;
}

static int
read_normalizer(const struct field *normalizer, struct vocab *v, struct err *e)
{
	struct message m = { normalizer->data, normalizer->data + normalizer->len };
	struct field f;
	int status;

	while ((status = next_field(&m, &f)) > 0) {
		/* its rules are NFKC's but for a few characters */
		if (f.number == NORM_CHARSMAP && f.len > 0)
			v->normalize |= NORMALIZE_NFKC;
		else if (f.number == NORM_DUMMY_PREFIX)
			v->add_space = f.value != 0;
		else if (f.number == NORM_EXTRA_BLANKS)
			v->squeeze = f.value != 0;
		else if (f.number == NORM_ESCAPE && f.value == 0)
			return err_set(e, "blanks that are not escaped are not supported");
	}
	return status < 0 ? err_set(e, "the normalizer's settings are damaged") : 0;
}

int
sentencepiece_read(struct vocab_room *r, const char *path, struct vocab *v, struct err *e)
{
	struct file_map map;
	struct message m;
	struct field f;
	size_t n = 0, id = 0;
	int status;

	if (room_map(r, path, &map, e) < 0)
		return -1;
	m = (struct message){ map.data, map.data + map.len };
	while ((status = next_field(&m, &f)) > 0)
		n += f.number == PIECES && f.data;
	if (status < 0 || n == 0)
		return err_set(e, "%s: no SentencePiece model, or a damaged one", path);
	if (room_tokens(r, n, n, e) < 0)
		return err_prefix(e, "%s", path);
	r->scores = mem_alloc(n, sizeof *r->scores);
	/* the format's defaults */
	v->model = "t5";
	v->unk = 0;
	v->bos = 1;
	v->eos = 2;
	v->add_space = v->squeeze = true;
	m = (struct message){ map.data, map.data + map.len };
	while (status == 0 && next_field(&m, &f) > 0) {
		if (f.number == PIECES && f.data)
			status = read_piece(r, id++, &f, e);
		else if (f.number == TRAINER && f.data)
			status = read_trainer(&f, v, e);
		else if (f.number == NORMALIZER && f.data)
			status = read_normalizer(&f, v, e);
	}
	if (status < 0)
		return err_prefix(e, "%s", path);
	v->add_bos = strcmp(v->model, "llama") == 0;
	for (size_t i = 0; i < 3; i++) {
		int *special = i == 0 ? &v->unk : i == 1 ? &v->bos : &v->eos;

		if (*special >= 0 && (size_t)*special >= n)
			*special = -1;
	}
	return 0;
}
