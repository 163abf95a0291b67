#include "bias/ngrams.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
ngrams_release(struct ngrams *g)
{
	strmap_release(&g->map);
	free(g->count);
	memset(g, 0, sizeof *g);
}

void
ngrams_add(struct ngrams *g, const char *s, size_t len, enum ngram_side side)
{
	bool fresh;
	struct strmap_slot *slot = strmap_put(&g->map, s, len, &fresh);

	if (fresh) {
		if (g->n == g->cap) {
			g->cap = g->cap ? 2 * g->cap : 64;
			g->count = mem_grow(g->count, g->cap, sizeof *g->count);
		}
		memset(g->count[g->n], 0, sizeof *g->count);
		slot->value = g->n++;
	}
	g->count[slot->value][side]++;
}

void
ngrams_add_all(struct ngrams *g, const char *s, const size_t *start, size_t n_tokens, size_t gap,
	size_t order, enum ngram_side side)
{
	for (size_t i = 0; i + order <= n_tokens; i++)
		ngrams_add(g, s + start[i], start[i + order] - gap - start[i], side);
}
