#include "core/spec/settings.h"

#include "tests/unit/test.h"

static int parse(struct settings *s, const char *const *options, const char *const *env, struct error *err)
{
	int n = 0;
	while (options[n])
		n++;
	return settings_parse(s, n, (char *const *)(uintptr_t)options, (char *const *)(uintptr_t)env, err);
}

#define PARSE(s, err, ...) parse(&(s), (const char *const[]){__VA_ARGS__, NULL}, NULL, &(err))

TEST(defaults_then_environment_then_options)
{
	struct settings s;
	struct error err = {0};
	static const char *const none[] = {NULL}, *const env[] = {"MAYFLY_POOL=9", "MAYFLY_REGION=eu-west-1", "POOL=3", NULL};
	static const char *const options[] = {"--pool", "12", "--log-level=debug", NULL};
	CHECK_INT(parse(&s, none, NULL, &err), 0);
	CHECK_INT(s.pool, 16);
	CHECK_STR(s.region, "us-east-1");
	CHECK_INT(parse(&s, none, env, &err), 0);
	CHECK_INT(s.pool, 9);
	CHECK_INT(parse(&s, options, env, &err), 0);
	CHECK_INT(s.pool, 12);
	CHECK_STR(s.region, "eu-west-1");
	CHECK_STR(s.log_level, "debug");
}

TEST(errors_name_the_option)
{
	struct settings s = {.pool = 77};
	struct error err = {0};
	CHECK_INT(PARSE(s, err, "--pool"), -1);
	CHECK(strstr(err.msg, "--pool"));
	CHECK_INT(PARSE(s, err, "--pool", "257"), -1);
	CHECK(strstr(err.msg, "0 to 256"));
	CHECK_INT(PARSE(s, err, "--pool", "-1"), -1);
	CHECK_INT(PARSE(s, err, "--pool", ""), -1);
	CHECK_INT(PARSE(s, err, "--log-level", "loud"), -1);
	CHECK_INT(PARSE(s, err, "--wat", "1"), -1);
	CHECK(strstr(err.msg, "--wat"));
	CHECK_INT(PARSE(s, err, "wat"), -1);
	CHECK_INT(PARSE(s, err, "--account", "12345678901"), -1);
	CHECK_INT(PARSE(s, err, "--region", "Mars"), -1);
	CHECK_INT(err.code, ERR_USAGE);
	CHECK_INT(s.pool, 77);
}

TEST(listen_address)
{
	struct settings s;
	struct error err = {0};
	char host[64];
	uint16_t port;
	CHECK_INT(PARSE(s, err, "--listen", "localhost:0"), 0);
	CHECK_INT(settings_listen(&s, host, &port, &err), 0);
	CHECK_STR(host, "127.0.0.1");
	CHECK_INT(port, 0);
	CHECK_INT(PARSE(s, err, "--listen", "127.0.0.1"), -1);
	CHECK_INT(PARSE(s, err, "--listen", "127.0.0.1:65536"), -1);
}

TEST(certificate_and_key_go_together)
{
	struct settings s;
	struct error err = {0};
	CHECK_INT(PARSE(s, err, "--tls-cert", "c.pem"), -1);
	CHECK(strstr(err.msg, "--tls-key is missing"));
	CHECK_INT(PARSE(s, err, "--tls-key", "k.pem"), -1);
	CHECK(strstr(err.msg, "--tls-cert is missing"));
	CHECK_INT(PARSE(s, err, "--tls-key", "k.pem", "--tls-cert", "c.pem"), 0);
	CHECK_STR(settings_scheme(&s), "https");
	CHECK_INT(PARSE(s, err, "--listen", "127.0.0.1:1"), 0);
	CHECK_STR(settings_scheme(&s), "http");
}

TESTS(T(defaults_then_environment_then_options), T(errors_name_the_option), T(listen_address),
      T(certificate_and_key_go_together))
