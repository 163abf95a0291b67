/* Adapters as folders of PEFT (Hugging Face): adapter_config.json, adapter_model.safetensors. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "model/adapter_internal.h"
#include "model/hf_internal.h"
#include "tensor/types.h"

#define PREFIX "base_model.model."

/* What adapter_config.json says that a reader needs. */
struct settings {
	struct json *root;
	long long rank;
	double alpha;
	bool rs, other_ranks;
	bool prefix; /* no LoRA, and nothing of this */
};

/* Keys that stand for more than two matrices per module. */
static const struct {
	const char *key, *what;
} refused[] = {
	{ "use_dora", "DoRA" },
	{ "modules_to_save", "modules that were trained as a whole" },
	{ "lora_bias", "trained biases" },
	{ "layer_replication", "repeated layers" },
	{ "alora_invocation_tokens", "activated LoRA" },
	{ "trainable_token_indices", "tokens that were trained" },
	{ "target_parameters", "adapters of parameters" },
	{ "use_qalora", "QALoRA" },
};

static char *
path_in(const char *folder, const char *name)
{
	struct buf b = { 0 };

	buf_printf(&b, "%s/%s", folder, name);
	return buf_str(&b);
}

static bool
is_text(const struct json *j, const char *what)
{
	size_t len;
	const char *s = json_text(j, &len);

	return s && len == strlen(what) && memcmp(s, what, len) == 0;
}

/* Absent, null, false, or empty. */
static bool
is_unset(const struct json *j)
{
	void *it = NULL;
	const char *key;
	const struct json *value;
	long long number;
	size_t len;
	bool yes;

	if (!j)
		return true;
	if (json_bool(j, &yes))
		return !yes;
	if (json_is_array(j))
		return json_len(j) == 0;
	if (json_is_object(j))
		return !json_each(j, &it, &key, &value);
	if (json_int(j, &number))
		return number == 0;
	return !json_text(j, &len); /* null */
}

/* Ways to begin that leave the base model as it is; others (PiSSA, OLoRA, ...) change it. */
static bool
keeps_base(const struct json *init)
{
	bool flag;

	return !init || json_bool(init, &flag) || is_text(init, "gaussian") ||
		is_text(init, "eva") || is_text(init, "orthogonal");
}

static int
read_settings(struct settings *s, struct err *e)
{
	const struct json *j = s->root;
	const struct json *bias = json_get(j, "bias");

	s->prefix = is_text(json_get(j, "peft_type"), "PREFIX_TUNING");
	if (s->prefix)
		return 0;
	if (!is_text(json_get(j, "peft_type"), "LORA"))
		return err_set(e, "peft_type is neither LORA nor PREFIX_TUNING, the kinds that are "
			"supported");
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
		if (!is_unset(json_get(j, refused[i].key)))
			return err_set(e, "%s is set: %s can't be read, only plain LoRA",
				refused[i].key, refused[i].what);
	if (bias && !is_text(bias, "none"))
		return err_set(e, "bias is not \"none\": trained biases can't be read, only plain "
			"LoRA");
	if (!keeps_base(json_get(j, "init_lora_weights")))
		return err_set(e, "init_lora_weights is one that changes the base model: save the "
			"adapter as plain LoRA (path_initial_model_for_weight_conversion)");
	if (!json_int(json_get(j, "r"), &s->rank) || s->rank < 1)
		return err_set(e, "r is missing or no rank");
	if (!json_double(json_get(j, "lora_alpha"), &s->alpha) || !isfinite((float)s->alpha) ||
	    (float)s->alpha == 0)
		return err_set(e, "lora_alpha is missing, 0 or no finite number");
	s->rs = json_is_true(json_get(j, "use_rslora"));
	s->other_ranks = !is_unset(json_get(j, "rank_pattern"));
	return 0;
}

/* The lora_alpha of a module: alpha_pattern's keys are endings of names. PEFT takes them for
 * regular expressions, of which no more than the dot that stands for itself is known here. */
