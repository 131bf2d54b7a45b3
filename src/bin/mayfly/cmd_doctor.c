/* mayfly doctor: what this machine offers and lacks for the server, each with the remedy. */
#include <stdarg.h>
#include <stdio.h>

#include "bin/mayfly/cli.h"
#include "bin/mayfly/doctor.h"
#include "bin/mayfly/term.h"
#include "core/base/check.h"
#include "core/base/str.h"

extern char **environ;

static const struct {
	const char *mark, *word;
	enum term_style style;
} levels[] = {
	[FINDING_GOOD] = {"ok", "good", TERM_GREEN},
	[FINDING_NOTE] = {"--", "note", TERM_DIM},
	[FINDING_WARN] = {"!!", "warning", TERM_YELLOW},
	[FINDING_MISSING] = {"NO", "missing", TERM_RED},
};

void finding_set(struct finding *f, enum finding_level level, const char *fmt, ...)
{
	va_list ap;
	f->level = level;
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
}

void finding_remedy(struct finding *f, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(f->remedy, sizeof f->remedy, fmt, ap);
	va_end(ap);
}

static void show(struct cli *cli, const struct doctor_row *row, const struct finding *f)
{
	printf("%s%s%s  %-17s %s\n", term_out(cli, levels[f->level].style), levels[f->level].mark, term_out(cli, TERM_PLAIN), row->name, f->text);
	if (*f->remedy)
		printf("%23s%s%s%s\n", "", term_out(cli, TERM_BOLD), f->remedy, term_out(cli, TERM_PLAIN));
}

static json_t *object_of(const struct doctor_row *row, const struct finding *f)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "name", row->name, "for", row->purpose, "level", levels[f->level].word, "finding", f->text);
	if (*f->remedy)
		json_object_set_new(o, "remedy", json_string(f->remedy));
	return o;
}

static int run(struct cli *cli)
{
	const struct doctor_row *(*const tables[])(size_t *) = {doctor_kernel_rows, doctor_snapshot_rows, doctor_machine_rows};
	const char *data = args_text(&cli->args, "data");
	CLEANUP_JSON json_t *all = json_array();
	struct settings settings;
	struct error err = {0};
	unsigned counts[ARRAY_LEN(levels)] = {0};
	if (settings_parse(&settings, 0, NULL, environ, &err) < 0)
		return cli_fail_error(cli, &err);
	if (data && str_copy(settings.data, sizeof settings.data, str_from(data)) < 0)
		return cli_fail(cli, "--data is too long");
	for (size_t t = 0; t < ARRAY_LEN(tables); t++) {
		size_t count;
		const struct doctor_row *rows = tables[t](&count);
		for (size_t i = 0; i < count; i++) {
			struct finding f = {0};
			rows[i].check(&f, &settings);
			counts[f.level]++;
			if (cli->json)
				json_array_append_new(all, object_of(&rows[i], &f));
			else
				show(cli, &rows[i], &f);
		}
	}
	if (cli->json)
		cli_print_json(all);
	else
		printf("\n%s\n", counts[FINDING_MISSING] ? "Something that the server needs is missing." :
		                 counts[FINDING_WARN] ? "The server runs here, with less than it could." : "The server runs here.");
	return counts[FINDING_MISSING] != 0;
}

const struct command command_doctor = {
	.name = "doctor",
	.summary = "say what this machine offers and lacks for the server",
	.words = "",
	.details = "Changes nothing and needs no rights. The exit status is 1 when something is missing that the server needs.",
	.run = run,
};
