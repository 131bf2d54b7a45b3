/* Records and the reader over them. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/logs/segment.h"
#include "core/base/check.h"

#define MAGIC 0x524c464du /* "MFLR" */
#define WINDOW_BYTES (512u * 1024) /* read at once; more only for a larger record */
#define CHECK_SEED 0x6d6179666c79u
#define CHECK_FACTOR 0x9fb21c651e98df25u

struct wire {
	uint32_t magic, total, check, kind;
	uint32_t stream, message_bytes;
	int64_t timestamp_ms, ingestion_ms;
	unsigned char request[16];
};
_Static_assert(sizeof(struct wire) == 56, "no padding");

/* What `check` covers begins after it. */
#define CHECKED_FROM offsetof(struct wire, kind)

/* Finds torn and foreign bytes; nobody forges log files. One multiplication for eight bytes: it runs for every line. */
static uint64_t fold(uint64_t sum, const char *p, size_t n)
{
	uint64_t word;
	for (; n >= sizeof word; p += sizeof word, n -= sizeof word) {
		memcpy(&word, p, sizeof word);
		sum = (sum ^ word) * CHECK_FACTOR;
		sum ^= sum >> 29;
	}
	word = 0;
	if (n)
		memcpy(&word, p, n);
	return (sum ^ word ^ (uint64_t)n << 56) * CHECK_FACTOR;
}

static uint32_t checksum(const struct wire *w, struct str message)
{
	uint64_t sum = fold(CHECK_SEED, (const char *)w + CHECKED_FROM, sizeof *w - CHECKED_FROM);
	sum = fold(sum ^ sum >> 32, message.p, message.n);
	return (uint32_t)(sum >> 32);
}

size_t record_size(const struct record *r)
{
	return sizeof(struct wire) + r->message.n + sizeof(uint32_t);
}

size_t record_put(struct buf *out, const struct record *r)
{
	uint32_t total = (uint32_t)record_size(r);
	ASSERT(total <= RECORD_MAX);
	struct wire w = {.magic = MAGIC, .total = total, .kind = r->kind, .stream = r->stream,
	                 .message_bytes = (uint32_t)r->message.n, .timestamp_ms = r->timestamp_ms,
	                 .ingestion_ms = r->ingestion_ms};
	memcpy(w.request, r->request, sizeof w.request);
	w.check = checksum(&w, r->message);
	if (!buf_reserve(out, total))
		return 0;
	buf_append(out, &w, sizeof w);
	buf_append(out, r->message.p, r->message.n);
	buf_append(out, &total, sizeof total);
	return total;
}

static bool parse(const char *p, size_t n, struct record *out)
{
	struct wire w;
	if (n < sizeof w + sizeof(uint32_t))
		return false;
	memcpy(&w, p, sizeof w);
	struct str message = {p + sizeof w, w.message_bytes};
	if (w.magic != MAGIC || w.total > RECORD_MAX || w.total > n ||
	    w.total != sizeof w + (uint64_t)w.message_bytes + sizeof(uint32_t) || w.check != checksum(&w, message))
		return false;
	*out = (struct record){.kind = (enum record_kind)w.kind, .stream = w.stream, .timestamp_ms = w.timestamp_ms,
	                       .ingestion_ms = w.ingestion_ms, .message = message};
	memcpy(out->request, w.request, sizeof w.request);
	return true;
}

int reader_open(struct reader *r, int dir_fd, const char *folder, uint64_t seq, struct error *err)
{
	char path[SEGMENT_PATH_SIZE];
	struct stat st;
	*r = (struct reader){.fd = -1};
	buf_init(&r->window, RECORD_MAX);
	segment_path(path, folder, seq, "log");
	r->fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (r->fd < 0 || fstat(r->fd, &st) < 0)
		return error_sys(err, "cannot read log segment %s", path);
	r->size = (uint64_t)st.st_size;
	return 0;
}

void reader_close(struct reader *r)
{
	if (!r->window.max) /* never opened */
		return;
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	buf_release(&r->window);
}

/* Makes bytes from..to of the file stand in the window, filling it from `from` (or up to `to` when reading backwards). */
static bool want(struct reader *r, uint64_t from, uint64_t to, bool backwards)
{
	if (from >= r->at && to <= r->at + r->window.len)
		return true;
	if (to > r->size || to - from > RECORD_MAX)
		return false;
	uint64_t room = to - from > WINDOW_BYTES ? to - from : WINDOW_BYTES;
	uint64_t begin = !backwards ? from : to > room ? to - room : 0;
	uint64_t end = begin + room < r->size ? begin + room : r->size;
	buf_clear(&r->window);
	char *dst = buf_reserve(&r->window, room);
	if (!dst)
		return false;
	while (r->window.len < end - begin) {
		ssize_t n = pread(r->fd, dst + r->window.len, end - begin - r->window.len, (off_t)(begin + r->window.len));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		r->window.len += (size_t)n;
	}
	r->at = begin;
	return to <= r->at + r->window.len;
}

static bool read_at(struct reader *r, uint64_t offset, bool backwards, struct record *out)
{
	uint32_t total;
	if (!want(r, offset, offset + sizeof(struct wire), backwards))
		return false;
	memcpy(&total, r->window.data + (offset - r->at) + offsetof(struct wire, total), sizeof total);
	if (total > RECORD_MAX || !want(r, offset, offset + total, backwards))
		return false;
	if (!parse(r->window.data + (offset - r->at), total, out))
		return false;
	out->offset = offset;
	out->end = offset + total;
	r->scanned_bytes += total;
	return true;
}

bool reader_next(struct reader *r, uint64_t offset, struct record *out)
{
	return read_at(r, offset, false, out);
}

bool reader_prev(struct reader *r, uint64_t offset, struct record *out)
{
	uint32_t total;
	if (offset < sizeof total || offset > r->size || !want(r, offset - sizeof total, offset, true))
		return false;
	memcpy(&total, r->window.data + (offset - sizeof total - r->at), sizeof total);
	if (total > offset || total > RECORD_MAX || !want(r, offset - total, offset, true))
		return false;
	return read_at(r, offset - total, true, out) && out->end == offset;
}
