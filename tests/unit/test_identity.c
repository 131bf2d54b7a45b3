#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "control/identity/identity.h"
#include "core/base/io.h"
#include "tests/unit/test.h"

struct rig {
	char dir[40];
	int fd;
	struct identities *ids;
	struct error err;
};

static int load(struct rig *rig, const char *text)
{
	io_write_file(rig->fd, IDENTITY_FILE, text, strlen(text), 0600, &rig->err);
	return identities_load(rig->ids, rig->fd, &rig->err);
}

static void start(struct rig *rig)
{
	*rig = (struct rig){.dir = "/tmp/mayfly-test-XXXXXX"};
	rig->fd = mkdtemp(rig->dir) ? open(rig->dir, O_RDONLY | O_DIRECTORY) : -1;
	rig->ids = identities_new("123456789012", &rig->err);
}

static void stop(struct rig *rig)
{
	identities_free(rig->ids);
	unlinkat(rig->fd, IDENTITY_FILE, 0);
	close(rig->fd);
	rmdir(rig->dir);
}

TEST(the_root_key_is_read)
{
	struct rig rig;
	start(&rig);
	CHECK_INT(load(&rig, "# text\r\n[other]\naws_access_key_id=WRONG\n\n[default]\r\n aws_access_key_id = AKIA1\r\naws_secret_access_key=s/+=x\n"), 0);
	const struct identity *root = identities_find(rig.ids, STR("AKIA1"));
	CHECK(root && root == identities_root(rig.ids) && !identities_find(rig.ids, STR("WRONG")));
	CHECK_STR(root->secret, "s/+=x");
	CHECK_STR(root->arn, "arn:aws:iam::123456789012:root");
	CHECK_STR(root->user_id, "123456789012");
	CHECK(identity_may(root, STR("lambda:CreateFunction")));
	/* What cannot be read changes nothing; another key replaces the first. */
	CHECK_INT(load(&rig, "[default]\naws_access_key_id = AKIA2\n"), -1);
	CHECK(identities_find(rig.ids, STR("AKIA1")));
	CHECK_INT(load(&rig, "[default]\naws_access_key_id = AKIA2\naws_secret_access_key = t\n"), 0);
	CHECK(!identities_find(rig.ids, STR("AKIA1")) && identities_find(rig.ids, STR("AKIA2")));
	CHECK_INT(load(&rig, "[default]\naws_access_key_id = AKIA2\naws_secret_access_key = u\n"), 0);
	CHECK_STR(identities_root(rig.ids)->secret, "u");
	stop(&rig);
}

TEST(environments_get_their_own)
{
	struct rig rig;
	struct function_version v = {.name = "f", .role = "arn:aws:iam::123456789012:role/path/r"};
	start(&rig);
	const struct identity *a = identities_issue(rig.ids, &v, &rig.err), *b = identities_issue(rig.ids, &v, &rig.err);
	CHECK(a && b && strcmp(a->access_key, b->access_key) != 0 && strcmp(a->secret, b->secret) != 0);
	CHECK(strncmp(a->access_key, "ASIA", 4) == 0 && strlen(a->access_key) == 20 && strlen(a->secret) == 40 && *a->session_token);
	CHECK_STR(a->arn, "arn:aws:sts::123456789012:assumed-role/r/f");
	CHECK_STR(a->user_id, b->user_id);
	CHECK(identities_find(rig.ids, str_from(a->access_key)) == a);
	char key[IDENTITY_KEY_SIZE];
	memcpy(key, a->access_key, sizeof key);
	identities_revoke(rig.ids, a);
	CHECK(!identities_find(rig.ids, str_from(key)) && identities_find(rig.ids, str_from(b->access_key)) == b);
	stop(&rig);
}

TEST(an_unmanaged_role_may_invoke_and_no_more)
{
	const struct identity id = {.kind = IDENTITY_FUNCTION};
	static const char *const may[] = {"lambda:InvokeFunction", "sts:GetCallerIdentity", "logs:PutLogEvents"};
	static const char *const may_not[] = {"lambda:CreateFunction", "lambda:GetFunction", "lambda:InvokeFunctionX", "lambda:", "",
	                                      "logs:GetLogEvents", "mayfly:ListEnvironments", "iam:CreateUser"};
	for (size_t i = 0; i < sizeof may / sizeof *may; i++)
		CHECK(identity_may(&id, str_from(may[i])));
	for (size_t i = 0; i < sizeof may_not / sizeof *may_not; i++)
		CHECK(!identity_may(&id, str_from(may_not[i])));
}

TESTS(T(the_root_key_is_read), T(environments_get_their_own), T(an_unmanaged_role_may_invoke_and_no_more))
