#include "text/vocab_file.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "text/vocab_room.h"

static char *
in_folder(const char *folder, const char *name)
{
	struct buf b = { 0 };

	buf_printf(&b, "%s/%s", folder, name);
	return buf_str(&b);
}

/* The folder of a file. */
static char *
folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? mem_dup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_str(".");
}

static bool
is_named(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash ? slash + 1 : path, name) == 0;
}

static bool
ends_in(const char *path, const char *end)
{
	size_t n = strlen(path), len = strlen(end);

	return n >= len && strcmp(path + n - len, end) == 0;
}

/* The vocabularies that a folder may have, in the order in which they are taken; `merges` where
 * they come in pairs. */
static const struct {
	const char *name, *merges;
} known[] = { { "tokenizer.json", NULL }, { "vocab.json", "merges.txt" },
	{ "encoder.json", "vocab.bpe" }, { "tokenizer.model", NULL } };

enum { N_KNOWN = sizeof known / sizeof *known };

static int
read_vocab(struct vocab_room *r, const char *path, const char *folder, struct vocab *v,
	struct err *e)
{
	for (size_t i = 0; i < N_KNOWN; i++) {
		char *merges;
		int status;

		if (!known[i].merges || (!is_named(path, known[i].name) &&
			!is_named(path, known[i].merges)))
			continue;
		merges = in_folder(folder, known[i].merges);
		if (is_named(path, known[i].merges)) {
			char *vocab = in_folder(folder, known[i].name);

			status = vocab_bpe_read(r, vocab, merges, v, e);
			free(vocab);
		} else {
			status = vocab_bpe_read(r, path, merges, v, e);
		}
		free(merges);
		return status;
	}
	if (ends_in(path, ".json"))
		return vocab_json_read(r, path, v, e);
	if (ends_in(path, ".model"))
		return sentencepiece_read(r, path, v, e);
	return err_set(e, "%s: no vocabulary that is known (GGUF, tokenizer.json, vocab.json with "
		"merges.txt, encoder.json with vocab.bpe, tokenizer.model)", path);
}

/* A file beside the vocabulary; NULL and no error where there is none. */
static int
beside(struct vocab_room *r, const char *folder, const char *name, const struct json **j,
	struct err *e)
{
	char *path = in_folder(folder, name);
	int status = 0;

	*j = NULL;
	if (access(path, F_OK) == 0) {
		*j = room_json(r, path, e);
		status = *j ? 0 : -1;
		if (*j && !json_is_object(*j))
			status = err_set(e, "%s: no JSON object", path);
	}
	free(path);
	return status;
}

/* A token that is named by text, by {"content": text}, or by its id (the first of a list's). */
static void
take_token(const struct vocab_room *r, const struct json *j, int *to)
{
	size_t len;
	const char *s;
	long long id;
	int found;

	if (j && json_is_object(j))
		j = json_get(j, "content");
	if (j && json_is_array(j))
		j = json_len(j) > 0 ? json_at(j, 0) : NULL;
	if (!j)
		return;
	if ((s = json_text(j, &len)) && (found = room_find(r, s, len)) >= 0)
		*to = found;
	else if (json_int(j, &id) && id >= 0 && (unsigned long long)id < r->n)
		*to = (int)id;
}

static void
take_flag(const struct json *j, const char *key, bool *to)
{
	const struct json *v = json_get(j, key);

	if (v)
		json_bool(v, to);
}

/* tokenizer_config.json's own list of added tokens, for folders without tokenizer.json. */
static int
take_added(struct vocab_room *r, const struct json *config, struct err *e)
{
	const struct json *added = json_get(config, "added_tokens_decoder"), *a;
	const char *key;
	void *it = NULL;

	while (added && json_each(added, &it, &key, &a)) {
		const struct json *content = json_get(a, "content");
		const struct json *special = json_get(a, "special");
		int kind = special && json_is_true(special) ? TOKEN_CONTROL : TOKEN_USER;
		long long id = atoll(key);
		size_t len;
		const char *s = content ? json_text(content, &len) : NULL;

		if (!s || id < 0 || (unsigned long long)id >= r->n || !r->pieces[id])
			continue; /* beyond the embedding, or known by tokenizer.json */
		if (r->kinds[id] == TOKEN_NORMAL && room_put(r, id, s, len, kind, e) < 0)
			return -1;
	}
	return 0;
}

