/* backend/process/cgroup.c: see cgroup.h. */
#include "backend/process/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"

#define TEXT_MAX ((size_t)256 << 10)

/* The next line of TEXT, without its end. */
static bool
next_line(struct dg_str *text, struct dg_str *line)
{
	const char *end;

	if (!text->n)
		return false;
	end = memchr(text->p, '\n', text->n);
	*line = dg_strn(text->p, end ? (size_t)(end - text->p) : text->n);
	text->p += line->n + (end != NULL);
	text->n -= line->n + (end != NULL);
	return true;
}

/* Is WORD one of LIST's, which is separated by commas? */
static bool
listed(struct dg_str list, const char *word)
{
	size_t n = strlen(word);

	while (list.n) {
		const char *comma = memchr(list.p, ',', list.n);
		size_t len = comma ? (size_t)(comma - list.p) : list.n;

		if (len == n && memcmp(list.p, word, n) == 0)
			return true;
		list.p += len + (comma != NULL);
		list.n -= len + (comma != NULL);
	}
	return false;
}

/* "4:memory:/a/b" -> "/a/b". */
static char *
own_path(struct dg_str cgroup, const char *controller)
{
	struct dg_str line;

	while (next_line(&cgroup, &line)) {
		const char *one = memchr(line.p, ':', line.n), *two;
		struct dg_str list;

		if (!one)
			continue;
		two = memchr(one + 1, ':', line.n - (size_t)(one + 1 - line.p));
		if (!two)
			continue;
		list = dg_strn(one + 1, (size_t)(two - one - 1));
		if (controller ? listed(list, controller) : list.n == 0)
			return dg_xstrndup(two + 1, line.n - (size_t)(two + 1 - line.p));
	}
	return NULL;
}

char *
dg_cgroup_folder(struct dg_str cgroup, struct dg_str mountinfo, const char *controller)
{
	auto_free char *path = own_path(cgroup, controller);
	struct dg_str line;

	while (path && next_line(&mountinfo, &line)) {
		/* 35 31 0:32 ROOT MOUNTPOINT rw,relatime ... - TYPE SOURCE OPTIONS */
		auto_free char *copy = dg_str_dup(line);
		char *dash = strstr(copy, " - ");
		char root[1024], mount[1024], type[32], options[512];
		size_t n;

		if (!dash ||
			sscanf(copy, "%*s %*s %*s %1023s %1023s", root, mount) != 2 ||
			sscanf(dash, " - %31s %*s %511s", type, options) != 2)
			continue;
		if (strcmp(type, controller ? "cgroup" : "cgroup2") != 0 ||
			(controller && !listed(dg_str(options), controller)))
			continue;
		n = strcmp(root, "/") == 0 ? 0 : strlen(root);
		if (strncmp(path, root, n) != 0 || (path[n] && path[n] != '/'))
			continue;
		return dg_xasprintf(
			"%s%s", mount, strcmp(path + n, "/") == 0 ? "" : path + n);
	}
	return NULL;
}

static bool
has_file(const char *folder, const char *file)
{
	auto_free char *path = dg_xasprintf("%s/%s", folder, file);

	return access(path, F_OK) == 0;
}

char *
dg_cgroup_own(bool writable)
{
	/* v2 stands twice: it counts for more where it has memory */
	static const char *const order[] = {NULL, "memory", NULL, "pids", "name=systemd"};
	auto_buf cgroup = DG_BUF_INIT, mounts = DG_BUF_INIT;

	if (dg_read_file(AT_FDCWD, "/proc/self/cgroup", TEXT_MAX, &cgroup, NULL) < 0 ||
		dg_read_file(AT_FDCWD, "/proc/self/mountinfo", TEXT_MAX, &mounts, NULL) <
			0)
		return NULL;
	for (size_t i = 0; i < DG_N(order); i++) {
		auto_free char *path = dg_cgroup_folder(
			dg_buf_str(&cgroup), dg_buf_str(&mounts), order[i]);

		if (path && (i > 0 || has_file(path, "memory.events")) &&
			(!writable || access(path, W_OK) == 0))
			return TAKE_PTR(path);
	}
	return NULL;
}

char *
dg_cgroup_make(const char *own, const char *name)
{
	auto_free char *path = dg_xasprintf("%s/%s", own, name);
	auto_free char *procs = dg_xasprintf("%s/cgroup.procs", path);

	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return NULL;
	if (access(procs, W_OK) < 0) {
		rmdir(path);
		return NULL;
	}
	return TAKE_PTR(path);
}

bool
dg_cgroup_kill(const char *path)
{
	auto_free char *file = dg_xasprintf("%s/cgroup.kill", path);
	auto_close int fd = open(file, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, "1", 1) == 1;
}

/* Is the process of this number in it now? Its folder's name is nobody else's. */
static bool
has_member(const char *path, pid_t pid)
{
	auto_free char *file = dg_xasprintf("/proc/%d/cgroup", pid);
	const char *name = strrchr(path, '/');
	auto_buf b = DG_BUF_INIT;
	struct dg_str text, line;

	if (!name || dg_read_file(AT_FDCWD, file, TEXT_MAX, &b, NULL) < 0)
		return false;
	text = dg_buf_str(&b);
	while (next_line(&text, &line))
		if (line.n > strlen(name) &&
			memcmp(line.p + line.n - strlen(name), name, strlen(name)) == 0)
			return true;
	return false;
}

unsigned
dg_cgroup_signal(const char *path, int sig)
{
	auto_free char *file = dg_xasprintf("%s/cgroup.procs", path);
	auto_buf b = DG_BUF_INIT;
	struct dg_str text, line;
	unsigned count = 0;

	if (dg_read_file(AT_FDCWD, file, TEXT_MAX, &b, NULL) < 0)
		return 0;
	text = dg_buf_str(&b);
	while (next_line(&text, &line)) {
		pid_t pid = (pid_t)atol(line.p);
		unsigned long long start = dg_proc_start_time(pid);

		if (pid != getpid() && has_member(path, pid) &&
			dg_proc_signal(pid, start, sig))
			count++;
	}
	return count;
}

long
dg_cgroup_oom_kills(const char *path)
{
	static const char *const files[] = {"memory.events", "memory.oom_control"};

	for (size_t i = 0; path && i < DG_N(files); i++) {
		auto_free char *file = dg_xasprintf("%s/%s", path, files[i]);
		auto_buf b = DG_BUF_INIT;
		struct dg_str text, line;

		if (dg_read_file(AT_FDCWD, file, 4096, &b, NULL) < 0)
			continue;
		text = dg_buf_str(&b);
		while (next_line(&text, &line))
			if (dg_str_starts(line, "oom_kill "))
				return atol(line.p + strlen("oom_kill "));
	}
	return -1;
}

bool
dg_cgroup_remove(const char *path)
{
	return rmdir(path) == 0 || errno != EBUSY;
}

void
dg_cgroup_sweep(const char *own, const char *prefix)
{
	DIR *d = opendir(own);
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
			(void)unlinkat(dirfd(d), entry->d_name, AT_REMOVEDIR);
	if (d)
		closedir(d);
}
