/* Time zones: TZif files (RFC 8536), read once. Beyond a file's table its footer counts, a rule as in POSIX's TZ. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "core/when/when_priv.h"

#define ZONE_FOLDER "/usr/share/zoneinfo/"
#define ZONE_NAME_MAX 50u /* as the Scheduler's API */
#define ZONE_FILE_MAX (256u << 10)
#define ZONE_OFFSET_MAX (26 * 3600)

/* When summer time begins or ends: "M3.2.0/2", "J60", "59". */
struct edge {
	char form; /* 'M', 'J', 'n' (a plain number) */
	unsigned month, week, day;
	int64_t time_s; /* of that day's local time; may be negative or beyond a day */
};

struct when_zone {
	struct when_zone *next;
	char name[ZONE_NAME_MAX + 1];
	size_t count;
	int64_t *times; /* offsets[i + 1] counts from times[i]; offsets[0] before */
	int32_t *offsets;
	bool has_rule, has_summer;
	int32_t standard, summer;
	struct edge begin, end;
};

struct when_zones {
	struct when_zone *zones;
};

/* ---- the footer ---- */

struct footer {
	const char *p, *end;
};

static bool is_digit(const struct footer *f)
{
	return f->p < f->end && *f->p >= '0' && *f->p <= '9';
}

static int footer_number(struct footer *f, unsigned max, unsigned *out)
{
	unsigned v = 0;
	if (!is_digit(f))
		return -1;
	for (; is_digit(f); f->p++) {
		v = v * 10 + (unsigned)(*f->p - '0');
		if (v > max)
			return -1;
	}
	*out = v;
	return 0;
}

static bool footer_take(struct footer *f, char c)
{
	bool here = f->p < f->end && *f->p == c;
	f->p += here;
	return here;
}

/* [+-]hh[:mm[:ss]] */
static int footer_time(struct footer *f, int64_t *out)
{
	unsigned part[3] = {0};
	bool minus = footer_take(f, '-');
	if (!minus)
		footer_take(f, '+');
	if (footer_number(f, 167, &part[0]) < 0)
		return -1;
	for (int i = 1; i < 3 && footer_take(f, ':'); i++)
		if (footer_number(f, 59, &part[i]) < 0)
			return -1;
	*out = part[0] * INT64_C(3600) + part[1] * 60 + part[2];
	if (minus)
		*out = -*out;
	return 0;
}

static int footer_name(struct footer *f)
{
	const char *from = f->p;
	if (footer_take(f, '<')) {
		while (f->p < f->end && *f->p != '>')
			f->p++;
		return footer_take(f, '>') ? 0 : -1;
	}
	while (f->p < f->end && (((*f->p | 0x20) >= 'a' && (*f->p | 0x20) <= 'z')))
		f->p++;
	return f->p - from >= 3 ? 0 : -1;
}

static int footer_offset(struct footer *f, int32_t *out)
{
	int64_t west;
	if (footer_time(f, &west) < 0 || west > ZONE_OFFSET_MAX || west < -ZONE_OFFSET_MAX)
		return -1;
	*out = (int32_t)-west;
	return 0;
}

static int footer_edge(struct footer *f, struct edge *e)
{
	*e = (struct edge){.form = 'n', .time_s = 7200};
	if (!footer_take(f, ','))
		return -1;
	if (footer_take(f, 'M')) {
		e->form = 'M';
		if (footer_number(f, 12, &e->month) < 0 || !footer_take(f, '.') || footer_number(f, 5, &e->week) < 0 || !footer_take(f, '.') ||
		    footer_number(f, 6, &e->day) < 0 || e->month == 0 || e->week == 0)
			return -1;
	} else {
		e->form = footer_take(f, 'J') ? 'J' : 'n';
		if (footer_number(f, 365, &e->day) < 0 || (e->form == 'J' && e->day == 0))
			return -1;
	}
	return footer_take(f, '/') ? footer_time(f, &e->time_s) : 0;
}

static int read_footer(struct when_zone *z, const char *p, const char *end)
{
	struct footer f = {p, end};
	if (p == end)
		return 0; /* none: the last offset stays */
	if (footer_name(&f) < 0 || footer_offset(&f, &z->standard) < 0)
		return -1;
	z->has_rule = true;
	if (f.p == f.end)
		return 0;
	z->has_summer = true;
	z->summer = z->standard + 3600;
	if (footer_name(&f) < 0 || (f.p < f.end && *f.p != ',' && footer_offset(&f, &z->summer) < 0))
		return -1;
	return footer_edge(&f, &z->begin) < 0 || footer_edge(&f, &z->end) < 0 || f.p != f.end ? -1 : 0;
}

