#include "infer/embed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "infer/pass.h"

/* A part of a sequence that fits into the context. */
struct piece {
	size_t seq;   /* which */
	size_t at, n; /* its tokens, without the skipped ones */
	int *ids;     /* with them; our own when the piece is not the whole */
};

static void
normalize(float *v, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)v[i] * v[i];
	if (sum > 0)
		for (size_t i = 0; i < n; i++)
			v[i] = (float)(v[i] / sqrt(sum));
}

/* Cut the sequences; a piece of a longer one gets the skipped tokens in front. */
static struct piece *
cut(const struct embedded *s, size_t n, size_t n_ctx, size_t *n_pieces)
{
	struct piece *p = NULL;
	size_t used = 0, cap = 0;

	for (size_t i = 0; i < n; i++) {
		size_t len = s[i].n - s[i].skip, most = n_ctx - s[i].skip;

		for (size_t at = 0; at < len; at += most) {
			if (used == cap) {
				cap = cap ? 2 * cap : n;
				p = mem_grow(p, cap, sizeof *p);
			}
			p[used++] =
				(struct piece){ i, at, len - at < most ? len - at : most, NULL };
			if (at > 0) {
				int *ids = mem_alloc(s[i].skip + p[used - 1].n, sizeof *ids);

				memcpy(ids, s[i].ids, s[i].skip * sizeof *ids);
				memcpy(ids + s[i].skip, s[i].ids + s[i].skip + at,
					p[used - 1].n * sizeof *ids);
				p[used - 1].ids = ids;
			}
		}
	}
	*n_pieces = used;
	return p;
}

/* One piece's hidden states (n, C) into its sequence's result; `sum` collects means in double. */
static void
pool(const struct embedded *s, const struct piece *p, const float *hidden, size_t dim,
	enum pooling how, double *sum)
{
	size_t len = s->n - s->skip;

	if (how == POOL_TOKEN) {
		memcpy(s->out + p->at * dim, hidden, p->n * dim * sizeof *hidden);
		return;
	}
	if (how == POOL_LAST) {
		memcpy(s->out, hidden, dim * sizeof *hidden);
		return;
	}
	if (p->at == 0)
		memset(sum, 0, dim * sizeof *sum);
	for (size_t t = 0; t < p->n; t++)
		for (size_t i = 0; i < dim; i++)
			sum[i] += hidden[t * dim + i];
	if (p->at + p->n == len)
		for (size_t i = 0; i < dim; i++)
			s->out[i] = (float)(sum[i] / (double)len);
}

int
embed_sequences(struct forward *f, const struct model *m, struct embedded *s, size_t n,
	enum pooling how, bool l2, size_t batch_tokens, struct err *e)
{
	size_t dim = m->c.n_embd, n_pieces, k;
	struct chunk *chunks;
	struct piece *p;
	float *hidden = NULL;
	double *sum;
	int status = 0;

	for (size_t i = 0; i < n; i++)
		if (s[i].skip >= s[i].n || s[i].skip >= m->c.n_ctx)
			return err_set(e, "no tokens to embed");
	p = cut(s, n, m->c.n_ctx, &n_pieces);
	chunks = mem_alloc(n_pieces, sizeof *chunks);
	sum = mem_alloc(dim, sizeof *sum);
	for (size_t i = 0; i < n_pieces; i++) {
		const struct embedded *q = &s[p[i].seq];

		chunks[i] = (struct chunk){ NULL, p[i].ids ? p[i].ids : q->ids, q->skip + p[i].n,
			how == POOL_LAST ? 1 : p[i].n };
	}
	for (size_t at = 0; status == 0 && at < n_pieces; at += k) {
		const float *h;
		size_t rows = 0;

		k = pass_fit(chunks + at, n_pieces - at, batch_tokens);
		for (size_t i = 0; i < k; i++)
			rows += chunks[at + i].n_out;
		free(hidden);
		h = hidden = mem_try(rows, dim * sizeof *hidden);
		status = hidden ? pass_run(f, m, chunks + at, k, batch_tokens, hidden, e)
				: err_set(e, "out of memory for the hidden states of %zu tokens",
					  rows);
		for (size_t i = at; status == 0 && i < at + k; h += chunks[i].n_out * dim, i++)
			pool(&s[p[i].seq], &p[i], h, dim, how, sum);
	}
	for (size_t i = 0; status == 0 && l2 && i < n; i++)
		for (size_t t = 0; t < (how == POOL_TOKEN ? s[i].n - s[i].skip : 1); t++)
			normalize(s[i].out + t * dim, dim);
	for (size_t i = 0; i < n_pieces; i++)
		free(p[i].ids);
	free(p);
	free(chunks);
	free(hidden);
	free(sum);
	return status;
}
