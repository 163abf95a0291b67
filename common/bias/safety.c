#include "bias/safety.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "bias/form.h"
#include "infer/pass.h"
#include "infer/score.h"

enum {
	SLACK = 4,       /* tokens that a cut text may need beside the template */
	MIN_WINDOW = 8,  /* a context that leaves fewer tokens to the text is of no use */
	MIN_SHARED = 16, /* a shorter beginning is computed as fast as it is copied */
};

struct judge {
	char *task, *source;
	size_t n_values, grave;
	char **names;
	struct ids *values;
	size_t longest; /* tokens of the longest value */
	size_t window;  /* tokens of text that fit */
	bool calibrated;
	double temperature, threshold;
	struct ids prefix; /* what every prompt begins with, and its cache */
	struct kv kv;
};

static const char *
key(char out[128], const char *format, const char *task)
{
	/* The formats are the header's. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(out, 128, format, task);
#pragma GCC diagnostic pop
	return out;
}

static const char *
fill_text(void *arg, const char *role, size_t *len)
{
	const struct judged *t = arg;

	if (strcmp(role, "text") != 0)
		return NULL;
	*len = t->len;
	return t->text;
}

static int
encode(const struct judge *j, const struct model *m, const char *text, size_t len, struct ids *out,
	struct err *e)
{
	struct judged t = { text, len, NULL };
	struct prompt p = { 0 };
	int status = template_fill(j->source, fill_text, &t, &p, e);

	if (status == 0)
		status = prompt_encode(&p, m->tok, out, e);
	prompt_release(&p);
	if (status == 0 && out->n == 0)
		status = err_set(e, "an empty prompt");
	return status;
}

/* A continuation, with its lead. */
static void
add_value(struct judge *j, const struct model *m, const char *text, size_t len)
{
	static const char *const grave[] = { "unsafe", "yes", "high", "neg" };
	size_t i = j->n_values++, blank = len > 0 && *text == ' ';

	j->names = mem_grow(j->names, j->n_values, sizeof *j->names);
	j->values = mem_grow(j->values, j->n_values, sizeof *j->values);
	j->names[i] = mem_dup(text + blank, len - blank);
	j->values[i] = (struct ids){ 0 };
	tokenizer_encode(m->tok, text, len, false, &j->values[i]);
	if (j->values[i].n > j->longest)
		j->longest = j->values[i].n;
	for (size_t g = 0; g < sizeof grave / sizeof *grave; g++)
		if (strcmp(j->names[i], grave[g]) == 0)
			j->grave = i;
}

/* Where the values part at their first token, what follows it is certain once the answer must be
 * one of them: the first tokens decide, and one pass over the prompt tells their probabilities. */
static void
cut_values(struct judge *j)
{
	for (size_t a = 0; a < j->n_values; a++)
		for (size_t b = 0; b < a; b++)
			if (j->values[a].n == 0 || j->values[b].n == 0
				|| j->values[a].v[0] == j->values[b].v[0])
				return;
	for (size_t a = 0; a < j->n_values; a++)
		j->values[a].n = 1;
	j->longest = 1;
}

/* The prompt and values that the model itself names; false when it names none for this task. */
static bool
from_metadata(struct judge *j, const struct model *m)
{
	char k[128];
	enum gguf_type type;
	size_t n, len;

	if (!gguf_arr(m->file, key(k, SR_TASK_VALUES, j->task), &type, &n) || type != GGUF_STR)
		return false;
	j->source = gguf_str_dup(m->file, key(k, SR_TASK_PROMPT, j->task));
	if (!j->source)
		return false;
	key(k, SR_TASK_VALUES, j->task);
	for (size_t i = 0; i < n; i++) {
		const char *v = gguf_arr_str(m->file, k, i, &len);

		add_value(j, m, v ? v : "", v ? len : 0);
	}
	return true;
}

static bool
from_template(struct judge *j, const struct model *m, const struct template *t)
{
	const struct task *k = task_named(j->task);
	struct buf value = { 0 };

	if (!t || !k || !k->values)
		return false;
	j->source = template_source(t, k);
	for (size_t i = 0; k->values[i]; i++) {
		buf_clear(&value);
		buf_puts(&value, t->lead);
		buf_puts(&value, k->values[i]);
		add_value(j, m, value.data, value.len);
	}
	buf_release(&value);
	return true;
}

/* A model that was tuned is asked nothing but what its metadata say. What others are asked is the
 * zero-shot form: as a chat where theirs is one that we know, else in plain words. */
static const struct template *
template_of(const struct judge *j, const struct model *m)
{
	const struct template *t = form_of(m->file, m->tok, NULL);

	if (j->calibrated)
		return gguf_has(m->file, SR_TEMPLATE) ? t : NULL;
	return t && t != template_named("sr") ? t : template_named("plain");
}

/* Where the prompts of several texts agree, all do: what stands before the text. */
static int
find_prefix(struct judge *j, const struct model *m, struct err *e)
{
	static const char *const samples[] = { "a", "7 b", "(", "" };
	struct ids first = { 0 };
	size_t same, shortest;

	if (encode(j, m, samples[0], 1, &first, e) < 0) {
		ids_release(&first);
		return -1;
	}
	same = shortest = first.n;
	for (size_t i = 1; i < sizeof samples / sizeof *samples; i++) {
		struct ids other = { 0 };
		size_t k = 0;

		if (encode(j, m, samples[i], strlen(samples[i]), &other, e) < 0) {
			ids_release(&other);
			ids_release(&first);
			return -1;
		}
		while (k < same && k < other.n && other.v[k] == first.v[k])
			k++;
		same = k;
		shortest = other.n < shortest ? other.n : shortest;
		ids_release(&other);
	}
	for (size_t i = 0; i < same; i++)
		ids_add(&j->prefix, first.v[i]);
	ids_release(&first);
	if (shortest + j->longest + SLACK + MIN_WINDOW > m->c.n_ctx)
		return err_set(e, "the prompt for %s takes %zu of the model's %zu positions",
			j->task, shortest + j->longest, m->c.n_ctx);
	j->window = m->c.n_ctx - shortest - j->longest - SLACK;
	return 0;
}

struct judge *
judge_new(const struct model *m, const char *task, struct err *e)
{
	struct judge *j = mem_alloc(1, sizeof *j);
	char k[128];
	bool found;

	j->task = mem_str(task);
	j->calibrated = gguf_has(m->file, SR_TEMPLATE) ||
			gguf_has(m->file, key(k, SR_TASK_PROMPT, "safety"));
	j->temperature = 1;
	j->threshold = 0.5;
	found = from_metadata(j, m) || from_template(j, m, template_of(j, m));
	cut_values(j);
	if (!found) {
		err_set(e, "the model has no judge for %s", task);
	} else if (j->n_values < 2) {
		err_set(e, "the model names fewer than two values of %s", task);
	} else if (find_prefix(j, m, e) == 0) {
		if (!gguf_real(m->file, key(k, SR_TASK_TEMPERATURE, task), &j->temperature) ||
			!(j->temperature > 0) || !isfinite(j->temperature))
			j->temperature = 1;
		if (!gguf_real(m->file, key(k, SR_TASK_THRESHOLD, task), &j->threshold) ||
			!isfinite(j->threshold))
			j->threshold = 0.5;
		for (size_t i = 0; i < j->n_values; i++)
			if (j->values[i].n == 0) {
				err_set(e, "a value of %s has no tokens", task);
				judge_free(j);
				return NULL;
			}
		return j;
	}
	judge_free(j);
	return NULL;
}

void
judge_free(struct judge *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n_values; i++) {
		free(j->names[i]);
		ids_release(&j->values[i]);
	}
	free(j->names);
	free(j->values);
	free(j->task);
	free(j->source);
	ids_release(&j->prefix);
	kv_release(&j->kv);
	free(j);
}

