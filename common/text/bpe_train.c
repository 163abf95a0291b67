#include "text/bpe_train.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "text/bpe.h"
#include "text/pretokenize.h"
#include "text/strmap.h"

enum {
	WORD_MAX = 256,          /* bytes of a pre-token that are learned from as one */
	ARENA_BLOCK = 1 << 20,
	MIN_COUNT = 2,           /* a pair seen once teaches nothing */
};

/* A distinct pre-token while merges are learned: its tokens, at `at` in the pool of symbols. */
struct word {
	size_t at;
	uint32_t n;
	int64_t count;
};

/* Two neighbouring tokens: how often, and in which words (some of which may have lost it since). */
struct pair {
	uint64_t key; /* left << 32 | right */
	int64_t count;
	uint32_t *words;
	size_t n, cap;
	bool changed; /* its count grew in this step */
};

struct entry {
	int64_t count;
	uint64_t key;
	size_t pair;
};

struct bpe_train {
	char *pre;
	enum pretok kind;
	size_t max_words;
	struct strmap counts;
	char **blocks; /* the words' bytes */
	size_t n_blocks, used;
	uint64_t dropped;

	struct word *words;
	size_t n_words;
	uint32_t *symbols;
	struct pair *pairs;
	size_t n_pairs, pairs_cap;
	uint64_t *index; /* open addressing: number of the pair + 1, or 0 */
	size_t index_cap;
	struct entry *heap;
	size_t n_heap, heap_cap;
	size_t *grown; /* pairs whose count grew in this step */
	size_t n_grown, grown_cap;

	/* the result: spellings of tokens and merges, one after the other */
	struct buf text;
	const char **pieces, **merges;
	size_t *starts, *lens, *merge_starts, *merge_lens;
	size_t n_pieces, n_merges, merges_cap;
	int *kinds;
};

struct bpe_train *
bpe_train_new(const char *pre, size_t max_words, struct err *e)
{
	int kind = pretok_named(pre, strlen(pre));
	struct bpe_train *b;

	if (kind < 0) {
		err_set(e, "no pre-tokenizer '%s' (gpt-2, smollm, llama-bpe and qwen2 are some)",
			pre);
		return NULL;
	}
	b = mem_alloc(1, sizeof *b);
	b->pre = mem_str(pre);
	b->kind = (enum pretok)kind;
	b->max_words = max_words < 16 ? 16 : max_words < INT32_MAX ? max_words : INT32_MAX;
	return b;
}

static void
free_blocks(char **blocks, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(blocks[i]);
	free(blocks);
}

static void
free_pairs(struct bpe_train *b)
{
	for (size_t i = 0; i < b->n_pairs; i++)
		free(b->pairs[i].words);
	free(b->pairs);
	free(b->index);
	free(b->heap);
	free(b->grown);
	free(b->words);
	free(b->symbols);
	b->pairs = NULL;
	b->index = NULL;
	b->heap = NULL;
	b->grown = NULL;
	b->words = NULL;
	b->symbols = NULL;
	b->n_pairs = b->pairs_cap = b->index_cap = b->n_heap = b->heap_cap = 0;
	b->n_grown = b->grown_cap = b->n_words = 0;
}

void
bpe_train_free(struct bpe_train *b)
{
	if (!b)
		return;
	free_pairs(b);
	strmap_release(&b->counts);
	free_blocks(b->blocks, b->n_blocks);
	buf_release(&b->text);
	free(b->pre);
	free(b->starts);
	free(b->merge_starts);
	free(b->pieces);
	free(b->merges);
	free(b->lens);
	free(b->merge_lens);
	free(b->kinds);
	free(b);
}

/* Counting. */

static void
count_word(struct bpe_train *b, const char *word, size_t len, uint64_t times)
{
	bool fresh;
	struct strmap_slot *s = strmap_put(&b->counts, word, len, &fresh);

	s->value += times;
	if (!fresh)
		return;
	if (!b->n_blocks || b->used + len > ARENA_BLOCK) {
		b->blocks = mem_grow(b->blocks, b->n_blocks + 1, sizeof *b->blocks);
		b->blocks[b->n_blocks++] = mem_alloc(ARENA_BLOCK, 1);
		b->used = 0;
	}
	s->key = memcpy(b->blocks[b->n_blocks - 1] + b->used, word, len);
	b->used += len;
}

static int
by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

