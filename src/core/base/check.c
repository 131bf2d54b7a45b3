#include "core/base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *file, int line, const char *what)
{
	fprintf(stderr, "mayfly: assertion failed at %s:%d: %s\n", file, line, what);
	abort();
}
