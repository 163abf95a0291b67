/* A vocabulary being put together from a file: arrays by token id, whose strings are views into
 * memory that the room keeps alive. vocab_json.c, vocab_bpe.c and sentencepiece.c read a format
 * each. */
#ifndef TEXT_VOCAB_ROOM_H
#define TEXT_VOCAB_ROOM_H

#include "base/file.h"
#include "base/json.h"
#include "text/tokenizer.h"

enum { ROOM_FILES = 8 };

struct vocab_room {
	struct json *trees[ROOM_FILES];
	struct file_map maps[ROOM_FILES];
	char *strings; /* those that stand nowhere else */
	size_t n_trees, n_maps;
	const char **pieces;
	size_t *lens;
	float *scores;
	int *kinds;
	unsigned char *strips;
	size_t n;
	const char **merges;
	size_t *merge_lens;
	size_t n_merges;
};

void room_release(struct vocab_room *r);
/* Parse a file; the room keeps the tree. At most ROOM_FILES of each. */
const struct json *room_json(struct vocab_room *r, const char *path, struct err *e);
/* Map a file; the room keeps it. */
int room_map(struct vocab_room *r, const char *path, struct file_map *m, struct err *e);
/* Room for ids below n, which came from `entries` entries: more holes than entries are refused. */
int room_tokens(struct vocab_room *r, size_t n, size_t entries, struct err *e);
/* Two pieces of one id are an error; a piece that comes again changes its kind. */
int room_put(struct vocab_room *r, long long id, const char *piece, size_t len, int kind,
	struct err *e);
/* The id of a piece; -1: none. Slow: for special tokens. */
int room_find(const struct vocab_room *r, const char *piece, size_t len);
/* Names for holes, and the arrays in v. */
void room_finish(struct vocab_room *r, struct vocab *v);

/* The formats. Each fills the room and v but for what room_finish does. */
int vocab_json_read(struct vocab_room *r, const char *path, struct vocab *v, struct err *e);
/* GPT-2's pair of files. */
int vocab_bpe_read(struct vocab_room *r, const char *vocab, const char *merges, struct vocab *v,
	struct err *e);
int sentencepiece_read(struct vocab_room *r, const char *path, struct vocab *v, struct err *e);

#endif
