/* The application log level over lines as they come from the pipe. */
#include "tests/unit/test.h"
#include "tests/unit/logs_fixture.h"

/* What the runtime does not filter itself: other logging libraries, custom runtimes. */
TEST(application_levels_filter_lines)
{
	struct fixture x;
	fixture_init(&x, 64u << 20);
	x.version.log_format = LOG_FORMAT_JSON;
	static const char lines[] = "{\"level\":\"DEBUG\",\"n\":1}\n{\"level\":\"info\",\"n\":2}\n{\"level\":\"WARNING\",\"n\":3}\nplain 4\n{\"n\":5}\n"
		"{\"level\":\"CRITICAL\",\"n\":6}\n{\"level\":\"ERROR\" broken 7\n";
	static const struct {
		const char *level, *left;
	} cases[] = {{"TRACE", "1234567"}, {"DEBUG", "1234567"}, {"INFO", "234567"}, {"WARN", "36"}, {"ERROR", "6"}, {"FATAL", "6"}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		x.version.app_log_level = cases[i].level;
		struct log_stream *s = logs_open_stream(x.logs, &x.version, NULL);
		fixture_print(s, lines);
		struct log_page page;
		struct logs_get q = {.group = STR(GROUP), .stream = str_from(log_stream_name(s)), .from_head = true};
		int found = logs_get_events(x.logs, &q, &page, NULL); /* not there when nothing was written */
		CLEANUP_FREE char *all = found == 0 ? fixture_text(&page) : NULL;
		char left[16] = "";
		size_t n = 0;
		for (const char *p = all; p && *p; p++) {
			if (*p >= '1' && *p <= '7')
				left[n++] = *p;
		}
		CHECK_STR(left, cases[i].left);
		if (found == 0)
			log_page_release(&page);
		log_stream_close(s);
	}
	fixture_release(&x);
}

TESTS(T(application_levels_filter_lines))
