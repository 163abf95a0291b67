#include "tensor/fit.h"

#include <math.h>
#include <stdint.h>

/* Scales on either side of the obvious one, and their distance: the last level stands for 88 to
 * 112 % of the largest value. */
enum { TRIES = 6, POLISH = 4 };
static const float STEP = 0.02f;

/* Four values at once: what every CPU has registers for. */
enum { L = 4 };
typedef float vec __attribute__((vector_size(4 * L), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * L), aligned(4), may_alias));

#define AT(p) (*(vec *)(p))
#define CAT(p) (*(const vec *)(p))

static inline float
fold(const vec *v)
{
	return ((*v)[0] + (*v)[2]) + ((*v)[1] + (*v)[3]);
}

void
fit_snap(const struct grid *g, const float *x, float plus, float inverse, float *level, size_t n)
{
	float lo = g->lo;
	vec span = (vec){ 0 } + (g->hi - lo);

	for (size_t i = 0; i < n; i += L) {
		vec v = (CAT(x + i) + plus) * inverse - lo;

		v = (vec)((ivec)v & (v > 0));
		v = (vec)(((ivec)v & (v < span)) | ((ivec)span & (v >= span)));
		AT(level + i) = __builtin_convertvector(__builtin_convertvector(v + 0.5f, ivec),
					vec) + lo;
	}
}

float
fit_error(const float *x, const float *level, float scale, float min, size_t n)
{
	vec sum = { 0 };

	for (size_t i = 0; i < n; i += L) {
		vec d = CAT(x + i) - (scale * CAT(level + i) + min);

		sum += d * d;
	}
	return fold(&sum);
}

/* What a try at levels found. */
struct fit {
	float scale, min, gain;
};

/* The best scale for the levels of x * inverse, and by how much it lessens Σ x². */
static struct fit
try_scale(const struct grid *g, const float *x, size_t n, float inverse)
{
	float level[FIT_MAX], xl, ll;
	vec xl_sum = { 0 }, ll_sum = { 0 };

	if (g->snap)
		g->snap(x, inverse, level, n);
	else
		fit_snap(g, x, 0, inverse, level, n);
	for (size_t i = 0; i < n; i += L) {
		vec v = CAT(level + i);

		xl_sum += CAT(x + i) * v;
		ll_sum += v * v;
	}
	xl = fold(&xl_sum);
	ll = fold(&ll_sum);
	return ll > 0 ? (struct fit){ xl / ll, 0, xl * (xl / ll) } : (struct fit){ 0, 0, 0 };
}

float
fit_scale(const struct grid *g, const float *x, size_t n)
{
	struct fit best = { 0, 0, 0 };
	float extreme = 0, ends[] = { g->lo, g->hi };

	for (size_t i = 0; i < n; i++)
		if (fabsf(x[i]) > fabsf(extreme))
			extreme = x[i];
	if (extreme == 0)
		return 0;
	for (size_t end = 0; end < 2; end++)
		for (int k = -TRIES; k <= TRIES; k++) {
			struct fit f = try_scale(
				g, x, n, ends[end] * (1 + STEP * (float)k) / extreme);

			if (f.gain > best.gain)
				best = f;
		}
	for (int k = 0; k < POLISH && best.scale != 0; k++) {
		struct fit f = try_scale(g, x, n, 1 / best.scale);

		if (!(f.gain > best.gain))
			break;
		best = f;
	}
	return best.scale;
}

/* The best scale and minimum for the levels of (x - min) * inverse. Its gain is less than 0: the
 * error itself. */
static struct fit
try_affine(const struct grid *g, const float *x, size_t n, float min, float inverse, float most)
{
	vec t_sum = { 0 }, l_sum = { 0 }, tl_sum = { 0 }, ll_sum = { 0 };
	float level[FIT_MAX], t, l, tl, ll, k = (float)n, det;
	struct fit f = { 0, 0, 0 };

	/* Sums of x - min, because x may be large and near to each other. */
	fit_snap(g, x, -min, inverse, level, n);
	for (size_t i = 0; i < n; i += L) {
		vec u = CAT(x + i) - min, v = CAT(level + i);

		t_sum += u;
		l_sum += v;
		tl_sum += u * v;
		ll_sum += v * v;
	}
	t = fold(&t_sum);
	l = fold(&l_sum);
	tl = fold(&tl_sum);
	ll = fold(&ll_sum);
	det = k * ll - l * l;
	if (det > 0) {
		f.scale = (k * tl - t * l) / det;
		f.min = min + (ll * t - l * tl) / det;
	} else {
		f.min = min + t / k;
	}
	if (f.min > most) {
		f.min = most;
		f.scale = ll > 0 ? (tl + (min - most) * l) / ll : 0;
	}
	f.gain = -fit_error(x, level, f.scale, f.min, n);
	return f;
}

float
fit_affine(const struct grid *g, const float *x, size_t n, bool positive, float *min)
{
	float lo = x[0], hi = x[0], most = positive ? INFINITY : 0;
	struct fit best;

	for (size_t i = 1; i < n; i++) {
		lo = x[i] < lo ? x[i] : lo;
		hi = x[i] > hi ? x[i] : hi;
	}
	lo = lo < most ? lo : most;
	*min = lo;
	if (!(hi > lo))
		return 0;
	best = (struct fit){ (hi - lo) / g->hi, lo, -INFINITY };
	for (int k = -TRIES; k <= TRIES; k++) {
		struct fit f = try_affine(
			g, x, n, lo, g->hi * (1 + STEP * (float)k) / (hi - lo), most);

		if (f.gain > best.gain)
			best = f;
	}
	for (int k = 0; k < POLISH && best.scale > 0; k++) {
		struct fit f = try_affine(g, x, n, best.min, 1 / best.scale, most);

		if (!(f.gain > best.gain))
			break;
		best = f;
	}
	*min = best.min;
	return best.scale;
}
