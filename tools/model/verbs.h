/* The verbs of sr-model, a file each, and what they share. */
#ifndef MODEL_VERBS_H
#define MODEL_VERBS_H

#include "base/err.h"
#include "model/gguf.h"
#include "model/quantize.h"

/* The name of the verb is gone from argv, so that its operands begin at argv[0] after tool_init. */
typedef void verb_fn(int argc, char **argv);

verb_fn verb_bench, verb_convert, verb_diff, verb_info, verb_init, verb_merge, verb_quantize,
	verb_set;

/* Open a model, or say why not and exit. */
struct gguf *open_file(const char *path);
/* Write the file and free `o`, or say why not and exit. */
void save(struct gguf_out *o, const char *path);
/* Exit 2 when -o was not given. */
void need_output(const char *path);
/* What --type names, or exit 2 with the names there are. */
const struct format *need_format(const char *name);

#endif
