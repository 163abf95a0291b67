/* NF4: its table against the published derivation, numbers against trying every level in double,
 * double quantization against bitsandbytes' way to build its map, and products against the same
 * numbers in F32. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "model/nf4.h"
#include "naive.h"
#include "tensor/nf4.h"
#include "tensor/types.h"

/* The number below which a share p of the normal distribution lies. */
static double
quantile(double p)
{
	double low = -10, high = 10;

	while (high - low > 1e-13) {
		double mid = (low + high) / 2;

		if (erfc(-mid / sqrt(2)) / 2 < p)
			low = mid;
		else
			high = mid;
	}
	return low;
}

/* Dettmers et al. 2023, appendix E, as bitsandbytes builds it: quantiles of 8 steps from the offset
 * to the middle and of 7 on the other side, the 0 between them, all over the largest. */
START_TEST(table)
{
	const double offset = 0.9677083;

	for (int i = 0; i < 16; i++) {
		double want = i == 7 ? 0 :
			i < 7 ? -quantile(offset + (0.5 - offset) * i / 7) :
				quantile(0.5 + (offset - 0.5) * (i - 7) / 8);

		ck_assert_double_eq_tol((double)nf4_levels[i], want / quantile(offset), 1e-6);
	}
}
END_TEST

/* bitsandbytes' way: boundaries of each decade, and the middles between them. */
START_TEST(dynamic_map)
{
	float got[256];

	nf4_dynamic_map(got);
	ck_assert_float_eq(got[255], 1);
	ck_assert_float_eq(got[127], 0);
	for (int i = 1; i < 256; i++)
		ck_assert_float_gt(got[i], got[i - 1]);
	for (int decade = 0, at = 128; decade < 7; decade++) {
		int steps = 1 << decade;

		for (int k = 0; k < steps; k++, at++) {
			double a = 0.1 + 0.9 * k / steps, b = 0.1 + 0.9 * (k + 1) / steps;
			double want = pow(10, decade - 6) * (a + b) / 2;

			ck_assert_double_eq_tol((double)got[at] / want, 1, 1e-6);
			ck_assert_float_eq(got[254 - at], -got[at]);
		}
	}
}
END_TEST

static const size_t sizes[] = { 1, 2, 63, 64, 65, 640, 64 * 256, 64 * 257 + 1, 100000 };

/* Numbers whose blocks differ in size, one of them all 0. */
static float *
numbers(size_t n)
{
	float *x = mem_alloc(n, sizeof *x);

	random_floats(x, n, 1, n);
	for (size_t i = 0; i < n; i++)
		x[i] *= i / 64 == 3 ? 0 : i / 64 == 5 ? 1e-39f : powf(2, (float)(i / 64 % 9));
	return x;
}

START_TEST(every_level_tried)
{
	size_t n = sizes[_i];
	float *x = numbers(n), *got = mem_alloc(n, sizeof *got);
	struct nf4 q;

	ck_assert_int_eq(nf4_init(&q, n), 0);
	nf4_store(&q, 0, x, n);
	nf4_load(&q, 0, n, got);
	for (size_t i = 0; i < n; i++) {
		double most = 0, best = INFINITY, lost = fabs((double)got[i] - (double)x[i]);
		bool is_level = false;

		for (size_t k = i / 64 * 64; k < n && k < i / 64 * 64 + 64; k++)
			most = fmax(most, fabs((double)x[k]));
		for (int k = 0; k < 16; k++) {
			double level = (double)nf4_levels[k] * most;

			best = fmin(best, fabs(level - (double)x[i]));
			is_level |= fabs(level - (double)got[i]) <= 1e-6 * most;
		}
		ck_assert(is_level);
		ck_assert_double_le(lost, best + 1e-6 * most);
	}
	nf4_release(&q);
	free(x);
	free(got);
}
END_TEST

