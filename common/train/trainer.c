#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

size_t
trainer_bytes(const struct config *c, const struct adapter *adapter, const struct trainer_opts *o)
{
	return params_bytes(c, adapter, o->only, o->bf16) +
		tape_bytes(c, o->pass_tokens, o->recompute) +
		backward_bytes(c, o->pass_tokens) +
		o->pass_tokens * ((4 * c->n_embd + c->n_ff) * sizeof(float) + sizeof(double));
}

int
trainer_init(struct trainer *t, const struct model *m, struct adapter *adapter,
	const struct trainer_opts *o, struct pool *pool, struct err *e)
{
	*t = (struct trainer){ .o = *o, .pool = pool };
	if (params_init(&t->p, m, adapter, o->only, o->bf16, e) < 0)
		return -1;
	t->f = forward_new(&t->p.view, pool);
	t->b = backward_new(&t->p.view, &t->p.grad, o->bf16, pool, o->pass_tokens, e);
	t->hidden = mem_try(o->pass_tokens * m->c.n_embd, sizeof *t->hidden);
	t->dhidden = mem_try(o->pass_tokens * m->c.n_embd, sizeof *t->dhidden);
	t->losses = mem_try(o->pass_tokens, sizeof *t->losses);
	if (!t->b || tape_init(&t->tape, &m->c, o->pass_tokens, o->recompute, e) < 0) {
		trainer_release(t);
		return -1;
	}
	if (!t->hidden || !t->dhidden || !t->losses) {
		trainer_release(t);
		return err_set(e, "not enough memory for passes of %zu tokens", o->pass_tokens);
	}
	return 0;
}

void
trainer_release(struct trainer *t)
{
	forward_free(t->f);
	backward_free(t->b);
	tape_release(&t->tape);
	params_release(&t->p);
	free(t->hidden);
	free(t->dhidden);
	free(t->losses);
	*t = (struct trainer){ 0 };
}

/* One pass over n examples that fit. */
static int
pass(struct trainer *t, const struct example *x, size_t n, float scale, bool learn,
	double *loss_sum, struct err *e)
{
	struct chunk *chunks = mem_alloc(n, sizeof *chunks);
	int *targets = mem_alloc(t->o.pass_tokens, sizeof *targets), status;
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		size_t count = example_targets(&x[i]);

		chunks[i] = (struct chunk){ NULL, x[i].ids, x[i].n - 1, count };
		memcpy(targets + m, x[i].ids + x[i].loss_from, count * sizeof *targets);
		m += count;
	}
	if (learn)
		status = forward_tape(t->f, chunks, n, &t->tape, t->hidden, e);
	else
		status = forward_run(t->f, chunks, n, t->hidden, e);
	if (status == 0) {
		backward_loss(t->b, t->f, t->hidden, targets, m, scale, t->losses,
			learn ? t->dhidden : NULL);
		for (size_t i = 0; i < m; i++)
			*loss_sum += t->losses[i];
	}
	if (status == 0 && learn)
		status = backward_run(t->b, t->f, chunks, n, &t->tape, t->dhidden, e);
	free(chunks);
	free(targets);
	return status;
}

/* Dropout is another one in each pass of each step, and none where nothing is learnt. */
static void
set_dropout(struct trainer *t, uint64_t first, bool learn)
{
	struct rng r;

	rng_seed(&r, t->o.seed ^ t->step << 24 ^ first);
	t->p.dropout = (struct lora_dropout){ learn ? (float)t->o.dropout : 0, rng_next(&r) };
}

static int
passes(struct trainer *t, const struct example *x, size_t n, float scale, bool learn,
	double *loss_sum, struct err *e)
{
	*loss_sum = 0;
	for (size_t i = 0, end; i < n; i = end) {
		size_t tokens = 0;

		for (end = i; end < n && tokens + x[end].n - 1 <= t->o.pass_tokens; end++)
			tokens += x[end].n - 1;
		if (end == i)
			return err_set(e, "an example of %zu tokens does not fit in a pass of %zu",
				x[i].n, t->o.pass_tokens);
		set_dropout(t, i, learn);
		if (pass(t, x + i, end - i, scale, learn, loss_sum, e) < 0)
			return -1;
	}
	return 0;
}

int
trainer_gradients(struct trainer *t, const struct example *x, size_t n, float scale,
	double *loss_sum, struct err *e)
{
	int status = passes(t, x, n, scale, true, loss_sum, e);

	params_collect(&t->p, t->pool);
	return status;
}

static size_t
count_targets(const struct example *x, size_t n, size_t *tokens)
{
	size_t targets = 0;

	*tokens = 0;
	for (size_t i = 0; i < n; i++) {
		targets += example_targets(&x[i]);
		*tokens += x[i].n;
	}
	return targets;
}

int
trainer_step(struct trainer *t, const struct example *x, size_t n, double rate,
	struct step_stats *s, struct err *e)
{
	struct adamw a = { (float)rate, (float)t->o.beta1, (float)t->o.beta2, (float)t->o.eps,
		(float)t->o.weight_decay, 1, 1, 1 };
	double sum;

	s->targets = count_targets(x, n, &s->tokens);
	memset(t->p.g, 0, t->p.n * sizeof *t->p.g);
	if (trainer_gradients(t, x, n, 1.0f / (float)s->targets, &sum, e) < 0)
		return -1;
	s->loss = sum / (double)s->targets;
	s->grad_norm = params_grad_norm(&t->p, t->pool);
	if (!isfinite(s->loss) || !isfinite(s->grad_norm))
		return err_set(e, "step %llu: loss %g, gradient norm %g: lower the rate",
			(unsigned long long)t->step + 1, s->loss, s->grad_norm);
	t->step++;
	if (t->o.clip > 0 && s->grad_norm > t->o.clip)
		a.grad_scale = (float)(t->o.clip / s->grad_norm);
	a.correct1 = (float)(1 - pow(t->o.beta1, (double)t->step));
	a.correct2 = (float)(1 - pow(t->o.beta2, (double)t->step));
	params_update(&t->p, &a, t->pool);
	return 0;
}

int
trainer_evaluate(struct trainer *t, const struct example *x, size_t n, double *loss, struct err *e)
{
	size_t tokens, targets = count_targets(x, n, &tokens);
	double sum;

	if (passes(t, x, n, 1, false, &sum, e) < 0)
		return -1;
	*loss = targets ? sum / (double)targets : 0;
	return 0;
}
