/* Percentiles out of a Prometheus histogram's buckets, added up over several series. Pure. */
#ifndef MAYFLY_BIN_HISTOGRAM_H
#define MAYFLY_BIN_HISTOGRAM_H

#include <stddef.h>

#include "bin/mayfly/samples.h"

#define HISTOGRAM_BOUNDS_MAX 64

struct histogram {
	struct {
		double le, count; /* how many were at most so large; the last one's bound is infinity */
	} bounds[HISTOGRAM_BOUNDS_MAX];
	size_t bound_count;
};

/* Adds a sample NAME_bucket; one without a usable label `le`, or of one bound too many, is left out. */
void histogram_add(struct histogram *h, const struct sample *bucket);
double histogram_count(const struct histogram *h);
/* The value that `part` (0 to 1) of all are below, taken as evenly spread within its bucket; of the last bucket its lower bound.
 * Negative when the histogram is empty. */
double histogram_quantile(const struct histogram *h, double part);

#endif
