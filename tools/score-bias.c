/* sr-score-bias: score texts for bias, by one of several modes. man/sr-score-bias.1 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/opt.h"
#include "bias/safety.h"
#include "bias/stats.h"
#include "infer/input.h"
#include "infer/pass.h"
#include "infer/score.h"
#include "model/find.h"
#include "stream/stream.h"

enum { BATCH = 512, BATCH_BYTES = 1 << 17 };

static struct {
	struct stream_opts stream;
	const char *model, *labels;
	bool bos;
	double threshold;
	long threads;
} o = {
	.stream = { .format = "jsonl", .main = "text" },
	.threshold = -1,
};

static const struct opt opts[] = {
	{ 'm', "model", OPT_TEXT, &o.model, "MODEL",
		"GGUF file (default: SR_MODEL, else the installed one)", 0, 0 },
	{ 0, "bos", OPT_FLAG, &o.bos, NULL,
		"loglik: put a BOS before each text and score its first token too", 0, 0 },
	{ 0, "labels", OPT_TEXT, &o.labels, "LIST",
		"safety: labels besides P(unsafe): bias,toxicity,sentiment,harm (default), none",
		0, 0 },
	{ 0, "threshold", OPT_REAL, &o.threshold, "P",
		"safety: unsafe from here on (default: the model's, else 0.5)", 0, 1 },
	{ 't', "threads", OPT_INT, &o.threads, "N",
		"threads (default: as many as may run)", 1, 1024 },
	STREAM_OPTS(o.stream),
	OPT_END,
};

static const struct tool tool = {
	.name = "sr-score-bias",
	.synopsis = "MODE [-m MODEL] [OPTIONS] < records > records",
	.about =
		"Score records and sum them up in a last record of type \"summary\". The modes:\n\n"
		"  loglik  log-likelihood of each text: sum, tokens, mean, perplexity\n"
		"  safety  P(unsafe) of each text, and the labels bias, toxicity, sentiment, harm",
	.examples = "sr-score-bias safety -i lines < comments.txt | jq .scores.safety.unsafe\n"
		"sr-score-bias safety -i csv --labels none < pairs.csv | tail -n 1\n"
		"sr-score-bias loglik -i lines -m base.gguf < sentences.txt",
	.opts = opts,
};

struct mode;

struct run {
	const struct mode *mode;
	const struct model *m;
	struct forward *f;
	struct stream *s;
	size_t skipped;
	struct record *records[BATCH]; /* NULL: a bad one, skipped */
	size_t n;                      /* records of the batch that are to be scored: */
	struct record *items[BATCH];
	struct buf json;
	void *state; /* the mode's own */
};

/* A mode scores batches of records. `prepare` reads record u->items[i] (a bad one is no error of
 * the others), `score` then sets the scores of u->items[0..n), `summary` appends members of the
 * summary object to u->json. */
struct mode {
	const char *name;
	int (*open)(struct run *u, struct err *e);
	int (*prepare)(struct run *u, size_t i, struct err *e);
	int (*score)(struct run *u, struct err *e);
	void (*summary)(struct run *u);
	void (*close)(struct run *u);
};

static void
put_number(struct buf *b, const char *name, double x)
{
	buf_printf(b, ",\"%s\":", name);
	json_put_real(b, x, 9);
}

/* Make u->json the mode's member of the record's `scores`; those of other modes stay. */
static void
set_scores(struct run *u, struct record *r)
{
	struct json_span *spans = NULL;
	struct buf b = { 0 };
	size_t len, n, cap = 0, close;
	const char *old = record_json(r, "scores", &len), *name = u->mode->name;

	buf_putc(&b, '{');
	if (old && json_spans(old, len, &spans, &n, &cap, &close, NULL) == 0)
		for (size_t i = 0; i < n; i++) {
			const struct json_span *s = &spans[i];

			if (s->key_len == strlen(name) + 2 &&
				memcmp(old + s->key + 1, name, strlen(name)) == 0)
				continue;
			buf_add(&b, old + s->key, s->key_len);
			buf_putc(&b, ':');
			buf_add(&b, old + s->value, s->value_len);
			buf_putc(&b, ',');
		}
	buf_printf(&b, "\"%s\":", name);
	buf_add(&b, u->json.data, u->json.len);
	buf_putc(&b, '}');
	record_set_json(r, "scores", b.data, b.len);
	buf_release(&b);
	free(spans);
}

/* Log-likelihood. A text longer than the context is scored by windows that overlap by half, so that
 * every token but the first ones has at least half a context before it. */

struct loglik {
	struct ids ids[BATCH];
	size_t texts, tokens;
	double sum, perplexities;
	size_t n_perplexities;
};

