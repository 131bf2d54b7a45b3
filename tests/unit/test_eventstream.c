/* The event stream format. The first vectors are the ones that AWS publishes with its C library, byte by byte. */
#include "core/eventstream/eventstream.h"

#include <stdlib.h>
#include <zlib.h>

#include "core/base/cleanup.h"
#include "core/eventstream/crc.h"
#include "tests/unit/test.h"

#define FOO "{'foo':'bar'}"

static const struct eventstream_header json_type = EVENTSTREAM_TEXT("content-type", "application/json");
static const struct eventstream_header event_type = {STR("event-type"), EVENTSTREAM_INTEGER, 40972, STR_NULL};

static const struct {
	const struct eventstream_header *headers;
	size_t count;
	struct str payload, wire;
} vectors[] = {
	{NULL, 0, {"", 0}, {"\x00\x00\x00\x10\x00\x00\x00\x00\x05\xc2\x48\xeb\x7d\x98\xc8\xff", 16}},
	{NULL, 0, {FOO, 13}, {"\x00\x00\x00\x1d\x00\x00\x00\x00\xfd\x52\x8c\x5a" FOO "\xc3\x65\x39\x36", 29}},
	{&json_type, 1, {FOO, 13},
	 {"\x00\x00\x00\x3d\x00\x00\x00\x20\x07\xfd\x83\x96\x0c" "content-type\x07\x00\x10" "application/json" FOO "\x8d\x9c\x08\xb1", 61}},
	{&event_type, 1, {FOO, 13}, {"\x00\x00\x00\x2d\x00\x00\x00\x10\x41\xc4\x24\xb8\x0a" "event-type\x04\x00\x00\xa0\x0c" FOO "\x36\xf4\x80\xa0", 45}},
};

TEST(published_vectors_are_made)
{
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		struct buf out;
		buf_init(&out, 4096);
		CHECK_INT(eventstream_encode(&out, vectors[i].headers, vectors[i].count, vectors[i].payload), 0);
		bool same = str_eq(buf_str(&out), vectors[i].wire);
		buf_release(&out);
		CHECK(same);
	}
}

TEST(published_vectors_are_read)
{
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		struct eventstream_decoder d;
		struct eventstream_message m;
		struct str in = vectors[i].wire;
		eventstream_decoder_init(&d, 4096);
		bool good = eventstream_decode(&d, &in, &m) == EVENTSTREAM_MESSAGE && str_eq(m.payload, vectors[i].payload) && in.n == 0;
		bool ended = eventstream_decode(&d, &in, &m) == EVENTSTREAM_MORE;
		eventstream_decoder_release(&d);
		CHECK(good && ended);
	}
}

static const struct eventstream_header all_types[] = {
	{STR("true"), EVENTSTREAM_TRUE, 0, STR_NULL},
	{STR("false"), EVENTSTREAM_FALSE, 0, STR_NULL},
	{STR("byte"), EVENTSTREAM_BYTE, -49, STR_NULL},
	{STR("short"), EVENTSTREAM_SHORT, -32768, STR_NULL},
	{STR("integer"), EVENTSTREAM_INTEGER, 2147483647, STR_NULL},
	{STR("long"), EVENTSTREAM_LONG, INT64_MIN, STR_NULL},
	{STR("bytes"), EVENTSTREAM_BYTES, 0, STR("a\0b")},
	{STR("string"), EVENTSTREAM_STRING, 0, STR("")},
	{STR("timestamp"), EVENTSTREAM_TIMESTAMP, 1700000000123, STR_NULL},
	{STR("uuid"), EVENTSTREAM_UUID, 0, STR("0123456789abcdef")},
	EVENTSTREAM_TEXT(":event-type", "PayloadChunk"),
};
#define ALL (sizeof all_types / sizeof all_types[0])

static bool same_headers(struct str encoded)
{
	struct eventstream_header h;
	for (size_t i = 0; i < ALL; i++) {
		const struct eventstream_header *want = &all_types[i];
		if (eventstream_next_header(&encoded, &h) != 1 || !str_eq(h.name, want->name) || h.type != want->type ||
		    h.number != want->number || !str_eq(h.bytes, want->bytes))
			return false;
	}
	return eventstream_next_header(&encoded, &h) == 0;
}

TEST(every_type_comes_back_in_any_split)
{
	struct buf out;
	struct eventstream_decoder d;
	struct eventstream_message m;
	buf_init(&out, 65536);
	CHECK_INT(eventstream_encode(&out, all_types, ALL, STR("one")), 0);
	CHECK_INT(eventstream_encode(&out, all_types, ALL, STR("")), 0);
	for (size_t step = 1; step <= out.len; step++) {
		unsigned seen = 0;
		bool good = true;
		eventstream_decoder_init(&d, out.len / 2 + 8);
		for (size_t at = 0; at < out.len; at += step) {
			struct str in = str_sub(buf_str(&out), at, at + step);
			enum eventstream_step r;
			while ((r = eventstream_decode(&d, &in, &m)) == EVENTSTREAM_MESSAGE)
				good = good && same_headers(m.headers) && str_eqz(m.payload, seen++ ? "" : "one") &&
				       str_eqz(eventstream_text(&m, STR(":event-type")), "PayloadChunk");
			good = good && r == EVENTSTREAM_MORE && in.n == 0;
		}
		eventstream_decoder_release(&d);
		CHECK(good);
		CHECK_INT(seen, 2);
	}
	buf_release(&out);
}