bool
judge_calibrated(const struct judge *j)
{
	return j->calibrated;
}

double
judge_threshold(const struct judge *j)
{
	return j->threshold;
}

double
judge_temperature(const struct judge *j)
{
	return j->temperature;
}

size_t
judge_n_values(const struct judge *j)
{
	return j->n_values;
}

const char *
judge_value(const struct judge *j, size_t i)
{
	return j->names[i];
}

size_t
judge_grave(const struct judge *j)
{
	return j->grave;
}

/* A prompt to score: a whole text, or a window of one. */
struct window {
	size_t text;
	struct ids ids;
};

struct windows {
	struct window *v;
	size_t n, cap;
};

/* at[k], k = 0..n: the byte where token k of the text begins, moved back to the beginning of a
 * character. Where tokens do not give their bytes back, evenly spaced instead. */
static size_t *
token_starts(const struct tokenizer *t, const char *text, size_t len, size_t *n)
{
	struct ids ids = { 0 };
	struct buf b = { 0 };
	size_t *at;

	tokenizer_encode(t, text, len, false, &ids);
	at = mem_alloc(ids.n + 1, sizeof *at);
	for (size_t k = 0; k < ids.n; k++) {
		at[k] = b.len;
		tokenizer_decode(t, ids.v[k], false, true, &b);
	}
	for (size_t k = 0; k < ids.n; k++) {
		if (b.len != len)
			at[k] = (size_t)((double)len * (double)k / (double)ids.n);
		while (at[k] > 0 && at[k] < len && ((unsigned char)text[at[k]] & 0xc0) == 0x80)
			at[k]--;
	}
	at[ids.n] = len;
	*n = ids.n;
	ids_release(&ids);
	buf_release(&b);
	return at;
}