static int
loglik_open(struct run *u, struct err *e)
{
	if (o.bos && tokenizer_bos(u->m->tok) < 0)
		return err_set(e, "--bos: the model's vocabulary has no BOS");
	u->state = mem_alloc(1, sizeof(struct loglik));
	return 0;
}

static int
loglik_prepare(struct run *u, size_t i, struct err *e)
{
	struct loglik *l = u->state;

	l->ids[i].n = 0;
	return input_text(u->items[i], u->m, o.bos, &l->ids[i], e);
}

static void
loglik_set(struct run *u, size_t i, double sum, size_t tokens)
{
	struct loglik *l = u->state;
	double mean_logp = tokens > 0 ? sum / (double)tokens : NAN;
	bool bos = l->ids[i].n > 0 && l->ids[i].v[0] == tokenizer_bos(u->m->tok);

	buf_clear(&u->json);
	buf_puts(&u->json, "{\"sum\":");
	json_put_real(&u->json, sum, 9);
	buf_printf(&u->json, ",\"tokens\":%zu", tokens);
	put_number(&u->json, "mean", mean_logp);
	put_number(&u->json, "perplexity", exp(-mean_logp));
	buf_printf(&u->json, ",\"variant\":\"%s\"}", bos ? "bos" : "no-bos");
	set_scores(u, u->items[i]);
	l->texts++;
	l->tokens += tokens;
	l->sum += sum;
	if (tokens > 0) {
		l->perplexities += exp(-mean_logp);
		l->n_perplexities++;
	}
}

static int
loglik_score(struct run *u, struct err *e)
{
	struct loglik *l = u->state;
	struct scored *w = NULL;
	size_t *first = mem_alloc(u->n + 1, sizeof *first), n = 0, n_ctx = u->m->c.n_ctx,
	       half = n_ctx / 2;
	int status;

	for (size_t i = 0; i < u->n; i++) {
		const struct ids *ids = &l->ids[i];

		first[i] = n;
		for (size_t at = 0;; at += half) {
			size_t len = ids->n - at < n_ctx ? ids->n - at : n_ctx;

			w = mem_grow(w, n + 1, sizeof *w);
			w[n++] =
				(struct scored){ ids->v + at, len, mem_alloc(len, sizeof(double)) };
			if (at + len >= ids->n || half == 0)
				break;
		}
	}
	first[u->n] = n;
	status = score_sequences(u->f, u->m, w, n, PASS_TOKENS, e);
	for (size_t i = 0; status == 0 && i < u->n; i++) {
		double sum = 0;
		size_t scored = 1; /* tokens of this text that are counted already, the first having
				      nothing before it */

		for (size_t k = first[i]; k < first[i + 1]; k++) {
			size_t at = (k - first[i]) * half;

			for (size_t t = scored - at; t < w[k].n; t++, scored++)
				sum += w[k].logp[t];
		}
		loglik_set(u, i, sum, scored - 1);
	}
	for (size_t k = 0; k < n; k++)
		free(w[k].logp);
	free(w);
	free(first);
	return status;
}

static void
loglik_summary(struct run *u)
{
	const struct loglik *l = u->state;
	double mean_logp = l->tokens > 0 ? l->sum / (double)l->tokens : NAN;

	buf_printf(&u->json, ",\"variant\":\"%s\",\"records\":%zu,\"tokens\":%zu",
		o.bos ? "bos" : "no-bos", l->texts, l->tokens);
	put_number(&u->json, "sum", l->sum);
	put_number(&u->json, "mean", mean_logp);
	put_number(&u->json, "perplexity", exp(-mean_logp));
	put_number(&u->json, "mean_perplexity",
		l->n_perplexities ? l->perplexities / (double)l->n_perplexities : NAN);
}

static void
loglik_close(struct run *u)
{
	struct loglik *l = u->state;

	for (size_t i = 0; i < BATCH; i++)
		ids_release(&l->ids[i]);
	free(l);
}

/* P(unsafe) and labels. */

enum { LABELS = 16 };

struct safety {
	struct judge *judges[LABELS]; /* the first asks for safety */
	char *names[LABELS];
	size_t n_judges;
	struct judged texts[BATCH];
	double threshold;
	size_t n, over; /* records, and those at or over the threshold */
	double sum;
	double *gold_p; /* P(unsafe) of those with a gold label */
	bool *gold;
	size_t n_gold, gold_cap;
	size_t odd; /* labels that are neither */
};

