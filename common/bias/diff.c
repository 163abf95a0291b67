#include "bias/diff.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PAIRS = 4000000 };

enum kind { BLANK = 1, SIGN, WORD }; /* the value is the token's weight in the common subsequence */

struct token {
	const char *s;
	size_t n;
	enum kind kind;
};

static enum kind
kind_of(char c)
{
	unsigned char u = (unsigned char)c;

	if (u == ' ' || (u >= '\t' && u <= '\r'))
		return BLANK;
	if ((u >= '0' && u <= '9') || ((u | 32) >= 'a' && (u | 32) <= 'z') || u == '\'' ||
		u >= 0x80)
		return WORD;
	return SIGN;
}

static struct token *
cut(const char *s, size_t len, size_t *n)
{
	struct token *v = NULL;
	size_t cap = 0;

	*n = 0;
	for (size_t i = 0, to; i < len; i = to) {
		enum kind k = kind_of(s[i]);

		to = i + 1;
		while (k != SIGN && to < len && kind_of(s[to]) == k)
			to++;
		if (*n == cap) {
			cap = cap ? 2 * cap : 64;
			v = mem_grow(v, cap, sizeof *v);
		}
		v[(*n)++] = (struct token){ s + i, to - i, k };
	}
	return v;
}

static bool
same(const struct token *x, const struct token *y)
{
	return x->n == y->n && memcmp(x->s, y->s, x->n) == 0;
}

/* keep_a[i], keep_b[j]: the token stays. The kept tokens of both are the same, in order. */
static void
align(const struct token *a, size_t n, const struct token *b, size_t m, bool *keep_a, bool *keep_b)
{
	uint16_t *best; /* best[i * (m + 1) + j]: weight of what a[i..] and b[j..] have in common */
	size_t i, j, pairs;

	while (n > 0 && m > 0 && same(a, b)) {
		*keep_a++ = *keep_b++ = true;
		a++, b++, n--, m--;
	}
	while (n > 0 && m > 0 && same(&a[n - 1], &b[m - 1]))
		keep_a[--n] = keep_b[--m] = true;
	if (n == 0 || m == 0 || !mem_mul(n, m, &pairs) || pairs > MAX_PAIRS)
		return;
	best = mem_alloc((n + 1) * (m + 1), sizeof *best);
	for (i = n; i-- > 0;) {
		uint16_t *row = best + i * (m + 1), *below = row + m + 1;

		for (j = m; j-- > 0;) {
			row[j] = below[j] > row[j + 1] ? below[j] : row[j + 1];
			if (same(&a[i], &b[j]) && below[j + 1] + a[i].kind > row[j])
				row[j] = (uint16_t)(below[j + 1] + a[i].kind);
		}
	}
	for (i = j = 0; i < n && j < m;) {
		uint16_t *row = best + i * (m + 1), *below = row + m + 1;

		if (same(&a[i], &b[j]) && row[j] == below[j + 1] + a[i].kind)
			keep_a[i++] = keep_b[j++] = true;
		else if (below[j] >= row[j + 1])
			i++;
		else
			j++;
	}
	free(best);
}

/* The bytes from token i up to token k, which stand side by side in the text. */
static void
part(struct diff_part *v, size_t *n, enum diff_op op, const struct token *t, size_t i, size_t k)
{
	if (i < k)
		v[(*n)++] = (struct diff_part){ op, t[i].s,
			(size_t)(t[k - 1].s + t[k - 1].n - t[i].s) };
}

size_t
diff_words(const char *a, size_t n_a, const char *b, size_t n_b, struct diff_part **parts)
{
	size_t n, m, n_parts = 0, i = 0, j = 0;
	struct token *x = cut(a, n_a, &n), *y = cut(b, n_b, &m);
	bool *keep_x = mem_alloc(n + 1, sizeof *keep_x), *keep_y = mem_alloc(m + 1, sizeof *keep_y);
	struct diff_part *v;

	align(x, n, y, m, keep_x, keep_y);
	v = mem_alloc(2 * (n + m) + 1, sizeof *v);
	while (i < n || j < m) {
		size_t from_x = i, from_y = j, k;
		bool solid = false;

		while (i < n && j < m && keep_x[i] && keep_y[j]) {
			i++;
			j++;
		}
		part(v, &n_parts, DIFF_SAME, x, from_x, i);
		from_x = i;
		from_y = j;
		/* A change goes on over blanks that stay, if another change follows them. */
		do {
			while (i < n && !keep_x[i])
				i++;
			while (j < m && !keep_y[j])
				j++;
			for (k = 0; i + k < n && j + k < m && keep_x[i + k] && keep_y[j + k]; k++)
				solid = solid || x[i + k].kind != BLANK;
			if (k > 0 && !solid && (i + k < n || j + k < m)) {
				i += k;
				j += k;
			} else {
				solid = true;
			}
		} while (!solid);
		part(v, &n_parts, DIFF_OLD, x, from_x, i);
		part(v, &n_parts, DIFF_NEW, y, from_y, j);
	}
	free(x);
	free(y);
	free(keep_x);
	free(keep_y);
	*parts = v;
	return n_parts;
}

void
diff_visible(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i], d = i + 1 < n ? (unsigned char)s[i + 1] : 0;

		if (c == '\n' || c == '\t' || (c >= 0x20 && c < 0x7f) || (c >= 0x80 && c != 0xc2)) {
			buf_putc(out, c);
		} else if (c < 0x80) {
			buf_putc(out, '^');
			buf_putc(out, c ^ 0x40);
		} else if (d >= 0x80 && d < 0xa0) {
			buf_printf(out, "<%02x>", d);
			i++;
		} else {
			buf_putc(out, c);
		}
	}
}

void
diff_show(struct buf *out, const char *a, size_t n_a, const char *b, size_t n_b, bool colour)
{
	static const char *const open[2][3] = {
		{ "", "[-", "{+" },
		{ "", "\033[31m", "\033[32m" },
	};
	static const char *const close[2][3] = { { "", "-]", "+}" }, { "", "\033[m", "\033[m" } };
	struct diff_part *v;
	size_t n = diff_words(a, n_a, b, n_b, &v);

	for (size_t i = 0; i < n; i++) {
		buf_puts(out, open[colour][v[i].op]);
		if (colour)
			diff_visible(out, v[i].s, v[i].n);
		else
			buf_add(out, v[i].s, v[i].n);
		buf_puts(out, close[colour][v[i].op]);
	}
	free(v);
}
