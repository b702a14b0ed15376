/* backend/process/process.c: the vtable of the process backend: code servers and runs are
 * child processes on this machine. */
#include "backend/process/process.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/process/cgroup.h"
#include "base/mem.h"
#include "base/proc.h"

#define SWEEP_FIRST                                                                      \
	(10 * DG_MINUTE) /* everything that is known has been adopted by then */
#define SWEEP_EVERY (6 * 60 * DG_MINUTE)
#define HELPER "daglet-run"
#define HELPER_UP 3

/* daglet-run: beside this program (a test's is deeper in the build tree), or where it was
 * installed. */
static char *
find_helper(void)
{
	char exe[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

	exe[n > 0 ? n : 0] = '\0';
	for (int up = 0; up < HELPER_UP && (slash = strrchr(exe, '/')); up++) {
		auto_free char *path = NULL;

		*slash = '\0';
		path = dg_xasprintf("%s/%s", exe, HELPER);
		if (access(path, X_OK) == 0)
			return TAKE_PTR(path);
	}
	return dg_xasprintf("%s/%s", PKGLIBEXECDIR, HELPER);
}

static int
on_sweep(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)usec;
	dg_folders_sweep(arg, dg_wall_usec());
	(void)sd_event_source_set_time_relative(s, SWEEP_EVERY);
	(void)sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

static void
close_backend(struct dg_backend *b)
{
	if (!b)
		return;
	DG_MAP_EACH(&b->servers, s)
	{
		dg_unit_free(s->value);
	}
	DG_MAP_EACH(&b->runs, s)
	{
		dg_unit_free(s->value);
	}
	dg_reports_close(b);
	dg_emit_close(b);
	dg_map_clear(&b->servers);
	dg_map_clear(&b->runs);
	dg_outputs_close(&b->outputs);
	dg_drop_close(b);
	sd_event_source_disable_unref(b->sweeper);
	free(b->output_dir);
	free(b->runs_dir);
	free(b->socket_dir);
	free(b->helper);
	free(b->cgroup);
	free(b->counters);
	free(b);
}

static off_t
output_max(const struct dg_settings *s)
{
	int64_t max = s ? dg_settings_int(s, "daglet.server_output_max") : 0;

	return max > 0 ? (off_t)max : DG_OUTPUT_MAX;
}

static int
open_backend(
	struct dg_backend **ret, const struct dg_backend_host *host, struct dg_err *e)
{
	struct dg_backend *b = dg_new(struct dg_backend);
	int r;

	b->host = *host;
	b->outputs.inotify = -1;
	b->boot = dg_boot_id();
	b->pidns = dg_pid_namespace();
	b->helper = find_helper();
	b->cgroup = dg_cgroup_own(true);
	b->counters = dg_cgroup_own(false);
	r = dg_folders_open(b, e);
	if (r == 0 && access(b->helper, X_OK) < 0) {
		r = dg_fail(e, DG_CONFIG, errno, "cannot find %s", b->helper);
		dg_err_next(e, "install daglet as a whole: without it no run can start");
	}
	if (r == 0 && b->cgroup) /* of what ended while no daglet was there */
		dg_cgroup_sweep(b->cgroup, b->cgroup_prefix);
	if (r == 0)
		r = dg_outputs_open(
			&b->outputs, host->event, output_max(host->settings), e);
	if (r == 0)
		r = dg_emit_open(b, e);
	if (r == 0)
		r = dg_drop_open(b, e);
	if (r == 0 && sd_event_add_time_relative(host->event, &b->sweeper,
			      CLOCK_MONOTONIC, SWEEP_FIRST, DG_MINUTE, on_sweep, b) < 0)
		r = dg_fail(e, DG_TRANSPORT, 0, "cannot set a timer");
	if (r < 0) {
		close_backend(b);
		return r;
	}
	*ret = b;
	return 0;
}

static int
validate(struct dg_backend *b, const struct dg_server_spec *spec, struct dg_err *e)
{
	(void)b;
	if (spec->pex) {
		dg_fail(e, DG_USER, 0,
			"This agent runs code servers as local processes and does not "
			"serve PEX locations.");
		return dg_err_next(e, "Update your location to name its code by module, "
				      "package or file instead.");
	}
	if (spec->image && spec->image[0]) {
		dg_fail(e, DG_USER, 0,
			"This agent runs code servers as local processes, so it cannot "
			"load a location that specifies a Docker image (%s).",
			spec->image);
		return dg_err_next(e, "Either take the image out of the location, or "
				      "configure the agent with a user code launcher "
				      "that can run images.");
	}
	return 0;
}

static void
server_stop(struct dg_backend *b, const char *id, dg_usec grace)
{
	struct dg_unit *u = dg_unit_find(b, false, id);

	if (u)
		dg_unit_stop(u, grace);
}

static void
server_kill(struct dg_backend *b, const char *id)
{
	server_stop(b, id, 0);
}

static struct dg_unit *
any_unit(struct dg_backend *b, const char *id)
{
	struct dg_unit *u = dg_unit_find(b, false, id);

	if (!u)
		u = dg_unit_find(b, true, id);
	return u ? u : dg_emit_ending(b, id);
}

static int
handle_tag(struct dg_backend *b, const char *id, char *buf, size_t size)
{
	const struct dg_unit *u = any_unit(b, id);

	if (!u || !u->handle.pid)
		return -DG_USER;
	snprintf(buf, size, "%d", u->handle.pid);
	return 0;
}

static void
run_tags(struct dg_backend *b, const char *run_id, struct dg_buf *out)
{
	const struct dg_unit *u = any_unit(b, run_id);

	if (u && u->run && u->handle.pid)
		dg_buf_addf(out, "\"process/pid\": \"%d\"", u->handle.pid);
}

static void
logs(struct dg_backend *b, const char *id, bool run, unsigned n, uint64_t ticket)
{
	const struct dg_unit *u = dg_unit_find(b, run, id);
	auto_buf text = DG_BUF_INIT;

	if (n > DG_LOGS_LINES)
		n = DG_LOGS_LINES;
	if (u)
		dg_output_tail(u->output, n, DG_LOGS_BYTES, &text);
	else if (run) { /* it ended; its output stays for a day */
		char name[DG_RUN_NAME + 1];
		auto_free char *path = NULL;

		dg_run_name(id, name);
		path = dg_output_file(b, true, name);
		if (path)
			dg_output_tail_file(path, n, DG_LOGS_BYTES, &text);
	}
	dg_emit(b, &(struct dg_backend_event){
			   .type = DG_EV_LOGS,
			   .id = id,
			   .text = dg_buf_str(&text),
			   .ticket = ticket,
		   });
}

/* Whose process was that? Reaped, so it is gone: one of that number that lives is another. */
static struct dg_unit *
reaped(const struct dg_map *units, pid_t pid)
{
	DG_MAP_EACH(units, s)
	{
		struct dg_unit *u = s->value;
		struct pollfd p = {u->pidfd, POLLIN, 0};

		if (u->handle.pid == pid && (u->pidfd < 0 || poll(&p, 1, 0) > 0))
			return u;
	}
	return NULL;
}

static void
child_exit(struct dg_backend *b, pid_t pid, int status)
{
	struct dg_unit *found = reaped(&b->servers, pid);

	if (!found)
		found = reaped(&b->runs, pid);
	if (!found)
		return;
	if (found->run)
		dg_run_reaped(found, status);
	else
		dg_server_reaped(found, status);
}

static void
resource_limits(struct dg_backend *b, struct dg_buf *out)
{
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	(void)b;
	dg_buf_addf(out,
		"{\"process\": {\"cpu_limit\": \"%ld\", \"memory_limit\": \"%lld\"}}",
		sysconf(_SC_NPROCESSORS_ONLN), (long long)pages * page);
}

const struct dg_backend_ops dg_backend_process = {
	.name = "process",
	.agent_type = "ProcessUserCodeLauncher",
	.servers_need_heartbeat = true,
	.runs_are_watched = true,
	.open = open_backend,
	.close = close_backend,
	.validate = validate,
	.server_start = dg_server_start,
	.server_stop = server_stop,
	.server_kill = server_kill,
	.run_start = dg_run_start,
	.run_release = dg_run_release,
	.run_stop = dg_run_stop,
	.adopt_server = dg_server_adopt,
	.adopt_run = dg_run_adopt,
	.server_look = dg_server_look,
	.server_report = dg_server_report,
	.handle_tag = handle_tag,
	.run_tags = run_tags,
	.adopted = dg_strays_end,
	.logs = logs,
	.child_exit = child_exit,
	.resource_limits = resource_limits,
};
