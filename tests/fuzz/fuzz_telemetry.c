/* Bodies of subscriptions, and log lines as records. First byte: what. */
#include <stdlib.h>
#include <string.h>

#include "control/telemetry/line.h"
#include "control/telemetry/subscription.h"
#include "core/base/check.h"
#include "core/json/check.h"
#include "tests/fuzz/fuzz.h"

/* Whatever is taken can stand in a request as it is, and leads nowhere but to a port of the subscriber's. */
static void check_subscription(enum telemetry_api api, struct str body)
{
	struct telemetry_subscription s;
	struct error err = {0};
	if (telemetry_subscription_parse(&s, api, body, &err) < 0) {
		ASSERT(err.code == ERR_INVALID && *err.msg);
		return;
	}
	ASSERT(s.types && s.types < 1u << TELEMETRY_TYPES);
	ASSERT(s.port && s.port != 9001 && s.port != 4566);
	ASSERT((s.schema >= PLATFORM_2022_07_01) == (api == TELEMETRY_API));
	ASSERT(s.max_items >= 1000 && s.max_items <= 10000 && s.timeout_ms >= 25 && s.timeout_ms <= 30000);
	ASSERT(s.max_bytes >= 262144 && s.max_bytes <= 1048576);
	ASSERT(s.tcp || s.path[0] == '/');
	for (const char *p = s.path; !s.tcp && *p; p++)
		ASSERT(*p > ' ' && *p < 0x7f);
	ASSERT(s.tcp || strncmp(s.host, "sandbox", 7) == 0 || strncmp(s.host, "SANDBOX", 7) == 0 || strchr("sS", s.host[0]));
	for (const char *p = s.host; *p; p++)
		ASSERT(*p > ' ' && *p < 0x7f);
}

static void check_line(struct str line)
{
	struct json_check check;
	struct buf out;
	bool object = telemetry_line_is_object(line);
	for (int as_object = 0; as_object <= object; as_object++) {
		buf_init(&out, 1 << 20);
		ASSERT(telemetry_line_write(&out, 0, false, line, as_object) == 0);
		ASSERT(json_check_all(&check, out.data, out.len) == 0);
		ASSERT(!memchr(out.data, '\n', out.len) && !memchr(out.data, '\r', out.len));
		buf_release(&out);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0 || n > 65536)
		return 0;
	char *copy = malloc(n);
	ASSERT(copy);
	memcpy(copy, data + 1, n - 1);
	struct str rest = {copy, n - 1};
	if (data[0] == 'l')
		check_line(rest);
	else
		check_subscription(data[0] == 'o' ? TELEMETRY_LOGS_API : TELEMETRY_API, rest);
	free(copy);
	return 0;
}
