#include "infer/generate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "infer/pass.h"

enum state { WAITING, RUNNING, DONE };

enum {
	DRAFT_ROWS = 64,  /* positions of a pass, drafts among them */
	DRAFT_LEAST = 2,  /* what a sequence drafts whose last draft failed at once */
	DRAFT_MATCH = 8,  /* tokens that are looked up at most */
};

/* One sequence; the list keeps the order in which they came. */
struct seq {
	struct seq *next;
	enum state state;
	struct ids ids; /* the prompt, then what was generated */
	size_t n_prompt;
	size_t max_new;
	bool start;   /* the next token's text begins a sequence */
	struct ids draft; /* proposed behind ids; computed, and kept as far as it is right */
	size_t daring;    /* how many to propose */
	struct kv kv; /* behind ids by what is still to be computed */
	struct rng rng;
	struct result r;
	void *user;
};

struct generator {
	const struct model *m;
	struct pool *pool;
	struct forward *f;
	struct generation g;
	struct seq *first, **last;
	size_t pending, running;
	/* One row per sequence in flight. */
	struct seq **rows;
	struct chunk *chunks;
	struct kv *spare; /* memory of finished sequences' caches */
	size_t n_spare;
	float *hidden, *logits;
	size_t *row_of; /* per sequence of a pass: its first row of hidden states and logits */
};

struct generator *
generator_new(const struct model *m, struct pool *p, const struct generation *g)
{
	struct generator *n = mem_alloc(1, sizeof *n);

	n->m = m;
	n->pool = p;
	n->g = *g;
	if (n->g.batch == 0)
		n->g.batch = 1;
	if (n->g.max_positions == 0 || n->g.max_positions > m->c.n_ctx)
		n->g.max_positions = m->c.n_ctx;
	n->last = &n->first;
	n->f = forward_new(m, p);
	n->rows = mem_alloc(n->g.batch, sizeof *n->rows);
	n->chunks = mem_alloc(n->g.batch, sizeof *n->chunks);
	n->spare = mem_alloc(n->g.batch, sizeof *n->spare);
	n->row_of = mem_alloc(n->g.batch + 1, sizeof *n->row_of);
	return n;
}

static void
seq_free(struct seq *s)
{
	ids_release(&s->ids);
	ids_release(&s->draft);
	kv_release(&s->kv);
	result_release(&s->r);
	free(s);
}

void
generator_free(struct generator *g)
{
	if (!g)
		return;
	for (struct seq *s = g->first, *next; s; s = next) {
		next = s->next;
		seq_free(s);
	}
	while (g->n_spare > 0)
		kv_release(&g->spare[--g->n_spare]);
	forward_free(g->f);
	free(g->rows);
	free(g->chunks);
	free(g->spare);
	free(g->row_of);
	free(g->hidden);
	free(g->logits);
	free(g);
}

void
result_release(struct result *r)
{
	buf_release(&r->text);
	ids_release(&r->tokens);
	free(r->logprobs);
	free(r->margins);
	*r = (struct result){ 0 };
}

const char *
finish_name(enum finish f)
{
	static const char *const names[] = { "eos", "stop", "length" };

	return names[f];
}

static uint64_t
mix(uint64_t a, uint64_t b)
{
	struct rng r;

	rng_seed(&r, a + (b + 1) * 0x9e3779b97f4a7c15u);
	return rng_next(&r);
}

