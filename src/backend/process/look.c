/* backend/process/look.c: what a server that does not answer is doing: processor time and
 * states for the launcher to judge by; for people each thread's state and where in the
 * kernel it waits, the end of its output, and its Python stacks where py-spy is
 * installed. Nothing here stops or disturbs the server. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/process/process.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/spawn.h"

#define STACKS_LIMIT (4 * DG_SEC)
#define STACKS_LINES 1000
#define STACKS_BYTES (24 << 10)
#define THREADS_MAX 40
#define TAIL_LINES 10
#define TAIL_BYTES (4 << 10)

struct dg_report {
	struct dg_report *next;
	struct dg_backend *b;
	char *id;
	struct dg_buf text;
	pid_t pid; /* of py-spy */
	int pidfd, out;
	sd_event_source *ended, *late;
};

static dg_usec
ticks(unsigned long long n)
{
	long per_second = sysconf(_SC_CLK_TCK);

	return n * DG_SEC / (unsigned long long)(per_second > 0 ? per_second : 100);
}

struct session {
	pid_t id;
	unsigned n, stopped;
	unsigned long long cpu;
};

static bool
member(void *arg, const struct dg_proc *p)
{
	struct session *s = arg;

	if (p->session != s->id || p->dead)
		return true;
	s->n++;
	s->stopped += p->state == 'T' || p->state == 't';
	s->cpu += p->cpu;
	return true;
}

bool
dg_server_look(struct dg_backend *b, const char *id, struct dg_look *ret)
{
	const struct dg_unit *u = dg_unit_find(b, false, id);
	struct session s = {.id = u ? u->handle.pid : 0};

	if (s.id > 1) /* it leads a session of its own */
		dg_proc_each(member, &s);
	*ret = (struct dg_look){s.n && s.stopped == s.n, ticks(s.cpu)};
	return s.n > 0;
}

/* The first line of /proc/PID/task/TID/NAME. */
static void
task_line(pid_t pid, const char *tid, const char *name, char *buf, size_t size)
{
	auto_free char *path = dg_xasprintf("/proc/%d/task/%s/%s", pid, tid, name);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

static void
add_thread(pid_t pid, const char *tid, struct dg_buf *out)
{
	char name[32], where[64], stat[512], state = '?', *s;
	unsigned long long user = 0, system = 0;

	task_line(pid, tid, "comm", name, sizeof name);
	task_line(pid, tid, "wchan", where, sizeof where);
	task_line(pid, tid, "stat", stat, sizeof stat);
	s = strrchr(stat, ')');
	if (!s || sscanf(s + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
			  &state, &user, &system) != 3)
		return; /* it has ended */
	dg_buf_addf(out, "  thread %s (%s) state %c", tid, name, state);
	if (where[0] && strcmp(where, "0") != 0)
		dg_buf_addf(out, " in %s", where);
	dg_buf_addf(out, ", %.2f s of processor time\n",
		(double)ticks(user + system) / DG_SEC);
}

static void
add_threads(pid_t pid, struct dg_buf *out)
{
	auto_free char *path = dg_xasprintf("/proc/%d/task", pid);
	DIR *d = opendir(path);
	struct dirent *entry;
	unsigned n = 0;

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		if (n++ < THREADS_MAX)
			add_thread(pid, entry->d_name, out);
	}
	if (n > THREADS_MAX)
		dg_buf_addf(out, "  and %u more threads\n", n - THREADS_MAX);
	if (d)
		closedir(d);
}

static void
report_free(struct dg_report *r)
{
	for (struct dg_report **at = &r->b->reports; *at; at = &(*at)->next)
		if (*at == r) {
			*at = r->next;
			break;
		}
	sd_event_source_disable_unref(r->ended);
	sd_event_source_disable_unref(r->late);
	if (r->pid > 0) {
		(void)kill(r->pid, SIGKILL);
		(void)waitpid(r->pid, NULL, 0);
	}
	dg_closep(&r->pidfd);
	dg_closep(&r->out);
	dg_buf_clear(&r->text);
	free(r->id);
	free(r);
}

void
dg_reports_close(struct dg_backend *b)
{
	while (b->reports)
		report_free(b->reports);
}

static void
finish(struct dg_report *r)
{
	dg_emit(r->b, &(struct dg_backend_event){
			      .type = DG_EV_SERVER_REPORT,
			      .id = r->id,
			      .text = dg_buf_str(&r->text),
		      });
	report_free(r);
}

static int
on_stacks(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct dg_report *r = arg;
	auto_buf text = DG_BUF_INIT;
	char path[32];
	int status = 0;

	(void)s, (void)fd, (void)revents;
	(void)waitpid(r->pid, &status, 0);
	r->pid = 0;
	snprintf(path, sizeof path, "/proc/self/fd/%d", r->out);
	dg_output_tail_file(path, STACKS_LINES, STACKS_BYTES, &text);
	if (text.n)
		dg_buf_addf(&r->text, "Its stacks, as py-spy %s:\n%.*s",
			WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "shows them"
								      : "failed",
			DG_FMT(dg_buf_str(&text)));
	finish(r);
	return 0;
}

static int
on_late(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_report *r = arg;

	(void)s, (void)usec;
	dg_buf_adds(&r->text, "py-spy did not end in time.\n");
	finish(r);
	return 0;
}

/* Ask py-spy; false: it is not there, or cannot be started. */
static bool
ask_stacks(struct dg_report *r, pid_t pid)
{
	auto_free char *tool = dg_spawn_find("py-spy", (const char *const *)environ);
	auto_free char *number = dg_xasprintf("%d", pid);
	const char *argv[] = {tool, "dump", "--nonblocking", "--pid", number, NULL};
	sd_event *event = r->b->host.event;

	if (!tool || (r->out = dg_memfd("stacks", NULL)) < 0)
		return false;
	r->pid = dg_spawn(
		&(struct dg_spawn){
			.file = tool,
			.argv = argv,
			.env = (const char *const *)environ,
			.output = r->out,
			.setsid = true,
		},
		&r->pidfd, NULL);
	return r->pid > 0 &&
	       sd_event_add_io(event, &r->ended, r->pidfd, EPOLLIN, on_stacks, r) >= 0 &&
	       sd_event_add_time_relative(event, &r->late, CLOCK_MONOTONIC, STACKS_LIMIT,
		       100 * DG_MSEC, on_late, r) >= 0;
}

void
dg_server_report(struct dg_backend *b, const char *id)
{
	const struct dg_unit *u = dg_unit_find(b, false, id);
	struct dg_report *r = dg_new(struct dg_report);
	auto_buf tail = DG_BUF_INIT;
	struct dg_proc p;

	r->b = b;
	r->id = dg_xstrdup(id);
	r->pidfd = r->out = -1;
	r->next = b->reports;
	b->reports = r;
	if (!u || !dg_proc_read(u->handle.pid, &p) || p.dead) {
		dg_buf_adds(&r->text, "Its process is gone.\n");
		finish(r);
		return;
	}
	dg_buf_addf(&r->text,
		"Process %d, state %c, has used %.2f s of processor time.\n", p.pid,
		p.state, (double)ticks(p.cpu) / DG_SEC);
	add_threads(p.pid, &r->text);
	dg_output_tail(u->output, TAIL_LINES, TAIL_BYTES, &tail);
	if (tail.n)
		dg_buf_addf(&r->text, "The end of its output:\n%.*s%s",
			DG_FMT(dg_buf_str(&tail)),
			tail.p[tail.n - 1] == '\n' ? "" : "\n");
	if (!ask_stacks(r, p.pid))
		finish(r);
}
