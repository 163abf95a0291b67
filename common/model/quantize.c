#include "model/quantize.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tensor/types.h"

/* llama.cpp's numbers of whole-file formats. */
static uint32_t
file_type(uint32_t type)
{
	switch (type) {
	case TYPE_F16: return 1;
	case TYPE_Q8_0: return 7;
	case TYPE_BF16: return 32;
	default: return 0;
	}
}

static size_t
rows_of(const struct gguf_tensor *t)
{
	return (size_t)(t->dims[1] * t->dims[2] * t->dims[3]);
}

static uint32_t
target(const struct gguf_tensor *t, uint32_t type)
{
	if (t->n_dims < 2)
		return TYPE_F32;
	return type_row_bytes(type, (size_t)t->dims[0]) ? type : TYPE_F16;
}

/* Convert the rows of `from` to `q->type` at `out`; three buffers of a row come in `row`. */
static int
convert(struct quantized *q, unsigned char *out, float *row, struct err *e)
{
	const struct gguf_tensor *t = q->from;
	const struct type_info *in = type_info(t->type), *to = type_info(q->type);
	size_t cols = (size_t)t->dims[0], rows = rows_of(t);
	size_t in_bytes = type_row_bytes(t->type, cols), out_bytes = type_row_bytes(q->type, cols);
	double squares = 0, lost = 0;
	float *back = row + cols;

	for (size_t r = 0; r < rows; r++) {
		in->load((const unsigned char *)t->data + r * in_bytes, row, cols);
		for (size_t i = 0; i < cols; i++)
			if (!isfinite(row[i]))
				return err_set(
					e, "tensor %s holds a value that is not finite", t->name);
		to->store(row, out + r * out_bytes, cols);
		to->load(out + r * out_bytes, back, cols);
		for (size_t i = 0; i < cols; i++) {
			double d = (double)back[i] - row[i];

			if (!isfinite(d))
				return err_set(e, "tensor %s holds %g, too large for %s", t->name,
					(double)row[i], to->name);
			squares += (double)row[i] * row[i];
			lost += d * d;
			q->max_error = fmax(q->max_error, fabs(d));
		}
	}
	q->rms = sqrt(squares / (double)(rows * cols));
	q->error = sqrt(lost / (double)(rows * cols));
	return 0;
}

/* Bytes of all new tensors, each rounded up to 64, and the longest row. */
static int
measure(const struct gguf *from, uint32_t type, size_t *total, size_t *widest, struct err *e)
{
	const struct gguf_tensor *t;
	size_t bytes;

	*total = *widest = 0;
	for (size_t i = 0; (t = gguf_tensor_at(from, i)); i++) {
		if (!type_info(t->type))
			return err_set(e,
				"tensor %s is stored as %s (F32, F16, BF16 and Q8_0 are supported)",
				t->name, type_label(t->type));
		/* The tensor itself lies in the file, so its values are far from overflow. */
		bytes = type_row_bytes(target(t, type), (size_t)t->dims[0]) * rows_of(t) + 63;
		if (__builtin_add_overflow(*total, bytes & ~(size_t)63, total))
			return err_set(e, "the tensors are too large");
		if (t->dims[0] > *widest)
			*widest = (size_t)t->dims[0];
	}
	return 0;
}

int
quantize(const struct gguf *from, uint32_t type, struct gguf_out *o, void **room,
	void (*each)(void *arg, const struct quantized *q), void *arg, struct err *e)
{
	const struct gguf_tensor *t;
	unsigned char *out;
	size_t total, widest;
	float *row;
	int rc = 0;

	*room = NULL;
	if (measure(from, type, &total, &widest, e) < 0)
		return -1;
	out = *room = mem_try(total, 1);
	row = mem_try(widest, 2 * sizeof *row);
	if (!out || !row) {
		free(row);
		return err_set(e, "not enough memory for %zu bytes of tensors", total);
	}
	gguf_put_copy_all(o, from);
	gguf_put_u32(o, "general.file_type", file_type(type));
	for (size_t i = 0; rc == 0 && (t = gguf_tensor_at(from, i)); i++) {
		struct quantized q = { .from = t, .type = target(t, type) };

		q.bytes = type_row_bytes(q.type, (size_t)t->dims[0]) * rows_of(t);
		rc = convert(&q, out, row, e);
		gguf_put_tensor(o, t->name, q.type, t->n_dims, t->dims, out);
		out += (q.bytes + 63) & ~(size_t)63;
		if (rc == 0 && each)
			each(arg, &q);
	}
	free(row);
	return rc;
}