static int
alpha_of(const struct settings *s, const char *module, double *alpha, struct err *e)
{
	const struct json *patterns = json_get(s->root, "alpha_pattern"), *value;
	const char *key;
	void *it = NULL;

	*alpha = s->alpha;
	while (json_each(patterns, &it, &key, &value)) {
		size_t len = strlen(key), all = strlen(module);

		if (strpbrk(key, "\\^$*+?()[]{}|"))
			return err_set(e, "alpha_pattern \"%s\" is a regular expression, which is "
				"not supported", key);
		if (len > all || strcmp(module + all - len, key) != 0 ||
		    (all > len && module[all - len - 1] != '.'))
			continue;
		if (!json_double(value, alpha) || !isfinite((float)*alpha) || (float)*alpha == 0)
			return err_set(e, "alpha_pattern \"%s\" is 0 or no finite number", key);
		break;
	}
	return 0;
}

static const struct ending {
	const char *a, *b;
	bool turned; /* of embeddings, which are looked up: a (r, N), b (K, r) */
} endings[] = {
	{ ".lora_A.weight", ".lora_B.weight", false },
	{ ".lora_embedding_A", ".lora_embedding_B", true },
};

static size_t
without(const char *name, const char *end)
{
	size_t len = strlen(name), n = strlen(end);

	return len > n && strcmp(name + len - n, end) == 0 ? len - n : 0;
}

/* The ending of a name; *len: without it. NULL where it is none of LoRA's. */
static const struct ending *
ending_of(const char *name, size_t *len)
{
	for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
		if ((*len = without(name, endings[i].a)) > 0 ||
		    (*len = without(name, endings[i].b)) > 0)
			return &endings[i];
	return NULL;
}

static struct hf_size
size_of(const struct config *c)
{
	return (struct hf_size){ c->n_layer, c->n_embd, c->n_head, c->n_head_kv, c->head_dim,
		c->n_vocab, c->tied };
}

static struct adapter_side
side_of(const struct safetensor *t)
{
	return (struct adapter_side){ t->name, (uint32_t)t->type, (size_t)t->dims[0],
		(size_t)t->dims[1], t->data, false };
}

static void
turn(struct adapter_side *s)
{
	size_t rows = s->rows;

	s->rows = s->cols;
	s->cols = rows;
	s->turned = true;
}

/* What is read, and for what. */
struct reading {
	struct adapter *to;
	const struct model *m;
	const struct hf_family *family;
	const struct settings *settings;
	const struct safetensors *file;
};

static int
check_tensor(const struct safetensor *t, struct err *e)
{
	if (t->type < 0)
		return err_set(e, "tensor %s is stored as %s (F32, F16 and BF16 are supported)",
			t->name, t->dtype);
	if (t->n_dims != 2)
		return err_set(e, "tensor %s has %u dimensions, not 2", t->name, t->n_dims);
	return 0;
}

/* Both matrices of the module called `module` in the folder. */
static int
take_module(const struct reading *r, const char *module, const struct safetensor *ta,
	const struct safetensor *tb, bool turned, struct err *e)
{
	const struct settings *s = r->settings;
	struct adapter_side a = side_of(ta), b = side_of(tb);
	struct hf_size size = size_of(&r->m->c);
	struct buf hf = { 0 }, name = { 0 };
	struct adapter_part *p = NULL;
	enum hf_change change;
	double alpha;
	int rc = -1;

	if (turned) {
		struct adapter_side rows = a;

		a = b;
		b = rows;
		turn(&a);
		turn(&b);
	}
	buf_printf(&hf, "%s.weight", module);
	if (check_tensor(ta, e) == 0 && check_tensor(tb, e) == 0 &&
	    alpha_of(s, module, &alpha, e) == 0) {
		if (s->rs)
			alpha *= sqrt((double)a.rows);
		if (!s->other_ranks && a.rows != (size_t)s->rank)
			err_set(e, "tensor %s is of rank %zu, adapter_config.json says %lld",
				ta->name, a.rows, s->rank);
		else if (!hf_other_name(r->family, buf_str(&hf), false, &name, &change))
			err_set(e, "tensor %s: model_type %s has no %s (another base model?)",
				ta->name, r->family->type, module);
		else
			p = adapter_add(r->to, r->m, buf_str(&name), &a, &b, alpha, e);
	}
	if (p) {
		size_t bytes = p->rank * sizeof *p->b;
		float *moved = mem_alloc(p->t.rows, bytes);

		hf_move_rows(change, &size, true, p->t.rows, bytes, p->b, moved);
		free(p->b);
		p->b = moved;
		rc = 0;
	}
	buf_release(&hf);
	buf_release(&name);
	return rc;
}

