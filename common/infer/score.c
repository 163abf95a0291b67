#include "infer/score.h"

#include <stdbool.h>
#include <stdlib.h>

#include "infer/pass.h"
#include "infer/sample.h"

enum { LOGIT_BYTES = 16 << 20 }; /* of logits at a time */

/* What both kinds of scoring need while they run: chunks, their caches where they need any (kept
 * from pass to pass), and room for hidden states and a piece of the logits. */
struct work {
	struct forward *f;
	const struct model *m;
	struct chunk *chunks;
	struct kv *kv;
	size_t n; /* chunks and caches */
	float *hidden;
	size_t hidden_cap;
	float *logits;
	size_t piece; /* rows of logits */
};

static void
work_release(struct work *w)
{
	for (size_t i = 0; i < w->n; i++)
		kv_release(&w->kv[i]);
	free(w->chunks);
	free(w->kv);
	free(w->hidden);
	free(w->logits);
}

static int
work_init(struct work *w, struct forward *f, const struct model *m, size_t n, struct err *e)
{
	*w = (struct work){ .f = f, .m = m, .n = n };
	w->chunks = mem_alloc(n, sizeof *w->chunks);
	w->kv = mem_alloc(n, sizeof *w->kv);
	w->piece = LOGIT_BYTES / (m->c.n_vocab * sizeof(float)) + 1;
	w->logits = mem_try(w->piece, m->c.n_vocab * sizeof *w->logits);
	return w->logits ? 0 : err_set(e, "out of memory for logits");
}

/* Run chunks [0, n) and leave their hidden states in w->hidden. */
static int
work_run(struct work *w, size_t n, size_t batch_tokens, struct err *e)
{
	size_t rows = 0;

	for (size_t i = 0; i < n; i++)
		rows += w->chunks[i].n_out;
	if (rows > w->hidden_cap) {
		free(w->hidden);
		w->hidden_cap = 0;
		if (!(w->hidden = mem_try(rows, w->m->c.n_embd * sizeof *w->hidden)))
			return err_set(
				e, "out of memory for the hidden states of %zu positions", rows);
		w->hidden_cap = rows;
	}
	return pass_run(w->f, w->m, w->chunks, n, batch_tokens, w->hidden, e);
}

/* log p of one token per row of w->hidden. `next` gives row after row the token, and where its log
 * p goes. */
struct target {
	int id;
	double *to; /* added to */
};

static void
work_score(struct work *w, const struct target *t, size_t n)
{
	size_t dim = w->m->c.n_embd, n_vocab = w->m->c.n_vocab;

	for (size_t at = 0, k; at < n; at += k) {
		k = n - at < w->piece ? n - at : w->piece;
		forward_logits(w->f, w->hidden + at * dim, k, w->logits, false);
		for (size_t i = 0; i < k; i++)
			*t[at + i].to += log_prob(w->logits + i * n_vocab, n_vocab, t[at + i].id);
	}
}

static int
check_ids(const int *ids, size_t n, const struct model *m, struct err *e)
{
	for (size_t i = 0; i < n; i++)
		if (ids[i] < 0 || (size_t)ids[i] >= m->c.n_vocab)
			return err_set(
				e, "token %d is not among the model's %zu", ids[i], m->c.n_vocab);
	return 0;
}

int
score_sequences(struct forward *f, const struct model *m, struct scored *s, size_t n,
	size_t batch_tokens, struct err *e)
{
	struct target *t = NULL;
	struct work w;
	int status = work_init(&w, f, m, n, e);

	for (size_t i = 0; status == 0 && i < n; i++) {
		for (size_t j = 0; j < s[i].n; j++)
			s[i].logp[j] = 0;
		if (s[i].n > m->c.n_ctx)
			status = err_set(
				e, "%zu tokens, the model's context is %zu", s[i].n, m->c.n_ctx);
		else
			status = check_ids(s[i].ids, s[i].n, m, e);
	}
	for (size_t i = 0; status == 0 && i < n;) {
		size_t rows = 0, k = 0, sum = 0;

		/* The last token is predicted, not computed; sequences of none or one have nothing
		 * to predict. */
		for (; i < n && (k == 0 || sum + s[i].n <= batch_tokens); i++) {
			if (s[i].n < 2)
				continue;
			w.chunks[k] = (struct chunk){ NULL, s[i].ids, s[i].n - 1, s[i].n - 1 };
			t = mem_grow(t, rows + s[i].n, sizeof *t);
			for (size_t j = 1; j < s[i].n; j++)
				t[rows++] = (struct target){ s[i].ids[j], &s[i].logp[j] };
			sum += s[i].n;
			k++;
		}
		status = work_run(&w, k, batch_tokens, e);
		if (status == 0)
			work_score(&w, t, rows);
	}
	free(t);
	work_release(&w);
	return status;
}

