/* Files that are never seen half-written: bytes go to a temporary name beside the place, are
 * flushed to disk and renamed. And files mapped for reading. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <stdio.h>

#include "base/err.h"

struct file_out {
	FILE *f;
	char *path, *tmp;
};

/* Open a temporary file beside `path` (mode 0666 less the umask, or exactly `mode` when that is
 * not 0). */
int file_out_open(struct file_out *o, const char *path, unsigned mode, struct err *e);
/* Flush, fsync, rename, fsync the folder. On failure the old file stands and the temporary one is
 * gone. */
int file_out_commit(struct file_out *o, struct err *e);
/* Can `path` be written, as far as one can tell without doing it? For tools that write only after
 * long work. */
int file_out_check(const char *path, struct err *e);
/* Give up: remove the temporary file. Harmless after commit. */
void file_out_abort(struct file_out *o);

struct file_map {
	const unsigned char *data;
	size_t len;
};

/* Map a regular file for reading (shared, so that processes share its pages); an empty file is an
 * error. */
int file_map(struct file_map *m, const char *path, struct err *e);
void file_unmap(struct file_map *m);

#endif
