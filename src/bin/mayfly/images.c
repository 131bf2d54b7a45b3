#include "bin/mayfly/images.h"

#include <stdio.h>
#include <string.h>

#include "bin/mayfly/term.h"
#include "core/base/check.h"
#include "core/base/clock.h"

int images_report(struct cli *cli, json_t **report)
{
	struct client_call call = {.method = "GET", .service = "lambda", .path = "/_mayfly/snapshots"};
	CLEANUP_ANSWER struct client_answer answer = {0};
	if (client_call(cli, &call, &answer) < 0)
		return -1;
	if (!json_is_array(json_object_get(answer.json, "versions")))
		return cli_fail(cli, "%s says nothing about images: is it a Mayfly server?", client_profile(cli)->endpoint);
	*report = json_incref(answer.json);
	return 0;
}

static void sentence_of_image(char dst[IMAGES_TEXT], const json_t *version, const json_t *image)
{
	char size[TERM_TEXT], ago[TERM_TEXT], took[TERM_TEXT], median[TERM_TEXT], p99[TERM_TEXT];
	const json_t *times = json_object_get(version, "restore_ms");
	double age_s = (double)(clock_wall_ms() - cli_json_int(image, "taken_ms")) / 1000;
	int n = snprintf(dst, IMAGES_TEXT, "image of %s, taken %s in %s; restored %lld times", term_bytes(size, (double)cli_json_int(image, "file_bytes")),
	                 term_ago(ago, age_s), term_ms(took, json_number_value(json_object_get(image, "dump_ms"))),
	                 cli_json_int(version, "restores"));
	if (times)
		n += snprintf(dst + n, IMAGES_TEXT - (size_t)n, ", median %s, p99 %s", term_ms(median, json_number_value(json_object_get(times, "median"))),
		              term_ms(p99, json_number_value(json_object_get(times, "p99"))));
	if (json_object_get(version, "plain_until_ms"))
		snprintf(dst + n, IMAGES_TEXT - (size_t)n, "; plain starts for now: %s", cli_json_text(version, "reason", "restores failed"));
}

/* How it stands with a version that has no image, and what is put before the reason, where there is one. */
static const struct {
	const char *state, *text, *because;
} stands[] = {
	{"none", "no image yet: one is taken after the first invocation that succeeds", "; the last attempt failed: "},
	{"wanted", "no image yet: one will be taken soon", "; the last attempt failed: "},
	{"template", "an image is being taken", "; the attempt before failed: "},
	{"dump", "an image is being taken", "; the attempt before failed: "},
	{"trial", "an image was taken and is being tried", "; the attempt before failed: "},
	{"unusable", "plain starts", ": "},
};

char *images_sentence(char dst[IMAGES_TEXT], const json_t *version)
{
	const json_t *image = json_object_get(version, "image");
	const char *state = cli_json_text(version, "state", "none"), *reason = cli_json_text(version, "reason", NULL);
	const char *text = "no image", *because = ": ";
	bool off = strcmp(cli_json_text(version, "mode", "auto"), "off") == 0 && !json_is_true(json_object_get(version, "snap_start"));
	if (image) {
		sentence_of_image(dst, version, image);
		return dst;
	}
	if (off) {
		snprintf(dst, IMAGES_TEXT, "plain starts: images are switched off");
		return dst;
	}
	for (size_t i = 0; i < ARRAY_LEN(stands); i++) {
		if (strcmp(state, stands[i].state) == 0) {
			text = stands[i].text;
			because = stands[i].because;
		}
	}
	snprintf(dst, IMAGES_TEXT, "%s%s%.500s", text, reason ? because : "", reason ? reason : "");
	return dst;
}