static int
choices_check(const struct model *m, struct choice *c, size_t n, const struct ids *values,
	size_t n_values, struct err *e)
{
	size_t longest = 0;

	if (n_values == 0)
		return err_set(e, "there is no value to choose");
	for (size_t j = 0; j < n_values; j++) {
		if (values[j].n == 0)
			return err_set(e, "a value has no tokens");
		if (check_ids(values[j].v, values[j].n, m, e) < 0)
			return -1;
		longest = values[j].n > longest ? values[j].n : longest;
	}
	for (size_t i = 0; i < n; i++) {
		if (c[i].n_prompt == 0)
			return err_set(e, "an empty prompt");
		if (c[i].n_prompt + longest - 1 > m->c.n_ctx)
			return err_set(e,
				"a prompt of %zu tokens and a value of %zu exceed the model's "
				"context of %zu",
				c[i].n_prompt, longest, m->c.n_ctx);
		if (check_ids(c[i].prompt, c[i].n_prompt, m, e) < 0)
			return -1;
	}
	return 0;
}

/* Every value's first token from one row of logits; the sum over the vocabulary is taken once. */
static void
first_tokens(const float *logits, size_t n_vocab, const struct ids *values, size_t n_values,
	double *logp)
{
	int first = values[0].v[0];
	double base = log_prob(logits, n_vocab, first) - logits[first];

	for (size_t j = 0; j < n_values; j++)
		logp[j] = base + logits[values[j].v[0]];
}

/* Choices [0, k): one pass over the prompts, from whose last states every value's first token is
 * scored, and for each value that has more tokens a pass over those, on the prompt's own cache. */
static int
choose(struct work *w, struct choice *c, size_t k, const struct ids *values, size_t n_values,
	size_t batch_tokens, struct err *e)
{
	const struct model *m = w->m;
	struct target *t = mem_alloc(k, sizeof *t);
	float *logits = w->logits;
	int status = work_run(w, k, batch_tokens, e);

	for (size_t at = 0, rows; status == 0 && at < k; at += rows) {
		rows = k - at < w->piece ? k - at : w->piece;
		forward_logits(w->f, w->hidden + at * m->c.n_embd, rows, logits, false);
		for (size_t i = 0; i < rows; i++)
			first_tokens(logits + i * m->c.n_vocab, m->c.n_vocab, values, n_values,
				c[at + i].logp);
	}
	for (size_t j = 0; status == 0 && j < n_values; j++) {
		size_t more = values[j].n - 1;

		if (more == 0)
			continue;
		t = mem_grow(t, k * more, sizeof *t);
		for (size_t i = 0; i < k; i++) {
			w->chunks[i] = (struct chunk){ &w->kv[i], values[j].v, more, more };
			for (size_t a = 0; a < more; a++)
				t[i * more + a] =
					(struct target){ values[j].v[a + 1], &c[i].logp[j] };
		}
		status = work_run(w, k, batch_tokens, e);
		if (status == 0)
			work_score(w, t, k * more);
		for (size_t i = 0; i < k; i++)
			kv_cut(&w->kv[i], c[i].n_prompt);
	}
	free(t);
	return status;
}

int
score_choices(struct forward *f, const struct model *m, struct choice *c, size_t n,
	const struct ids *values, size_t n_values, size_t batch_tokens, struct err *e)
{
	bool keep = false;
	struct work w;
	int status;

	for (size_t j = 0; j < n_values; j++)
		keep = keep || values[j].n > 1;
	if (choices_check(m, c, n, values, n_values, e) < 0)
		return -1;
	status = work_init(&w, f, m, n, e);
	for (size_t i = 0; status == 0 && i < n;) {
		size_t k = 0, sum = 0;

		while (status == 0 && i + k < n &&
			(k == 0 || sum + c[i + k].n_prompt <= batch_tokens)) {
			const struct choice *q = &c[i + k];
			size_t have = q->kv && q->kv->n < q->n_prompt ? q->kv->n : 0;

			struct kv *kv = have > 0 || keep ? &w.kv[k] : NULL;

			kv_cut(&w.kv[k], 0);
			if (have > 0)
				status = kv_copy(m, kv, q->kv, have, e);
			w.chunks[k++] =
				(struct chunk){ kv, q->prompt + have, q->n_prompt - have, 1 };
			sum += q->n_prompt;
		}
		if (status == 0)
			status = choose(&w, c + i, k, values, n_values, batch_tokens, e);
		i += k;
	}
	work_release(&w);
	return status;
}