/* Pieces of any length and beginning are those of the whole. */
START_TEST(pieces)
{
	size_t n = 64 * 300 + 11;
	float *x = numbers(n), *whole = mem_alloc(n, sizeof *whole), part[200];
	struct nf4 q;

	ck_assert_int_eq(nf4_init(&q, n), 0);
	for (size_t i = 0; i < n; i += 192) /* as threads do */
		nf4_store(&q, i, x + i, n - i < 192 ? n - i : 192);
	ck_assert(_i == 0 || nf4_double(&q) == 0);
	nf4_load(&q, 0, n, whole);
	for (size_t from = 0; from + 200 < n; from += 131) {
		nf4_load(&q, from, 1 + from % 200, part);
		ck_assert_mem_eq(part, whole + from, (1 + from % 200) * sizeof *part);
	}
	nf4_release(&q);
	free(x);
	free(whole);
}
END_TEST

/* Double quantization: each absmax is the map's nearest, of its group's scale and around the mean;
 * so it is off by half a step of the map at most, which is 0.45 / 64 of the scale. And of a bell
 * curve no more is lost than without. */
START_TEST(doubled)
{
	size_t n = 64 * 700, blocks = 700;
	float *x = mem_alloc(n, sizeof *x), *once = mem_alloc(n, sizeof *once);
	float *twice = mem_alloc(n, sizeof *twice);
	double mean = 0, *absmax, lost_once = 0, lost_twice = 0;
	struct nf4 q;

	random_floats(x, n, 0.02f, 3);
	ck_assert_int_eq(nf4_init(&q, n), 0);
	nf4_store(&q, 0, x, n);
	nf4_load(&q, 0, n, once);
	absmax = reals(q.absmax, blocks);
	for (size_t i = 0; i < blocks; i++)
		mean += absmax[i] / (double)blocks;
	ck_assert_int_eq(nf4_double(&q), 0);
	ck_assert_ptr_null(q.absmax);
	ck_assert_double_eq_tol((double)q.mean, mean, 1e-8);
	nf4_load(&q, 0, n, twice);
	for (size_t i = 0; i < blocks; i++) {
		double scale = 0, best = INFINITY, got;

		for (size_t k = i / 256 * 256; k < blocks && k < i / 256 * 256 + 256; k++)
			scale = fmax(scale, fabs(absmax[k] - mean));
		got = (double)q.levels[q.absmax8[i]] * scale + mean;
		for (int k = 0; k < 256; k++)
			best = fmin(best, fabs((double)q.levels[k] * scale + mean - absmax[i]));
		ck_assert_double_le(fabs(got - absmax[i]), best + 1e-8);
		ck_assert_double_le(fabs(got - absmax[i]), scale * 0.45 / 64 + 1e-8);
	}
	for (size_t i = 0; i < n; i++) {
		lost_once += pow((double)once[i] - (double)x[i], 2);
		lost_twice += pow((double)twice[i] - (double)x[i], 2);
	}
	/* the four bits themselves: about 9 % of a bell curve's deviation */
	ck_assert_double_eq_tol(sqrt(lost_once / (double)n) / 0.02, 0.0927, 0.003);
	ck_assert_double_le(sqrt(lost_twice / lost_once), 1.001);
	nf4_release(&q);
	free(x);
	free(once);
	free(twice);
	free(absmax);
}
END_TEST

START_TEST(bits_a_number)
{
	size_t n = (size_t)1 << 24;

	ck_assert_double_eq((double)nf4_bytes(n, false) * 8 / (double)n, 4.5);
	/* 4 + 8 / 64 + 32 / (64 * 256) */
	ck_assert_double_eq((double)nf4_bytes(n, true) * 8 / (double)n, 4.126953125);
	ck_assert_uint_eq(nf4_bytes(65, false), 33 + 2 * 4);
}
END_TEST

