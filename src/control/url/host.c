#include "control/url/host.h"

#include <ctype.h>
#include <string.h>

#include "core/base/check.h"

#define PORT_MAX 65535u
#define LABEL_MAX 63u

static bool is_id_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

bool url_id_is(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_id_char(s.p[i]))
			return false;
	}
	return s.n == URL_ID_LENGTH;
}

struct str url_host_name(struct str host)
{
	struct str name = host;
	if (host.n && host.p[0] == '[') /* an IPv6 address */
		return str_sub(host, 0, str_find(host, ']') + 1);
	name.n = str_find(host, ':');
	return name;
}

unsigned url_host_port(struct str host, bool https)
{
	struct str rest = str_sub(host, url_host_name(host).n + 1, host.n);
	uint64_t port;
	return str_to_u64(rest, PORT_MAX, &port) == 0 && port ? (unsigned)port : https ? 443 : 80;
}

/* Takes a label (and its dot) off `rest`, when it is the one given. */
static bool take_label(struct str *rest, const char *label)
{
	struct str piece;
	return str_split(rest, '.', &piece) && str_case_eq(piece, str_from(label));
}

bool url_host_parse(struct str host, const char *region, struct str *id)
{
	static const char *const suffixes[] = {"localhost", "on.aws"};
	struct str rest = url_host_name(host), first;
	if (rest.n && rest.p[rest.n - 1] == '.') /* the root, said */
		rest.n--;
	if (!str_split(&rest, '.', &first) || first.n != URL_ID_LENGTH || !take_label(&rest, "lambda-url") || !take_label(&rest, region))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		if (str_case_eq(rest, str_from(suffixes[i]))) {
			*id = first;
			return true;
		}
	}
	return false;
}

bool url_path_parse(struct str path, struct str *id, struct str *rest)
{
	struct str behind = str_sub(path, strlen(URL_PATH_PREFIX), path.n);
	if (!str_starts(path, STR(URL_PATH_PREFIX)))
		return false;
	*id = str_sub(behind, 0, str_find(behind, '/'));
	*rest = str_sub(behind, id->n, behind.n);
	if (rest->n == 0)
		*rest = STR("/");
	return true;
}

static bool is_label(struct str label)
{
	for (size_t i = 0; i < label.n; i++) {
		bool hyphen = label.p[i] == '-' && i > 0 && i + 1 < label.n;
		if (!is_id_char(label.p[i]) && !hyphen)
			return false;
	}
	return label.n > 0 && label.n <= LABEL_MAX;
}

bool url_host_valid(struct str name)
{
	struct str rest = name, label;
	bool address = true; /* digits and dots alone */
	for (size_t i = 0; i < name.n; i++)
		address &= name.p[i] == '.' || isdigit((unsigned char)name.p[i]);
	if (name.n == 0 || name.n > URL_HOST_MAX || address || name.p[name.n - 1] == '.')
		return false;
	while (str_split(&rest, '.', &label)) {
		if (!is_label(label))
			return false;
	}
	return true;
}
