/* backend/process/folder.c: where things lie: outputs, markers, sockets; and what goes.
 *
 *   STATE/output/<server id>.log, <run name>.run.log (and .1)   outputs
 *   STATE/runs/<run name>.started, .exit                        markers
 *   RUNTIME/<8 hex>.s                                           sockets
 *
 * Without a state folder that can be written outputs are in memory and markers beside the
 * sockets. Without a runtime folder that is /tmp/daglet-<uid>-<slot>.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/process/cgroup.h"
#include "backend/process/process.h"
#include "base/digest.h"
#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"

#define SOCKET_NAME "/01234567.s"
#define SERVER_LOG ".log"
#define RUN_LOG ".run.log"
/* A marker answers a second delivery of its request; requests do not live longer. */
#define MARKER_DAYS 7
#define OUTPUT_DAYS 1 /* of ended runs: their lines went to the log too */
#define DAY ((int64_t)86400)
#define SOCKET_AGE 60 /* seconds: younger ones may be about to listen */

static bool
writable(const char *folder)
{
	return folder && folder[0] && access(folder, W_OK | X_OK) == 0;
}

/* /tmp is everybody's: the folder must be ours alone. */
static int
private_folder(const char *path, struct dg_err *e)
{
	struct stat st;

	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return dg_fail(e, DG_CONFIG, errno, "cannot make the folder %s", path);
	if (lstat(path, &st) < 0)
		return dg_fail(e, DG_CONFIG, errno, "cannot look at %s", path);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077)) {
		dg_fail(e, DG_CONFIG, 0,
			"%s is not a folder that only this user can enter", path);
		return dg_err_next(e, "remove it, or name another runtime folder");
	}
	return 0;
}

static int
socket_folder(struct dg_backend *b, struct dg_err *e)
{
	size_t longest = sizeof((struct sockaddr_un *)NULL)->sun_path - 1;
	const char *given = b->host.runtime_dir;

	if (given && given[0])
		(void)dg_mkdirs(given, 0700, NULL);
	if (writable(given))
		b->socket_dir = dg_xstrdup(given);
	else {
		b->socket_dir = dg_xasprintf(
			"/tmp/daglet-%u-%u", (unsigned)geteuid(), b->host.slot);
		if (private_folder(b->socket_dir, e) < 0)
			return -DG_CONFIG;
	}
	if (strlen(b->socket_dir) + strlen(SOCKET_NAME) > longest) {
		dg_fail(e, DG_CONFIG, 0,
			"the runtime folder's name is too long for Unix sockets: %s",
			b->socket_dir);
		return dg_err_next(e, "at most %zu characters are possible",
			longest - strlen(SOCKET_NAME));
	}
	return 0;
}

int
dg_folders_open(struct dg_backend *b, struct dg_err *e)
{
	const char *state = b->host.state_dir ? b->host.state_dir : "";
	auto_free char *output = dg_xasprintf("%s/output", state);
	auto_free char *runs = dg_xasprintf("%s/runs", state);
	unsigned char hash[DG_SHA256_SIZE];
	char hex[9];
	int r = socket_folder(b, e);

	if (r < 0)
		return r;
	if (state[0] && dg_mkdirs(output, 0700, NULL) == 0 &&
		dg_mkdirs(runs, 0700, NULL) == 0 && writable(output) && writable(runs)) {
		b->output_dir = TAKE_PTR(output);
		b->runs_dir = TAKE_PTR(runs);
		b->runs_last = true;
	} else {
		b->runs_dir = dg_xasprintf("%s/runs", b->socket_dir);
		r = dg_mkdirs(b->runs_dir, 0700, e);
		if (r < 0)
			return r;
		if (state[0])
			dg_log(LOG_WARNING,
				"cannot write in %s: outputs are kept in memory, "
				"markers of runs in %s",
				state, b->runs_dir);
	}
	dg_sha256(dg_str(b->runs_dir), hash);
	dg_hex(hash, 4, hex);
	snprintf(b->cgroup_prefix, sizeof b->cgroup_prefix, "daglet-%s-", hex);
	return 0;
}

char *
dg_output_file(const struct dg_backend *b, bool run, const char *name)
{
	return b->output_dir ? dg_xasprintf("%s/%s%s", b->output_dir, name,
				       run ? RUN_LOG : SERVER_LOG)
			     : NULL;
}

