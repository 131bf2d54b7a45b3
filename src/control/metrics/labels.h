/* Labels and their values, for the text form. Private to control/metrics. */
#ifndef MAYFLY_METRICS_LABELS_H
#define MAYFLY_METRICS_LABELS_H

enum metric_label { LABEL_NONE, LABEL_FUNCTION, LABEL_THROTTLE, LABEL_ERROR, LABEL_COLD, LABEL_STATE, LABEL_PHASE,
                    LABEL_OUTCOME, LABEL_RETRY, LABEL_QUEUE_STATE, LABEL_MESSAGE, LABELS };

struct metric_label_row {
	const char *name;          /* NULL: no label */
	unsigned count;            /* of values; of functions: 0, they come and go */
	const char *const *values;
};

const struct metric_label_row *metrics_label(enum metric_label label);

#endif
