/* Options, the nearest name, profiles, samples of metrics. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/bin/mayfly/args.h"
#include "src/bin/mayfly/histogram.h"
#include "src/bin/mayfly/profile.h"
#include "src/bin/mayfly/samples.h"
#include "src/bin/mayfly/suggest.h"
#include "src/core/base/check.h"
#include "tests/unit/test.h"

static const struct option_row own_rows[] = {
	{"memory", 'm', OPTION_NUMBER, "MB", "", 128, 10240}, {"env", 'e', OPTION_LIST, "K=V", "", 0, 0},
	{"publish", 'p', OPTION_FLAG, NULL, "", 0, 0},        {"arch", 0, OPTION_CHOICE, "x86_64|arm64", "", 0, 0},
	{"follow", 'f', OPTION_FLAG, NULL, "", 0, 0},
};
static const struct option_row common_rows[] = {{"data", 0, OPTION_TEXT, "DIR", "", 0, 0}};
static const struct option_table own = {own_rows, 5}, common = {common_rows, 1};

#define PARSE(args, err, ...) \
	args_parse(args, own, common, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), \
	           (char *const *)(const char *const[]){__VA_ARGS__}, err)

TEST(options_in_every_form)
{
	struct args a;
	struct error err = {0};
	uint64_t n;
	size_t at = 0;
	CHECK_INT(PARSE(&a, &err, "one", "--memory=256", "-e", "A=1", "-eB=2", "--data", "d", "-pf", "two", "--", "--three"), 0);
	CHECK(args_number(&a, "memory", &n) && n == 256);
	CHECK_STR(args_next(&a, "env", &at), "A=1");
	CHECK_STR(args_next(&a, "env", &at), "B=2");
	CHECK(!args_next(&a, "env", &at));
	CHECK(args_flag(&a, "publish") && args_flag(&a, "follow") && !args_text(&a, "arch"));
	CHECK_STR(args_text(&a, "data"), "d");
	CHECK_INT(a.word_count, 3);
	CHECK_STR(args_word(&a, 2), "--three");
	CHECK(!args_word(&a, 3));
}

TEST(a_single_dash_is_a_word)
{
	struct args a;
	struct error err = {0};
	CHECK_INT(PARSE(&a, &err, "-", "-m", "128", "--env", "-"), 0);
	CHECK_STR(args_word(&a, 0), "-");
	CHECK_STR(args_text(&a, "env"), "-");
}

TEST(bad_options_say_why)
{
	struct args a;
	struct error err = {0};
	CHECK(PARSE(&a, &err, "--memory", "127") < 0 && strstr(err.msg, "from 128 to 10240, not '127'"));
	CHECK(PARSE(&a, &err, "--memory", "-1") < 0 && strstr(err.msg, "not '-1'"));
	CHECK(PARSE(&a, &err, "--memory") < 0 && strstr(err.msg, "needs a value: MB"));
	CHECK(PARSE(&a, &err, "--arch", "mips") < 0 && strstr(err.msg, "x86_64|arm64"));
	CHECK(PARSE(&a, &err, "--arch", "x86") < 0);
	CHECK(PARSE(&a, &err, "--publish=yes") < 0 && strstr(err.msg, "takes no value"));
	CHECK(PARSE(&a, &err, "--publihs") < 0 && strstr(err.msg, "did you mean --publish?"));
	CHECK(PARSE(&a, &err, "--zzzzzzzzz") < 0 && strstr(err.msg, "--help lists them"));
	CHECK(PARSE(&a, &err, "-x") < 0);
}

TEST(too_many_options_are_refused)
{
	char *many[ARGS_VALUES_MAX + 1];
	struct args a;
	struct error err = {0};
	for (size_t i = 0; i <= ARGS_VALUES_MAX; i++)
		many[i] = (char *)"-p";
	CHECK_INT(args_parse(&a, own, common, ARGS_VALUES_MAX, many, &err), 0);
	CHECK_INT(args_parse(&a, own, common, ARGS_VALUES_MAX + 1, many, &err), -1);
}

static const char *nearest(const char *typed)
{
	static const char *const names[] = {"deploy", "delete", "invoke", "info", "logs", "list", "top"};
	struct suggestion s;
	suggest_init(&s, typed);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		suggest_try(&s, names[i]);
	return suggest_best(&s);
}

TEST(the_nearest_name)
{
	CHECK_STR(nearest("depoly"), "deploy");
	CHECK_STR(nearest("delet"), "delete");
	CHECK_STR(nearest("inv"), "invoke");
	CHECK_STR(nearest("lgos"), "logs");
	CHECK_STR(nearest("--list"), "list");
	CHECK(!nearest("zzz"));
	CHECK(!nearest("a-name-that-is-much-longer-than-all-others-are"));
}

TEST(ini_files)
{
	struct str text = STR("aws_access_key_id = none\n[default]\r\naws_access_key_id=AK ; not a comment\r\n# aws_secret_access_key = no\n"
	                      "s3 =\n  region = nested\nregion\t=  eu-west-1  \n[profile two]\nregion = us-east-2\n[default]\nlast = yes");
	CHECK(str_eqz(profile_ini_get(text, STR("default"), "aws_access_key_id"), "AK ; not a comment"));
	CHECK(str_eqz(profile_ini_get(text, STR("default"), "region"), "eu-west-1"));
	CHECK(str_eqz(profile_ini_get(text, STR("profile two"), "region"), "us-east-2"));
	CHECK(str_eqz(profile_ini_get(text, STR("default"), "last"), "yes"));
	CHECK(!profile_ini_get(text, STR("default"), "aws_secret_access_key").p);
	CHECK(!profile_ini_get(text, STR("two"), "region").p);
	CHECK(!profile_ini_get(STR(""), STR("default"), "region").p);
	CHECK(!profile_ini_get(STR("["), STR("default"), "region").p);
}

/* ---- where the server and the key come from ---- */