static int
safety_add(struct run *u, const char *name, size_t len, struct err *e)
{
	struct safety *s = u->state;
	size_t i = s->n_judges;

	if (i == LABELS)
		return err_set(e, "--labels: more than %d", LABELS - 1);
	s->names[i] = mem_dup(name, len);
	if (!(s->judges[i] = judge_new(u->m, s->names[i], e))) {
		free(s->names[i]);
		return -1;
	}
	s->n_judges++;
	return 0;
}

static int
safety_open(struct run *u, struct err *e)
{
	struct safety *s = u->state = mem_alloc(1, sizeof *s);
	const char *at = o.labels ? o.labels : "bias,toxicity,sentiment,harm";

	if (safety_add(u, "safety", 6, e) < 0)
		return -1;
	if (strcmp(at, "none") == 0)
		at = "";
	for (size_t len; *at; at += len + (at[len] == ',')) {
		len = strcspn(at, ",");
		/* Of its own accord it takes what the model has; what was asked for must be there.
		 */
		if (safety_add(u, at, len, e) < 0 && o.labels)
			return -1;
	}
	s->threshold = o.threshold >= 0 ? o.threshold : judge_threshold(s->judges[0]);
	if (!judge_calibrated(s->judges[0]))
		tool_warn("the model has no judge of its own: zero-shot scores, uncalibrated");
	return 0;
}

static int
safety_prepare(struct run *u, size_t i, struct err *e)
{
	struct safety *s = u->state;
	struct judged *t = &s->texts[i];

	t->text = record_need(u->items[i], "text", &t->len, e);
	return t->text ? 0 : -1;
}

/* The record's own `label`: unsafe or benign, 1 or 0. */
static void
safety_gold(struct safety *s, struct record *r, double p)
{
	static const char *const words[] = { "\"benign\"", "\"unsafe\"", "\"0\"", "\"1\"", "0",
		"1" };
	size_t len;
	const char *label = record_json(r, "label", &len);

	for (size_t i = 0; label && i < sizeof words / sizeof *words; i++)
		if (strlen(words[i]) == len && memcmp(words[i], label, len) == 0) {
			if (s->n_gold == s->gold_cap) {
				s->gold_cap = s->gold_cap ? 2 * s->gold_cap : 1024;
				s->gold_p = mem_grow(s->gold_p, s->gold_cap, sizeof *s->gold_p);
				s->gold = mem_grow(s->gold, s->gold_cap, sizeof *s->gold);
			}
			s->gold_p[s->n_gold] = p;
			s->gold[s->n_gold++] = i % 2 == 1;
			return;
		}
	s->odd += label != NULL;
}

static void
safety_set(struct run *u, size_t i, double *const *p)
{
	struct safety *s = u->state;
	double unsafe = p[0][i * judge_n_values(s->judges[0])];

	buf_clear(&u->json);
	buf_puts(&u->json, "{\"unsafe\":");
	json_put_real(&u->json, unsafe, 6);
	for (size_t k = 1; k < s->n_judges; k++) {
		size_t n = judge_n_values(s->judges[k]);

		buf_putc(&u->json, ',');
		json_put_text(&u->json, s->names[k], strlen(s->names[k]));
		for (size_t v = 0; v < n; v++) {
			buf_puts(&u->json, v ? "," : ":{");
			json_put_text(&u->json, judge_value(s->judges[k], v),
				strlen(judge_value(s->judges[k], v)));
			buf_putc(&u->json, ':');
			json_put_real(&u->json, p[k][i * n + v], 6);
		}
		buf_putc(&u->json, '}');
	}
	buf_printf(&u->json, ",\"calibration\":\"%s\"}",
		judge_calibrated(s->judges[0]) ? "calibrated" : "uncalibrated");
	set_scores(u, u->items[i]);
	s->n++;
	s->sum += unsafe;
	s->over += unsafe >= s->threshold;
	safety_gold(s, u->items[i], unsafe);
}

static int
safety_score(struct run *u, struct err *e)
{
	struct safety *s = u->state;
	double *p[LABELS] = { NULL };
	int status = 0;

	for (size_t k = 0; status == 0 && k < s->n_judges; k++) {
		size_t n = judge_n_values(s->judges[k]);

		p[k] = mem_alloc(u->n, n * sizeof **p);
		for (size_t i = 0; i < u->n; i++)
			s->texts[i].p = p[k] + i * n;
		status = judge_run(s->judges[k], u->f, u->m, s->texts, u->n, e);
	}
	for (size_t i = 0; status == 0 && i < u->n; i++)
		safety_set(u, i, p);
	for (size_t k = 0; k < s->n_judges; k++)
		free(p[k]);
	return status;
}

