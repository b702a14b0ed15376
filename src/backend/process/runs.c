/* backend/process/runs.c: runs, each below a daglet-run of its own (run.c).
 *
 * daglet-run tells on its pipe, a line each:
 *
 *   pid PID START   the worker stands at the gate
 *   started 0       it executes
 *   exec ERRNO      it could not
 *   exists 0        somebody else started it
 *   closed 0        the gate was closed
 *   mark ERRNO      no marker could be made: it never started
 *   fork ERRNO      no process either
 *
 * What counts in the end are the files: no marker = never started, start it; marker and a
 * living process = that one; marker and none = it ended, as `.exit` says or unknown.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/process/cgroup.h"
#include "backend/process/env.h"
#include "backend/process/process.h"
#include "backend/process/tree.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "daglet/crash.h"

#define LOOK_EVERY (50 * DG_MSEC) /* for a marker that is about to appear */
#define LOOKS_MAX 100             /* then whoever wrote half a marker is dead */
#define PARENT_WAIT (5 * DG_SEC)  /* for daglet-run to write down how the worker ended */

static void
emit(struct dg_unit *u, enum dg_backend_event_type type)
{
	dg_emit(u->b, &(struct dg_backend_event){.type = type, .id = u->id});
}

static void
forget(struct dg_unit *u)
{
	dg_drop_cgroup(u->b, u->handle.cgroup);
	dg_unit_free(u);
}

static void
emit_last(struct dg_unit *u, const struct dg_backend_event *ev)
{
	if (u->stopping && u->handle.pid)
		dg_drop_tree(u);
	else
		dg_drop_cgroup(u->b, u->handle.cgroup);
	dg_emit_last(u, ev);
}

/* It certainly never started. */
static void
fail(struct dg_unit *u)
{
	if (!u->failure.cls)
		dg_fail(&u->failure, DG_TRANSPORT, 0,
			u->stopping ? "stopped before it started"
				    : "the process that was to start it is gone");
	if (u->failure.cls != DG_USER) { /* it printed nothing */
		dg_output_free(u->output, true);
		u->output = NULL;
	}
	emit_last(u, &(struct dg_backend_event){
			     .type = DG_EV_RUN_FAILED, .id = u->id, .err = &u->failure});
}

static void
started(struct dg_unit *u)
{
	if (u->phase == DG_RUN_STARTED)
		return;
	u->phase = DG_RUN_STARTED;
	emit(u, DG_EV_RUN_STARTED);
}

static void
finish(struct dg_unit *u, bool known, int status)
{
	auto_buf tail = DG_BUF_INIT;
	struct dg_exit x = dg_unit_exit(u, known, status, &tail);

	started(u);
	if (u->handle.pid && !known && !u->stopping) /* else daglet-run did */
		dg_unit_kill_tree(u, false);
	emit_last(u, &(struct dg_backend_event){
			     .type = DG_EV_RUN_EXIT, .id = u->id, .exit = x});
}

static void
finish_end(struct dg_unit *u, const struct dg_run_end *end)
{
	u->oom = end->oom;
	if (!end->exec_errno)
		finish(u, true, end->signal ? end->signal : end->code << 8);
	else if (u->phase == DG_RUN_STARTED)
		finish(u, true, 127 << 8); /* as a shell says it */
	else {
		dg_fail(&u->failure, DG_USER, end->exec_errno, "cannot execute %s",
			u->program ? u->program : "the run's program");
		fail(u);
	}
}

/* Ask before looking at the files: a worker may make its marker and end in between. */
static bool
worker_gone(const struct dg_unit *u)
{
	struct pollfd p = {u->pidfd, POLLIN, 0};

	if (u->pidfd >= 0)
		return poll(&p, 1, 0) > 0;
	return dg_proc_gone(u->handle.pid, u->handle.start);
}

static bool
of_this_boot(const struct dg_unit *u)
{
	return strcmp(u->handle.boot, u->b->boot) == 0 && u->handle.pidns == u->b->pidns;
}

