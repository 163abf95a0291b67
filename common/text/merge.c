#include "text/merge.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

static bool
before(const struct candidate *a, const struct candidate *b)
{
	return a->rank != b->rank ? a->rank < b->rank : a->at < b->at;
}

static void
push(struct merge *m, struct candidate c)
{
	size_t i = m->n++;

	if (m->n > m->heap_cap) {
		m->heap_cap = m->heap_cap ? m->heap_cap * 2 : 64;
		m->heap = mem_grow(m->heap, m->heap_cap, sizeof *m->heap);
	}
	for (; i && before(&c, &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = c;
}

static struct candidate
pop(struct merge *m)
{
	struct candidate top = m->heap[0], c = m->heap[--m->n];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < m->n) {
		if (child + 1 < m->n && before(&m->heap[child + 1], &m->heap[child]))
			child++;
		if (!before(&m->heap[child], &c))
			break;
		m->heap[i] = m->heap[child];
		i = child;
	}
	m->heap[i] = c;
	return top;
}

/* Consider the symbol at `at` and its right neighbour. */
static void
consider(struct merge *m, size_t at, merge_rank *rank, const void *ctx)
{
	const struct symbol *left = &m->sym[at], *right;
	struct candidate c = { .at = (uint32_t)at };

	if (left->next == MERGE_NONE)
		return;
	right = &m->sym[left->next];
	c.len = left->len + right->len;
	c.rank = rank(ctx, at, left, right, &c.id);
	if (c.rank != MERGE_NONE)
		push(m, c);
}

struct symbol *
merge_room(struct merge *m, size_t len)
{
	if (len > m->cap) {
		m->cap = len + len / 2;
		m->sym = mem_grow(m->sym, m->cap, sizeof *m->sym);
	}
	return m->sym;
}

void
merge_run(struct merge *m, merge_rank *rank, const void *ctx)
{
	m->n = 0;
	for (uint32_t i = 0; i != MERGE_NONE; i = m->sym[i].next)
		consider(m, i, rank, ctx);
	while (m->n) {
		struct candidate c = pop(m);
		struct symbol *left = &m->sym[c.at], *right;

		/* Stale when one of the two has merged meanwhile: symbols only grow, so their
		 * joint length tells. */
		if (!left->len || left->next == MERGE_NONE)
			continue;
		right = &m->sym[left->next];
		if (left->len + right->len != c.len)
			continue;
		left->len = c.len;
		left->id = c.id;
		left->next = right->next;
		right->len = 0;
		if (left->next != MERGE_NONE)
			m->sym[left->next].prev = c.at;
		if (left->prev != MERGE_NONE)
			consider(m, left->prev, rank, ctx);
		consider(m, c.at, rank, ctx);
	}
}

void
merge_release(struct merge *m)
{
	free(m->sym);
	free(m->heap);
	*m = (struct merge){ 0 };
}
