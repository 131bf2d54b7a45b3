#include "isolation/snapshot/dump.h"

int dump_tree(const struct dump_request *request, int out_fd, struct dump_result *result, struct error *err)
{
	return error_set(err, ERR_UNSUPPORTED, "images cannot be taken yet");
}
