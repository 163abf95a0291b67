#include "infer/pass.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

size_t
pass_fit(const struct chunk *chunks, size_t n, size_t batch_tokens)
{
	size_t i = 0, sum = 0;

	while (i < n && (i == 0 || chunks[i].n <= batch_tokens - sum)) {
		sum += chunks[i++].n;
		if (sum >= batch_tokens)
			break;
	}
	return i;
}

/* One pass; `wide` (n chunks), `pair` (2n tokens) and `rows` are scratch. */
static int
one(struct forward *f, size_t dim, const struct chunk *chunks, size_t n, struct chunk *wide,
	int *pair, float *out, struct err *e)
{
	float *rows, *to = out;
	size_t n_rows = 0;
	int status;

	for (size_t i = 0; i < n; i++) {
		wide[i] = chunks[i];
		if (chunks[i].n == 1) {
			pair[2 * i] = pair[2 * i + 1] = chunks[i].tokens[0];
			wide[i].tokens = pair + 2 * i;
			wide[i].n = 2;
			wide[i].n_out = chunks[i].n_out ? 2 : 0;
		}
		n_rows += wide[i].n_out;
	}
	if (!(rows = mem_try(n_rows, dim * sizeof *rows)))
		return err_set(e, "out of memory for the hidden states of %zu positions", n_rows);
	status = forward_run(f, wide, n, rows, e);
	if (status == 0) {
		const float *from = rows;

		for (size_t i = 0; i < n; i++) {
			memcpy(to, from, chunks[i].n_out * dim * sizeof *to);
			to += chunks[i].n_out * dim;
			from += wide[i].n_out * dim;
			if (chunks[i].n == 1 && chunks[i].kv)
				kv_cut(chunks[i].kv, chunks[i].kv->n - 1);
		}
	}
	free(rows);
	return status;
}

int
pass_run(struct forward *f, const struct model *m, const struct chunk *chunks, size_t n,
	size_t batch_tokens, float *out, struct err *e)
{
	size_t dim = m->c.n_embd;
	struct chunk *wide = mem_alloc(n, sizeof *wide);
	int *pair = mem_alloc(n, 2 * sizeof *pair);
	int status = 0;

	for (size_t k; status == 0 && n > 0; chunks += k, n -= k) {
		k = pass_fit(chunks, n, batch_tokens);
		status = one(f, dim, chunks, k, wide, pair, out, e);
		for (size_t i = 0; i < k; i++)
			out += chunks[i].n_out * dim;
	}
	free(wide);
	free(pair);
	return status;
}
