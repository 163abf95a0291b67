/* tensor/blocks against weights that were expanded and multiplied in double. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "naive.h"
#include "tensor/blocks.h"
#include "tensor/types.h"
#include "tensor/weight.h"

static const uint32_t types[] = { TYPE_Q4_0, TYPE_Q4_1, TYPE_Q5_0, TYPE_Q5_1, TYPE_Q8_0, TYPE_Q2_K,
	TYPE_Q3_K, TYPE_Q4_K, TYPE_Q5_K, TYPE_Q6_K, TYPE_IQ4_NL, TYPE_IQ4_XS, TYPE_F32, TYPE_F16,
	TYPE_BF16 };

/* Where the f16 scales of a block stand. */
static const struct {
	uint32_t type;
	int at[2];
} scales[] = { { TYPE_Q4_0, { 0, -1 } }, { TYPE_Q4_1, { 0, 2 } }, { TYPE_Q5_0, { 0, -1 } },
	{ TYPE_Q5_1, { 0, 2 } }, { TYPE_Q8_0, { 0, -1 } }, { TYPE_Q2_K, { 80, 82 } },
	{ TYPE_Q3_K, { 108, -1 } }, { TYPE_Q4_K, { 0, 2 } }, { TYPE_Q5_K, { 0, 2 } },
	{ TYPE_Q6_K, { 208, -1 } }, { TYPE_IQ4_NL, { 0, -1 } }, { TYPE_IQ4_XS, { 0, -1 } } };

static bool
is_number(uint32_t type)
{
	return type == TYPE_F32 || type == TYPE_F16 || type == TYPE_BF16;
}

static void
random_numbers(uint32_t type, uint8_t *w, size_t bytes, struct rng *r)
{
	size_t size = type_info(type)->bytes;

	for (size_t i = 0; i < bytes; i += size) {
		float x = 0.01f * (float)rng_normal(r);
		uint32_t bits;
		uint16_t h = f32_to_f16(x);

		memcpy(&bits, &x, sizeof bits);
		if (type == TYPE_BF16)
			h = (uint16_t)(bits >> 16);
		memcpy(w + i, type == TYPE_F32 ? (void *)&x : &h, size);
	}
}

/* Random blocks with scales of either sign around 0.01. */
static void
random_blocks(uint32_t type, uint8_t *w, size_t bytes)
{
	size_t block = type_info(type)->bytes;
	struct rng r;

	rng_seed(&r, type);
	if (is_number(type)) {
		random_numbers(type, w, bytes, &r);
		return;
	}
	for (size_t i = 0; i < bytes; i++)
		w[i] = (uint8_t)rng_next(&r);
	for (size_t s = 0; s < sizeof scales / sizeof *scales; s++)
		for (size_t b = 0; scales[s].type == type && b < bytes; b += block)
			for (int i = 0; i < 2 && scales[s].at[i] >= 0; i++) {
				uint16_t h = f32_to_f16(0.01f * (float)rng_normal(&r));

				memcpy(w + b + scales[s].at[i], &h, sizeof h);
			}
}

/* Memory whose end is the end of the readable. */
static uint8_t *
at_the_edge(size_t bytes, void **map, size_t *size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	*size = (bytes + page - 1) / page * page + page;
	*map = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(*map, MAP_FAILED);
	ck_assert_int_eq(mprotect((char *)*map + *size - page, page, PROT_NONE), 0);
	return (uint8_t *)*map + *size - page - bytes;
}

static struct activations
place(size_t m, size_t k)
{
	return (struct activations){ m, mem_alloc(m, 2 * k), mem_alloc(m, k / 32 * sizeof(float)),
		mem_alloc(m, k / 16 * sizeof(int32_t)), mem_alloc(m, k / 16 * sizeof(float)) };
}

static void
displace(struct activations *a)
{
	free(a->q);
	free(a->scale);
	free(a->bias);
	free(a->sum);
}

/* Are activations for that type rounded to 16 bits? */
static bool
is_wide(const struct block_kernels *b, uint32_t type)
{
	return strcmp(b->name, "avx2") == 0 && (type == TYPE_Q8_0 || type == TYPE_IQ4_NL ||
		type == TYPE_IQ4_XS || is_number(type));
}