int
generator_add(struct generator *g, const int *ids, size_t n, const struct kv *kv, uint64_t request,
	uint64_t number, void *user, struct err *e)
{
	struct seq *s;
	size_t room;

	if (n == 0)
		return err_set(e, "the prompt is empty, and the vocabulary has no token that "
				  "begins a sequence");
	if (n > g->m->c.n_ctx)
		return err_set(
			e, "the prompt has %zu tokens, the model's context %zu", n, g->m->c.n_ctx);
	s = mem_alloc(1, sizeof *s);
	/* The last token always has to be computed. */
	if (kv && kv->n > 0 && n > 1 &&
		kv_copy(g->m, &s->kv, kv, kv->n < n - 1 ? kv->n : n - 1, e) < 0) {
		seq_free(s);
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		ids_add(&s->ids, ids[i]);
	s->start = tokenizer_starts(g->m->tok, ids, n);
	s->n_prompt = n;
	s->daring = g->g.draft;
	room = g->g.max_positions >= n ? g->g.max_positions - n + 1 : 0;
	s->max_new = g->g.max_tokens < room ? g->g.max_tokens : room;
	s->r.finish = FINISH_LENGTH;
	s->state = s->max_new == 0 ? DONE : WAITING;
	if (g->g.logprobs) {
		s->r.logprobs = mem_alloc(s->max_new, sizeof *s->r.logprobs);
		s->r.margins = mem_alloc(s->max_new, sizeof *s->r.margins);
	}
	rng_seed(&s->rng, mix(mix(g->g.seed, request), number));
	s->user = user;
	*g->last = s;
	g->last = &s->next;
	g->pending++;
	return 0;
}

size_t
generator_pending(const struct generator *g)
{
	return g->pending;
}

static bool
ends(const struct generator *g, int id)
{
	return tokenizer_ends(g->m->tok, id) || id == tokenizer_bos(g->m->tok);
}

/* Where the first of the stop strings stands, looking only at what `fresh` new bytes can have
 * completed. */
static bool
stopped(const struct generation *g, struct buf *text, size_t fresh)
{
	size_t best = text->len;
	bool found = false;

	for (size_t i = 0; i < g->n_stops; i++) {
		size_t len = strlen(g->stops[i]),
		       from = text->len > fresh + len ? text->len - fresh - len : 0;
		char *at =
			len ? memmem(text->data + from, text->len - from, g->stops[i], len) : NULL;

		if (at && (size_t)(at - text->data) <= best) {
			best = (size_t)(at - text->data);
			found = true;
		}
	}
	if (found)
		text->len = best;
	return found;
}

static double
margin(const float *logits, size_t n, int id)
{
	float best = -INFINITY;

	for (size_t i = 0; i < n; i++)
		if (i != (size_t)id && logits[i] > best)
			best = logits[i];
	return (double)logits[id] - best;
}

/* Choose the next token of a sequence from a row of logits, and see whether it ends there. */
static int
pick(const struct generator *g, struct seq *s, float *logits)
{
	struct result *r = &s->r;
	size_t n_vocab = g->m->c.n_vocab, before = r->text.len;
	float *own = NULL;
	int id;

	if (g->g.logprobs) {
		/* sample() overwrites; the numbers are those of the model's own distribution. */
		own = mem_grow(NULL, n_vocab, sizeof *own);
		memcpy(own, logits, n_vocab * sizeof *own);
	}
	id = sample(&g->g.sampling, logits, n_vocab, s->ids.v, s->ids.n, &s->rng);
	if (ends(g, id) && !g->g.ignore_eos) {
		r->finish = FINISH_EOS;
		s->state = DONE;
	} else {
		if (own) {
			r->logprobs[r->tokens.n] = log_prob(own, n_vocab, id);
			r->margins[r->tokens.n] = margin(own, n_vocab, id);
			r->sum_logprob += r->logprobs[r->tokens.n];
		}
		ids_add(&r->tokens, id);
		ids_add(&s->ids, id);
		tokenizer_decode(g->m->tok, id, s->start, g->g.special, &r->text);
		s->start = false;
		if (stopped(&g->g, &r->text, r->text.len - before)) {
			r->finish = FINISH_STOP;
			s->state = DONE;
		} else if (r->tokens.n == s->max_new) {
			s->state = DONE;
		}
	}
	free(own);
	return id;
}

/* Propose what followed in the sequence when it last stood as it stands now: a rewrite mostly
 * copies its source (prompt lookup decoding; Saxena 2023). The longest match wins, of several the
 * last one. */
static void
propose(struct seq *s, size_t most)
{
	const int *v = s->ids.v;
	size_t n = s->ids.n, best = 0, at = 0;

	s->draft.n = 0;
	if (s->daring < most)
		most = s->daring;
	if (s->max_new - s->r.tokens.n <= most)
		most = s->max_new - s->r.tokens.n - 1;
	for (size_t i = 1; i < n && most > 0; i++) { /* v[i - 1] and what is before it */
		size_t same = 0;

		while (same < DRAFT_MATCH && same < i && v[i - 1 - same] == v[n - 1 - same])
			same++;
		if (same > 0 && same >= best) {
			best = same;
			at = i;
		}
	}
	for (size_t i = 0; best > 0 && i < most && at + i < n; i++)
		ids_add(&s->draft, v[at + i]);
}

/* A token of one sequence from its row of logits, and as many more as its draft was right. */
static void
take(void *arg, size_t job, size_t thread)
{
	struct generator *g = arg;
	struct seq *s = g->rows[job];
	size_t right = 0;

	(void)thread;
	for (;; right++) {
		int id = pick(g, s, g->logits + (g->row_of[job] + right) * g->m->c.n_vocab);

		if (s->state == DONE || right == s->draft.n || id != s->draft.v[right])
			break;
	}
	if (s->draft.n > 0)
		s->daring = right == s->draft.n ? 2 * s->daring : right + 1;
	if (s->daring < DRAFT_LEAST)
		s->daring = DRAFT_LEAST;
	if (s->daring > g->g.draft) /* none, perhaps */
		s->daring = g->g.draft;
	kv_cut(&s->kv, s->ids.n - 1);
}

/* The n sequences in g->rows have their hidden states: logits, tokens, and the finished ones
 * out. */
static void
advance(struct generator *g, size_t n)
{
	forward_logits(g->f, g->hidden, g->row_of[n], g->logits, true);
	pool_run(g->pool, n, take, g);
	for (size_t i = 0; i < n; i++) {
		struct seq *s = g->rows[i];

		if (s->state == DONE) {
			g->running--;
			if (g->n_spare < g->g.batch) {
				kv_cut(&s->kv, 0);
				g->spare[g->n_spare++] = s->kv;
				s->kv = (struct kv){ 0 };
			} else {
				kv_release(&s->kv);
			}
		}
	}
}

static struct chunk
chunk_of(struct seq *s)
{
	return (struct chunk){ &s->kv, s->ids.v + s->kv.n, s->ids.n - s->kv.n, 1 };
}

/* Prompts that have room now, as many as make a pass. */
static size_t
start_some(struct generator *g)
{
	size_t n = 0;

	for (struct seq *s = g->first; s && g->running < g->g.batch; s = s->next) {
		if (s->state != WAITING)
			continue;
		if (s->kv.cap == 0 && g->n_spare > 0)
			s->kv = g->spare[--g->n_spare];
		g->chunks[n] = chunk_of(s);
		/* Prompts beyond a pass wait for the next, so that scratch space stays bounded. */
		if (pass_fit(g->chunks, n + 1, PASS_TOKENS) <= n)
			break;
		g->row_of[n] = n;
		g->rows[n++] = s;
		s->state = RUNNING;
		g->running++;
	}
	g->row_of[n] = n;
	return n;
}

/* The last token of every sequence in flight, and its draft. */
static size_t
go_on(struct generator *g)
{
	size_t n = 0, row = 0, most = g->running > DRAFT_ROWS ? 0 : DRAFT_ROWS / g->running - 1;

	for (struct seq *s = g->first; s; s = s->next) {
		if (s->state != RUNNING)
			continue;
		propose(s, most);
		for (size_t i = 0; i < s->draft.n; i++)
			ids_add(&s->ids, s->draft.v[i]);
		g->chunks[n] = chunk_of(s);
		g->chunks[n].n_out += s->draft.n;
		s->ids.n -= s->draft.n; /* the pass still reads them there */
		g->row_of[n] = row;
		row += 1 + s->draft.n;
		g->rows[n++] = s;
	}
	g->row_of[n] = row;
	return n;
}

/* One pass: prompts, else all that is in flight. */
static int
step(struct generator *g, struct err *e)
{
	size_t n = start_some(g);
	int status;

	if (n > 0) {
		status = pass_run(g->f, g->m, g->chunks, n, PASS_TOKENS, g->hidden, e);
	} else {
		n = go_on(g);
		status = forward_steps(g->f, g->chunks, n, g->hidden, e);
	}
	if (status == 0)
		advance(g, n);
	return status;
}

int
generator_next(struct generator *g, struct result *r, void **user, struct err *e)
{
	struct seq *s = g->first;
	size_t rows = g->g.batch > DRAFT_ROWS ? g->g.batch : DRAFT_ROWS;

	if (!s)
		return 0;
	if (!g->logits) {
		g->hidden = mem_try(rows, g->m->c.n_embd * sizeof *g->hidden);
		g->logits = mem_try(rows, g->m->c.n_vocab * sizeof *g->logits);
		if (!g->hidden || !g->logits)
			return err_set(
				e, "out of memory for the logits of %zu sequences", g->g.batch);
	}
	while (s->state != DONE)
		if (step(g, e) < 0)
			return -1;
	g->first = s->next;
	if (!g->first)
		g->last = &g->first;
	g->pending--;
	*r = s->r;
	s->r = (struct result){ 0 };
	if (user)
		*user = s->user;
	seq_free(s);
	return 1;
}