static int on_unknown(sd_event_source *s, uint64_t usec, void *arg);
static int on_look(sd_event_source *s, uint64_t usec, void *arg);
static void read_told(struct dg_unit *u);
static void turn_to_marker(struct dg_unit *u);

static void
close_gate(struct dg_unit *u)
{
	dg_closep(&u->gate);
	u->gate = -1;
}

/* daglet-run is gone, or was never ours: what do the files say? */
static void
settle(struct dg_unit *u)
{
	bool gone = !of_this_boot(u) || worker_gone(u);
	struct dg_run_end end;
	struct dg_handle h;
	int num;

	if (dg_run_end_look(u->b, u->name, &end)) {
		finish_end(u, &end);
		return;
	}
	if (!dg_marker_look(u->b, u->name, &h, &num)) {
		if (gone) { /* nobody is left who could make one */
			fail(u);
			return;
		}
		/* The worker stands at the gate, or has just passed it. */
		close_gate(u);
		u->phase = DG_RUN_UNSURE;
		dg_unit_await(u, LOOK_EVERY, on_look);
		return;
	}
	started(u);
	if (!gone)
		return; /* the worker lives on without its parent */
	if (u->have_status)
		finish(u, true, u->status);
	else
		dg_unit_await(u, DG_STATUS_WAIT, on_unknown);
}

static int
on_unknown(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_unit *u = arg;
	struct dg_run_end end;
	struct dg_handle h;
	int num;

	(void)s;
	(void)usec;
	if (dg_run_end_look(u->b, u->name, &end))
		finish_end(u, &end);
	else if (!dg_marker_look(u->b, u->name, &h, &num))
		fail(u);
	else
		finish(u, u->have_status, u->status);
	return 0;
}

