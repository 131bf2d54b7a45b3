/* Which function URL a request means: by its Host, or by its path. Pure; views point into what was given.
 *
 *   <url-id>.lambda-url.<region>.localhost[:port]   and .on.aws, the names that browsers resolve to this machine, and AWS's own
 *   /_mayfly/url/<url-id>[/path]                    for clients that cannot resolve such a name
 *
 * Other suffixes are none of ours: a page that names this server in a domain of its own (DNS rebinding) does not reach a function as
 * if it were its own origin. Names of one's own are a table (function/domain.h). */
#ifndef MAYFLY_URL_HOST_H
#define MAYFLY_URL_HOST_H

#include <stdbool.h>

#include "core/base/str.h"

#define URL_ID_LENGTH 32 /* of 0-9 and a-z */
#define URL_PATH_PREFIX "/_mayfly/url/"
#define URL_HOST_MAX 253 /* of a name in the DNS */

bool url_id_is(struct str s);
/* False: no host of a function URL of this region. */
bool url_host_parse(struct str host, const char *region, struct str *id);
/* False: another path. `id` is what stands in its place, whatever it is; `rest` begins with '/'. */
bool url_path_parse(struct str path, struct str *id, struct str *rest);
/* The host without its port. */
struct str url_host_name(struct str host);
/* The port that a host names, or the scheme's own. */
unsigned url_host_port(struct str host, bool https);
/* May it be a name of one's own: labels of letters, digits and hyphens, lower case, at least one of them no digit. */
bool url_host_valid(struct str name);

#endif
