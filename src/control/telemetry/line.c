#include "control/telemetry/line.h"

#include "core/base/clock.h"
#include "core/json/check.h"
#include "core/json/write.h"

bool telemetry_line_is_object(struct str line)
{
	struct json_check check;
	size_t at = 0;
	while (at < line.n && (line.p[at] == ' ' || line.p[at] == '\t'))
		at++;
	return at < line.n && line.p[at] == '{' && json_check_all(&check, line.p, line.n) == 0;
}

static struct str until_line_end(struct str s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] != '\n' && s.p[n] != '\r')
		n++;
	return str_sub(s, 0, n);
}

/* Line ends stand between tokens only: the text is valid. A record is one line for who reads it by lines. */
static void put_object(struct json_writer *w, struct str line)
{
	struct str piece = until_line_end(line);
	json_write_raw(w, piece); /* not empty: the brace is in it */
	while (piece.n < line.n) {
		line = str_sub(line, piece.n + 1, line.n);
		piece = until_line_end(line);
		buf_put(w->out, piece);
	}
}

int telemetry_line_write(struct buf *out, int64_t wall_ms, bool extension, struct str line, bool object)
{
	char time[32];
	struct json_writer w;
	clock_format(time, sizeof time, "%Y-%m-%dT%H:%M:%S.%LZ", wall_ms);
	json_write_init(&w, out);
	json_write_object(&w);
	json_write_key_z(&w, "time", time);
	json_write_key_z(&w, "type", extension ? "extension" : "function");
	json_write_key(&w, "record");
	if (object)
		put_object(&w, line);
	else
		json_write_str(&w, line);
	json_write_close(&w);
	return json_write_done(&w);
}
