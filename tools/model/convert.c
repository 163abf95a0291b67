/* sr-model convert */
#include <string.h>

#include "base/opt.h"
#include "model/adapter.h"
#include "model/hf.h"
#include "model/llama2c.h"
#include "tensor/types.h"
#include "verbs.h"

/* The file's name without folders and ending, for general.name. */
static void
put_name(struct gguf_out *o, const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	const char *dot = strrchr(name, '.');
	size_t len = dot && dot > name ? (size_t)(dot - name) : strlen(name);

	gguf_put_str(o, "general.name", name, len);
}

static void
convert_llama2c(const char *path, const char *tokenizer, const char *out)
{
	struct gguf_out *o = gguf_out_new();
	struct llama2c f;
	struct err e;

	if (llama2c_open(&f, path, &e) < 0 || llama2c_put(&f, o, &e) < 0 ||
	    llama2c_put_vocab(tokenizer, f.c.n_vocab, o, &e) < 0)
		tool_die(&e);
	put_name(o, path);
	save(o, out);
	llama2c_release(&f);
}

/* One GGUF file of a folder or of a file in parts. */
static void
write_gguf(const struct gguf *g, const char *path, const char *out)
{
	struct gguf_out *o = gguf_out_new();
	struct err e;

	gguf_put_copy_all(o, g);
	if (gguf_put_tensors(o, g, &e) < 0)
		tool_fail("%s: %s", path, e.msg);
	save(o, out);
}

/* An adapter's file into a PEFT folder (`hf`), or the other way. */
static void
convert_adapter(const char *path, const char *base, bool hf, const char *out)
{
	struct err e;
	struct model *m = model_open(base, &e);
	struct adapter *a = m ? adapter_open(path, m, &e) : NULL;

	if (!a || (hf ? adapter_save_peft : adapter_save_gguf)(a, m, out, &e) < 0)
		tool_die(&e);
	adapter_free(a);
	model_free(m);
}

static int
folder_type(const char *name)
{
	int type = name ? type_named(name) : -1;

	if (name && type != TYPE_F32 && type != TYPE_F16 && type != TYPE_BF16)
		tool_usage("--type must be F32, F16 or BF16, not '%s'", name);
	return type;
}

void
verb_convert(int argc, char **argv)
{
	static const char *tokenizer, *base, *out, *to = "gguf", *type_name;
	static const struct opt opts[] = {
		{ 'o', NULL, OPT_TEXT, &out, "FILE", "where the model goes", 0, 0 },
		{ 0, "to", OPT_TEXT, &to, "FORM", "gguf: a file; hf: a Hugging Face folder (gguf)",
			0, 0 },
		{ 0, "type", OPT_TEXT, &type_name, "TYPE",
			"with --to hf: F32, F16 or BF16 (as stored; quantized ones F16)", 0, 0 },
		{ 0, "tokenizer", OPT_TEXT, &tokenizer, "FILE", "of a llama2.c model", 0, 0 },
		{ 'm', "model", OPT_TEXT, &base, "BASE", "of an adapter", 0, 0 },
		OPT_END
	};
	static const struct tool tool = {
		"sr-model", "convert [--to FORM] [--type TYPE] MODEL -o OUT\n"
		"convert -m BASE [--to FORM] ADAPTER -o OUT",
		"Turn a Hugging Face folder, a split GGUF file or a llama2.c model (with\n"
		"--tokenizer; legacy f32, version 1, version 2 in int8) into one GGUF file, or a\n"
		"GGUF file into a Hugging Face folder. With -m the same for an adapter of that\n"
		"model: a PEFT folder into a GGUF file or a GGUF file into a PEFT folder.",
		"sr-model convert SmolLM2-135M -o smollm2.gguf\n"
		"sr-model convert --to hf --type BF16 sr.gguf -o sr\n"
		"sr-model convert -m sr.gguf peft-folder -o lora.gguf\n"
		"sr-model convert stories15M.bin --tokenizer tokenizer.bin -o stories15M.gguf",
		opts
	};
	struct gguf *g;
	struct err e;
	int type;

	tool_init(&tool, &argc, &argv);
	if (argc != 1)
		tool_usage("convert takes one model");
	if (strcmp(to, "gguf") != 0 && strcmp(to, "hf") != 0)
		tool_usage("--to must be gguf or hf, not '%s'", to);
	need_output(out);
	type = folder_type(type_name);
	if (type >= 0 && strcmp(to, "hf") != 0)
		tool_usage("--type goes with --to hf (sr-model quantize writes GGUF files of any "
			"type, from folders too)");
	if (tokenizer && strcmp(to, "hf") == 0)
		tool_usage("--tokenizer goes with a llama2.c model, which becomes a GGUF file");
	if (base && (tokenizer || type_name))
		tool_usage("adapters (-m) go without --tokenizer and --type");
	if (base) {
		convert_adapter(argv[0], base, strcmp(to, "hf") == 0, out);
		return;
	}
	if (tokenizer) {
		convert_llama2c(argv[0], tokenizer, out);
		return;
	}
	g = open_file(argv[0]);
	if (strcmp(to, "gguf") == 0)
		write_gguf(g, argv[0], out);
	else if (hf_save(g, out, type, &e) < 0)
		tool_fail("%s: %s", argv[0], e.msg);
	gguf_free(g);
}
