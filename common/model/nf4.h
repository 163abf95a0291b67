/* A model whose matrices within layers are held in four bits (tensor/nf4.h), to train beside. As in
 * QLoRA embeddings, head, norms and biases stay as they are in the file. */
#ifndef MODEL_NF4_H
#define MODEL_NF4_H

#include "base/pool.h"
#include "model/model.h"

/* What that would take: bytes, and those that the file has for the same matrices, which must be
 * F32, F16 or BF16. */
int model_nf4_plan(const struct model *m, bool doubled, size_t *bytes, size_t *in_file,
	struct err *e);
/* Do it; the file is not read for these matrices any more. Values that are not finite are an
 * error. */
int model_to_nf4(struct model *m, bool doubled, struct pool *p, struct err *e);
void model_nf4_free(struct model *m);

#endif