struct place {
	char root[64], data[96], home[96];
};

static void put(const char *folder, const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "w");
	if (f) {
		fputs(text, f);
		fclose(f);
	}
}

static int place_init(struct place *p)
{
	char aws[128];
	snprintf(p->root, sizeof p->root, "/tmp/test-cli-XXXXXX");
	if (!mkdtemp(p->root))
		return -1;
	snprintf(p->data, sizeof p->data, "%s/data", p->root);
	snprintf(p->home, sizeof p->home, "HOME=%s", p->root);
	snprintf(aws, sizeof aws, "%s/.aws", p->root);
	mkdir(p->data, 0700);
	mkdir(aws, 0700);
	put(p->data, "credentials", "[default]\naws_access_key_id = DATA\naws_secret_access_key = s\n");
	put(p->data, "config", "[default]\nregion = eu-north-1\nendpoint_url = http://127.0.0.1:1111\n");
	put(aws, "credentials", "[default]\naws_access_key_id = SHARED\naws_secret_access_key = s\n"
	    "[dev]\naws_access_key_id = DEV\naws_secret_access_key = s\naws_session_token = t\n");
	put(aws, "config", "[profile dev]\nregion = us-west-2\nendpoint_url = http://dev:4566/\n");
	return 0;
}

static void place_release(struct place *p)
{
	static const char *const files[] = {"data/credentials", "data/config", ".aws/credentials", ".aws/config"};
	static const char *const folders[] = {"data", ".aws", "."};
	char path[256];
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof path, "%s/%s", p->root, files[i]);
		unlink(path);
	}
	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/%s", p->root, folders[i]);
		rmdir(path);
	}
	rmdir(p->root);
}

TEST(profile_order)
{
	struct place at;
	struct profile p;
	struct error err = {0};
	CHECK_INT(place_init(&at), 0);
	char *plain[] = {at.home, NULL};
	char *exported[] = {at.home, (char *)"AWS_ENDPOINT_URL=http://env:1/", (char *)"AWS_ACCESS_KEY_ID=ENV", (char *)"AWS_SECRET_ACCESS_KEY=s",
	                    (char *)"AWS_REGION=ap-east-1", NULL};

	/* Nothing was said: the default data folder, key and place together. */
	struct profile_ask ask = {.default_data = at.data, .env = plain};
	CHECK_INT(profile_find(&p, &ask, &err), 0);
	CHECK_STR(p.endpoint, "http://127.0.0.1:1111");
	CHECK_STR(p.access_key, "DATA");
	CHECK_STR(p.region, "eu-north-1");

	/* The environment, as AWS tools read it. */
	ask.env = exported;
	CHECK_INT(profile_find(&p, &ask, &err), 0);
	CHECK_STR(p.endpoint, "http://env:1");
	CHECK_STR(p.access_key, "ENV");
	CHECK_STR(p.region, "ap-east-1");
	CHECK_STR(p.session_token, "");

	/* A named data folder beats it, and --endpoint beats that. */
	ask.data = at.data;
	CHECK_INT(profile_find(&p, &ask, &err), 0);
	CHECK_STR(p.endpoint, "http://127.0.0.1:1111");
	CHECK_STR(p.access_key, "DATA");
	ask.endpoint = "http://option:2";
	CHECK_INT(profile_find(&p, &ask, &err), 0);
	CHECK_STR(p.endpoint, "http://option:2");
	CHECK_STR(p.access_key, "DATA");

	/* A named profile. */
	struct profile_ask dev = {.profile = "dev", .default_data = at.data, .env = plain};
	CHECK_INT(profile_find(&p, &dev, &err), 0);
	CHECK_STR(p.endpoint, "http://dev:4566");
	CHECK_STR(p.access_key, "DEV");
	CHECK_STR(p.session_token, "t");
	CHECK_STR(p.region, "us-west-2");

	/* An endpoint alone goes with the shared key, not with that of some data folder. */
	struct profile_ask alone = {.endpoint = "http://option:2", .default_data = at.data, .env = plain};
	CHECK_INT(profile_find(&p, &alone, &err), 0);
	CHECK_STR(p.access_key, "SHARED");
	place_release(&at);
}

