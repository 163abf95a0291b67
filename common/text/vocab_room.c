#include "text/vocab_room.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_TOKENS = 1 << 24, HOLES = 1 << 16 };

void
room_release(struct vocab_room *r)
{
	for (size_t i = 0; i < r->n_trees; i++)
		json_free(r->trees[i]);
	for (size_t i = 0; i < r->n_maps; i++)
		file_unmap(&r->maps[i]);
	free(r->strings);
	free(r->pieces);
	free(r->lens);
	free(r->scores);
	free(r->kinds);
	free(r->strips);
	free(r->merges);
	free(r->merge_lens);
	*r = (struct vocab_room){ 0 };
}

int
room_map(struct vocab_room *r, const char *path, struct file_map *m, struct err *e)
{
	if (r->n_maps == ROOM_FILES)
		return err_set(e, "%s: one file too many", path);
	if (file_map(m, path, e) < 0)
		return -1;
	r->maps[r->n_maps++] = *m;
	return 0;
}

const struct json *
room_json(struct vocab_room *r, const char *path, struct err *e)
{
	struct file_map m;
	struct json *j;

	if (r->n_trees == ROOM_FILES) {
		err_set(e, "%s: one file too many", path);
		return NULL;
	}
	if (file_map(&m, path, e) < 0)
		return NULL;
	j = json_parse((const char *)m.data, m.len, e);
	file_unmap(&m);
	if (!j) {
		err_prefix(e, "%s", path);
		return NULL;
	}
	return r->trees[r->n_trees++] = j;
}

int
room_tokens(struct vocab_room *r, size_t n, size_t entries, struct err *e)
{
	if (n == 0 || n > MOST_TOKENS || n > 2 * entries + HOLES)
		return err_set(e, "%zu token ids for %zu entries", n, entries);
	r->n = n;
	r->pieces = mem_alloc(n, sizeof *r->pieces);
	r->lens = mem_alloc(n, sizeof *r->lens);
	r->kinds = mem_alloc(n, sizeof *r->kinds);
	return 0;
}

int
room_put(struct vocab_room *r, long long id, const char *piece, size_t len, int kind,
	struct err *e)
{
	if (id < 0 || (unsigned long long)id >= r->n)
		return err_set(e, "token \"%.*s\" has the id %lld, of %zu",
			(int)(len < 64 ? len : 64), piece, id, r->n);
	if (r->pieces[id] && (r->lens[id] != len || memcmp(r->pieces[id], piece, len) != 0))
		return err_set(e, "\"%.*s\" and \"%.*s\" have the same id %lld",
			(int)(r->lens[id] < 64 ? r->lens[id] : 64), r->pieces[id],
			(int)(len < 64 ? len : 64), piece, id);
	r->pieces[id] = piece;
	r->lens[id] = len;
	r->kinds[id] = kind;
	return 0;
}

int
room_find(const struct vocab_room *r, const char *piece, size_t len)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->pieces[i] && r->lens[i] == len && memcmp(r->pieces[i], piece, len) == 0)
			return (int)i;
	return -1;
}

void
room_finish(struct vocab_room *r, struct vocab *v)
{
	for (size_t i = 0; i < r->n; i++)
		if (!r->pieces[i]) {
			r->pieces[i] = "[unused]";
			r->lens[i] = strlen(r->pieces[i]);
			r->kinds[i] = TOKEN_UNUSED;
		}
	v->n = r->n;
	v->pieces = r->pieces;
	v->lens = r->lens;
	v->scores = r->scores;
	v->kinds = r->kinds;
	v->strips = r->strips;
	v->merges = r->merges;
	v->merge_lens = r->merge_lens;
	v->n_merges = r->n_merges;
}
