#include "text/unigram.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "text/spm.h"
#include "text/trie.h"

/* Longer texts are cut, before a blank where there is one: no piece goes on behind a blank, but for
 * runs of blanks. */
enum { MOST = 1 << 16 };

struct unigram {
	/* Pieces with blanks for U+2581, so that a text is looked up as it stands. */
	struct trie pieces;
	float *scores; /* by id */
	float unknown;
	int unk;
	int bytes[256];
	bool fallback; /* all bytes have tokens */
};

/* The best way to a place in the text: its last piece, and where that begins. */
struct way {
	double score;
	uint32_t from;
	int id; /* -1: a character in no piece */
};

static int
check_scores(const struct vocab *v, struct err *e)
{
	if (!v->scores)
		return err_set(e, "the vocabulary has no scores");
	for (size_t i = 0; i < v->n; i++)
		if (!isfinite(v->scores[i]))
			return err_set(e, "the score of token %zu is not finite", i);
	return 0;
}

struct unigram *
unigram_new(const struct vocab *v, const int *kinds, struct err *e)
{
	struct trie_key *keys;
	struct buf text = { 0 };
	struct unigram *u;
	size_t n = 0, total = 0, n_bytes = 0;
	float least = 0;

	if (check_scores(v, e) < 0)
		return NULL;
	u = mem_alloc(1, sizeof *u);
	u->unk = v->unk;
	memset(u->bytes, -1, sizeof u->bytes);
	u->scores = mem_alloc(v->n, sizeof *u->scores);
	memcpy(u->scores, v->scores, v->n * sizeof *u->scores);
	for (size_t i = 0; i < v->n; i++)
		total += v->lens[i];
	buf_room(&text, total + 1); /* pieces only shrink, so the keys stay where they are */
	keys = mem_alloc(v->n, sizeof *keys);
	for (size_t i = 0; i < v->n; i++) {
		int byte = kinds[i] == TOKEN_BYTE ? spm_byte(v->pieces[i], v->lens[i]) : -1;
		size_t at = text.len;

		if (byte >= 0 && u->bytes[byte] < 0) {
			u->bytes[byte] = (int)i;
			n_bytes++;
		}
		if (kinds[i] != TOKEN_NORMAL)
			continue;
		spm_unspell(v->pieces[i], v->lens[i], &text);
		keys[n++] = (struct trie_key){ text.data + at, text.len - at, (int)i };
		least = v->scores[i] < least ? v->scores[i] : least;
	}
	trie_build(&u->pieces, keys, n);
	u->unknown = least - 10;
	u->fallback = n_bytes == 256;
	free(keys);
	buf_release(&text);
	return u;
}

void
unigram_free(struct unigram *u)
{
	if (!u)
		return;
	trie_release(&u->pieces);
	free(u->scores);
	free(u);
}

static void
offer(struct way *w, double score, size_t from, int id)
{
	if (score > w->score)
		*w = (struct way){ score, (uint32_t)from, id };
}

/* All pieces that begin at `at`, and the character there by itself where it is no piece. */
static void
extend(const struct unigram *u, const char *text, size_t len, size_t at, size_t step,
	struct way *ways)
{
	double score = ways[at].score;
	bool alone = false;
	uint32_t node = 0;

	for (size_t i = at; i < len; i++) {
		int id;

		node = trie_next(&u->pieces, node, (unsigned char)text[i]);
		if (!node)
			break;
		id = u->pieces.nodes[node].value;
		if (id < 0)
			continue;
		offer(&ways[i + 1], score + u->scores[id], at, id);
		alone = alone || i + 1 == at + step;
	}
	if (!alone)
		offer(&ways[at + step], score + u->unknown, at, -1);
}

/* What stands for text[from .. to), which is in no piece. `before`: nor was what stands before. */
static void
add_unknown(const struct unigram *u, const char *text, size_t from, size_t to, bool before,
	struct ids *out)
{
	for (size_t i = from; u->fallback && i < to; i++)
		ids_add(out, u->bytes[(unsigned char)text[i]]);
	if (!u->fallback && !before && u->unk >= 0)
		ids_add(out, u->unk);
}

static void
encode_part(const struct unigram *u, const char *text, size_t len, struct way *ways,
	struct ids *out)
{
	bool unknown = false, ok;
	size_t step;

	for (size_t i = 0; i <= len; i++)
		ways[i] = (struct way){ -INFINITY, 0, -1 };
	ways[0].score = 0;
	for (size_t i = 0; i < len; i += step) {
		step = utf8_step(text + i, len - i, &ok);
		extend(u, text, len, i, step, ways);
	}
	/* the way back, turned around: where a piece begins, its end replaces the score */
	for (size_t end = len; end > 0; end = ways[end].from)
		ways[ways[end].from].score = (double)end;
	for (size_t i = 0; i < len;) {
		size_t end = (size_t)ways[i].score;
		int id = ways[end].id;

		if (id >= 0)
			ids_add(out, id);
		else
			add_unknown(u, text, i, end, unknown, out);
		unknown = id < 0;
		i = end;
	}
}

/* Bytes of the next part. */
static size_t
part(const char *text, size_t len)
{
	size_t n = MOST;

	if (len <= MOST)
		return len;
	while (n > MOST / 2 && text[n] != ' ')
		n--;
	if (text[n] == ' ')
		return n;
	for (n = MOST; ((unsigned char)text[n] & 0xc0) == 0x80 && n > MOST - 4; n--)
		;
	return n;
}

void
unigram_encode(const struct unigram *u, const char *text, size_t len, bool blank, struct ids *out)
{
	struct buf with = { 0 };
	struct way *ways;

	if (blank) {
		buf_putc(&with, ' ');
		buf_add(&with, text, len);
		text = with.data;
		len = with.len;
	}
	ways = mem_alloc((len < MOST ? len : MOST) + 1, sizeof *ways);
	for (size_t n; len > 0; text += n, len -= n) {
		n = part(text, len);
		encode_part(u, text, n, ways, out);
	}
	free(ways);
	buf_release(&with);
}