static int64_t edge_local(const struct edge *e, int year)
{
	int64_t day;
	if (e->form == 'M') {
		int64_t first = when_days(year, e->month, 1);
		unsigned mday = 1 + (e->day + 7 - when_weekday(first)) % 7 + 7 * (e->week - 1);
		while (mday > when_month_days(year, e->month))
			mday -= 7;
		day = first + mday - 1;
	} else {
		bool behind_leap_day = e->form == 'J' && e->day > 59 && when_month_days(year, 2) == 29;
		day = when_days(year, 1, 1) + e->day - (e->form == 'J') + behind_leap_day;
	}
	return day * WHEN_DAY_S + e->time_s;
}

/* ---- the file ---- */

static int64_t big_endian(const unsigned char *p, unsigned n)
{
	uint64_t v = p[0] & 0x80 ? UINT64_MAX : 0;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | p[i];
	return (int64_t)v;
}

struct header {
	size_t utc_flags, standard_flags, leaps, times, types, chars;
};

static int read_header(const unsigned char *p, size_t n, struct header *h)
{
	size_t *const counts[] = {&h->utc_flags, &h->standard_flags, &h->leaps, &h->times, &h->types, &h->chars};
	if (n < 44 || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
		return -1;
	for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
		int64_t v = big_endian(p + 20 + 4 * i, 4);
		if (v < 0 || v > ZONE_FILE_MAX)
			return -1;
		*counts[i] = (size_t)v;
	}
	return h->types == 0 || h->types > 256 ? -1 : 0;
}

static size_t body_size(const struct header *h, size_t time_size)
{
	return h->times * time_size + h->times + h->types * 6 + h->chars + h->leaps * (time_size + 4) + h->standard_flags + h->utc_flags;
}

static int read_table(struct when_zone *z, const unsigned char *p, const struct header *h)
{
	const unsigned char *index = p + h->times * 8, *types = index + h->times;
	z->count = h->times;
	z->times = calloc(h->times + 1, sizeof *z->times);
	z->offsets = calloc(h->times + 1, sizeof *z->offsets);
	if (!z->times || !z->offsets)
		return -1;
	z->offsets[0] = (int32_t)big_endian(types, 4);
	for (size_t i = 0; i < h->times; i++) {
		z->times[i] = big_endian(p + 8 * i, 8);
		if (index[i] >= h->types || (i && z->times[i] <= z->times[i - 1]))
			return -1;
		z->offsets[i + 1] = (int32_t)big_endian(types + 6 * (size_t)index[i], 4);
	}
	for (size_t i = 0; i <= h->times; i++)
		if (z->offsets[i] > ZONE_OFFSET_MAX || z->offsets[i] < -ZONE_OFFSET_MAX)
			return -1;
	return 0;
}

static int read_zone(struct when_zone *z, struct str bytes)
{
	const unsigned char *p = (const unsigned char *)bytes.p;
	size_t n = bytes.n, skip;
	struct header h;
	if (n > ZONE_FILE_MAX || read_header(p, n, &h) < 0 || (skip = 44 + body_size(&h, 4)) > n)
		return -1;
	p += skip;
	n -= skip;
	if (read_header(p, n, &h) < 0 || h.leaps || (skip = 44 + body_size(&h, 8)) > n || read_table(z, p + 44, &h) < 0)
		return -1;
	const char *footer = (const char *)p + skip, *end = (const char *)p + n;
	if (footer == end || *footer++ != '\n')
		return -1;
	const char *line_end = memchr(footer, '\n', (size_t)(end - footer));
	return line_end ? read_footer(z, footer, line_end) : -1;
}

struct when_zone *when_zone_read(struct str bytes)
{
	struct when_zone *z = calloc(1, sizeof *z);
	if (!z || read_zone(z, bytes) == 0)
		return z;
	when_zone_free(z);
	return NULL;
}

void when_zone_free(struct when_zone *z)
{
	if (!z)
		return;
	free(z->times);
	free(z->offsets);
	free(z);
}

/* ---- the cache ---- */

struct when_zones *when_zones_new(struct error *err)
{
	struct when_zones *z = calloc(1, sizeof *z);
	if (!z)
		error_set(err, ERR_NO_MEMORY, "no memory for time zones");
	return z;
}

void when_zones_free(struct when_zones *z)
{
	for (struct when_zone *next, *zone = z ? z->zones : NULL; zone; zone = next) {
		next = zone->next;
		when_zone_free(zone);
	}
	free(z);
}

/* Letters first, parts of letters, digits, _ + -; nothing that leads elsewhere, and not the copies with leap seconds. */
static bool good_name(struct str name)
{
	if (name.n == 0 || name.n > ZONE_NAME_MAX || str_starts(name, STR("right/")) || str_starts(name, STR("posix")))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i], letter = (char)(c | 0x20);
		bool part_start = i == 0 || name.p[i - 1] == '/';
		if (letter >= 'a' && letter <= 'z')
			continue;
		if (part_start || !strchr("0123456789_+-/", c) || c == '\0' || (c == '/' && i + 1 == name.n))
			return false;
	}
	return true;
}

