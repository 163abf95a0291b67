/* The field `scores` of a record (man/sr-stream.5): an object with a member for each scorer. */
#ifndef BIAS_SCORES_H
#define BIAS_SCORES_H

#include "stream/stream.h"

/* Make `json` the member `name` of the record's scores; those of other names stay. */
void scores_set(struct record *r, const char *name, const char *json, size_t len);

#endif
