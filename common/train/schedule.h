/* Learning-rate schedules: a linear warm-up, then constant, linear to 0, or a cosine to a tenth. */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include <stddef.h>

enum schedule { SCHEDULE_CONSTANT, SCHEDULE_LINEAR, SCHEDULE_COSINE };

/* The rate of step 1, 2, ...; `total` steps are needed for all but constant. Steps behind `total`
 * keep its rate. */
double schedule_rate(enum schedule s, double peak, size_t step, size_t warmup, size_t total);

#endif
