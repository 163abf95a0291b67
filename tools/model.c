/* sr-model: make, show and change model files. A verb has its own options (tools/model/). */
#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "model/source.h"
#include "model/verbs.h"

struct gguf *
open_file(const char *path)
{
	struct err e;
	struct gguf *g = source_open(path, &e);

	if (!g)
		tool_die(&e);
	return g;
}

void
save(struct gguf_out *o, const char *path)
{
	struct err e;

	if (gguf_save(o, path, &e) < 0)
		tool_die(&e);
	gguf_out_free(o);
}

void
need_output(const char *path)
{
	if (!path)
		tool_usage("-o FILE says where the model goes");
}

const struct format *
need_format(const char *name)
{
	const struct format *f = format_named(name);
	struct buf names = { 0 };

	for (size_t i = 0; !f && format_at(i); i++)
		buf_printf(&names, "%s%s", i ? ", " : "", format_at(i)->name);
	if (!f)
		tool_usage("--type must be one of %s, not '%s'", buf_str(&names), name);
	return f;
}

static const struct {
	const char *name;
	verb_fn *run;
} verbs[] = {
	{ "bench", verb_bench }, { "convert", verb_convert }, { "diff", verb_diff },
	{ "info", verb_info }, { "init", verb_init }, { "merge", verb_merge },
	{ "quantize", verb_quantize }, { "set", verb_set },
};

int
main(int argc, char **argv)
{
	static const struct opt opts[] = { OPT_END };
	static const struct tool tool = {
		"sr-model", "VERB [OPTIONS] ...",
		"Make, show, change and time model files (GGUF). sr-model VERB --help tells more.\n\n"
		"  info      what a file holds\n"
		"  diff      what sets two models apart\n"
		"  init      a model with random weights, to train or to test with\n"
		"  convert   a folder or file of another form into GGUF, and back; adapters, too\n"
		"  quantize  another number format: Q8_0, Q4_K_M, ...\n"
		"  merge     adapters into their model\n"
		"  set       change metadata\n"
		"  bench     how fast a model runs here",
		"sr-model init --vocab vocab.gguf -o base.gguf\n"
		"sr-model info base.gguf\n"
		"sr-model quantize base.gguf -o base-q8.gguf",
		opts
	};

	for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++)
		if (strcmp(argv[1], verbs[i].name) == 0) {
			verbs[i].run(argc - 1, argv + 1);
			return tool_finish();
		}
	tool_init(&tool, &argc, &argv);
	if (argc > 0)
		tool_usage("no verb is called '%s'", argv[0]);
	tool_usage("a verb is missing");
}