/* What x[i] became; in 16 bits the even ones of 32 stand first. */
static int
rounded(const struct activations *x, size_t i, bool wide)
{
	return wide ? ((const int16_t *)x->q)[i / 32 * 32 + i % 2 * 16 + i % 32 / 2]
		: ((const int8_t *)x->q)[i];
}

/* y (m, rows) in double, from the rounded activations; *size gets the largest sum of sizes, which
 * bounds what f32 can lose. */
static void
reference(const struct block_kernels *b, uint32_t type, const uint8_t *w, size_t rows, size_t k,
	const struct activations *x, size_t m, real *y, real *size)
{
	float *row = mem_alloc(k, sizeof *row);
	bool wide = is_wide(b, type);

	*size = 0;
	for (size_t i = 0; i < rows; i++) {
		type_info(type)->load(w + i * type_row_bytes(type, k), row, k);
		for (size_t j = 0; j < m; j++) {
			real sum = 0, sizes = 0;

			for (size_t l = 0; l < k; l++) {
				size_t strip = l / 256 * 256;
				size_t at = strip * m + j * (k - strip < 256 ? k - strip : 256) +
					l % 256;
				real p = (real)row[l] * rounded(x, at, wide) *
					(real)x->scale[at / 32];

				sum += p;
				sizes += fabs(p);
			}
			y[j * rows + i] = sum;
			*size = sizes > *size ? sizes : *size;
		}
	}
	free(row);
}

