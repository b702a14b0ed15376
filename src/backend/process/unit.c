/* backend/process/unit.c: what servers and runs have in common: a process that is
 * watched, stopped, and ends. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/process/cgroup.h"
#include "backend/process/process.h"
#include "backend/process/stop.h"
#include "backend/process/tree.h"
#include "base/mem.h"
#include "daglet/crash.h"

static struct dg_map *
units(const struct dg_backend *b, bool run)
{
	return (struct dg_map *)(run ? &b->runs : &b->servers);
}

struct dg_unit *
dg_unit_find(const struct dg_backend *b, bool run, const char *id)
{
	return dg_map_get(units(b, run), dg_str(id));
}

struct dg_unit *
dg_unit_new(struct dg_backend *b, bool run, const char *id)
{
	struct dg_unit *u = dg_new(struct dg_unit);

	u->b = b;
	u->run = run;
	u->id = dg_xstrdup(id);
	/* A server's id is as good as a hash where it is hex, and becomes one else. */
	if (!run && strlen(id) == strspn(id, "0123456789abcdef") &&
		strlen(id) <= DG_RUN_NAME)
		memcpy(u->name, id, strlen(id) + 1);
	else
		dg_run_name(id, u->name);
	u->pidfd = u->parentfd = u->gate = u->told = -1;
	u->oom_before = -1;
	DG_ASSERT(!dg_map_put(units(b, run), dg_str(id), u));
	return u;
}

void
dg_unit_end(struct dg_unit *u)
{
	sd_event_source **sources[] = {
		&u->exited, &u->parent_exited, &u->told_source, &u->timer, &u->await};

	if (dg_unit_find(u->b, u->run, u->id) == u)
		dg_map_del(units(u->b, u->run), dg_str(u->id));
	for (size_t i = 0; i < DG_N(sources); i++) {
		sd_event_source_disable_unref(*sources[i]);
		*sources[i] = NULL;
	}
}

void
dg_unit_free(struct dg_unit *u)
{
	dg_unit_end(u);
	dg_output_free(u->output, false);
	dg_closep(&u->pidfd);
	dg_closep(&u->parentfd);
	dg_closep(&u->gate);
	dg_closep(&u->told);
	dg_buf_clear(&u->telling);
	dg_handle_clear(&u->handle);
	free(u->program);
	free(u->id);
	free(u);
}

void
dg_unit_identify(struct dg_unit *u)
{
	memcpy(u->handle.boot, u->b->boot, strlen(u->b->boot) + 1);
	u->handle.pidns = u->b->pidns;
}

void
dg_unit_names(const struct dg_unit *u, struct dg_output_names *names)
{
	*names = (struct dg_output_names){
		u->run ? "run" : "srv", u->id, u->handle.deployment, u->handle.location};
}

int
dg_process_find(pid_t pid, unsigned long long start)
{
	auto_close int fd = pid > 1 ? dg_pidfd_open(pid) : -1;

	/* The pidfd holds one process; the start time says whether it is that one. */
	if (fd < 0 || !start || dg_proc_start_time(pid) != start)
		return -1;
	return TAKE_FD(fd);
}

int
dg_unit_watch(struct dg_unit *u, sd_event_io_handler_t fn, struct dg_err *e)
{
	int r = sd_event_add_io(u->b->host.event, &u->exited, u->pidfd, EPOLLIN, fn, u);

	return r < 0 ? dg_fail(e, DG_TRANSPORT, -r, "cannot watch process %d",
			       u->handle.pid)
		     : 0;
}

static long
oom_kills(const struct dg_unit *u)
{
	long n = u->handle.cgroup ? dg_cgroup_oom_kills(u->handle.cgroup) : -1;

	return n >= 0 ? n : dg_cgroup_oom_kills(u->b->counters);
}

void
dg_unit_cgroup(struct dg_unit *u)
{
	auto_free char *name = dg_xasprintf("%s%s", u->b->cgroup_prefix, u->name);

	if (u->b->cgroup && !u->handle.cgroup)
		u->handle.cgroup = dg_cgroup_make(u->b->cgroup, name);
	u->oom_before = oom_kills(u);
}

