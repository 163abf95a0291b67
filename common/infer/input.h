/* What a record gives the model to read: its `prompt`, its `text` or its `tokens`, as token ids. */
#ifndef INFER_INPUT_H
#define INFER_INPUT_H

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "model/model.h"
#include "stream/stream.h"

/* The ids of `prompt` (a string or an array of segments), else those of `tokens` as far as
 * `loss_from`, where the completion begins (all of them when it is 0 or absent). Appended to `out`;
 * messages name the record. */
int input_prompt(struct record *r, const struct model *m, struct ids *out, struct err *e);

/* The ids of `tokens`, else of `text`. `bos` puts the model's BOS in front where it does not stand
 * already (a model without one is the caller's error); without, none is added. Appended to `out`,
 * which is empty. */
int input_text(struct record *r, const struct model *m, bool bos, struct ids *out, struct err *e);

#endif