/* Keep the more frequent words, at most half of the bound. */
static void
prune(struct bpe_train *b)
{
	struct strmap old = b->counts;
	char **blocks = b->blocks;
	size_t n_blocks = b->n_blocks, n = 0;
	uint64_t *counts = mem_alloc(old.n, sizeof *counts), most_dropped;

	for (size_t i = 0; i < old.cap; i++)
		if (old.slots[i].key)
			counts[n++] = old.slots[i].value;
	qsort(counts, n, sizeof *counts, by_value);
	most_dropped = counts[b->max_words / 2];
	free(counts);
	b->counts = (struct strmap){ 0 };
	b->blocks = NULL;
	b->n_blocks = b->used = 0;
	for (size_t i = 0; i < old.cap; i++) {
		if (old.slots[i].key && old.slots[i].value > most_dropped)
			count_word(b, old.slots[i].key, old.slots[i].len, old.slots[i].value);
		else if (old.slots[i].key)
			b->dropped += old.slots[i].value;
	}
	strmap_release(&old);
	free_blocks(blocks, n_blocks);
}

void
bpe_train_add(struct bpe_train *b, const char *text, size_t len)
{
	struct pretok_walk walk = { .kind = b->kind };

	while (len) {
		size_t n = pretok_next(&walk, text, len), part;

		len -= n;
		for (; n; text += part, n -= part) {
			part = n < WORD_MAX ? n : WORD_MAX;
			count_word(b, text, part, 1);
			if (b->counts.n > b->max_words)
				prune(b);
		}
	}
}

uint64_t
bpe_train_dropped(const struct bpe_train *b)
{
	return b->dropped;
}

/* Learning. */

/* The more frequent first, then the lower ids: the order depends on nothing else. */
static bool
before(const struct entry *a, const struct entry *b)
{
	return a->count != b->count ? a->count > b->count : a->key < b->key;
}

static void
heap_push(struct bpe_train *b, struct entry c)
{
	size_t i = b->n_heap++;

	if (b->n_heap > b->heap_cap) {
		b->heap_cap = b->heap_cap ? b->heap_cap * 2 : 1024;
		b->heap = mem_grow(b->heap, b->heap_cap, sizeof *b->heap);
	}
	for (; i && before(&c, &b->heap[(i - 1) / 2]); i = (i - 1) / 2)
		b->heap[i] = b->heap[(i - 1) / 2];
	b->heap[i] = c;
}

static struct entry
heap_pop(struct bpe_train *b)
{
	struct entry top = b->heap[0], c = b->heap[--b->n_heap];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < b->n_heap) {
		if (child + 1 < b->n_heap && before(&b->heap[child + 1], &b->heap[child]))
			child++;
		if (!before(&b->heap[child], &c))
			break;
		b->heap[i] = b->heap[child];
		i = child;
	}
	b->heap[i] = c;
	return top;
}