bool
dg_unit_tree(const struct dg_unit *u, bool whole, struct dg_tree *t)
{
	*t = (struct dg_tree){
		.session = u->handle.pid,
		.session_start = u->handle.start,
		.spare = u->handle.parent,
		.name = u->name,
		.whole = whole,
	};

	/* Numbers of another boot are other processes here. */
	if (strcmp(u->handle.boot, u->b->boot) != 0 || u->handle.pidns != u->b->pidns)
		return false;
	if (whole) {
		t->root = u->run ? u->handle.parent : u->handle.pid;
		t->root_start = u->run ? u->handle.parent_start : u->handle.start;
		t->cgroup = u->handle.cgroup;
	}
	return true;
}

void
dg_unit_kill_tree(struct dg_unit *u, bool whole)
{
	struct dg_tree t;

	if (dg_unit_tree(u, whole, &t))
		(void)dg_tree_kill(&t);
}

static int on_stop_timer(sd_event_source *s, uint64_t usec, void *arg);

static void
arm(struct dg_unit *u, sd_event_source **timer, dg_usec wait, sd_event_time_handler_t fn)
{
	if (*timer) {
		(void)sd_event_source_set_time_relative(*timer, wait);
		(void)sd_event_source_set_enabled(*timer, SD_EVENT_ONESHOT);
	} else
		(void)sd_event_add_time_relative(u->b->host.event, timer, CLOCK_MONOTONIC,
			wait, 10 * DG_MSEC, fn, u);
}

static void
stop_turn(struct dg_unit *u)
{
	struct dg_stop_step s = dg_stop_step(u->run, u->step++, u->grace);

	(void)DG_CRASH_BEFORE(STOP);
	if (s.tree) {
		u->killed = true;
		dg_unit_kill_tree(u, true);
	} else if (u->pidfd >= 0)
		(void)syscall(SYS_pidfd_send_signal, u->pidfd, s.signal, NULL, 0);
	(void)DG_CRASH_AFTER(STOP);
	arm(u, &u->timer, s.wait, on_stop_timer);
}

static int
on_stop_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	stop_turn(arg);
	return 0;
}

void
dg_unit_stop(struct dg_unit *u, dg_usec grace)
{
	if (u->stopping && (grace || !u->grace))
		return; /* it is under way, and nobody is in more of a hurry */
	u->stopping = true;
	u->grace = grace;
	u->step = 0;
	if (u->parentfd >= 0) /* daglet-run takes everything with it in the end */
		(void)syscall(SYS_pidfd_send_signal, u->parentfd, SIGURG, NULL, 0);
	stop_turn(u);
}

void
dg_unit_await(struct dg_unit *u, dg_usec wait, sd_event_time_handler_t fn)
{
	if (u->await) {
		sd_event_source_disable_unref(u->await);
		u->await = NULL;
	}
	arm(u, &u->await, wait, fn);
}

struct dg_exit
dg_unit_exit(struct dg_unit *u, bool known, int status, struct dg_buf *tail)
{
	struct dg_exit x = {.known = known, .code = -1};
	bool own = u->handle.cgroup && dg_cgroup_oom_kills(u->handle.cgroup) >= 0;
	bool rose = u->oom_before >= 0 && oom_kills(u) > u->oom_before;

	if (known && WIFEXITED(status))
		x.code = WEXITSTATUS(status);
	else if (known && WIFSIGNALED(status))
		x.signal = WTERMSIG(status);
	/* Without a cgroup of its own it may have been a neighbour's. */
	x.oom = !u->killed && (u->oom || (rose && (own || x.signal == SIGKILL)));
	dg_output_tail(u->output, DG_EXIT_LINES, DG_EXIT_BYTES, tail);
	x.tail = dg_buf_str(tail);
	return x;
}

void
dg_unit_emit_handle(struct dg_unit *u)
{
	auto_buf text = DG_BUF_INIT;

	dg_handle_write(&u->handle, &text);
	dg_emit(u->b, &(struct dg_backend_event){
			      .type = u->run ? DG_EV_RUN_HANDLE : DG_EV_SERVER_HANDLE,
			      .id = u->id,
			      .handle = dg_buf_str(&text),
		      });
}
