#include "model/init.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "tensor/types.h"

static double
deviation(const struct config *c, const char *name)
{
	if (strstr(name, ".attn_output.") || strstr(name, ".ffn_down."))
		return 0.02 / sqrt(2.0 * (double)c->n_layer);
	return 0.02;
}

int
init_model(
	const struct config *c, uint64_t seed, struct gguf_out *o, float **weights, struct err *e)
{
	size_t n_params = config_params(c);
	struct tensor_spec t;
	struct rng r;
	float *w = *weights = mem_try(n_params, sizeof *w);

	if (!w)
		return err_set(e, "not enough memory for %zu parameters", n_params);
	rng_seed(&r, seed);
	config_write(c, o);
	for (size_t i = 0; config_tensor(c, i, &t); i++) {
		bool vector = strstr(t.name, "norm.") != NULL;
		double scale = deviation(c, t.name);

		for (size_t k = 0; k < t.rows * t.cols; k++)
			w[k] = vector ? 1 : (float)(scale * rng_normal(&r));
		gguf_put_tensor(o, t.name, TYPE_F32, vector ? 1 : 2,
			(const uint64_t[]){ t.cols, t.rows }, w);
		w += t.rows * t.cols;
	}
	return 0;
}
