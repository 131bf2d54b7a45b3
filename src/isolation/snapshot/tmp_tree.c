#include "isolation/snapshot/tmp_tree.h"

int tmp_pack(int dir_fd, struct buf *out, struct error *err)
{
	return error_set(err, ERR_UNSUPPORTED, "/tmp cannot be kept yet");
}
int tmp_unpack(int dir_fd, const void *bytes, size_t n, uid_t uid, gid_t gid, struct error *err)
{
	return n ? error_set(err, ERR_UNSUPPORTED, "/tmp cannot be kept yet") : 0;
}
int tmp_check(const void *bytes, size_t n, struct error *err)
{
	return n ? error_set(err, ERR_UNSUPPORTED, "/tmp cannot be kept yet") : 0;
}