static int
on_parent_exit(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct dg_unit *u = arg;
	siginfo_t si = {0};

	(void)revents;
	(void)waitid(P_PIDFD, (id_t)fd, &si, WEXITED | WNOHANG);
	(void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
	read_told(u); /* its last words */
	u->gone = true;
	if (u->exists)
		turn_to_marker(u);
	else
		settle(u);
	return 0;
}

static int
on_worker_exit(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct dg_unit *u = arg;

	(void)fd;
	(void)revents;
	(void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
	if (u->gone)
		settle(u);
	else /* the parent writes it down and ends; should it stand still, we go on */
		dg_unit_await(u, PARENT_WAIT, on_unknown);
	return 0;
}

/* Let go of processes that are not, or no longer, this run's. */
static void
unwatch(struct dg_unit *u)
{
	sd_event_source **sources[] = {
		&u->exited, &u->parent_exited, &u->told_source, &u->await};
	int *fds[] = {&u->pidfd, &u->parentfd, &u->told, &u->gate};

	for (size_t i = 0; i < DG_N(sources); i++) {
		sd_event_source_disable_unref(*sources[i]);
		*sources[i] = NULL;
	}
	for (size_t i = 0; i < DG_N(fds); i++) {
		dg_closep(fds[i]);
		*fds[i] = -1;
	}
}

/* Watch what the handle names; false when neither process is there any more. */
static bool
watch(struct dg_unit *u)
{
	if (u->pidfd < 0)
		u->pidfd = dg_process_find(u->handle.pid, u->handle.start);
	if (u->parentfd < 0)
		u->parentfd = dg_process_find(u->handle.parent, u->handle.parent_start);
	u->gone = u->parentfd < 0;
	if (u->pidfd >= 0 && !u->exited)
		(void)dg_unit_watch(u, on_worker_exit, NULL);
	if (u->parentfd >= 0 && !u->parent_exited)
		(void)sd_event_add_io(u->b->host.event, &u->parent_exited, u->parentfd,
			EPOLLIN, on_parent_exit, u);
	return u->pidfd >= 0 || u->parentfd >= 0;
}

static void look(struct dg_unit *u);

static int
on_look(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	look(arg);
	return 0;
}

/* Somebody else's run: it is as its marker says, as soon as that is written. */
static void
look(struct dg_unit *u)
{
	bool gone = u->handle.pid && u->gone && worker_gone(u);
	struct dg_handle h;
	struct dg_run_end end;
	int num, r = dg_marker_look(u->b, u->name, &h, &num);

	if (r > 0) {
		if (u->handle.pid != h.pid || u->handle.start != h.start) {
			unwatch(u);
			u->handle.pid = h.pid;
			u->handle.start = h.start;
			u->handle.parent = h.parent;
			u->handle.parent_start = h.parent_start;
			memcpy(u->handle.boot, h.boot, sizeof h.boot);
			u->handle.pidns = h.pidns;
			dg_unit_emit_handle(u);
		}
		if (of_this_boot(u) && watch(u))
			started(u);
		else
			settle(u);
		return;
	}
	if (dg_run_end_look(u->b, u->name, &end)) { /* its marker was lost */
		finish_end(u, &end);
		return;
	}
	if (r == 0 && gone) {
		fail(u);
		return;
	}
	if (r < 0 && ++u->looked > LOOKS_MAX) {
		if (!u->handle.pid)
			dg_unit_emit_handle(u);
		finish(u, false, 0);
		return;
	}
	dg_unit_await(u, LOOK_EVERY, on_look);
}

/* Another daglet-run made the marker: that run is the one. */
static void
turn_to_marker(struct dg_unit *u)
{
	unwatch(u);
	u->handle.pid = u->handle.parent = 0;
	u->phase = DG_RUN_UNSURE;
	look(u);
}

/* A line from daglet-run. */
static void
hear(struct dg_unit *u, const char *line)
{
	unsigned long long start;
	int n;

	if (sscanf(line, "pid %d %llu", &n, &start) == 2) {
		u->handle.pid = n;
		u->handle.start = start;
		u->phase = DG_RUN_HELD;
		u->pidfd = dg_process_find(n, start);
		if (u->pidfd >= 0)
			(void)dg_unit_watch(u, on_worker_exit, NULL);
		dg_unit_emit_handle(u);
	} else if (strncmp(line, "started ", 8) == 0)
		started(u);
	else if (strncmp(line, "exists ", 7) == 0)
		u->exists = true; /* when this one has ended */
	else if (sscanf(line, "mark %d", &n) == 1)
		dg_fail(&u->failure, DG_TRANSPORT, n,
			"cannot write the run's marker in %s", u->b->runs_dir);
	else if (sscanf(line, "fork %d", &n) == 1)
		dg_fail(&u->failure, DG_TRANSPORT, n, "cannot fork for the run");
	/* "exec" stands in .exit too */
}

static void
read_told(struct dg_unit *u)
{
	char buf[256], *end;
	ssize_t n = 0;

	while (u->told >= 0 && (n = read(u->told, buf, sizeof buf)) > 0)
		dg_buf_add(&u->telling, buf, (size_t)n);
	if (u->told >= 0 && (n == 0 || (errno != EAGAIN && errno != EINTR))) {
		sd_event_source_disable_unref(u->told_source);
		u->told_source = NULL;
		dg_closep(&u->told);
		u->told = -1;
	}
	while (u->telling.n && (end = memchr(u->telling.p, '\n', u->telling.n))) {
		size_t len = (size_t)(end + 1 - u->telling.p);

		*end = '\0';
		hear(u, u->telling.p);
		memmove(u->telling.p, u->telling.p + len, u->telling.n - len);
		u->telling.n -= len;
	}
}

static int
on_told(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	(void)s;
	(void)fd;
	(void)revents;
	read_told(arg);
	return 0;
}

/* Start daglet-run with both pipes. */
static int
spawn(struct dg_unit *u, const struct dg_run_spec *spec, const char *const *env,
	struct dg_err *e)
{
	auto_free char *ident = dg_xasprintf("%s %llu", u->b->boot, u->b->pidns);
	auto_free char *cgroup =
		u->handle.cgroup ? dg_xasprintf("%s/cgroup.procs", u->handle.cgroup)
				 : dg_xstrdup("-");
	auto_free const char **argv = NULL;
	auto_close int gate_in = -1, told_out = -1;
	struct dg_proc p;
	size_t n = 0;
	int ends[2], r;
	pid_t pid;

	/* A socket, because send() can be told not to raise SIGPIPE. */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot make a gate");
	gate_in = ends[0];
	u->gate = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot make a pipe");
	u->told = ends[0];
	told_out = ends[1];
	if (fcntl(u->told, F_SETFL, O_NONBLOCK) < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot make a pipe");
	while (spec->argv[n])
		n++;
	argv = dg_xcalloc(n + 7, sizeof *argv);
	argv[0] = "daglet-run";
	argv[1] = u->b->runs_dir;
	argv[2] = u->name;
	argv[3] = ident;
	argv[4] = cgroup;
	argv[5] = u->program;
	memcpy(argv + 6, spec->argv, n * sizeof *argv);
	(void)DG_CRASH_BEFORE(PARENT);
	pid = dg_spawn(
		&(struct dg_spawn){
			.file = u->b->helper,
			.argv = argv,
			.env = env,
			.fds = (int[]){gate_in, told_out},
			.nfds = 2,
			.output = dg_output_fd(u->output),
			.setsid = true,
			.oom_score_adj = DG_CHILD_OOM_ADJ,
		},
		&u->parentfd, e);
	(void)DG_CRASH_AFTER(PARENT);
	if (pid < 0) {
		if (e && e->num == E2BIG)
			dg_err_next(e, "an argument or a variable is larger than the "
				       "system's limit of 128 KiB");
		return (int)pid;
	}
	u->handle.parent = pid;
	u->handle.parent_start = dg_proc_read(pid, &p) ? p.start : 0;
	u->phase = DG_RUN_FORKED;
	r = sd_event_add_io(
		u->b->host.event, &u->told_source, u->told, EPOLLIN, on_told, u);
	if (r >= 0)
		r = sd_event_add_io(u->b->host.event, &u->parent_exited, u->parentfd,
			EPOLLIN, on_parent_exit, u);
	if (r < 0) { /* it ends with the gate */
		close_gate(u);
		(void)waitpid(pid, NULL, 0);
		return dg_fail(e, DG_TRANSPORT, -r, "cannot watch a run's parent");
	}
	return 0;
}

static int
start_new(struct dg_unit *u, const struct dg_run_spec *spec, struct dg_err *e)
{
	auto_free char *tree = dg_xasprintf("%s%s", DG_TREE_VARIABLE, u->name);
	auto_free char *path = dg_output_file(u->b, true, u->name);
	const char *ours[] = {tree, dg_crash_env(), NULL};
	auto_free const char **env =
		dg_env_make((const char *const *)environ, spec->env, ours);
	struct dg_output_names names;
	int r;

	u->program = dg_spawn_find(spec->argv[0], env);
	if (!u->program) {
		dg_fail(e, DG_USER, ENOENT, "cannot find the program %s", spec->argv[0]);
		return dg_err_next(e, "install it on the agent's machine, or correct the "
				      "location's executable_path");
	}
	dg_unit_names(u, &names);
	r = dg_output_new(&u->b->outputs, path, &names, &u->output, e);
	if (r < 0)
		return r;
	u->handle.output = dg_dup(dg_output_path(u->output));
	dg_unit_cgroup(u);
	return spawn(u, spec, env, e);
}

int
dg_run_start(struct dg_backend *b, const struct dg_run_spec *spec, struct dg_err *e)
{
	struct dg_unit *u = dg_unit_find(b, true, spec->run_id);
	struct dg_handle h;
	int num, r;

	if (!spec->argv || !spec->argv[0])
		return dg_fail(e, DG_BUG, 0, "a run without a command");
	if (u) { /* asked again: told again */
		if (u->handle.pid)
			dg_unit_emit_handle(u);
		if (u->phase == DG_RUN_STARTED)
			emit(u, DG_EV_RUN_STARTED);
		return 0;
	}
	u = dg_unit_new(b, true, spec->run_id);
	u->handle.deployment = dg_dup(spec->deployment);
	dg_unit_identify(u);
	if (dg_marker_look(b, u->name, &h, &num) != 0) {
		struct dg_output_names names;
		auto_free char *path = dg_output_file(b, true, u->name);

		dg_unit_names(u, &names);
		u->handle.output = TAKE_PTR(path);
		if (u->handle.output)
			(void)dg_output_adopt(&b->outputs, u->handle.output, 0, &names,
				&u->output, NULL);
		turn_to_marker(u);
		return 0;
	}
	r = start_new(u, spec, e);
	if (r < 0) {
		dg_output_free(TAKE_PTR(u->output), true);
		forget(u);
	}
	return r;
}

void
dg_run_release(struct dg_backend *b, const char *run_id)
{
	struct dg_unit *u = dg_unit_find(b, true, run_id);

	if (!u || u->phase != DG_RUN_HELD)
		return;
	u->phase = DG_RUN_RELEASED;
	(void)DG_CRASH_BEFORE(GATE);
	/* If nobody reads any more, that is seen elsewhere. */
	(void)!send(u->gate, "g", 1, MSG_NOSIGNAL);
	(void)DG_CRASH_AFTER(GATE);
	close_gate(u);
}

void
dg_run_stop(struct dg_backend *b, const char *run_id, dg_usec grace)
{
	struct dg_unit *u = dg_unit_find(b, true, run_id);

	if (!u)
		return;
	if (u->phase == DG_RUN_FORKED || u->phase == DG_RUN_HELD) {
		u->stopping = true;
		close_gate(u); /* never */
		return;
	}
	dg_unit_stop(u, grace);
}

bool
dg_run_adopt(struct dg_backend *b, const char *run_id, struct dg_str handle)
{
	struct dg_output_names names;
	struct dg_run_end end;
	struct dg_handle h;
	struct dg_unit *u;
	bool never; /* if there is no marker: nobody can make one any more */
	int num;

	if (dg_unit_find(b, true, run_id))
		return true;
	if (!dg_handle_read(handle, &h))
		return false;
	u = dg_unit_new(b, true, run_id);
	u->handle = h;
	dg_unit_names(u, &names);
	if (of_this_boot(u) && watch(u)) {
		(void)dg_output_adopt(&b->outputs, h.output,
			u->parentfd >= 0 ? h.parent : h.pid, &names, &u->output, NULL);
		u->oom_before = h.cgroup ? dg_cgroup_oom_kills(h.cgroup) : -1;
		u->phase = DG_RUN_UNSURE;
		look(u);
		return true;
	}
	if (h.output)
		(void)dg_output_adopt(&b->outputs, h.output, 0, &names, &u->output, NULL);
	never = of_this_boot(u) ? worker_gone(u) && dg_proc_gone(h.parent, h.parent_start)
				: b->runs_last;
	u->phase = DG_RUN_STARTED; /* the caller knows: no event for that */
	if (dg_run_end_look(b, u->name, &end)) {
		if (end.exec_errno)
			u->phase = DG_RUN_RELEASED;
		finish_end(u, &end);
	} else if (!dg_marker_look(b, u->name, &h, &num) && never)
		fail(u);
	else {
		dg_unit_kill_tree(u, false);
		forget(u);
	}
	return false;
}

void
dg_run_reaped(struct dg_unit *u, int status)
{
	u->have_status = true;
	u->status = status;
	if (u->gone && worker_gone(u))
		settle(u);
}
