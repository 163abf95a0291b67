#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
mem_out(void)
{
	fputs("out of memory\n", stderr);
	exit(1);
}

static void *
must(void *p)
{
	if (!p)
		mem_out();
	return p;
}

_Bool
mem_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out) && *out <= PTRDIFF_MAX;
}

void *
mem_alloc(size_t n, size_t size)
{
	return must(calloc(n ? n : 1, size ? size : 1));
}

void *
mem_try(size_t n, size_t size)
{
	size_t bytes;
	void *p;

	if (!mem_mul(n, size, &bytes) || bytes > PTRDIFF_MAX - 64)
		return NULL;
	bytes = bytes ? (bytes + 63) & ~(size_t)63 : 64;
	p = aligned_alloc(64, bytes);
	if (p)
		memset(p, 0, bytes);
	return p;
}

void *
mem_grow(void *p, size_t n, size_t size)
{
	size_t bytes;

	return must(mem_mul(n, size, &bytes) ? realloc(p, bytes ? bytes : 1) : NULL);
}

char *
mem_dup(const char *s, size_t len)
{
	char *p = must(malloc(len + 1));

	if (len)
		memcpy(p, s, len);
	p[len] = '\0';
	return p;
}

char *
mem_str(const char *s)
{
	return mem_dup(s, strlen(s));
}

void
buf_release(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ 0 };
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
}

char *
buf_room(struct buf *b, size_t extra)
{
	size_t need;

	if (__builtin_add_overflow(b->len, extra, &need) || need > PTRDIFF_MAX / 2)
		must(NULL);
	if (need > b->cap || !b->data) {
		size_t cap = b->cap + b->cap / 2;

		b->cap = cap > need ? cap : need + 64;
		b->data = mem_grow(b->data, b->cap, 1);
	}
	return b->data + b->len;
}

void
buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (len) {
		memcpy(buf_room(b, len), bytes, len);
		b->len += len;
	}
}

void
buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_putc(struct buf *b, int c)
{
	*buf_room(b, 1) = (char)c;
	b->len++;
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n <= 0)
		return;
	buf_room(b, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

char *
buf_str(struct buf *b)
{
	*buf_room(b, 1) = '\0';
	return b->data;
}

void
ids_add(struct ids *l, int id)
{
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->v = mem_grow(l->v, l->cap, sizeof *l->v);
	}
	l->v[l->n++] = id;
}

void
ids_release(struct ids *l)
{
	free(l->v);
	*l = (struct ids){ 0 };
}