static int
take_tensor(const struct reading *r, const struct safetensor *t, struct err *e)
{
	size_t len, skip = strncmp(t->name, PREFIX, strlen(PREFIX)) == 0 ? strlen(PREFIX) : 0;
	const struct ending *end = ending_of(t->name, &len);
	const struct safetensor *other;
	char *stem, *name;
	struct buf b = { 0 };
	bool is_a;
	int rc = 0;

	/* what lies below the adapter of an embedding is the base model's */
	if (without(t->name, ".base_layer.weight"))
		return 0;
	if (!end || len <= skip)
		return err_set(e, "tensor %s is no lora_A and no lora_B, and plain LoRA alone is "
			"supported", t->name);
	is_a = strcmp(t->name + len, end->a) == 0;
	stem = mem_dup(t->name, len);
	buf_printf(&b, "%s%s", stem, is_a ? end->b : end->a);
	name = buf_str(&b);
	other = safetensors_find(r->file, name);
	if (!other)
		rc = err_set(e, "tensor %s is there, but not %s", t->name, name);
	else if (is_a)
		rc = take_module(r, stem + skip, t, other, end->turned, e);
	free(stem);
	free(name);
	return rc;
}

static int
read_weights(struct adapter *to, const struct model *m, const struct settings *s,
	const char *folder, struct err *e)
{
	char *path = path_in(folder, "adapter_model.safetensors");
	char *pickled = path_in(folder, "adapter_model.bin");
	struct safetensors file;
	struct reading r = { to, m, hf_family_of_gguf(m->file, e), s, &file };
	int rc = -1;

	if (!r.family)
		err_prefix(e, "%s", folder);
	else if (access(path, F_OK) < 0 && access(pickled, F_OK) == 0)
		err_set(e, "%s holds pickled Python objects, which can't be read: save the adapter "
			"as safetensors", pickled);
	else
		rc = safetensors_open(&file, path, e);
	if (rc == 0) {
		if (s->prefix)
			rc = prefix_read_peft(to, m, r.family, s->root, &file, e);
		for (size_t i = 0; rc == 0 && !s->prefix && i < file.n; i++)
			rc = take_tensor(&r, &file.tensors[i], e);
		if (rc < 0)
			err_prefix(e, "%s", path);
		safetensors_release(&file);
	}
	free(path);
	free(pickled);
	return rc;
}

int
adapter_read_peft(struct adapter *to, const struct model *m, const char *folder, struct err *e)
{
	char *path = path_in(folder, "adapter_config.json");
	struct settings s = { 0 };
	struct file_map map;
	int rc = file_map(&map, path, e);

	if (rc == 0) {
		s.root = json_parse((const char *)map.data, map.len, e);
		rc = s.root ? read_settings(&s, e) : -1;
		if (rc < 0)
			err_prefix(e, "%s", path);
		file_unmap(&map);
	}
	to->rslora = s.rs;
	if (rc == 0)
		rc = read_weights(to, m, &s, folder, e);
	json_free(s.root);
	free(path);
	return rc;
}

/* What a module is called in a folder, without ".weight"; to free(). NULL with a message. */
static char *
module_of(const struct hf_family *f, const char *tensor, enum hf_change *change, struct err *e)
{
	struct buf b = { 0 };
	char *name;

	if (!hf_other_name(f, tensor, true, &b, change)) {
		err_set(e, "tensor %s has no Hugging Face name", tensor);
		return NULL;
	}
	name = buf_str(&b);
	name[b.len - strlen(".weight")] = '\0';
	return name;
}

static const char *
last_name(const char *module)
{
	const char *dot = strrchr(module, '.');

	return dot ? dot + 1 : module;
}