static uint64_t *
index_find(const struct bpe_train *b, uint64_t key)
{
	size_t i = (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (b->index_cap - 1);

	while (b->index[i] && b->pairs[b->index[i] - 1].key != key)
		i = (i + 1) & (b->index_cap - 1);
	return &b->index[i];
}

static struct pair *
pair_of(struct bpe_train *b, uint32_t left, uint32_t right)
{
	uint64_t key = (uint64_t)left << 32 | right, *slot;

	if (b->n_pairs * 2 >= b->index_cap) {
		free(b->index);
		b->index_cap = b->index_cap ? b->index_cap * 2 : 1 << 16;
		b->index = mem_alloc(b->index_cap, sizeof *b->index);
		for (size_t i = 0; i < b->n_pairs; i++)
			*index_find(b, b->pairs[i].key) = i + 1;
	}
	slot = index_find(b, key);
	if (!*slot) {
		if (b->n_pairs == b->pairs_cap) {
			b->pairs_cap = b->pairs_cap ? b->pairs_cap * 2 : 1024;
			b->pairs = mem_grow(b->pairs, b->pairs_cap, sizeof *b->pairs);
		}
		b->pairs[b->n_pairs++] = (struct pair){ .key = key };
		*slot = b->n_pairs;
	}
	return &b->pairs[*slot - 1];
}

/* Count the pairs of a word in (sign 1) or out (-1). Pairs that have `fresh` in them (any pair,
 * when it is UINT32_MAX) note the word and are noted as grown. */
static void
count_pairs(struct bpe_train *b, uint32_t w, int sign, uint32_t fresh)
{
	const struct word *word = &b->words[w];
	const uint32_t *s = b->symbols + word->at;

	for (uint32_t i = 0; i + 1 < word->n; i++) {
		struct pair *p = pair_of(b, s[i], s[i + 1]);

		p->count += sign * word->count;
		if (sign < 0 || (fresh != UINT32_MAX && s[i] != fresh && s[i + 1] != fresh))
			continue;
		if (!p->n || p->words[p->n - 1] != w) {
			if (p->n == p->cap) {
				p->cap = p->cap ? p->cap * 2 : 4;
				p->words = mem_grow(p->words, p->cap, sizeof *p->words);
			}
			p->words[p->n++] = w;
		}
		if (!p->changed) {
			p->changed = true;
			if (b->n_grown == b->grown_cap) {
				b->grown_cap = b->grown_cap ? b->grown_cap * 2 : 1024;
				b->grown = mem_grow(b->grown, b->grown_cap, sizeof *b->grown);
			}
			b->grown[b->n_grown++] = (size_t)(p - b->pairs);
		}
	}
}

/* Every growth of a count is pushed; where it has shrunk since, best_pair sees it. */
static void
push_grown(struct bpe_train *b)
{
	for (size_t i = 0; i < b->n_grown; i++) {
		struct pair *p = &b->pairs[b->grown[i]];

		p->changed = false;
		if (p->count >= MIN_COUNT)
			heap_push(b, (struct entry){ p->count, p->key, b->grown[i] });
	}
	b->n_grown = 0;
}

static int
by_bytes(const void *a, const void *b)
{
	const struct strmap_slot *x = a, *y = b;
	int c = memcmp(x->key, y->key, x->len < y->len ? x->len : y->len);

	return c ? c : (x->len > y->len) - (x->len < y->len);
}

/* The counted words as rows of byte tokens. Sorted, so that neighbours in memory are alike. */
static void
load_words(struct bpe_train *b)
{
	struct strmap_slot *slots = b->counts.slots;
	size_t total = 0, n = 0;

	for (size_t i = 0; i < b->counts.cap; i++) {
		if (slots[i].key) {
			total += slots[i].len;
			slots[n++] = slots[i];
		}
	}
	if (n)
		qsort(slots, n, sizeof *slots, by_bytes);
	b->words = mem_alloc(n, sizeof *b->words);
	b->symbols = mem_alloc(total, sizeof *b->symbols);
	b->n_words = n;
	for (size_t i = 0, at = 0; i < n; i++) {
		b->words[i] = (struct word){ at, slots[i].len, (int64_t)slots[i].value };
		for (size_t j = 0; j < slots[i].len; j++)
			b->symbols[at++] = (unsigned char)slots[i].key[j];
	}
	strmap_release(&b->counts);
	free_blocks(b->blocks, b->n_blocks);
	b->blocks = NULL;
	b->n_blocks = b->used = 0;
	for (size_t i = 0; i < n; i++)
		count_pairs(b, (uint32_t)i, 1, UINT32_MAX);
	push_grown(b);
}

/* Replace (left, right) by id in one word, where it still is. */
static void
merge_word(struct bpe_train *b, uint32_t w, uint32_t left, uint32_t right, uint32_t id)
{
	struct word *word = &b->words[w];
	uint32_t *s = b->symbols + word->at, n = 0, i = 0;

	while (i + 1 < word->n && (s[i] != left || s[i + 1] != right))
		i++;
	if (i + 1 >= word->n)
		return;
	count_pairs(b, w, -1, UINT32_MAX);
	for (i = 0; i < word->n; i++) {
		if (i + 1 < word->n && s[i] == left && s[i + 1] == right) {
			s[n++] = id;
			i++;
		} else {
			s[n++] = s[i];
		}
	}
	word->n = n;
	count_pairs(b, w, 1, id);
}

/* The pair to merge next; false when none is left. */
static bool
best_pair(struct bpe_train *b, struct entry *best)
{
	while (b->n_heap) {
		int64_t count;

		*best = heap_pop(b);
		count = b->pairs[best->pair].count;
		if (count == best->count)
			return true;
		best->count = count;
		if (count >= MIN_COUNT)
			heap_push(b, *best);
	}
	return false;
}

/* Replace the pair by token `id` wherever it is. */
static void
merge_pair(struct bpe_train *b, const struct entry *pair, uint32_t id)
{
	struct pair *p = &b->pairs[pair->pair];
	uint32_t *words = p->words;
	size_t n = p->n;

	p->words = NULL;
	p->n = p->cap = 0;
	for (size_t i = 0; i < n; i++)
		merge_word(b, words[i], (uint32_t)(pair->key >> 32), (uint32_t)pair->key, id);
	free(words);
	push_grown(b);
}

/* Append "left right" to the merges, and set *joined to the two without the blank. */
static void
add_merge(struct bpe_train *b, size_t left, size_t right, struct buf *joined)
{
	buf_clear(joined);
	buf_add(joined, b->text.data + b->starts[left], b->lens[left]);
	buf_add(joined, b->text.data + b->starts[right], b->lens[right]);
	if (b->n_merges == b->merges_cap) {
		b->merges_cap = b->merges_cap ? b->merges_cap * 2 : 1024;
		b->merge_starts = mem_grow(b->merge_starts, b->merges_cap, sizeof *b->merge_starts);
		b->merge_lens = mem_grow(b->merge_lens, b->merges_cap, sizeof *b->merge_lens);
	}
	b->merge_starts[b->n_merges] = b->text.len;
	b->merge_lens[b->n_merges] = joined->len + 1;
	b->n_merges++;
	buf_add(&b->text, joined->data, b->lens[left]);
	buf_putc(&b->text, ' ');
	buf_add(&b->text, joined->data + b->lens[left], b->lens[right]);
}

static void
add_piece(struct bpe_train *b, const char *text, size_t len, enum token_kind kind)
{
	b->starts[b->n_pieces] = b->text.len;
	b->lens[b->n_pieces] = len;
	b->kinds[b->n_pieces] = (int)kind;
	b->n_pieces++;
	buf_add(&b->text, text, len);
}

/* Merges until there are `limit` tokens. Where two pairs spell the same piece it is one token. */
static void
learn(struct bpe_train *b, size_t limit)
{
	struct strmap *ids = &b->counts; /* empty by now; piece -> id + 1 */
	struct buf joined = { 0 };
	struct entry best;

	for (size_t i = 0; i < 256; i++) {
		buf_clear(&joined);
		bpe_spell((unsigned char)i, &joined);
		add_piece(b, joined.data, joined.len, TOKEN_NORMAL);
		count_word(b, joined.data, joined.len, i + 1);
	}
	while (b->n_pieces < limit && best_pair(b, &best)) {
		const struct strmap_slot *known;

		add_merge(b, best.key >> 32, best.key & UINT32_MAX, &joined);
		known = strmap_get(ids, joined.data, joined.len);
		if (known) {
			merge_pair(b, &best, (uint32_t)known->value - 1);
			continue;
		}
		merge_pair(b, &best, (uint32_t)b->n_pieces);
		add_piece(b, joined.data, joined.len, TOKEN_NORMAL);
		count_word(b, joined.data, joined.len, b->n_pieces);
	}
	buf_release(&joined);
}

static int
check_controls(size_t n, const char *const *controls, size_t n_controls, struct err *e)
{
	if (n > INT32_MAX || n_controls > n || n - n_controls < 256)
		return err_set(e,
			"%zu tokens are too few: 256 bytes and %zu control tokens come first", n,
			n_controls);
	for (size_t i = 0; i < n_controls; i++) {
		if (!*controls[i])
			return err_set(e, "a control token needs a name");
		for (size_t j = 0; j < i; j++)
			if (!strcmp(controls[i], controls[j]))
				return err_set(e, "control token %s is given twice", controls[i]);
	}
	return 0;
}

int
bpe_train_run(struct bpe_train *b, size_t n, const char *const *controls, size_t n_controls,
	struct vocab *v, struct err *e)
{
	if (b->starts)
		return err_set(e, "a vocabulary is learned once");
	if (check_controls(n, controls, n_controls, e))
		return -1;
	b->starts = mem_alloc(n, sizeof *b->starts);
	b->lens = mem_alloc(n, sizeof *b->lens);
	b->kinds = mem_alloc(n, sizeof *b->kinds);
	load_words(b);
	learn(b, n - n_controls);
	free_pairs(b);
	for (size_t i = 0; i < n_controls; i++)
		add_piece(b, controls[i], strlen(controls[i]), TOKEN_CONTROL);

	buf_str(&b->text);
	b->pieces = mem_alloc(b->n_pieces, sizeof *b->pieces);
	for (size_t i = 0; i < b->n_pieces; i++)
		b->pieces[i] = b->text.data + b->starts[i];
	b->merges = mem_alloc(b->n_merges, sizeof *b->merges);
	for (size_t i = 0; i < b->n_merges; i++)
		b->merges[i] = b->text.data + b->merge_starts[i];
	*v = (struct vocab){
		.model = "gpt2",
		.pre = b->pre,
		.n = b->n_pieces,
		.pieces = b->pieces,
		.lens = b->lens,
		.kinds = b->kinds,
		.n_merges = b->n_merges,
		.merges = b->merges,
		.merge_lens = b->merge_lens,
		.bos = -1,
		.eos = -1,
		.unk = -1,
		.eot = -1,
	};
	return 0;
}
