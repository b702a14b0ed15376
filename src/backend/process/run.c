/* daglet-run: the parent of one run's worker. Small, static, and alone: it outlives the
 * launcher and the master.
 *
 *   daglet-run FOLDER NAME IDENT CGROUP PROGRAM ARGV...
 *
 * fd 3 is the gate, fd 4 tells the launcher what happens (lines, see runs.c); stdout and
 * stderr are the run's output file. The worker is forked at once and waits at the gate: a
 * byte means go, its end (the launcher died before the handle was committed) means never.
 * Then the worker creates FOLDER/NAME.started, which only one can, and executes PROGRAM.
 * Its end is written to FOLDER/NAME.exit (see handle.h for both); what is left of its
 * session is killed, and after SIGURG (the run is being stopped) all that it started, in
 * whatever session. Other signals are passed on to it. IDENT is "BOOT PIDNS"; CGROUP a
 * cgroup.procs file that the worker enters, or "-".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc.h"
#include "daglet/crash.h"

#define FD_GATE 3
#define FD_STATUS 4
#define KILL_ROUNDS 10
#define KILL_ALL_ROUNDS 200
#define KILL_PAUSE 2000 /* microseconds */

static const int passed_on[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

static const char *name, *ident, *cgroup;
static int folder = -1;
static bool stopped; /* by the one who started us */

/* What the worker tells its parent before it executes. */
struct report {
	char what; /* 's' marked; 'x' exists; 'c' gate closed; 'm' no marker; 'e' exec */
	int num;
};

static void
tell(int fd, char what, int num)
{
	struct report r;

	memset(&r, 0, sizeof r);
	r.what = what;
	r.num = num;
	(void)!write(fd, &r, sizeof r);
}

static void
enter_cgroup(void)
{
	int fd;

	if (strcmp(cgroup, "-") == 0)
		return;
	fd = open(cgroup, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* good to have */
	(void)!write(fd, "0", 1);
	close(fd);
}

/* The one place where a run starts: whoever makes the marker may execute. Returns its
 * descriptor, or -1 with errno. */
static int
mark(pid_t parent, unsigned long long parent_start)
{
	char file[128], line[256];
	int fd, n;

	snprintf(file, sizeof file, "%s.started", name);
	n = snprintf(line, sizeof line, "%s %d %llu %d %llu\n", ident, parent,
		parent_start, getpid(), dg_proc_start_time(getpid()));
	fd = openat(
		folder, file, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	if (write(fd, line, (size_t)n) != n || fsync(fd) < 0) {
		int num = errno ? errno : ENOSPC;

		unlinkat(folder, file, 0); /* nobody started */
		close(fd);
		errno = num;
		return -1;
	}
	(void)fsync(folder);
	return fd;
}

static void __attribute__((noreturn)) worker(int report, pid_t parent,
	unsigned long long parent_start, const char *program, char **argv)
{
	sigset_t none;
	char byte, line[32];
	int marker, num;
	ssize_t n;

	setsid();
	enter_cgroup();
	do
		n = read(FD_GATE, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1) {
		tell(report, 'c', 0);
		_exit(0);
	}
	(void)DG_CRASH_BEFORE(MARKER);
	marker = mark(parent, parent_start);
	if (marker < 0) {
		tell(report, errno == EEXIST ? 'x' : 'm', errno);
		_exit(0);
	}
	(void)DG_CRASH_AFTER(MARKER);
	tell(report, 's', 0);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)DG_CRASH_BEFORE(EXEC);
	execv(program, argv);
	num = errno;
	n = snprintf(line, sizeof line, "exec %d\n", num);
	(void)!write(marker, line, (size_t)n);
	tell(report, 'e', num);
	_exit(127);
}

static void
say(const char *what, int num)
{
	char line[64];
	int n = snprintf(line, sizeof line, "%s %d\n", what, num);

	(void)!write(FD_STATUS, line, (size_t)n); /* nobody may be listening any more */
}

/* Has the kernel killed anything in the worker's cgroup for want of memory? Whoever asks
 * later may find the cgroup gone. */
static bool
out_of_memory(void)
{
	static const char *const files[] = {"memory.events", "memory.oom_control"};
	char path[4200], text[4096];
	const char *slash = strrchr(cgroup, '/'), *at;

	for (int i = 0; slash && i < 2; i++) {
		int fd;
		ssize_t n;

		snprintf(path, sizeof path, "%.*s/%s", (int)(slash - cgroup), cgroup,
			files[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		n = read(fd, text, sizeof text - 1);
		close(fd);
		text[n > 0 ? n : 0] = '\0';
		at = strstr(text, "\noom_kill ");
		if (at)
			return strtol(at + strlen("\noom_kill "), NULL, 10) > 0;
	}
	return false;
}

static void
write_exit(const char *what, int num, bool oom)
{
	char tmp[128], file[128], line[32];
	int n = snprintf(line, sizeof line, "%s %d%s\n", what, num, oom ? " oom" : "");
	int fd;

	snprintf(tmp, sizeof tmp, "%s.tmp", name);
	snprintf(file, sizeof file, "%s.exit", name);
	(void)DG_CRASH_BEFORE(EXIT);
	fd = openat(folder, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (write(fd, line, (size_t)n) == n && fsync(fd) == 0)
		renameat(folder, tmp, folder, file);
	else
		unlinkat(folder, tmp, 0);
	close(fd);
	(void)DG_CRASH_AFTER(EXIT);
}

/* Reap everybody but the worker; true when the worker has ended (it stays a zombie, so
 * that its pid is not used again before its session is gone). */
static bool
reap_others(pid_t pid, siginfo_t *end)
{
	for (;;) {
		siginfo_t si;

		memset(&si, 0, sizeof si);
		if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 || !si.si_pid)
			break;
		if (si.si_pid == pid)
			break;
		waitpid(si.si_pid, NULL, 0);
	}
	memset(end, 0, sizeof *end);
	return waitid(P_PID, (id_t)pid, end, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	       end->si_pid == pid;
}

/* The worker's reports; true when no more can come (it executes, or it ended). */
static bool
hear(int report, bool *marked, int *exec_errno)
{
	struct report r;
	ssize_t n = read(report, &r, sizeof r);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n != sizeof r) {
		if (*marked && !*exec_errno) {
			(void)DG_CRASH_AFTER(EXEC);
			say("started", 0);
		}
		return true;
	}
	switch (r.what) {
	case 's':
		*marked = true;
		break;
	case 'e':
		*exec_errno = r.num;
		say("exec", r.num);
		break;
	case 'x':
		say("exists", 0);
		break;
	case 'c':
		say("closed", 0);
		break;
	default:
		say("mark", r.num);
	}
	return false;
}

static void
pass_on(int signals, pid_t pid)
{
	struct signalfd_siginfo si;

	while (read(signals, &si, sizeof si) == sizeof si)
		if (si.ssi_signo == SIGURG)
			stopped = true;
		else if (si.ssi_signo != SIGCHLD)
			kill(pid, (int)si.ssi_signo);
}

static bool
kill_child(void *arg, const struct dg_proc *p)
{
	if (p->parent == *(pid_t *)arg && !p->dead)
		(void)dg_proc_signal(p->pid, p->start, SIGKILL);
	return true;
}

/* All that descends from us: what a killed one leaves becomes our child. */
static void
kill_descendants(void)
{
	pid_t self = getpid();

	for (int i = 0; i < KILL_ALL_ROUNDS; i++) {
		pid_t pid;

		dg_proc_each(kill_child, &self);
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0)
			return; /* nobody is left */
		usleep(KILL_PAUSE);
	}
}

static int
watch(pid_t pid, int report, int signals)
{
	bool marked = false, heard = false;
	int exec_errno = 0;
	siginfo_t end;

	for (;;) {
		struct pollfd fds[] = {
			{signals, POLLIN, 0}, {heard ? -1 : report, POLLIN, 0}};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return 1;
		while (!heard && poll(&fds[1], 1, 0) > 0)
			if ((heard = hear(report, &marked, &exec_errno)))
				close(FD_STATUS);
		pass_on(signals, pid);
		if (heard && reap_others(pid, &end))
			break;
	}
	if (exec_errno)
		write_exit("exec", exec_errno, false);
	else if (marked)
		write_exit(end.si_code == CLD_EXITED ? "exit" : "signal", end.si_status,
			out_of_memory());
	for (int i = 0; i < KILL_ROUNDS && dg_proc_kill_session(pid, pid, SIGKILL); i++)
		usleep(KILL_PAUSE);
	if (stopped)
		kill_descendants();
	return 0;
}

int
main(int argc, char **argv)
{
	unsigned long long start;
	sigset_t watched;
	char line[96];
	int ends[2], signals, n;
	pid_t pid, self = getpid();

	dg_crash_group(getpgid(getppid()));
	if (argc < 7) {
		fprintf(stderr, "daglet-run is started by daglet, not by hand\n");
		return 2;
	}
	name = argv[2];
	ident = argv[3];
	cgroup = argv[4];
	folder = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0 || fcntl(FD_GATE, F_SETFD, FD_CLOEXEC) < 0 ||
		fcntl(FD_STATUS, F_SETFD, FD_CLOEXEC) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return 1;
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* the worker's orphans stay below us */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&watched);
	sigaddset(&watched, SIGCHLD);
	sigaddset(&watched, SIGURG);
	for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
		sigaddset(&watched, passed_on[i]);
	sigprocmask(SIG_BLOCK, &watched, NULL);
	signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	start = dg_proc_start_time(self);
	(void)DG_CRASH_BEFORE(FORK);
	pid = signals < 0 ? -1 : fork();
	if (pid == 0) {
		close(ends[0]);
		worker(ends[1], self, start, argv[5], argv + 6);
	}
	if (pid < 0) {
		say("fork", errno);
		return 1;
	}
	close(ends[1]);
	close(FD_GATE);
	n = snprintf(line, sizeof line, "pid %d %llu\n", pid, dg_proc_start_time(pid));
	(void)!write(FD_STATUS, line, (size_t)n);
	(void)DG_CRASH_AFTER(FORK);
	return watch(pid, ends[0], signals);
}