/* An adapter on its way into a folder. */
struct writing {
	const struct adapter *a;
	const struct model *m;
	const struct hf_family *family;
	char **modules;          /* by part */
	enum hf_change *changes;
	size_t rank;             /* of the first part */
};

/* Does the adapter have every module of the model that is called so? */
static bool
has_all(const struct writing *w, const char *last)
{
	struct tensor_spec t;
	size_t model = 0, own = 0;

	for (size_t i = 0; config_tensor(&w->m->c, i, &t); i++) {
		enum hf_change change;
		size_t len = strlen(t.name);
		char *module = len > 7 && strcmp(t.name + len - 7, ".weight") == 0 && t.rows > 1 ?
			module_of(w->family, t.name, &change, NULL) : NULL;

		model += module && strcmp(last_name(module), last) == 0;
		free(module);
	}
	for (size_t i = 0; i < w->a->n; i++)
		own += strcmp(last_name(w->modules[i]), last) == 0;
	return own == model;
}

/* target_modules: the last part of their names where all that are called so are meant, the whole
 * name otherwise. */
static void
put_targets(const struct writing *w, struct buf *b)
{
	const char *between = "";

	for (size_t i = 0; i < w->a->n; i++) {
		const char *last = last_name(w->modules[i]);
		bool all = has_all(w, last), seen = false;

		for (size_t k = 0; all && k < i && !seen; k++)
			seen = strcmp(last_name(w->modules[k]), last) == 0;
		if (seen)
			continue;
		buf_puts(b, between);
		json_put_text(b, all ? last : w->modules[i],
			strlen(all ? last : w->modules[i]));
		between = ", ";
	}
}

static void
put_ranks(const struct writing *w, struct buf *b)
{
	const char *between = "";

	for (size_t i = 0; i < w->a->n; i++) {
		if (w->a->parts[i].rank == w->rank)
			continue;
		buf_puts(b, between);
		json_put_text(b, w->modules[i], strlen(w->modules[i]));
		buf_printf(b, ": %zu", w->a->parts[i].rank);
		between = ", ";
	}
}

/* The lora_alpha by which a reader gets the adapter's own scale: in as few digits as do. */
static void
put_alpha(const struct writing *w, bool rslora, struct buf *b)
{
	double root = rslora ? sqrt((double)w->rank) : 1, alpha = (double)w->a->alpha / root;
	char text[32];

	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, alpha);
		if ((float)(strtod(text, NULL) * root) == w->a->alpha)
			break;
	}
	buf_puts(b, text);
}

static void
put_config(const struct writing *w, struct buf *b)
{
	size_t len;
	const char *name = gguf_str(w->m->file, "general.name", &len);
	bool conv1d = false, rslora = w->a->rslora;

	for (size_t i = 0; i < w->a->n; i++) {
		conv1d |= w->changes[i] == HF_TRANSPOSE;
		/* with one alpha its scales would not go with the square roots of several ranks */
		rslora &= w->a->parts[i].rank == w->rank;
	}
	buf_puts(b, "{\n  \"peft_type\": \"LORA\",\n  \"task_type\": \"CAUSAL_LM\",\n"
		"  \"base_model_name_or_path\": ");
	json_put_text(b, name ? name : "", name ? len : 0);
	buf_printf(b, ",\n  \"r\": %zu,\n  \"lora_alpha\": ", w->rank);
	put_alpha(w, rslora, b);
	buf_puts(b, ",\n  \"target_modules\": [");
	put_targets(w, b);
	buf_puts(b, "],\n  \"rank_pattern\": {");
	put_ranks(w, b);
	buf_printf(b, "},\n  \"alpha_pattern\": {},\n  \"fan_in_fan_out\": %s,\n"
		"  \"use_rslora\": %s,\n  \"use_dora\": false,\n  \"lora_dropout\": 0.0,\n"
		"  \"bias\": \"none\",\n  \"modules_to_save\": null,\n"
		"  \"init_lora_weights\": true,\n  \"inference_mode\": true\n}\n",
		conv1d ? "true" : "false", rslora ? "true" : "false");
}

