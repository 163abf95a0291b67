/* A model file in words, for `sr-model info`. Any GGUF file is described, supported or not. */
#ifndef MODEL_DESCRIBE_H
#define MODEL_DESCRIBE_H

#include "base/mem.h"
#include "model/gguf.h"

/* Lines for people: shape, tensor groups, vocabulary, the keys general.* and sr.*. */
void describe_text(const struct gguf *g, const char *path, struct buf *out);
/* One JSON object on one line; `metadata` has every key, of long arrays their type and count. */
void describe_json(const struct gguf *g, const char *path, struct buf *out);

#endif
