#include "bias/ngram.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/data.h"
#include "base/mem.h"
#include "model/gguf.h"
#include "tensor/types.h"
#include "text/unicode.h"

#define ARCHITECTURE "sr-ngram"
#define WEIGHTS "weights"
/* What utf8_fold and features_of do; another number when they come to do something else. */
enum { VERSION = 1 };

struct ngram {
	struct features f;
	float *weights;
	double intercept, temperature, threshold;
	double of_temperature, of_threshold; /* of the model it was distilled from, else NAN */
	char *path;
};

/* Reading. */

static int
read_real(const struct gguf *g, const char *key, double *x, struct err *e)
{
	if (!gguf_real(g, key, x) || !isfinite(*x))
		return err_set(e, "no number '%s' in the metadata", key);
	return 0;
}

static int
read_unsigned(const struct gguf *g, const char *key, unsigned *x, struct err *e)
{
	int64_t v;

	if (!gguf_int(g, key, &v) || v < 0 || v > UINT16_MAX)
		return err_set(e, "no count '%s' in the metadata", key);
	*x = (unsigned)v;
	return 0;
}

static int
read_weights(struct ngram *n, const struct gguf *g, struct err *e)
{
	const struct gguf_tensor *t = gguf_tensor(g, WEIGHTS);
	const struct type_info *type;

	if (!t)
		return err_set(e, "no tensor '" WEIGHTS "'");
	if (t->n_dims != 1 || t->dims[0] == 0 || (t->dims[0] & (t->dims[0] - 1)))
		return err_set(e, "'" WEIGHTS "' is no row of a power of two");
	n->f.bits = (unsigned)__builtin_ctzll(t->dims[0]);
	if (!features_ok(&n->f))
		return err_set(e, "2^%u weights, %u words, %u to %u characters: not what this "
			"program can do", n->f.bits, n->f.words, n->f.low, n->f.high);
	type = type_info(t->type);
	if (!type || !t->data || t->bytes != type_row_bytes(t->type, t->dims[0]))
		return err_set(e, "'" WEIGHTS "' is in %s, which is not supported",
			type_label(t->type));
	n->weights = mem_alloc(t->dims[0], sizeof *n->weights);
	type->load(t->data, n->weights, t->dims[0]);
	for (size_t i = 0; i < t->dims[0]; i++)
		if (!isfinite(n->weights[i]))
			return err_set(e, "weight %zu is no number", i);
	return 0;
}

static int
read_file(struct ngram *n, const struct gguf *g, struct err *e)
{
	size_t len;
	const char *architecture = gguf_str(g, "general.architecture", &len);
	unsigned version = 0, window = 0;

	if (!architecture || len != strlen(ARCHITECTURE) ||
		memcmp(architecture, ARCHITECTURE, len))
		return err_set(e, "no n-gram judge (its architecture is not " ARCHITECTURE ")");
	if (read_unsigned(g, ARCHITECTURE ".version", &version, e) < 0 ||
		read_unsigned(g, ARCHITECTURE ".window", &window, e) < 0)
		return -1;
	if (version != VERSION || window != FEATURES_WINDOW)
		return err_set(e, "version %u with windows of %u, but this program knows %d and %d",
			version, window, VERSION, FEATURES_WINDOW);
	if (read_unsigned(g, ARCHITECTURE ".words", &n->f.words, e) < 0 ||
		read_unsigned(g, ARCHITECTURE ".characters.low", &n->f.low, e) < 0 ||
		read_unsigned(g, ARCHITECTURE ".characters.high", &n->f.high, e) < 0 ||
		read_real(g, ARCHITECTURE ".intercept", &n->intercept, e) < 0 ||
		read_real(g, ARCHITECTURE ".temperature", &n->temperature, e) < 0 ||
		read_real(g, ARCHITECTURE ".threshold", &n->threshold, e) < 0)
		return -1;
	if (!gguf_real(g, ARCHITECTURE ".distilled.temperature", &n->of_temperature) ||
		!gguf_real(g, ARCHITECTURE ".distilled.threshold", &n->of_threshold))
		n->of_temperature = n->of_threshold = NAN;
	if (n->temperature <= 0)
		return err_set(e, "the temperature is not above 0");
	if (n->threshold < 0 || n->threshold > 1)
		return err_set(e, "the threshold is no probability");
	return read_weights(n, g, e);
}

