/* Mappings of a process, from /proc/PID/smaps: what kind each is, and how its contents are found. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cleanup.h"
#include "isolation/snapshot/dump_priv.h"
#include "isolation/snapshot/image_priv.h"

#define MAX_SMAPS (256u << 20)
#define DELETED " (deleted)"

/* One paragraph of smaps. */
struct paragraph {
	uint64_t start, end, offset, inode;
	unsigned major, minor;
	char rights[8];
	char name[4096];
	const char *flags; /* of VmFlags, up to the line's end */
	uint64_t key;      /* ProtectionKey */
};

/* Two letters of VmFlags: a flag of the image, or why the mapping can't be kept. */
static const struct {
	char name[3];
	uint32_t flag;
	const char *why;
} vm_flags[] = {
	{"nr", VMA_NORESERVE, NULL}, {"wf", VMA_WIPE_ON_FORK, NULL}, {"hg", VMA_HUGE, NULL}, {"nh", VMA_NO_HUGE, NULL},
	{"dc", VMA_DONT_FORK, NULL}, {"dd", VMA_DONT_DUMP, NULL}, {"mg", VMA_MERGEABLE, NULL}, {"lo", VMA_LOCKED, NULL},
	{"dp", VMA_DROPPABLE, NULL},
	{"io", 0, "memory of a device"}, {"pf", 0, "memory of a device"}, {"ht", 0, "huge pages of hugetlbfs"},
	{"um", 0, "memory watched by userfaultfd"}, {"uw", 0, "memory watched by userfaultfd"}, {"ui", 0, "memory watched by userfaultfd"},
	{"ss", 0, "a shadow stack"},
};

/* Names that tell what is behind a mapping, by their beginning. */
static const struct {
	const char *prefix, *why;
} foreign[] = {
	{"/SYSV", "System V shared memory"}, {"/[aio]", "asynchronous I/O (io_setup)"}, {"anon_inode:", "a kernel object"},
	{"[uprobes]", "memory of a tracer"}, {"socket:", "a socket"}, {"/memfd:", "a memory file (memfd), shared"},
};

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);
	return n >= k && strcmp(s + n - k, suffix) == 0;
}

static const char *next_line(const char *line)
{
	const char *end = strchr(line, '\n');
	return end ? end + 1 : line + strlen(line);
}

/* Undoes the one escape that the kernel makes in names. */
static void copy_name(char *dst, size_t size, const char *src)
{
	size_t n = 0;
	for (; *src && *src != '\n' && n + 1 < size; n++) {
		bool newline = strncmp(src, "\\012", 4) == 0;
		dst[n] = newline ? '\n' : *src;
		src += newline ? 4 : 1;
	}
	dst[n] = '\0';
}

/* Reads one paragraph at *at and moves on; false at the end. */
static bool next_paragraph(const char **at, struct paragraph *m, struct error *err)
{
	int name = 0;
	const char *line = *at;
	if (!*line)
		return false;
	if (sscanf(line, "%lx-%lx %7s %lx %x:%x %lu %n", &m->start, &m->end, m->rights, &m->offset, &m->major, &m->minor, &m->inode,
		    &name) < 7)
		return error_set(err, ERR_SYSTEM, "/proc/PID/smaps is not understood"), false;
	/* sscanf's blank before the name would eat a missing one's newline. */
	const char *end = strchr(line, '\n');
	copy_name(m->name, sizeof m->name, end && line + name > end ? "" : line + name);
	m->flags = "";
	m->key = 0;
	for (line = next_line(line); *line && !strchr("0123456789abcdef", *line); line = next_line(line)) {
		if (starts(line, "VmFlags:"))
			m->flags = line + 8;
		else if (starts(line, "ProtectionKey:"))
			m->key = strtoull(line + 14, NULL, 10);
	}
	*at = line;
	return true;
}

static bool has_flag(const struct paragraph *m, const char *name)
{
	for (const char *p = m->flags; p[0] == ' ' && p[1] && p[1] != '\n'; p += 3) {
		if (strncmp(p + 1, name, 2) == 0)
			return true;
	}
	return false;
}

