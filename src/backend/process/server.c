/* backend/process/server.c: code servers as child processes. */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/process/cgroup.h"
#include "backend/process/env.h"
#include "backend/process/process.h"
#include "backend/process/tree.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/spawn.h"
#include "daglet/crash.h"

static const char *const heartbeat[] = {
	"--heartbeat", "--heartbeat-timeout", DG_HEARTBEAT_TIMEOUT, NULL};

/* The end: everything of it goes, the launcher is told. */
static void
finish(struct dg_unit *u, bool known, int status)
{
	auto_buf tail = DG_BUF_INIT;
	struct dg_exit x = dg_unit_exit(u, known, status, &tail);

	if (u->gone)
		dg_unit_kill_tree(u, u->stopping);
	dg_drop_cgroup(u->b, u->handle.cgroup);
	if (u->handle.socket)
		(void)unlink(u->handle.socket);
	dg_output_free(TAKE_PTR(u->output), true);
	dg_emit_last(u, &(struct dg_backend_event){
				.type = DG_EV_SERVER_EXIT, .id = u->id, .exit = x});
}

static int
on_no_status(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_unit *u = arg;

	(void)s;
	(void)usec;
	finish(u, false, 0);
	return 0;
}

static int
on_exit_seen(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct dg_unit *u = arg;
	siginfo_t si = {0};
	int status = 0;

	(void)revents;
	if (waitid(P_PIDFD, (id_t)fd, &si, WEXITED | WNOHANG | WNOWAIT) == 0) {
		if (!si.si_pid)
			return 0;
		/* While it is a zombie its number is nobody else's. */
		dg_unit_kill_tree(u, u->stopping);
		(void)waitpid(u->handle.pid, &status, 0);
		finish(u, true, status);
		return 0;
	}
	/* Not our child: whoever reaps it may tell. */
	(void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
	u->gone = true;
	if (u->have_status)
		finish(u, true, u->status);
	else
		dg_unit_await(u, DG_STATUS_WAIT, on_no_status);
	return 0;
}

void
dg_server_reaped(struct dg_unit *u, int status)
{
	u->have_status = true;
	u->status = status;
	if (u->gone)
		finish(u, true, status);
}

static void
emit_up(struct dg_unit *u)
{
	auto_free char *endpoint = dg_xasprintf("unix:%s", u->handle.socket);

	dg_emit(u->b,
		&(struct dg_backend_event){
			.type = DG_EV_SERVER_UP, .id = u->id, .endpoint = endpoint});
}

static char *
free_socket(const struct dg_backend *b)
{
	char hex[9], *path;

	for (;;) {
		dg_random_hex(hex, 8);
		path = dg_xasprintf("%s/%s.s", b->socket_dir, hex);
		if (access(path, F_OK) < 0)
			return path;
		free(path);
	}
}

static int
explain(const struct dg_server_spec *spec, struct dg_err *e)
{
	dg_err_where(e, "%s in %s", spec->location, spec->deployment);
	if (e && e->num == ENOENT)
		return dg_err_next(e, "install it on the agent's machine, or correct the "
				      "location's executable_path");
	if (e && e->num == E2BIG)
		return dg_err_next(e, "an argument or a variable is larger than the "
				      "system's limit of 128 KiB");
	return e ? -e->cls : -DG_USER;
}

/* The process itself: fills pid, start and pidfd. */
static int
start_process(struct dg_unit *u, const struct dg_server_spec *spec, struct dg_err *e)
{
	auto_free char *socket =
		dg_xasprintf("DAGSTER_CLI_API_GRPC_SOCKET=%s", u->handle.socket);
	auto_free char *tree = dg_xasprintf("%s%s", DG_TREE_VARIABLE, u->name);
	auto_free char *cgroup =
		u->handle.cgroup ? dg_xasprintf("%s/cgroup.procs", u->handle.cgroup)
				 : NULL;
	const char *ours[] = {socket, tree, NULL};
	auto_free const char **env =
		dg_env_make((const char *const *)environ, spec->env, ours);
	auto_free const char **argv = NULL;
	struct dg_proc p;
	size_t n = 0;
	pid_t pid;

	while (spec->argv[n])
		n++;
	argv = dg_xcalloc(n + DG_N(heartbeat), sizeof *argv);
	memcpy(argv, spec->argv, n * sizeof *argv);
	memcpy(argv + n, heartbeat, sizeof heartbeat);
	(void)DG_CRASH_BEFORE(SERVER);
	pid = dg_spawn(
		&(struct dg_spawn){
			.file = argv[0],
			.argv = argv,
			.env = env,
			.cwd = spec->working_directory,
			.output = dg_output_fd(u->output),
			.setsid = true,
			.oom_score_adj = DG_CHILD_OOM_ADJ,
			.cgroup = cgroup,
		},
		&u->pidfd, e);
	(void)DG_CRASH_AFTER(SERVER);
	if (pid < 0)
		return explain(spec, e);
	u->handle.pid = pid;
	u->handle.start = dg_proc_read(pid, &p) ? p.start : 0;
	return 0;
}

int
dg_server_start(struct dg_backend *b, const struct dg_server_spec *spec, struct dg_err *e)
{
	struct dg_output_names names;
	struct dg_unit *u;
	auto_free char *path = NULL;
	int r;

	if (!spec->argv || !spec->argv[0])
		return dg_fail(e, DG_BUG, 0, "a server without a command");
	if (dg_unit_find(b, false, spec->id))
		return dg_fail(e, DG_BUG, 0, "server %s exists already", spec->id);
	u = dg_unit_new(b, false, spec->id);
	u->handle.deployment = dg_dup(spec->deployment);
	u->handle.location = dg_dup(spec->location);
	u->handle.socket = free_socket(b);
	dg_unit_identify(u);
	dg_unit_names(u, &names);
	path = dg_output_file(b, false, u->name);
	r = dg_output_new(&b->outputs, path, &names, &u->output, e);
	if (r < 0)
		goto fail;
	u->handle.output = dg_dup(dg_output_path(u->output));
	dg_unit_cgroup(u);
	r = start_process(u, spec, e);
	if (r < 0)
		goto fail;
	r = dg_unit_watch(u, on_exit_seen, e);
	if (r < 0) {
		u->killed = true;
		dg_unit_kill_tree(u, true);
		(void)waitpid(u->handle.pid, NULL, 0);
		goto fail;
	}
	dg_unit_emit_handle(u);
	emit_up(u);
	return 0;
fail:
	dg_drop_cgroup(u->b, u->handle.cgroup);
	dg_output_free(TAKE_PTR(u->output), true);
	dg_unit_free(u);
	return r;
}

/* What an ended server left that nobody watched. */
static void
clean_after(struct dg_unit *u)
{
	if (u->handle.pid > 1)
		dg_unit_kill_tree(u, true);
	dg_drop_cgroup(u->b, u->handle.cgroup);
	if (u->handle.socket)
		(void)unlink(u->handle.socket);
	if (u->handle.output)
		dg_output_remove(u->handle.output);
}

bool
dg_server_adopt(struct dg_backend *b, const char *id, struct dg_str handle)
{
	struct dg_output_names names;
	struct dg_handle h;
	struct dg_unit *u;

	if (dg_unit_find(b, false, id))
		return true;
	if (!dg_handle_read(handle, &h))
		return false;
	if (!h.socket || strcmp(h.boot, b->boot) != 0 || h.pidns != b->pidns) {
		dg_handle_clear(&h);
		return false;
	}
	u = dg_unit_new(b, false, id);
	u->handle = h;
	u->pidfd = dg_process_find(h.pid, h.start);
	if (u->pidfd < 0 || dg_unit_watch(u, on_exit_seen, NULL) < 0) {
		if (u->pidfd < 0)
			clean_after(u);
		dg_unit_free(u);
		return false;
	}
	dg_unit_names(u, &names);
	(void)dg_output_adopt(&b->outputs, h.output, h.pid, &names, &u->output, NULL);
	u->oom_before = h.cgroup ? dg_cgroup_oom_kills(h.cgroup) : -1;
	emit_up(u);
	return true;
}