TEST(a_payload_is_framed_where_it_is)
{
	struct buf whole, parts;
	unsigned char tail[4];
	buf_init(&whole, 4096);
	buf_init(&parts, 4096);
	CHECK_INT(eventstream_encode(&whole, all_types, ALL, STR("payload")), 0);
	CHECK_INT(eventstream_frame(&parts, all_types, ALL, STR("payload"), tail), 0);
	buf_puts(&parts, "payload");
	buf_append(&parts, tail, sizeof tail);
	CHECK(str_eq(buf_str(&whole), buf_str(&parts)));
	buf_release(&whole);
	buf_release(&parts);
}

TEST(every_flipped_bit_is_seen)
{
	struct buf out;
	buf_init(&out, 4096);
	CHECK_INT(eventstream_encode(&out, all_types, ALL, STR("payload")), 0);
	for (size_t bit = 0; bit < out.len * 8; bit++) {
		struct eventstream_decoder d;
		struct eventstream_message m;
		struct str in = buf_str(&out);
		out.data[bit / 8] ^= (char)(1 << bit % 8);
		eventstream_decoder_init(&d, 4096);
		bool refused = eventstream_decode(&d, &in, &m) == EVENTSTREAM_BAD && eventstream_decode(&d, &in, &m) == EVENTSTREAM_BAD;
		eventstream_decoder_release(&d);
		out.data[bit / 8] ^= (char)(1 << bit % 8);
		CHECK(refused);
	}
	buf_release(&out);
}

TEST(what_is_past_a_limit_is_not_made)
{
	CLEANUP_FREE char *big = calloc(1, EVENTSTREAM_PAYLOAD_MAX + 1);
	struct buf out;
	const struct eventstream_header bad[] = {
		{STR(""), EVENTSTREAM_TRUE, 0, STR_NULL},
		{{big, 256}, EVENTSTREAM_TRUE, 0, STR_NULL},
		{STR("a"), EVENTSTREAM_STRING, 0, {big, EVENTSTREAM_TEXT_MAX + 1}},
		{STR("a"), EVENTSTREAM_UUID, 0, STR("short")},
	};
	struct eventstream_header many[5];
	buf_init(&out, 1024);
	CHECK(big);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		CHECK_INT(eventstream_encode(&out, &bad[i], 1, STR("x")), -1);
	for (size_t i = 0; i < 5; i++)
		many[i] = (struct eventstream_header){STR("a"), EVENTSTREAM_BYTES, 0, {big, EVENTSTREAM_TEXT_MAX}};
	CHECK_INT(eventstream_encode(&out, many, 5, STR("x")), -1);
	CHECK_INT(eventstream_encode(&out, NULL, 0, (struct str){big, EVENTSTREAM_PAYLOAD_MAX + 1}), -1);
	CHECK_INT(eventstream_encode(&out, &json_type, 1, (struct str){big, 1000}), -1); /* out's own */
	CHECK_INT(out.len, 0);
	buf_release(&out);
}

/* Only what the prelude promises within the limit is kept. */
TEST(a_large_promise_is_refused_at_once)
{
	struct eventstream_decoder d;
	struct eventstream_message m;
	struct buf out;
	buf_init(&out, 4096);
	CHECK_INT(eventstream_encode(&out, &json_type, 1, STR("payload")), 0);
	struct str in = str_sub(buf_str(&out), 0, 12);
	eventstream_decoder_init(&d, out.len - 1);
	CHECK_INT(eventstream_decode(&d, &in, &m), EVENTSTREAM_BAD);
	eventstream_decoder_release(&d);
	buf_release(&out);
}

TEST(sums_are_those_of_zlib)
{
	unsigned char bytes[1024];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)(i * 2654435761u >> 13);
	for (size_t n = 0; n <= sizeof bytes - 16; n++) {
		size_t at = n % 16;
		CHECK_INT(eventstream_crc((uint32_t)n * 77777u, bytes + at, n), crc32_z(n * 77777u & 0xffffffff, bytes + at, n));
		CHECK_INT(eventstream_crc(eventstream_crc(0, bytes, n / 3), bytes + n / 3, n - n / 3), crc32_z(0, bytes, n));
	}
}

TESTS(T(sums_are_those_of_zlib), T(published_vectors_are_made), T(published_vectors_are_read), T(every_type_comes_back_in_any_split),
      T(a_payload_is_framed_where_it_is), T(every_flipped_bit_is_seen), T(what_is_past_a_limit_is_not_made),
      T(a_large_promise_is_refused_at_once))