/* Every product with a weight in NF4 is that with the numbers it stands for. */
START_TEST(products)
{
	enum { N = 70, K = 96, M = 9 };
	static float w[N * K], x[M * K], dy[M * N], got[M * N], want[M * N], dx[32 * K],
		dwant[32 * K];
	struct pool *p = pool_new(2);
	struct nf4 q;
	struct weight four = { TYPE_NF4, N, K, &q, NULL }, full = { TYPE_F32, N, K, w, NULL };
	float row[K];

	random_floats(w, N * K, 1, 1);
	random_floats(x, M * K, 1, 2);
	random_floats(dy, M * N, 1, 3);
	ck_assert_int_eq(nf4_init(&q, N * K), 0);
	nf4_store(&q, 0, w, N * K);
	ck_assert(_i == 0 || nf4_double(&q) == 0);
	nf4_load(&q, 0, N * K, w);
	setenv("SR_PRODUCTS", "f32", 1);
	weight_mul(p, &four, x, M, got);
	weight_mul(p, &full, x, M, want);
	ck_assert_mem_eq(got, want, sizeof got);
	weight_mul_rows(p, &four, x, M, got);
	weight_mul_rows(p, &full, x, M, want);
	ck_assert_mem_eq(got, want, sizeof got);
	weight_back(p, &four, dy, NULL, M, 0, dx);
	weight_back(p, &full, dy, NULL, M, 0, dwant);
	ck_assert_mem_eq(dx, dwant, M * K * sizeof *dx);
	weight_row(&four, 33, row);
	ck_assert_mem_eq(row, w + 33 * K, sizeof row);
	nf4_release(&q);
	pool_free(p);
}
END_TEST

/* A model: the matrices within layers alone, fused ones as well; what cannot be. */
START_TEST(models)
{
	const struct kind *k = &kinds[_i];
	struct pool *p = pool_new(2);
	float *w = random_weights(&k->c, 3);
	struct weight before;
	struct model m;
	size_t bytes, in_file;
	struct err e;

	bind_model(&m, &k->c, w);
	m.path = (char *)"here";
	before = m.layers[0].k;
	ck_assert_int_eq(model_nf4_plan(&m, true, &bytes, &in_file, &e), 0);
	ck_assert_uint_lt(bytes, in_file / 7);
	ck_assert_int_eq(model_to_nf4(&m, true, p, &e), 0);
	ck_assert_uint_eq(m.embed.type, TYPE_F32);
	for (size_t i = 0; i < before.rows; i++) {
		float was[24], is[24];

		weight_row(&before, i, was);
		weight_row(&m.layers[0].k, i, is);
		for (int j = 0; j < 24; j++)
			ck_assert_float_le(fabsf(was[j] - is[j]), 0.16f * 5);
	}
	ck_assert_int_eq(model_to_nf4(&m, true, p, &e), -1);
	ck_assert_str_eq(e.msg, "here: layer 0 is stored as an unknown type already: it is trained "
		"beside as it is, without NF4");
	model_nf4_free(&m);
	free(m.layers);

	bind_model(&m, &k->c, w);
	m.path = (char *)"here";
	((float *)m.layers[0].down.data)[17] = INFINITY;
	ck_assert_int_eq(model_to_nf4(&m, false, p, &e), -1);
	ck_assert_str_eq(e.msg, "here: layer 0: a value is not finite");
	model_nf4_free(&m);
	free(m.layers);
	free(w);
	pool_free(p);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("nf4");
	TCase *t = tcase_create("nf4");
	SRunner *r;
	int failed;

	tcase_add_test(t, table);
	tcase_add_test(t, dynamic_map);
	tcase_add_loop_test(t, every_level_tried, 0, (int)(sizeof sizes / sizeof *sizes));
	tcase_add_loop_test(t, pieces, 0, 2);
	tcase_add_test(t, doubled);
	tcase_add_test(t, bits_a_number);
	tcase_add_loop_test(t, products, 0, 2);
	tcase_add_loop_test(t, models, 0, N_KINDS);
	suite_add_tcase(s, t);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