static int read_flags(const struct dump_process *p, const struct paragraph *m, struct image_vma *v, struct error *err)
{
	for (size_t i = 0; i < ARRAY_LEN(vm_flags); i++) {
		if (!has_flag(m, vm_flags[i].name))
			continue;
		if (vm_flags[i].why)
			return dump_unsupported(p, err, "maps %s", vm_flags[i].why);
		v->flags |= vm_flags[i].flag;
	}
	v->protection = (m->rights[0] == 'r' ? PROT_READ : 0u) | (m->rights[1] == 'w' ? PROT_WRITE : 0u) |
			(m->rights[2] == 'x' ? PROT_EXEC : 0u);
	if (m->rights[3] == 's')
		v->flags |= VMA_SHARED;
	/* Memory that may only be executed has a key which the kernel gives out by itself; it does so again. */
	if (m->key && v->protection != PROT_EXEC)
		return dump_unsupported(p, err, "uses memory protection keys");
	return 0;
}

/* The kernel's own mappings, which are not rows. */
static bool take_special(struct dump_process *p, const struct paragraph *m)
{
	const struct {
		const char *name;
		uint64_t *start, *end;
	} specials[] = {
		{"[vdso]", &p->row.vdso_start, &p->row.vdso_end},
		{"[vvar]", &p->row.vvar_start, &p->row.vvar_end},
		{"[vvar_vclock]", &p->row.vclock_start, &p->row.vclock_end},
		{"[vsyscall]", NULL, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(specials); i++) {
		if (strcmp(m->name, specials[i].name) != 0)
			continue;
		if (specials[i].start) {
			*specials[i].start = m->start;
			*specials[i].end = m->end;
		}
		return true;
	}
	return false;
}

static int take_shared_memory(struct dump_process *p, const struct paragraph *m, struct image_vma *v, struct dump_memory *mem,
	struct error *err)
{
	char link[64];
	snprintf(link, sizeof link, "map_files/%lx-%lx", m->start, m->end);
	mem->shared_fd = openat(p->proc, link, O_RDONLY | O_CLOEXEC);
	if (mem->shared_fd < 0)
		return error_sys(err, "cannot open shared memory of process %u", p->inner);
	v->kind = VMA_SHARED_ANON;
	mem->shared_at = m->offset;
	return 0;
}

static struct dump_file *known_file(struct dump *d, const struct paragraph *m)
{
	struct dump_file *files = (void *)d->files.data;
	for (size_t i = 0; i < d->files.len / sizeof *files; i++) {
		if (files[i].device == ((uint64_t)m->major << 32 | m->minor) && files[i].inode == m->inode)
			return &files[i];
	}
	return NULL;
}

/* How much of a mapping lies within the file: beyond it there is nothing to read. */
static int whole_bytes(struct dump_process *p, const struct paragraph *m, uint64_t *bytes, struct error *err)
{
	char link[64];
	struct stat st;
	snprintf(link, sizeof link, "map_files/%lx-%lx", m->start, m->end);
	if (fstatat(p->proc, link, &st, 0) < 0)
		return error_sys(err, "cannot look at a file that process %u maps", p->inner);
	uint64_t size = ((uint64_t)st.st_size + IMAGE_PAGE - 1) / IMAGE_PAGE * IMAGE_PAGE, length = m->end - m->start;
	uint64_t left = size > m->offset ? size - m->offset : 0;
	*bytes = left < length ? left : length;
	return 0;
}

/* A file that will not be there for a restored process: its bytes are kept as memory. */
static int take_as_memory(struct dump_process *p, const struct paragraph *m, struct image_vma *v, struct dump_memory *mem,
	struct error *err)
{
	/* The JVM's counters, for tools that look from outside. */
	bool counters = starts(m->name, "/tmp/hsperfdata_");
	if ((v->flags & VMA_SHARED) && !counters)
		return dump_unsupported(p, err, "maps %s shared, which is %s", m->name,
			ends(m->name, DELETED) ? "deleted" : "not part of the system or code");
	v->kind = VMA_ANON;
	v->flags &= ~(uint32_t)VMA_SHARED;
	return whole_bytes(p, m, &mem->whole, err);
}

static int take_file(struct dump *d, struct dump_process *p, const struct paragraph *m, struct image_vma *v, struct dump_memory *mem,
	struct error *err)
{
	char link[64];
	struct dump_file found = {.device = (uint64_t)m->major << 32 | m->minor, .inode = m->inode};
	const struct dump_file *file = known_file(d, m);
	if (!file) {
		snprintf(link, sizeof link, "map_files/%lx-%lx", m->start, m->end);
		if (dump_file(d, p, link, m->name, &found, err) < 0)
			return -1;
		if (buf_append(&d->files, &found, sizeof found) < 0)
			return error_set(err, ERR_UNSUPPORTED, "maps too many files");
		file = &found;
	}
	if (file->vanished)
		return take_as_memory(p, m, v, mem, err);
	if ((v->flags & VMA_SHARED) && has_flag(m, "mw"))
		return dump_unsupported(p, err, "maps %s shared and may write to it", m->name);
	v->kind = VMA_FILE;
	v->file = file->row;
	v->file_offset = m->offset;
	return 0;
}

static int classify(struct dump *d, struct dump_process *p, const struct paragraph *m, struct image_vma *v, struct dump_memory *mem,
	struct error *err)
{
	bool shared = v->flags & VMA_SHARED;
	if (has_flag(m, "gd"))
		v->kind = VMA_STACK;
	if (strcmp(m->name, "/dev/zero" DELETED) == 0 || starts(m->name, "[anon_shmem:"))
		return take_shared_memory(p, m, v, mem, err);
	if (!shared && starts(m->name, "/memfd:"))
		return take_as_memory(p, m, v, mem, err);
	for (size_t i = 0; i < ARRAY_LEN(foreign); i++) {
		if (starts(m->name, foreign[i].prefix))
			return dump_unsupported(p, err, "maps %s", foreign[i].why);
	}
	if (m->name[0] == '/' && strcmp(m->name, "/dev/zero") != 0)
		return take_file(d, p, m, v, mem, err);
	return shared ? dump_unsupported(p, err, "maps shared memory of an unknown kind (%s)", m->name) : 0;
}

static int take(struct dump *d, uint32_t process, const struct paragraph *m, struct error *err)
{
	struct dump_process *p = &d->processes[process];
	struct image_vma v = {.start = m->start, .end = m->end, .kind = VMA_ANON, .file = IMAGE_NONE};
	struct dump_memory mem = {.process = process, .shared_fd = -1};
	if (take_special(p, m))
		return 0;
	if (m->end > IMAGE_ADDRESS_END || m->start < 2 * IMAGE_PAGE || (m->start < RESTORER_END && m->end > RESTORER_BASE))
		return dump_unsupported(p, err, "uses addresses that are needed to restore it (0x%llx)", (unsigned long long)m->start);
	int rc = read_flags(p, m, &v, err);
	if (rc == 0)
		rc = classify(d, p, m, &v, &mem, err);
	if (rc == 0 && buf_append(&d->memory, &mem, sizeof mem) < 0)
		rc = error_set(err, ERR_UNSUPPORTED, "has too many mappings");
	if (rc < 0)
		cleanup_close(&mem.shared_fd);
	return rc < 0 || image_add(&d->image, IMAGE_VMAS, &v, err) < 0 ? -1 : 0;
}

int dump_maps(struct dump *d, uint32_t process, struct error *err)
{
	struct dump_process *p = &d->processes[process];
	struct error why = {0};
	CLEANUP_FREE struct paragraph *m = malloc(sizeof *m);
	CLEANUP_FREE char *text = dump_read(p->proc, "smaps", MAX_SMAPS, err);
	const char *at = text;
	if (!text || !m)
		return text ? error_set(err, ERR_NO_MEMORY, "no memory for mappings") : -1;
	p->row.vma = image_built_count(&d->image, IMAGE_VMAS);
	while (next_paragraph(&at, m, &why)) {
		if (take(d, process, m, err) < 0)
			return -1;
	}
	p->row.vma_count = image_built_count(&d->image, IMAGE_VMAS) - p->row.vma;
	if (why.code)
		return error_set(err, why.code, "%s", why.msg);
	return p->row.vma_count ? 0 : dump_unsupported(p, err, "has no memory");
}
