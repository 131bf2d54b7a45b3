#include "isolation/sandbox/filter.h"

#include <linux/filter.h>

static const struct sock_filter program[] = {
#include "filter_program.h"
};

const void *filter_program(size_t *n)
{
	*n = sizeof program;
	return program;
}
