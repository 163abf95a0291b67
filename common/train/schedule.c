#include "train/schedule.h"

#include <math.h>

double
schedule_rate(enum schedule s, double peak, size_t step, size_t warmup, size_t total)
{
	double done;

	if (step <= warmup)
		return peak * (double)step / (double)warmup;
	if (s == SCHEDULE_CONSTANT)
		return peak;
	done = total > warmup ? (double)(step - warmup) / (double)(total - warmup) : 1;
	if (done > 1)
		done = 1;
	if (s == SCHEDULE_LINEAR)
		return peak * (1 - done);
	return peak * (0.1 + 0.45 * (1 + cos(3.141592653589793 * done)));
}