/* Tensor 2i is part i's A, 2i + 1 its B. */
static int
make_side(void *arg, size_t i, const struct safetensor *t, void *to, struct err *e)
{
	const struct writing *w = arg;
	const struct adapter_part *p = &w->a->parts[i / 2];
	struct hf_size size = size_of(&w->m->c);
	bool turned = without(t->name, endings[1].a) || without(t->name, endings[1].b);

	(void)e;
	if (turned && i % 2 == 0)
		adapter_turn(p->b, p->t.rows, p->rank, to);
	else if (turned)
		adapter_turn(p->a, p->rank, p->t.cols, to);
	else if (i % 2 == 0)
		memcpy(to, p->a, p->rank * p->t.cols * sizeof *p->a);
	else
		hf_move_rows(w->changes[i / 2], &size, false, p->t.rows, p->rank * sizeof *p->b,
			p->b, to);
	return 0;
}

static struct safetensor
matrix(char *name, size_t rows, size_t cols)
{
	return (struct safetensor){ .name = name, .type = TYPE_F32, .n_dims = 2,
		.dims = { rows, cols } };
}

static int
write_lora(struct writing *w, const char *path, struct err *e)
{
	struct safetensor *t = mem_alloc(2 * w->a->n, sizeof *t);
	int rc;

	for (size_t i = 0; i < w->a->n; i++) {
		const struct adapter_part *p = &w->a->parts[i];
		bool turned = strcmp(p->t.name, "token_embd.weight") == 0;
		struct buf a = { 0 }, b = { 0 };

		buf_printf(&a, PREFIX "%s%s", w->modules[i], endings[turned].a);
		buf_printf(&b, PREFIX "%s%s", w->modules[i], endings[turned].b);
		t[2 * i] = matrix(buf_str(&a), p->rank, turned ? p->t.rows : p->t.cols);
		t[2 * i + 1] = matrix(buf_str(&b), turned ? p->t.cols : p->t.rows, p->rank);
	}
	rc = safetensors_save(t, 2 * w->a->n, make_side, w, path, e);
	for (size_t i = 0; i < 2 * w->a->n; i++)
		free(t[i].name);
	free(t);
	return rc;
}

static int
write_weights(struct writing *w, const char *folder, struct err *e)
{
	char *path = path_in(folder, "adapter_model.safetensors");
	int rc = w->a->prefix.n > 0 ? prefix_write_peft(w->a, w->m, w->family, path, e) :
		write_lora(w, path, e);

	free(path);
	return rc;
}

static int
write_config(const struct writing *w, const char *folder, struct err *e)
{
	char *path = path_in(folder, "adapter_config.json");
	struct buf b = { 0 };
	struct file_out out;
	int rc = file_out_open(&out, path, 0, e);

	if (rc == 0) {
		if (w->a->prefix.n > 0)
			prefix_peft_config(w->a, w->m, &b);
		else
			put_config(w, &b);
		fwrite(b.data, 1, b.len, out.f);
		rc = file_out_commit(&out, e);
	}
	buf_release(&b);
	free(path);
	return rc;
}

int
adapter_save_peft(const struct adapter *a, const struct model *m, const char *folder,
	struct err *e)
{
	struct writing w = { a, m, hf_family_of_gguf(m->file, e), NULL, NULL,
		a->n > 0 ? a->parts[0].rank : 0 };
	int rc = w.family ? 0 : -1;

	w.modules = mem_alloc(a->n, sizeof *w.modules);
	w.changes = mem_alloc(a->n, sizeof *w.changes);
	for (size_t i = 0; rc == 0 && i < a->n; i++) {
		w.modules[i] = module_of(w.family, a->parts[i].t.name, &w.changes[i], e);
		rc = w.modules[i] ? 0 : -1;
	}
	if (rc == 0 && mkdir(folder, 0777) < 0 && errno != EEXIST)
		rc = err_set(e, "cannot make %s: %s", folder, strerror(errno));
	/* adapter_config.json comes last: a folder without it is no adapter. */
	if (rc == 0 && (write_weights(&w, folder, e) < 0 || write_config(&w, folder, e) < 0))
		rc = -1;
	for (size_t i = 0; i < a->n; i++)
		free(w.modules[i]);
	free(w.modules);
	free(w.changes);
	return rc;
}
