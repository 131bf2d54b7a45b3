/* What storm-queue publishes follows from (round, n) alone; what it asks for and is answered goes to its standard output. */
#ifndef MAYFLY_POWERLOSS_STORM_QUEUE_H
#define MAYFLY_POWERLOSS_STORM_QUEUE_H

#include "tests/powerloss/storm.h"

enum { STORM_MESSAGES = 4000, STORM_WORDS = 6000 };

enum storm_said { STORM_PUBLISHED, STORM_FETCHED, STORM_ACKING, STORM_ACKED, STORM_MOVING, STORM_MOVED };

struct storm_word {
	uint32_t said, round, n, receives;
};

/* In front of the bytes of storm_value(round, 5000 + n, 1). */
struct storm_name {
	uint32_t round, n;
};

#endif
