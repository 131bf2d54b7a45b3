/* Reads the Prometheus text of /_mayfly/metrics, line by line. Pure; everything points into the text. */
#ifndef MAYFLY_BIN_SAMPLES_H
#define MAYFLY_BIN_SAMPLES_H

#include <stdbool.h>

#include "core/base/str.h"

struct sample {
	struct str name, labels; /* labels: between the braces */
	double value;
};

/* Cuts the next sample off `*text`; comments and lines that are none are skipped. false at the end. */
bool samples_next(struct str *text, struct sample *s);
/* A label's value as written (escapes stay); p NULL when there is none of that name. */
struct str sample_label(const struct sample *s, const char *name);

#endif
