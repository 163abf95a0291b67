/* sr-model set: change metadata */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/opt.h"
#include "bias/safety.h"
#include "verbs.h"

/* The type of a key's value: as documented for our own, as loaders want those of the tokenizer, as
 * it stands in the file for others. */
static enum gguf_type
key_type(const struct gguf *g, const char *key)
{
	static const struct {
		const char *begin, *end;
		enum gguf_type type;
	} known[] = {
		{ "sr", ".temperature", GGUF_F32 },
		{ "sr", ".threshold", GGUF_F32 },
		{ "sr.", ".values", GGUF_ARR },
		{ "tokenizer.ggml.", "_token_id", GGUF_U32 },
		{ "tokenizer.ggml.add_", "", GGUF_BOOL },
	};
	size_t len = strlen(key), bytes;
	enum gguf_type type;

	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		size_t begin = strlen(known[i].begin), end = strlen(known[i].end);

		if (len > begin + end && strncmp(key, known[i].begin, begin) == 0 &&
			strcmp(key + len - end, known[i].end) == 0)
			return known[i].type;
	}
	return gguf_raw(g, key, &type, &bytes) ? type : GGUF_STR;
}

/* "unsafe|benign" */
static void
set_list(struct gguf_out *o, const char *key, const char *value)
{
	const char **v = NULL;
	size_t *len = NULL, n = 0;

	for (const char *p = value;; p++) {
		v = mem_grow(v, n + 1, sizeof *v);
		len = mem_grow(len, n + 1, sizeof *len);
		v[n] = p;
		len[n] = strcspn(p, "|");
		p += len[n++];
		if (!*p)
			break;
	}
	gguf_put_strs(o, key, v, len, n);
	free(v);
	free(len);
}

static double
number(const char *key, const char *value)
{
	char *end;
	double x = strtod(value, &end);

	if (end == value || *end || !isfinite(x))
		tool_usage("%s wants a number, not '%s'", key, value);
	return x;
}

static uint64_t
whole(const char *key, const char *value, uint64_t max)
{
	double x = number(key, value);

	if (x < 0 || x != floor(x) || x > (double)max || x > 0x1p53)
		tool_usage("%s wants a whole number, not '%s'", key, value);
	return (uint64_t)x;
}

static void
set_key(struct gguf_out *o, const struct gguf *g, const char *key, const char *value)
{
	enum gguf_type elem = GGUF_STR;

	switch (key_type(g, key)) {
	case GGUF_STR:
		gguf_put_str(o, key, value, strlen(value));
		break;
	case GGUF_F32:
		gguf_put_f32(o, key, (float)number(key, value));
		break;
	case GGUF_U32:
		gguf_put_u32(o, key, (uint32_t)whole(key, value, UINT32_MAX));
		break;
	case GGUF_U64:
		gguf_put_u64(o, key, whole(key, value, UINT64_MAX));
		break;
	case GGUF_BOOL:
		if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
			tool_usage("%s wants true or false, not '%s'", key, value);
		gguf_put_bool(o, key, *value == 't');
		break;
	case GGUF_ARR:
		gguf_arr(g, key, &elem, NULL);
		if (elem == GGUF_STR) {
			set_list(o, key, value);
			break;
		}
		/* fall through */
	default:
		tool_fail("key %s has a type that can't be set", key);
	}
}

void
verb_set(int argc, char **argv)
{
	static const char *out;
	static struct opt_list drop;
	static const struct opt opts[] = {
		{ 'o', NULL, OPT_TEXT, &out, "FILE", "where the model goes (IN, too)", 0, 0 },
		{ 0, "drop", OPT_LIST, &drop, "KEY", "leave a key out; may be repeated", 0, 0 },
		OPT_END
	};
	static const struct tool tool = {
		"sr-model", "set IN.gguf -o OUT.gguf [--drop KEY]... KEY=VALUE...",
		"Change metadata. sr.*.temperature and sr.*.threshold are numbers, sr.*.values\n"
		"lists parted by '|', tokenizer.ggml.*_token_id whole numbers,\n"
		"tokenizer.ggml.add_* true or false; keys that are there keep their type, all\n"
		"others are strings.",
		"sr-model set sr.gguf -o sr.gguf sr.safety.threshold=0.62 general.license=MIT",
		opts
	};
	struct gguf_out *o;
	struct gguf *g;
	struct err e;

	tool_init(&tool, &argc, &argv);
	if (argc < 1 || argc + (int)drop.n < 2)
		tool_usage("set takes a model file and KEY=VALUE");
	need_output(out);
	for (int i = 1; i < argc; i++)
		if (!strchr(argv[i], '=') || argv[i][0] == '=')
			tool_usage("'%s' is no KEY=VALUE", argv[i]);
	g = open_file(argv[0]);
	o = gguf_out_new();
	gguf_put_copy_all(o, g);
	for (size_t i = 0; i < drop.n; i++) {
		if (!gguf_has(g, drop.v[i]))
			tool_fail("%s: no key %s to drop", argv[0], drop.v[i]);
		gguf_put_drop(o, drop.v[i]);
	}
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		*value++ = '\0';
		set_key(o, g, argv[i], value);
	}
	if (gguf_put_tensors(o, g, &e) < 0)
		tool_fail("%s: %s", argv[0], e.msg);
	save(o, out);
	free(drop.v);
	gguf_free(g);
}