TEST(profile_failures)
{
	struct place at;
	struct profile p;
	struct error err = {0};
	CHECK_INT(place_init(&at), 0);
	char *env[] = {at.home, NULL}, *nothing[] = {NULL};
	struct profile_ask ask = {.profile = "nobody", .default_data = at.data, .env = env};
	CHECK(profile_find(&p, &ask, &err) < 0 && strstr(err.msg, "profile 'nobody'"));
	ask = (struct profile_ask){.data = "/nonexistent", .default_data = at.data, .env = env};
	CHECK(profile_find(&p, &ask, &err) < 0 && strstr(err.msg, "/nonexistent/credentials"));
	ask = (struct profile_ask){.endpoint = "127.0.0.1:4566", .default_data = at.data, .env = env};
	CHECK(profile_find(&p, &ask, &err) < 0 && strstr(err.msg, "is a URL"));
	ask = (struct profile_ask){.default_data = "/nonexistent", .env = nothing};
	CHECK_INT(profile_find(&p, &ask, &err), 0);
	CHECK_STR(p.endpoint, PROFILE_DEFAULT_ENDPOINT);
	CHECK_STR(p.region, "us-east-1");
	CHECK(profile_need_key(&p, &err) < 0 && strstr(err.msg, "--data DIR"));
	place_release(&at);
}

TEST(samples)
{
	struct str text = STR("# HELP x y\nx 1\n\nx_total{function=\"a,b=\\\"c\\\"\",kind=\"k\"} 2.5 1700000000\nbroken\nx{a=\"1\" 3\ny{} 4e3\n");
	struct sample s;
	CHECK(samples_next(&text, &s) && str_eqz(s.name, "x") && s.value == 1 && !sample_label(&s, "function").p);
	CHECK(samples_next(&text, &s) && str_eqz(s.name, "x_total") && s.value == 2.5);
	CHECK(str_eqz(sample_label(&s, "function"), "a,b=\\\"c\\\""));
	CHECK(str_eqz(sample_label(&s, "kind"), "k"));
	CHECK(!sample_label(&s, "kin").p);
	CHECK(samples_next(&text, &s) && str_eqz(s.name, "y") && s.value == 4000);
	CHECK(!samples_next(&text, &s));
}

static void add_bucket(struct histogram *h, const char *line)
{
	struct str text = str_from(line);
	struct sample s;
	bool found = samples_next(&text, &s);
	ASSERT(found);
	histogram_add(h, &s);
}

TEST(percentiles_of_histograms)
{
	struct histogram h = {0};
	CHECK(histogram_quantile(&h, 0.5) < 0 && histogram_count(&h) == 0);
	add_bucket(&h, "x_bucket{le=\"1\"} 10\n");
	add_bucket(&h, "x_bucket{le=\"4\"} 10\n");
	add_bucket(&h, "x_bucket{le=\"2\"} 10\n"); /* in any order */
	add_bucket(&h, "x_bucket{le=\"+Inf\"} 10\n");
	add_bucket(&h, "x_bucket{le=\"nonsense\"} 10\n");
	add_bucket(&h, "x_bucket{a=\"b\"} 10\n");
	CHECK(histogram_count(&h) == 10 && histogram_quantile(&h, 0.5) == 0.5 && histogram_quantile(&h, 1) == 1);
	/* Another series of the same metric: ten between 2 and 4, ten above. */
	add_bucket(&h, "x_bucket{a=\"b\",le=\"1\"} 0\n");
	add_bucket(&h, "x_bucket{a=\"b\",le=\"2\"} 0\n");
	add_bucket(&h, "x_bucket{a=\"b\",le=\"4\"} 10\n");
	add_bucket(&h, "x_bucket{a=\"b\",le=\"+Inf\"} 20\n");
	CHECK(histogram_count(&h) == 30);
	CHECK(histogram_quantile(&h, 0.5) == 3);
	CHECK(histogram_quantile(&h, 0.99) == 4); /* more is not known */
	for (int i = 0; i < 2 * HISTOGRAM_BOUNDS_MAX; i++) {
		char line[64];
		snprintf(line, sizeof line, "x_bucket{le=\"%d\"} 1\n", 100 + i);
		add_bucket(&h, line);
	}
	CHECK(h.bound_count == HISTOGRAM_BOUNDS_MAX);
}

TESTS(T(options_in_every_form), T(a_single_dash_is_a_word), T(bad_options_say_why), T(too_many_options_are_refused), T(the_nearest_name),
      T(ini_files), T(profile_order), T(profile_failures), T(samples), T(percentiles_of_histograms))