static int unknown(struct str name, struct error *err)
{
	return error_set(err, ERR_VALIDATION, "Invalid ScheduleExpressionTimezone: " STR_FMT, (int)(name.n < 100 ? name.n : 100), name.p);
}

static struct when_zone *load(struct str name, struct error *err)
{
	char path[sizeof ZONE_FOLDER + ZONE_NAME_MAX] = ZONE_FOLDER;
	CLEANUP_FREE char *bytes = malloc(ZONE_FILE_MAX);
	struct stat st;
	str_copy(path + strlen(ZONE_FOLDER), ZONE_NAME_MAX + 1, name);
	CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (!bytes) {
		error_set(err, ERR_NO_MEMORY, "no memory for a time zone");
		return NULL;
	}
	if ((fd < 0 && errno != ENOENT && errno != ENOTDIR) || (fd >= 0 && fstat(fd, &st) < 0)) {
		error_sys(err, "cannot read time zone %s", path);
		return NULL;
	}
	if (fd < 0 || !S_ISREG(st.st_mode)) {
		unknown(name, err);
		return NULL;
	}
	ssize_t n = read(fd, bytes, ZONE_FILE_MAX);
	struct when_zone *zone = n > 0 ? when_zone_read((struct str){bytes, (size_t)n}) : NULL;
	if (!zone)
		unknown(name, err);
	return zone;
}

int when_zone_get(struct when_zones *z, struct str name, const struct when_zone **out, struct error *err)
{
	*out = NULL;
	if (!name.p || name.n == 0 || str_eqz(name, "UTC"))
		return 0;
	for (const struct when_zone *zone = z->zones; zone; zone = zone->next)
		if (str_eqz(name, zone->name)) {
			*out = zone;
			return 0;
		}
	if (!good_name(name))
		return unknown(name, err);
	struct when_zone *zone = load(name, err);
	if (!zone)
		return -1;
	str_copy(zone->name, sizeof zone->name, name);
	zone->next = z->zones;
	z->zones = zone;
	*out = zone;
	return 0;
}

/* ---- offsets ---- */

/* A stretch of time with one offset. */
struct stretch {
	int64_t end; /* exclusive; INT64_MAX: for ever */
	int64_t offset;
};

static struct stretch rule_stretch(const struct when_zone *z, int64_t utc)
{
	if (!z->has_summer)
		return (struct stretch){INT64_MAX, z->standard};
	int year = when_date_of((utc + z->standard) / WHEN_DAY_S).year;
	struct stretch s = {INT64_MAX, z->standard};
	int64_t latest = INT64_MIN;
	/* The edges around: the latest at or before `utc` says what counts, the earliest behind it when that ends. */
	for (int y = year - 1; y <= year + 1; y++) {
		int64_t edges[2] = {edge_local(&z->begin, y) - z->standard, edge_local(&z->end, y) - z->summer};
		for (int i = 0; i < 2; i++) {
			if (edges[i] > utc && edges[i] < s.end)
				s.end = edges[i];
			if (edges[i] <= utc && edges[i] >= latest) {
				latest = edges[i];
				s.offset = i == 0 ? z->summer : z->standard;
			}
		}
	}
	return s;
}

static struct stretch stretch_at(const struct when_zone *z, int64_t utc)
{
	size_t low = 0, high = z->count; /* how many transitions are at or before `utc` */
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (z->times[middle] <= utc)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == z->count && z->has_rule)
		return rule_stretch(z, utc);
	return (struct stretch){low < z->count ? z->times[low] : INT64_MAX, z->offsets[low]};
}

int64_t when_zone_offset(const struct when_zone *zone, int64_t utc)
{
	return zone ? stretch_at(zone, utc).offset : 0;
}

int64_t when_zone_instant(const struct when_zone *zone, int64_t local, int64_t *moved)
{
	*moved = WHEN_NONE;
	if (!zone)
		return local;
	int64_t from = local - ZONE_OFFSET_MAX - 1;
	/* Stretches are longer than a day but for oddities of the files; 64 of them end the search in any case. */
	for (int i = 0; i < 64 && from <= local + ZONE_OFFSET_MAX; i++) {
		struct stretch s = stretch_at(zone, from);
		int64_t utc = local - s.offset;
		if (utc < from && i > 0) {
			/* Neither before `from` (then it would have been found) nor behind it: a gap. */
			return WHEN_NONE;
		}
		if (utc < s.end)
			return utc;
		*moved = utc;
		if (s.end == INT64_MAX)
			break;
		from = s.end;
	}
	return WHEN_NONE;
}
