/* A model's tensors in another number format: F32, F16, BF16 or Q8_0, from any of them.
 *
 * Vectors (norms, biases) stay or become F32: they are small, and products with them are not the
 * bottleneck. Where rows are not whole blocks of Q8_0, F16 is taken instead. Values that are not
 * finite, or that F16 cannot hold, are an error. All metadata is kept but general.file_type, which
 * names the format. */
#ifndef MODEL_QUANTIZE_H
#define MODEL_QUANTIZE_H

#include "base/err.h"
#include "model/gguf.h"

/* What became of a tensor. */
struct quantized {
	const struct gguf_tensor *from;
	uint32_t type;
	size_t bytes;
	double rms;       /* of the values */
	double error;     /* root mean square of what was lost */
	double max_error;
};

/* Put all of `from` into `o`. `each` (may be NULL) is told of every tensor. *room holds the new
 * data: free() it after gguf_save; `from` must live until then too. */
int quantize(const struct gguf *from, uint32_t type, struct gguf_out *o, void **room,
	void (*each)(void *arg, const struct quantized *q), void *arg, struct err *e);

#endif
