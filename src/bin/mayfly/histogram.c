#include "bin/mayfly/histogram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bool parse_bound(struct str text, double *le)
{
	char number[32], *end;
	if (!text.n || str_copy(number, sizeof number, text) < 0)
		return false;
	*le = strtod(number, &end); /* knows "+Inf" */
	return !*end && !isnan(*le);
}

void histogram_add(struct histogram *h, const struct sample *bucket)
{
	double le;
	size_t i = 0;
	if (!parse_bound(sample_label(bucket, "le"), &le))
		return;
	while (i < h->bound_count && h->bounds[i].le < le)
		i++;
	if (i == h->bound_count || h->bounds[i].le > le) {
		if (h->bound_count == HISTOGRAM_BOUNDS_MAX)
			return;
		memmove(&h->bounds[i + 1], &h->bounds[i], (h->bound_count++ - i) * sizeof h->bounds[0]);
		h->bounds[i].le = le;
		h->bounds[i].count = 0;
	}
	h->bounds[i].count += bucket->value;
}

double histogram_count(const struct histogram *h)
{
	return h->bound_count ? h->bounds[h->bound_count - 1].count : 0;
}

double histogram_quantile(const struct histogram *h, double part)
{
	double rank = part * histogram_count(h), below = 0, from = 0;
	if (histogram_count(h) <= 0)
		return -1;
	for (size_t i = 0; i < h->bound_count; i++) {
		double within = h->bounds[i].count - below;
		if (h->bounds[i].count >= rank && within > 0)
			return isinf(h->bounds[i].le) ? from : from + (h->bounds[i].le - from) * (rank - below) / within;
		below = h->bounds[i].count;
		from = h->bounds[i].le;
	}
	return from;
}
