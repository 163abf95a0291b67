/* What the files of model/adapter.h share. */
#ifndef MODEL_ADAPTER_INTERNAL_H
#define MODEL_ADAPTER_INTERNAL_H

#include "base/json.h"
#include "model/adapter.h"
#include "model/hf_internal.h"

/* One of the two matrices as a file has it. */
struct adapter_side {
	const char *name;  /* the file's tensor */
	uint32_t type;     /* enum type */
	size_t rows, cols;
	const void *data;
	bool turned;       /* stored (cols, rows) */
};

/* Add what changes the tensor called `name` in the model: a (rank, K), b (N, rank), after checking
 * them. Scales that differ between tensors are taken into b. */
struct adapter_part *adapter_add(struct adapter *to, const struct model *m, const char *name,
	const struct adapter_side *a, const struct adapter_side *b, double alpha, struct err *e);
/* dst (cols, rows) = src (rows, cols) transposed. */
void adapter_turn(const float *src, size_t rows, size_t cols, float *dst);

/* adapter_prefix.c: a prefix out of an open file or folder, and into one. */
int prefix_read_gguf(struct adapter *to, const struct model *m, const struct gguf *g,
	struct err *e);
void prefix_put_gguf(const struct adapter *a, const struct model *m, struct gguf_out *o);
int prefix_read_peft(struct adapter *to, const struct model *m, const struct hf_family *f,
	const struct json *config, const struct safetensors *s, struct err *e);
void prefix_peft_config(const struct adapter *a, const struct model *m, struct buf *b);
int prefix_write_peft(const struct adapter *a, const struct model *m, const struct hf_family *f,
	const char *path, struct err *e);

/* adapter_gguf.c, adapter_peft.c */
int adapter_read_gguf(struct adapter *to, const struct model *m, const char *path, struct err *e);
int adapter_read_peft(struct adapter *to, const struct model *m, const char *folder,
	struct err *e);

#endif