/* The path of the file, to free(). */
static char *
find(const char *given, struct err *e)
{
	const char *env = getenv("SR_NGRAM");
	char *path;

	if (given)
		return mem_str(given);
	if (env && *env)
		return mem_str(env);
	path = data_find("models/ngram.gguf");
	if (!path)
		err_set(e, "no n-gram judge: give one with --ngram FILE or SR_NGRAM (none is "
			"installed)");
	return path;
}

struct ngram *
ngram_open(const char *given, struct err *e)
{
	char *path = find(given, e);
	struct gguf *g = path ? gguf_open(path, e) : NULL;
	struct ngram *n = mem_alloc(1, sizeof *n);

	n->path = path;
	if (g && read_file(n, g, e) == 0) {
		gguf_free(g);
		return n;
	}
	if (g)
		err_prefix(e, "%s", path);
	gguf_free(g);
	ngram_free(n);
	return NULL;
}

void
ngram_free(struct ngram *n)
{
	if (!n)
		return;
	free(n->weights);
	free(n->path);
	free(n);
}

/* Scoring. */

double
ngram_score(const struct ngram *n, const char *text, size_t len)
{
	struct features_found found;
	struct buf b = { 0 };
	double worst = -INFINITY;
	size_t at = 0, next;

	utf8_fold(text, len, &b);
	do {
		size_t end = features_window(b.data, b.len, at, &next);
		double x;

		features_of(&n->f, b.data + at, end - at, &found);
		x = features_sum(&found, n->weights);
		worst = x > worst ? x : worst;
		at = next;
	} while (at < b.len);
	buf_release(&b);
	return 1 / (1 + exp(-(worst + n->intercept) / n->temperature));
}

double
ngram_threshold(const struct ngram *n)
{
	return n->threshold;
}

bool
ngram_distilled(const struct ngram *n, double temperature, double threshold)
{
	return fabs(n->of_temperature - temperature) < 1e-6 &&
		fabs(n->of_threshold - threshold) < 1e-6;
}

const char *
ngram_path(const struct ngram *n)
{
	return n->path;
}

/* Writing. */

int
ngram_save(const struct ngram_parts *p, const char *path, struct err *e)
{
	const struct type_info *type = type_info(TYPE_Q8_0);
	uint64_t n = (uint64_t)1 << p->features.bits;
	struct gguf_out *o;
	void *data;
	int status;

	if (!features_ok(&p->features) || n % type->block)
		return err_set(e, "%s: 2^%u weights cannot be written", path, p->features.bits);
	data = mem_alloc(n / type->block, type->bytes);
	type->store(p->weights, data, n);
	o = gguf_out_new();
	gguf_put_str(o, "general.architecture", ARCHITECTURE, strlen(ARCHITECTURE));
	gguf_put_u32(o, ARCHITECTURE ".version", VERSION);
	gguf_put_u32(o, ARCHITECTURE ".window", FEATURES_WINDOW);
	gguf_put_u32(o, ARCHITECTURE ".words", p->features.words);
	gguf_put_u32(o, ARCHITECTURE ".characters.low", p->features.low);
	gguf_put_u32(o, ARCHITECTURE ".characters.high", p->features.high);
	gguf_put_f32(o, ARCHITECTURE ".intercept", (float)p->intercept);
	gguf_put_f32(o, ARCHITECTURE ".temperature", (float)p->temperature);
	gguf_put_f32(o, ARCHITECTURE ".threshold", (float)p->threshold);
	gguf_put_tensor(o, WEIGHTS, TYPE_Q8_0, 1, &n, data);
	status = gguf_save(o, path, e);
	gguf_out_free(o);
	free(data);
	return status;
}
