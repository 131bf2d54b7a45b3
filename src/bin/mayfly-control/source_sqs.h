/* SQS as a source of event source mappings: joins control/events and services/queue, which do not know each other. */
#ifndef MAYFLY_BIN_CONTROL_SOURCE_SQS_H
#define MAYFLY_BIN_CONTROL_SOURCE_SQS_H

#include "control/events/source.h"

/* Its `arg` is the struct sqs. */
extern const struct source_ops source_sqs_ops;

#endif
