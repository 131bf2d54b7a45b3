#include "bin/mayfly/stream.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/codec.h"
#include "core/eventstream/eventstream.h"

#define FRAME_MAX (EVENTSTREAM_PAYLOAD_MAX + EVENTSTREAM_HEADERS_MAX)

struct stream {
	struct eventstream_decoder decoder;
	struct client_answer *answer;
	FILE *out;
	char last;            /* byte that was written */
	json_t *complete;     /* of the closing event */
	const char *trouble;  /* why it is not taken to its end */
};

static bool take(struct stream *s, const struct eventstream_message *m)
{
	struct str kind = eventstream_text(m, STR(":event-type"));
	if (str_eqz(kind, "InvokeComplete") && !s->complete)
		s->complete = json_loadb(m->payload.p, m->payload.n, 0, NULL);
	if (!str_eqz(kind, "PayloadChunk"))
		return true;
	if (!s->out)
		return buf_put(&s->answer->body, m->payload) == 0;
	if (m->payload.n)
		s->last = m->payload.p[m->payload.n - 1];
	return fwrite(m->payload.p, 1, m->payload.n, s->out) == m->payload.n && fflush(s->out) == 0;
}

static bool on_piece(void *arg, struct str bytes)
{
	struct stream *s = arg;
	struct eventstream_message m;
	enum eventstream_step step;
	while ((step = eventstream_decode(&s->decoder, &bytes, &m)) == EVENTSTREAM_MESSAGE) {
		if (take(s, &m))
			continue;
		s->trouble = s->out ? "the answer cannot be written" : "the answer is too large to be kept";
		return false;
	}
	if (step == EVENTSTREAM_BAD)
		s->trouble = "the server sent what is no event stream";
	return step == EVENTSTREAM_MORE;
}

static void take_complete(struct client_answer *answer, const json_t *complete)
{
	const char *code = cli_json_text(complete, "ErrorCode", NULL), *details = cli_json_text(complete, "ErrorDetails", "");
	const char *log = cli_json_text(complete, "LogResult", NULL);
	size_t n = 0;
	if (code) {
		json_decref(answer->json);
		snprintf(answer->function_error, sizeof answer->function_error, "%s", code);
		answer->json = json_loads(details, JSON_DECODE_ANY, NULL);
		if (!json_is_object(answer->json)) {
			json_decref(answer->json);
			answer->json = json_pack("{s:s, s:s}", "errorType", code, "errorMessage", details);
		}
	}
	answer->log_result = log ? malloc(strlen(log) + 1) : NULL;
	if (answer->log_result && base64_decode(answer->log_result, &n, str_from(log)) == 0)
		answer->log_result[n] = '\0';
	else
		free(STEAL_PTR(answer->log_result));
}

int stream_call(struct cli *cli, struct client_call *call, struct client_answer *answer, FILE *out)
{
	struct stream s = {.answer = answer, .out = out};
	eventstream_decoder_init(&s.decoder, FRAME_MAX);
	call->on_piece = on_piece;
	call->arg = &s;
	int r = client_call(cli, call, answer);
	eventstream_decoder_release(&s.decoder);
	CLEANUP_JSON json_t *complete = s.complete;
	if (out == stdout && s.last && s.last != '\n')
		fputc('\n', out);
	if (s.trouble) {
		cli_forgive(cli);
		return cli_fail(cli, "%s", s.trouble);
	}
	if (r == 0 && !complete)
		return cli_fail(cli, "the answer ended in the middle");
	if (r == 0)
		take_complete(answer, complete);
	return r;
}
