#include "control/invoke/trace.h"

unsigned trace_count(struct str sent, struct str function_arn)
{
	return 0;
}

unsigned trace_next(char dst[TRACE_MAX], struct str sent, struct str function_arn)
{
	if (!sent.p || str_copy(dst, TRACE_MAX, sent) < 0)
		*dst = '\0';
	return 1;
}
