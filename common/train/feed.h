/* The order of examples: from a stream that is read once to epochs of shuffled or grouped ones.
 *
 * Each example passes a buffer from which one is drawn at random whenever another has come
 * (`shuffle`), then a window in which records of like length become neighbours (`group`). An epoch
 * gives every example once. What later epochs need is kept in a temporary file that nobody else can
 * read. The order is a function of the examples, the options and the seed: who takes as many again
 * has the same ones. */
#ifndef TRAIN_FEED_H
#define TRAIN_FEED_H

#include "train/example.h"

struct feed_opts {
	size_t epochs;       /* at least 1 */
	size_t shuffle;      /* examples in the buffer; 0: as they come */
	size_t group;        /* examples of a batch, if these are grouped by length; else 0 */
	uint64_t seed;
	uint64_t spool_limit; /* bytes of the temporary file */
};

/* What both feed_next and the function that it reads by return. */
enum feed_status {
	FEED_ERROR = -1,
	FEED_END,
	FEED_EXAMPLE,
	FEED_WAIT, /* nothing now: the reader was interrupted. To be called again */
};

typedef enum feed_status feed_read(void *arg, struct example *x, struct err *e);

struct feed;
struct feed *feed_new(const struct feed_opts *o, feed_read *read, void *arg);
void feed_free(struct feed *f);
/* The next example, the caller's. */
enum feed_status feed_next(struct feed *f, struct example *x, struct err *e);

#endif