static void
products(const struct block_kernels *b, uint32_t type, bool steps, size_t rows, size_t k, size_t m)
{
	size_t stride = type_row_bytes(type, k), bytes = rows * stride, mapped;
	void *map;
	uint8_t *w = at_the_edge(bytes, &map, &mapped);
	float *x = mem_alloc(m * k, sizeof *x), *y = mem_alloc(m * rows, sizeof *y);
	float *one = mem_alloc(rows, sizeof *one), *room = mem_alloc(m * BLOCKS_ROWS, sizeof *room);
	real *want = mem_alloc(m * rows, sizeof *want), size;
	struct activations a = place(m, k), last = place(1, k);

	/* where rows are many, weights may be rounded as well */
	real loss = !steps && is_wide(b, type) ? 5e-4 : 2e-6;

	random_blocks(type, w, bytes);
	random_floats(x, m * k, 1, k + m);
	b->round(type, steps, x, 0, m, k, &a);
	b->round(type, steps, x + (m - 1) * k, 0, 1, k, &last);
	for (size_t i = 0; i < rows; i += BLOCKS_ROWS) {
		size_t n = rows - i < BLOCKS_ROWS ? rows - i : BLOCKS_ROWS;
		bool end = (rows - i - n) * stride < BLOCKS_BEHIND;

		b->mul(type, steps, w + i * stride, n, end, true, k, &a, 0, m, y + i, rows, room);
		b->mul(type, steps, w + i * stride, n, end, false, k, &last, 0, 1, one + i, rows,
			room);
	}
	reference(b, type, w, rows, k, &a, m, want, &size);
	for (size_t i = 0; i < m * rows; i++)
		ck_assert_msg(fabs((real)y[i] - want[i]) <= loss * size,
			"%s, %s, %zu x %zu, %zu rows: %g instead of %g", b->name,
			type_info(type)->name, rows, k, m, (double)y[i], (double)want[i]);
	/* the bits of a row do not depend on its neighbours */
	ck_assert_mem_eq(y + (m - 1) * rows, one, rows * sizeof *y);
	displace(&a);
	displace(&last);
	munmap(map, mapped);
	void *all[] = { x, y, one, room, want };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

START_TEST(every_type)
{
	static const size_t rows[] = { 1, 16, 17, 47 };
	static const size_t widths[] = { 256, 512, 768, 32, 96, 288, 576 };
	static const size_t columns[] = { 1, 2, 8, 13 };
	const struct block_kernels *levels[2];
	size_t n = blocks_levels(levels);

	for (size_t i = 0; i < 2 * n * (sizeof widths / sizeof *widths); i++) {
		const struct block_kernels *b = levels[i / 2 % n];
		size_t k = widths[i / 2 / n];
		bool steps = i % 2;

		if (k % type_info(types[_i])->block != 0 || !b->take(types[_i], steps))
			continue;
		for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
			for (size_t m = 0; m < sizeof columns / sizeof *columns; m++)
				products(b, types[_i], steps, rows[r], k, columns[m]);
	}
}
END_TEST

/* Many rows and few, panels and pieces, with any number of threads: the same bits. */
START_TEST(as_weights)
{
	enum { N = 150, K = 512, M = BLOCKS_MOST + 40 };
	const uint32_t type = types[_i];
	size_t bytes = N * type_row_bytes(type, K), mapped;
	void *map;
	uint8_t *data = at_the_edge(bytes, &map, &mapped);
	struct weight w = { type, N, K, data, NULL };
	float *x = mem_alloc(M * K, sizeof *x), *y = mem_alloc(M * N, sizeof *y);
	float *again = mem_alloc(M * N, sizeof *again);
	struct pool *one = pool_new(1), *three = pool_new(3);

	random_blocks(type, data, bytes);
	random_floats(x, M * K, 1, 1);
	weight_mul(one, &w, x, M, y);
	weight_mul(three, &w, x, M, again);
	ck_assert_mem_eq(y, again, M * N * sizeof *y);
	for (size_t i = 0; i < M; i += 61) {
		weight_mul(three, &w, x + i * K, 1, again);
		ck_assert_mem_eq(y + i * N, again, N * sizeof *y);
	}
	pool_free(one);
	pool_free(three);
	munmap(map, mapped);
	free(x);
	free(y);
	free(again);
}
END_TEST

/* Rounding loses at most half a step; what is not finite stays seen. */
static void
round_with(const struct block_kernels *b, uint32_t type, bool steps, int most)
{
	struct activations a = place(1, 64);
	bool wide = is_wide(b, type);
	float x[64];

	random_floats(x, 64, 3, 5);
	b->round(type, steps, x, 0, 1, 64, &a);
	for (size_t i = 0; i < 64; i++) {
		float step = a.scale[i / 32];

		ck_assert_float_le(fabsf(x[i] - (float)rounded(&a, i, wide) * step), 0.501f * step);
		ck_assert_int_le(abs(rounded(&a, i, wide)), most);
	}
	memset(x, 0, sizeof x);
	b->round(type, steps, x, 0, 1, 64, &a);
	ck_assert_float_eq(a.scale[0], 0);
	ck_assert_int_eq(rounded(&a, 0, wide), 0);
	x[0] = 1e-40f; /* so many of these parts would be infinite */
	b->round(type, steps, x, 0, 1, 64, &a);
	ck_assert_float_le(fabsf((float)rounded(&a, 0, wide) * a.scale[0]), 1e-33f);
	ck_assert_int_eq(rounded(&a, 1, wide), 0);
	x[40] = NAN;
	x[3] = INFINITY;
	b->round(type, steps, x, 0, 1, 64, &a);
	ck_assert_float_nan(a.scale[0]);
	ck_assert_float_nan(a.scale[1]);
	displace(&a);
}

START_TEST(rounding)
{
	const struct block_kernels *levels[2];
	size_t n = blocks_levels(levels);

	for (size_t i = 0; i < n; i++) {
		bool wide = is_wide(levels[i], TYPE_Q8_0);

		round_with(levels[i], TYPE_Q4_0, true, 127);
		round_with(levels[i], TYPE_Q8_0, true, wide ? 8191 : 127);
		round_with(levels[i], TYPE_Q8_0, false, wide ? 2047 : 127);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("blocks");
	TCase *c = tcase_create("blocks");
	SRunner *r;
	int failed;

	if (!blocks())
		printf("no AVX2 here: nothing to test\n");
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, every_type, 0, (int)(sizeof types / sizeof *types));
	tcase_add_loop_test(c, as_weights, 0, (int)(sizeof types / sizeof *types));
	tcase_add_test(c, rounding);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
