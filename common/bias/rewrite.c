#include "bias/rewrite.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bias/form.h"
#include "bias/safety.h"
#include "infer/generate.h"
#include "model/forward.h"
#include "text/template.h"

enum {
	MAX_TOKENS = 256, /* of a rewrite */
	IN_FLIGHT = 32,   /* rewrites at a time */
};

struct rewriter {
	const struct model *m;
	struct pool *pool;
	struct judge *judge;
	const struct ngram *gate; /* or NULL */
	struct forward *f;
	struct generator *gen; /* made when there is something to rewrite */
	char *source;          /* the rewrite template */
	double threshold;
	double *p;             /* (n, judge_n_values): the judge's answers */
	size_t cap;
};

const char *
outcome_name(enum outcome o)
{
	static const char *const names[N_OUTCOMES] = {
		[OUTCOME_SKIPPED] = "skipped",
		[OUTCOME_BENIGN] = "benign",
		[OUTCOME_UNSAFE] = "unsafe",
		[OUTCOME_REWRITTEN] = "rewritten",
		[OUTCOME_REFUSED] = "refused",
	};

	return o < N_OUTCOMES ? names[o] : "";
}

void
rewrite_release(struct rewrite *t)
{
	buf_release(&t->output);
	buf_release(&t->detail);
}

static const char *
text_value(void *arg, const char *role, size_t *len)
{
	const struct rewrite *t = arg;

	if (strcmp(role, "text") != 0)
		return NULL;
	*len = t->len;
	return t->text;
}

static int
encode(const struct rewriter *r, const struct rewrite *t, struct ids *ids, struct err *e)
{
	struct prompt p = { 0 };
	int status = template_fill(r->source, text_value, (void *)t, &p, e);

	if (status == 0)
		status = prompt_encode(&p, r->m->tok, ids, e);
	prompt_release(&p);
	return status;
}

/* The model's own rewrite prompt, else that of the template in which it wants to be asked. */
static int
find_source(struct rewriter *r, struct err *e)
{
	const struct task *k = task_named("rewrite");
	const struct template *t = form_of(r->m->file, r->m->tok, NULL);
	struct rewrite probe = { .text = "a", .len = 1 };
	struct ids ids = { 0 };
	char key[64];
	int status;

	snprintf(key, sizeof key, SR_TASK_PROMPT, k->name);
	r->source = gguf_str_dup(r->m->file, key);
	if (!r->source)
		r->source = template_source(t ? t : template_named("plain"), k);
	status = encode(r, &probe, &ids, e);
	ids_release(&ids);
	return status < 0 ? err_prefix(e, "the model's rewrite prompt") : 0;
}

struct rewriter *
rewriter_new(const struct model *m, struct pool *p, double threshold, struct err *e)
{
	struct rewriter *r = mem_alloc(1, sizeof *r);

	r->m = m;
	r->pool = p;
	r->judge = judge_new(m, "safety", e);
	if (!r->judge || find_source(r, e) < 0) {
		rewriter_free(r);
		return NULL;
	}
	r->threshold = threshold < 0 ? judge_threshold(r->judge) : threshold;
	r->f = forward_new(m, p);
	return r;
}

void
rewriter_free(struct rewriter *r)
{
	if (!r)
		return;
	judge_free(r->judge);
	generator_free(r->gen);
	if (r->f)
		forward_free(r->f);
	free(r->source);
	free(r->p);
	free(r);
}

double
rewriter_threshold(const struct rewriter *r)
{
	return r->threshold;
}

bool
rewriter_calibrated(const struct rewriter *r)
{
	return judge_calibrated(r->judge);
}

bool
rewriter_gate(struct rewriter *r, const struct ngram *gate)
{
	double own = judge_threshold(r->judge);

	if (r->threshold < own || !ngram_distilled(gate, judge_temperature(r->judge), own))
		return false;
	r->gate = gate;
	return true;
}

/* P(unsafe) of each text, at j[i].p[0] until the next call. */
static int
score(struct rewriter *r, struct judged *j, size_t n, struct err *e)
{
	size_t k = judge_n_values(r->judge);

	if (n == 0)
		return 0;
	if (n > r->cap) {
		r->p = mem_grow(r->p, n, k * sizeof *r->p);
		r->cap = n;
	}
	for (size_t i = 0; i < n; i++)
		j[i].p = r->p + i * k;
	return judge_run(r->judge, r->f, r->m, j, n, e);
}

