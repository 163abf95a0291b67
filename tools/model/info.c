/* sr-model info */
#include <stdio.h>

#include "base/mem.h"
#include "base/opt.h"
#include "model/describe.h"
#include "train/trainer.h"
#include "verbs.h"

/* As sr-train-step trains unless told otherwise. */
static size_t
train_bytes(const struct config *c)
{
	static const struct trainer_opts usual = { .pass_tokens = 2048, .bf16 = true };

	return trainer_bytes(c, NULL, &usual);
}

void
verb_info(int argc, char **argv)
{
	static bool json;
	static const struct opt opts[] = {
		{ 0, "json", OPT_FLAG, &json, NULL, "a JSON object per file: all metadata", 0, 0 },
		OPT_END
	};
	static const struct tool tool = {
		"sr-model", "info [--json] MODEL...",
		"Tell what a file or folder holds: shape, tensors, types, vocabulary, memory,\n"
		"provenance.",
		"sr-model info base.gguf\n"
		"sr-model info --json base.gguf | jq .parameters",
		opts
	};
	struct buf b = { 0 };
	struct err e;

	tool_init(&tool, &argc, &argv);
	if (argc == 0)
		tool_usage("info takes model files");
	for (int i = 0; i < argc; i++) {
		struct gguf *g = describe_open(argv[i], &e);

		if (!g)
			tool_die(&e);
		if (i > 0 && !json)
			buf_putc(&b, '\n');
		(json ? describe_json : describe_text)(g, argv[i], train_bytes, &b);
		fwrite(b.data, 1, b.len, stdout);
		buf_clear(&b);
		gguf_free(g);
	}
	buf_release(&b);
}