static bool
read_run_file(const struct dg_backend *b, const char *name, const char *suffix,
	struct dg_buf *out)
{
	auto_free char *path = dg_xasprintf("%s/%s%s", b->runs_dir, name, suffix);

	return dg_read_file(AT_FDCWD, path, 4096, out, NULL) == 0;
}

int
dg_marker_look(const struct dg_backend *b, const char *name, struct dg_handle *h,
	int *exec_errno)
{
	auto_buf text = DG_BUF_INIT;

	if (!read_run_file(b, name, ".started", &text))
		return 0;
	return dg_marker_read(dg_buf_str(&text), h, exec_errno) ? 1 : -1;
}

bool
dg_run_end_look(const struct dg_backend *b, const char *name, struct dg_run_end *end)
{
	auto_buf text = DG_BUF_INIT;

	return read_run_file(b, name, ".exit", &text) &&
	       dg_run_end_read(dg_buf_str(&text), end);
}

static bool
ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n > m && strcmp(s + n - m, suffix) == 0;
}

static struct dg_unit *
by_name(const struct dg_map *units, const char *file)
{
	DG_MAP_EACH(units, s)
	{
		struct dg_unit *u = s->value;

		if (strncmp(file, u->name, strlen(u->name)) == 0 &&
			file[strlen(u->name)] == '.')
			return u;
	}
	return NULL;
}

/* A run that outlives its marker's days keeps it: its process is looked for. */
static bool
still_runs(const struct dg_backend *b, const char *file)
{
	char name[DG_RUN_NAME + 1];
	struct dg_handle h;
	int num, fd;

	snprintf(name, sizeof name, "%.*s", DG_RUN_NAME, file);
	if (dg_marker_look(b, name, &h, &num) != 1 || strcmp(h.boot, b->boot) != 0)
		return false;
	fd = dg_process_find(h.pid, h.start);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* The marker of a run that ended lately: it goes with the `.exit`, which is newer. */
static bool
has_exit(const struct dg_backend *b, const char *file)
{
	auto_free char *path =
		dg_xasprintf("%s/%.*s.exit", b->runs_dir, DG_RUN_NAME, file);

	return ends_with(file, ".started") && access(path, F_OK) == 0;
}

static bool
stale_run(const struct dg_backend *b, const char *file, int64_t age)
{
	return age > MARKER_DAYS * DAY && !by_name(&b->runs, file) &&
	       !has_exit(b, file) && !still_runs(b, file);
}

static bool
stale_output(const struct dg_backend *b, const char *file, int64_t age)
{
	bool run = ends_with(file, RUN_LOG) || ends_with(file, RUN_LOG ".1");

	if (by_name(run ? &b->runs : &b->servers, file))
		return false;
	return !run || (age > OUTPUT_DAYS * DAY && !still_runs(b, file));
}

static bool
stale_socket(const struct dg_backend *b, const char *file, int64_t age)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	auto_close int fd = -1;

	if (age < SOCKET_AGE || !ends_with(file, ".s") ||
		strlen(file) + 1 != strlen(SOCKET_NAME))
		return false;
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s/%s", b->socket_dir, file);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd >= 0 && connect(fd, (struct sockaddr *)&sa, sizeof sa) < 0 &&
	       errno == ECONNREFUSED;
}

static void
sweep(const struct dg_backend *b, const char *folder, int64_t now,
	bool (*stale)(const struct dg_backend *b, const char *file, int64_t age))
{
	DIR *d = folder ? opendir(folder) : NULL;
	struct dirent *entry;
	struct stat st;

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.' ||
			fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			S_ISDIR(st.st_mode))
			continue;
		if (stale(b, entry->d_name, now - st.st_mtime))
			(void)unlinkat(dirfd(d), entry->d_name, 0);
	}
	if (d)
		closedir(d);
}

void
dg_folders_sweep(struct dg_backend *b, int64_t wall)
{
	int64_t now = wall / (int64_t)DG_SEC;

	for (int i = 0; i < 2; i++) /* markers, once their exits have gone */
		sweep(b, b->runs_dir, now, stale_run);
	sweep(b, b->output_dir, now, stale_output);
	sweep(b, b->socket_dir, now, stale_socket);
	if (b->cgroup)
		dg_cgroup_sweep(b->cgroup, b->cgroup_prefix);
}