static char *
chat_template(const struct json *config)
{
	const struct json *t = json_get(config, "chat_template");
	size_t len;
	const char *s;

	/* several, by name: the one called default */
	for (size_t i = 0; t && json_is_array(t) && i < json_len(t); i++) {
		const struct json *name = json_get(json_at(t, i), "name");

		s = name ? json_text(name, &len) : NULL;
		if (s && len == 7 && memcmp(s, "default", 7) == 0) {
			t = json_get(json_at(t, i), "template");
			break;
		}
	}
	return t && (s = json_text(t, &len)) ? mem_dup(s, len) : NULL;
}

/* What the files beside the vocabulary say of special tokens; the later ones know better. */
static int
read_config(struct vocab_room *r, const char *folder, struct vocab_file *f, struct err *e)
{
	static const char *const names[] = { "generation_config.json", "special_tokens_map.json",
		"tokenizer_config.json" };
	const struct json *j, *class;
	size_t len;
	const char *s;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (beside(r, folder, names[i], &j, e) < 0)
			return -1;
		if (!j)
			continue;
		take_token(r, json_get(j, "bos_token_id"), &f->v.bos);
		take_token(r, json_get(j, "eos_token_id"), &f->v.eos);
		if (i == 2 && take_added(r, j, e) < 0)
			return -1;
		take_token(r, json_get(j, "bos_token"), &f->v.bos);
		take_token(r, json_get(j, "eos_token"), &f->v.eos);
		take_token(r, json_get(j, "unk_token"), &f->v.unk);
		take_flag(j, "add_bos_token", &f->v.add_bos);
		class = json_get(j, "tokenizer_class");
		s = class ? json_text(class, &len) : NULL;
		if (s && f->v.n_merges > 0 && f->v.pre && strncmp(s, "Qwen2Tokenizer", 14) == 0)
			f->v.pre = "qwen2";
		if (i == 2)
			f->chat_template = chat_template(j);
	}
	return 0;
}

/* A template in a file of its own, as newer folders have it. */
static int
read_template(const char *folder, struct vocab_file *f, struct err *e)
{
	char *path = in_folder(folder, "chat_template.jinja");
	struct file_map m;
	int status = 0;

	if (!f->chat_template && access(path, F_OK) == 0) {
		status = file_map(&m, path, e);
		if (status == 0) {
			f->chat_template = mem_dup((const char *)m.data, m.len);
			file_unmap(&m);
		}
	}
	free(path);
	return status;
}

/* The vocabulary of a folder. */
static char *
find(const char *folder, struct err *e)
{
	for (size_t i = 0; i < N_KNOWN; i++) {
		char *path = in_folder(folder, known[i].name);

		if (access(path, F_OK) == 0)
			return path;
		free(path);
	}
	err_set(e, "%s: no vocabulary in this folder (tokenizer.json, vocab.json, encoder.json or "
		"tokenizer.model)", folder);
	return NULL;
}

int
vocab_file_open(struct vocab_file *f, const char *path, struct err *e)
{
	struct vocab_room *r = mem_alloc(1, sizeof *r);
	struct stat st;
	bool is_folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	char *file = is_folder ? find(path, e) : mem_str(path);
	char *folder = is_folder ? mem_str(path) : folder_of(path);
	int status = file ? 0 : -1;

	*f = (struct vocab_file){ .v = { .bos = -1, .eos = -1, .unk = -1, .eot = -1 }, .room = r };
	if (status == 0)
		status = read_vocab(r, file, folder, &f->v, e);
	if (status == 0)
		f->v.n_merges = r->n_merges;
	if (status == 0 && read_config(r, folder, f, e) == 0 && read_template(folder, f, e) == 0)
		room_finish(r, &f->v);
	else
		status = -1;
	free(file);
	free(folder);
	if (status < 0)
		vocab_file_release(f);
	return status;
}

void
vocab_file_release(struct vocab_file *f)
{
	if (f->room)
		room_release(f->room);
	free(f->room);
	free(f->chat_template);
	*f = (struct vocab_file){ 0 };
}