int
rewriter_judge(struct rewriter *r, struct rewrite *t, size_t n, struct err *e)
{
	struct judged *j = mem_alloc(n, sizeof *j);
	size_t *of = mem_alloc(n, sizeof *of), k = 0;
	int status;

	for (size_t i = 0; i < n; i++) {
		bool prose = guard_prose(t[i].text, t[i].len);

		t[i].outcome = prose ? OUTCOME_BENIGN : OUTCOME_SKIPPED;
		t[i].fault = FAULT_NONE;
		t[i].before = t[i].after = NAN;
		buf_clear(&t[i].output);
		buf_clear(&t[i].detail);
		if (!prose || (r->gate && ngram_score(r->gate, t[i].text, t[i].len) <
			ngram_threshold(r->gate)))
			continue;
		of[k] = i;
		j[k++] = (struct judged){ t[i].text, t[i].len, NULL };
	}
	status = score(r, j, k, e);
	for (size_t i = 0; status == 0 && i < k; i++) {
		struct rewrite *to = &t[of[i]];

		to->before = j[i].p[0];
		if (!(to->before < r->threshold))
			to->outcome = OUTCOME_UNSAFE;
	}
	free(of);
	free(j);
	return status;
}

static void
refuse(struct rewrite *t, enum fault f)
{
	t->outcome = OUTCOME_REFUSED;
	t->fault = f;
}

/* Greedy, with sr-generate's defaults: whoever asks it gets the same rewrite. */
static void
need_generator(struct rewriter *r)
{
	static const struct generation g = {
		.sampling = { .temperature = 0, .top_p = 1, .repeat_penalty = 1 },
		.max_tokens = MAX_TOKENS,
		.batch = IN_FLIGHT,
		.draft = GENERATION_DRAFT,
	};

	if (!r->gen)
		r->gen = generator_new(r->m, r->pool, &g);
}

/* Queue what is unsafe; refuse what does not fit. */
static int
queue(struct rewriter *r, struct rewrite *t, size_t n, struct err *e)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < n; i++) {
		struct ids ids = { 0 };

		if (t[i].outcome != OUTCOME_UNSAFE)
			continue;
		need_generator(r);
		status = encode(r, &t[i], &ids, e);
		if (status == 0 && ids.n >= r->m->c.n_ctx) {
			buf_printf(&t[i].detail, "%zu tokens, the model takes %zu", ids.n,
				r->m->c.n_ctx);
			refuse(&t[i], FAULT_TOO_LONG);
		} else if (status == 0) {
			status = generator_add(r->gen, ids.v, ids.n, NULL, i, 0, &t[i], e);
		}
		ids_release(&ids);
	}
	return status;
}

/* Fetch what was queued and guard it; what passes stays unsafe until it is judged. */
static int
collect(struct rewriter *r, struct err *e)
{
	struct result res;
	void *user;
	int status;

	while (r->gen && (status = generator_next(r->gen, &res, &user, e)) != 0) {
		struct rewrite *t = user;
		enum fault f = FAULT_UNFINISHED;

		if (status < 0)
			return -1;
		buf_add(&t->output, res.text.data, res.text.len);
		if (res.finish == FINISH_LENGTH)
			buf_printf(&t->detail, "%zu tokens and no end", res.tokens.n);
		else
			f = guard_check(t->text, t->len, t->output.data, t->output.len, &t->detail);
		if (f)
			refuse(t, f);
		result_release(&res);
	}
	return 0;
}

/* Judge the rewrites that are left. */
static int
compare(struct rewriter *r, struct rewrite *t, size_t n, struct err *e)
{
	struct judged *j = mem_alloc(n, sizeof *j);
	size_t k = 0;
	int status;

	for (size_t i = 0; i < n; i++)
		if (t[i].outcome == OUTCOME_UNSAFE)
			j[k++] = (struct judged){ t[i].output.data, t[i].output.len, NULL };
	status = score(r, j, k, e);
	for (size_t i = k = 0; status == 0 && i < n; i++) {
		if (t[i].outcome != OUTCOME_UNSAFE)
			continue;
		t[i].after = j[k++].p[0];
		if (t[i].after < t[i].before)
			t[i].outcome = OUTCOME_REWRITTEN;
		else
			refuse(&t[i], FAULT_NOT_SAFER);
	}
	free(j);
	return status;
}

int
rewriter_run(struct rewriter *r, struct rewrite *t, size_t n, struct err *e)
{
	if (rewriter_judge(r, t, n, e) < 0 || queue(r, t, n, e) < 0 || collect(r, e) < 0)
		return -1;
	return compare(r, t, n, e);
}