/* The text's prompt, or the prompts of windows that overlap by a quarter. */
static int
add_windows(const struct judge *j, const struct model *m, size_t index, const char *text,
	size_t len, struct windows *w, struct err *e)
{
	struct ids ids = { 0 };
	size_t *at, n, size;
	int status = encode(j, m, text, len, &ids, e);

	if (status == 0 && ids.n + j->longest <= m->c.n_ctx) {
		if (w->n == w->cap) {
			w->cap = w->cap ? 2 * w->cap : 64;
			w->v = mem_grow(w->v, w->cap, sizeof *w->v);
		}
		w->v[w->n++] = (struct window){ index, ids };
		return 0;
	}
	ids_release(&ids);
	if (status < 0)
		return -1;
	at = token_starts(m->tok, text, len, &n);
	size = n > j->window ? j->window : (n + 1) / 2;
	for (size_t k = 0;; k += size - size / 4) {
		size_t from, to;

		if (k + size > n)
			k = n - size;
		from = at[k];
		to = at[k + size];
		if (to - from >= len) {
			status = err_set(e, "a text cannot be cut to fit the model's context");
			break;
		}
		status = add_windows(j, m, index, text + from, to - from, w, e);
		if (status < 0 || k + size >= n)
			break;
	}
	free(at);
	return status;
}

static int
compute_prefix(struct judge *j, struct forward *f, struct err *e)
{
	struct chunk c = { &j->kv, j->prefix.v, j->prefix.n, 0 };

	if (j->prefix.n < MIN_SHARED || j->kv.n == j->prefix.n)
		return 0;
	return forward_run(f, &c, 1, NULL, e);
}

static bool
begins(const struct ids *ids, const struct ids *prefix)
{
	/* At least two tokens stay to be computed, as in a prompt without a shared beginning. */
	return ids->n >= prefix->n + 2 &&
	       memcmp(ids->v, prefix->v, prefix->n * sizeof *ids->v) == 0;
}

/* p = softmax(logp / temperature) */
static void
softmax(const double *logp, size_t n, double temperature, double *p)
{
	double max = logp[0], sum = 0;

	for (size_t i = 1; i < n; i++)
		max = logp[i] > max ? logp[i] : max;
	for (size_t i = 0; i < n; i++)
		sum += p[i] = exp((logp[i] - max) / temperature);
	for (size_t i = 0; i < n; i++)
		p[i] /= sum;
}

int
judge_run(struct judge *j, struct forward *f, const struct model *m, struct judged *t, size_t n,
	struct err *e)
{
	struct windows w = { 0 };
	struct choice *c = NULL;
	double *logp = NULL, *p = mem_alloc(j->n_values, sizeof *p);
	int status = compute_prefix(j, f, e);

	for (size_t i = 0; status == 0 && i < n; i++)
		status = add_windows(j, m, i, t[i].text, t[i].len, &w, e);
	if (status == 0 && w.n > 0) {
		c = mem_alloc(w.n, sizeof *c);
		logp = mem_alloc(w.n, j->n_values * sizeof *logp);
		for (size_t i = 0; i < w.n; i++) {
			bool shared = j->kv.n > 0 && begins(&w.v[i].ids, &j->prefix);

			c[i] = (struct choice){ w.v[i].ids.v, w.v[i].ids.n, shared ? &j->kv : NULL,
				logp + i * j->n_values };
		}
		status = score_choices(f, m, c, w.n, j->values, j->n_values, PASS_TOKENS, e);
	}
	for (size_t i = 0; status == 0 && i < w.n; i++) {
		double *best = t[w.v[i].text].p;
		bool first = i == 0 || w.v[i - 1].text != w.v[i].text;

		softmax(c[i].logp, j->n_values, j->temperature, p);
		if (first || p[j->grave] > best[j->grave])
			memcpy(best, p, j->n_values * sizeof *p);
	}
	for (size_t i = 0; i < w.n; i++)
		ids_release(&w.v[i].ids);
	free(w.v);
	free(c);
	free(logp);
	free(p);
	return status;
}
