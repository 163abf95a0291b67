/* What `sr-model info` tells of beyond models: vocabularies and adapters of other formats, turned
 * into GGUF's terms. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "model/describe.h"
#include "model/safetensors.h"
#include "model/source.h"
#include "text/vocab_file.h"

static bool
is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static char *
path_in(const char *folder, const char *name)
{
	struct buf b = { 0 };

	buf_printf(&b, "%s/%s", folder, name);
	return buf_str(&b);
}

static bool
has(const char *folder, const char *name)
{
	char *path = path_in(folder, name);
	struct stat st;
	bool found = stat(path, &st) == 0;

	free(path);
	return found;
}

static bool
is_vocabulary(const char *path)
{
	static const char *const endings[] = { ".json", ".model", ".txt", ".bpe" };
	const char *dot = strrchr(path, '.');

	if (is_folder(path))
		return !has(path, "config.json");
	for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
		if (strcmp(dot, endings[i]) == 0)
			return true;
	return false;
}

static struct gguf *
open_vocabulary(const char *path, struct err *e)
{
	struct gguf_out *o;
	struct vocab_file f;
	struct gguf *g;

	if (vocab_file_open(&f, path, e) < 0)
		return NULL;
	o = gguf_out_new();
	vocab_to_gguf(&f.v, o);
	if (f.chat_template)
		gguf_put_str(o, "tokenizer.chat_template", f.chat_template,
			strlen(f.chat_template));
	g = gguf_view(o, NULL, NULL, e);
	gguf_out_free(o);
	vocab_file_release(&f);
	return g;
}

/* adapter_config.json, as far as it is told of. */
static int
put_settings(const char *folder, struct gguf_out *o, struct err *e)
{
	char *path = path_in(folder, "adapter_config.json");
	struct json *j = NULL;
	struct file_map map;
	double rank, alpha;
	const char *base;
	size_t len;

	if (file_map(&map, path, e) == 0) {
		j = json_parse((const char *)map.data, map.len, e);
		if (!j)
			err_prefix(e, "%s", path);
		file_unmap(&map);
	}
	free(path);
	if (!j)
		return -1;
	if (json_double(json_get(j, "r"), &rank) &&
	    json_double(json_get(j, "lora_alpha"), &alpha))
		gguf_put_f32(o, "adapter.lora.alpha", (float)(alpha *
			(json_is_true(json_get(j, "use_rslora")) ? sqrt(rank) : 1)));
	base = json_text(json_get(j, "peft_type"), &len);
	if (base && len == 13 && memcmp(base, "PREFIX_TUNING", 13) == 0)
		gguf_put_str(o, "adapter.type", "prefix", 6);
	base = json_text(json_get(j, "base_model_name_or_path"), &len);
	if (base)
		gguf_put_str(o, "general.base_model.0.name", base, len);
	json_free(j);
	return 0;
}

/* Names that begin as GGUF's do, so that layers are grouped: "blk.3.self_attn.q_proj.lora_A". */
static void
put_matrix(const struct safetensor *t, struct gguf_out *o)
{
	const char *layer = strstr(t->name, ".layers."), *h = strstr(t->name, ".h.");
	bool matrix = t->n_dims > 1;
	uint64_t dims[2] = { t->dims[matrix], matrix ? t->dims[0] : 1 };
	struct buf name = { 0 };

	if (layer || h)
		buf_printf(&name, "blk.%s", layer ? layer + 8 : h + 3);
	else
		buf_puts(&name, t->name);
	gguf_put_tensor(o, buf_str(&name), (uint32_t)t->type, 2, dims, t->data);
	buf_release(&name);
}

static void
release_tensors(void *owner)
{
	safetensors_release(owner);
	free(owner);
}

static struct gguf *
open_peft(const char *folder, struct err *e)
{
	struct safetensors *s = mem_alloc(1, sizeof *s);
	char *path = path_in(folder, "adapter_model.safetensors");
	struct gguf_out *o = gguf_out_new();
	struct gguf *g = NULL;
	int rc = safetensors_open(s, path, e);

	free(path);
	if (rc < 0) {
		free(s);
		gguf_out_free(o);
		return NULL;
	}
	gguf_put_str(o, "general.type", "adapter", 7);
	rc = put_settings(folder, o, e);
	for (size_t i = 0; rc == 0 && i < s->n; i++) {
		const struct safetensor *t = &s->tensors[i];

		if (t->type < 0 || t->n_dims > 2)
			rc = err_set(e, "%s: tensor %s is no matrix of F32, F16 or BF16", folder,
				t->name);
		else
			put_matrix(t, o);
	}
	if (rc == 0)
		g = gguf_view(o, release_tensors, s, e);
	else
		release_tensors(s);
	gguf_out_free(o);
	return g;
}

struct gguf *
describe_open(const char *path, struct err *e)
{
	if (is_folder(path) && has(path, "adapter_config.json"))
		return open_peft(path, e);
	return is_vocabulary(path) ? open_vocabulary(path, e) : source_open(path, e);
}
