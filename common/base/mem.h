/* Memory: overflow-checked allocation and a growable byte buffer.
 *
 * Running out of memory on an ordinary allocation ends the process with one line on stderr and
 * exit status 1: no caller could do better, and every size that comes from a file is bounded before
 * it gets here. Where a size is large by nature (weights, KV caches, batches), `mem_try` leaves
 * the decision to the caller. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* n * size zeroed bytes, never NULL; free() releases them. */
void *mem_alloc(size_t n, size_t size);
/* Like mem_alloc, but NULL on overflow or lack of memory. 64-byte aligned; free() releases. */
void *mem_try(size_t n, size_t size);
/* What an allocation that must succeed does when there is no memory. */
_Noreturn void mem_out(void);
/* realloc to n * size bytes, never NULL (new bytes are not cleared). */
void *mem_grow(void *p, size_t n, size_t size);
/* A copy of `len` bytes with a NUL behind them. */
char *mem_dup(const char *s, size_t len);
/* A copy of a string. */
char *mem_str(const char *s);
/* *out = a * b; false when that overflows. */
_Bool mem_mul(size_t a, size_t b, size_t *out);

/* Bytes that grow. `data` may be NULL while `cap` is 0; buf_str gives a C string. */
struct buf {
	char *data;
	size_t len, cap;
};

void buf_release(struct buf *b);
void buf_clear(struct buf *b);
/* Room for `extra` more bytes; returns the place where they go (len is not changed). */
char *buf_room(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, int c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The content as a C string (a NUL stands behind the last byte, not counted in len). */
char *buf_str(struct buf *b);

/* A growable list of token ids. */
struct ids {
	int *v;
	size_t n, cap;
};

void ids_add(struct ids *l, int id);
void ids_release(struct ids *l);

#endif