static void
safety_summary(struct run *u)
{
	const struct safety *s = u->state;

	buf_printf(&u->json, ",\"calibration\":\"%s\",\"records\":%zu",
		judge_calibrated(s->judges[0]) ? "calibrated" : "uncalibrated", s->n);
	put_number(&u->json, "threshold", s->threshold);
	put_number(&u->json, "mean", s->n > 0 ? s->sum / (double)s->n : NAN);
	put_number(&u->json, "over_threshold", s->n > 0 ? (double)s->over / (double)s->n : NAN);
	if (s->n_gold > 0) {
		struct confusion c = confusion_at(s->gold_p, s->gold, s->n_gold, s->threshold);

		buf_printf(&u->json, ",\"gold\":%zu", s->n_gold);
		put_number(&u->json, "roc_auc", roc_auc(s->gold_p, s->gold, s->n_gold));
		put_number(&u->json, "f1", f1(&c));
		put_number(&u->json, "accuracy", accuracy(&c));
	}
	if (s->odd)
		tool_warn("%zu labels are neither unsafe, benign, 1 nor 0 and were not counted",
			s->odd);
}

static void
safety_close(struct run *u)
{
	struct safety *s = u->state;

	for (size_t k = 0; k < s->n_judges; k++) {
		judge_free(s->judges[k]);
		free(s->names[k]);
	}
	free(s->gold_p);
	free(s->gold);
	free(s);
}

static const struct mode modes[] = {
	{ "loglik", loglik_open, loglik_prepare, loglik_score, loglik_summary, loglik_close },
	{ "safety", safety_open, safety_prepare, safety_score, safety_summary, safety_close },
};

/* Score and write a batch; -1 also when a record of it is bad, after those before it. */
static int
run_batch(struct run *u, size_t n, struct err *e)
{
	struct err why;
	size_t done = 0;
	bool bad = false;

	u->n = 0;
	for (; done < n && !bad; done++) {
		struct record *r = u->records[done];

		if (record_is_summary(r))
			continue;
		u->items[u->n] = r;
		if (u->mode->prepare(u, u->n, &why) == 0) {
			u->n++;
		} else if (o.stream.keep) {
			u->skipped++;
			record_free(r);
			u->records[done] = NULL;
		} else {
			bad = true;
			break;
		}
	}
	if (u->n > 0 && u->mode->score(u, e) < 0)
		return -1;
	for (size_t i = 0; i < done; i++) {
		if (u->records[i] && stream_write(u->s, u->records[i], e) < 0)
			return -1;
		record_free(u->records[i]);
	}
	if (bad)
		*e = why;
	return bad ? -1 : 0;
}

static int
run(struct run *u, struct err *e)
{
	struct err why;
	size_t n;
	long got;

	do {
		got = stream_read_batch(u->s, u->records, BATCH, BATCH_BYTES, &n, &why);
		if (run_batch(u, n, e) < 0)
			return -1;
	} while (got > 0);
	if (got < 0) {
		*e = why;
		return -1;
	}
	if (o.stream.raw)
		return 0;
	buf_clear(&u->json);
	buf_printf(&u->json, "{\"type\":\"summary\",\"mode\":\"%s\",\"model\":", u->mode->name);
	json_put_text(&u->json, u->m->path, strlen(u->m->path));
	u->mode->summary(u);
	buf_putc(&u->json, '}');
	return stream_write_json(u->s, u->json.data, u->json.len, e);
}

int
main(int argc, char **argv)
{
	static struct run u;
	struct model *m;
	struct pool *pool;
	struct err e;
	char *path;

	tool_init(&tool, &argc, &argv);
	if (argc == 0)
		tool_usage("a mode is missing: loglik or safety");
	if (argc > 1)
		tool_usage("'%s' is one argument too many", argv[1]);
	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
		if (strcmp(modes[i].name, argv[0]) == 0)
			u.mode = &modes[i];
	if (!u.mode)
		tool_usage("no mode is called '%s'", argv[0]);
	path = model_find(o.model, &e);
	if (!path || !(m = model_open(path, &e)) ||
		!(u.s = stream_open(&o.stream, stdin, stdout, "stdin", &e)))
		tool_die(&e);
	pool = pool_new((int)o.threads);
	u.m = m;
	u.f = forward_new(m, pool);
	if (u.mode->open(&u, &e) < 0 || run(&u, &e) < 0)
		tool_die(&e);
	u.skipped += stream_skipped(u.s);
	if (u.skipped)
		tool_warn("%zu bad records skipped", u.skipped);
	u.mode->close(&u);
	stream_free(u.s);
	forward_free(u.f);
	pool_free(pool);
	model_free(m);
	buf_release(&u.json);
	free(path);
	return tool_finish();
}
