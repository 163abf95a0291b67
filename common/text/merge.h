/* The engine of both kinds of BPE: symbols in a linked list, candidate pairs in a heap, best first.
 *
 * A symbol covers bytes of the text and stands at the index of its first byte, so that a list is an
 * array as long as the text with gaps in it. A pair's place in the order is its rank (lower first),
 * then its position. */
#ifndef TEXT_MERGE_H
#define TEXT_MERGE_H

#include <stddef.h>
#include <stdint.h>

enum { MERGE_NONE = UINT32_MAX };
/* Texts longer than this are given to merge_run in parts. */
#define MERGE_MAX ((size_t)1 << 30)

struct symbol {
	uint32_t len;        /* bytes; 0: swallowed by its left neighbour */
	uint32_t prev, next; /* MERGE_NONE at the ends */
	int id;              /* token; -1: none */
};

struct candidate {
	uint32_t rank, at, len; /* of the pair: order, first byte, bytes of both */
	int id;                 /* token that the merge gives */
};

/* Scratch space, reused from call to call; all zero to begin with. */
struct merge {
	struct symbol *sym;
	size_t cap;
	struct candidate *heap;
	size_t n, heap_cap;
};

/* Rank of the pair of neighbours at bytes `at` and `at + left->len`, with the merged token in *id;
 * MERGE_NONE when they do not merge. */
typedef uint32_t merge_rank(const void *ctx, size_t at, const struct symbol *left,
	const struct symbol *right, int *id);

/* Room for the symbols of `len` bytes. */
struct symbol *merge_room(struct merge *m, size_t len);
/* Merge until nothing is left to merge. m->sym holds the symbols, the first one at index 0. */
void merge_run(struct merge *m, merge_rank *rank, const void *ctx);
void merge_release(struct merge *m);

#endif
