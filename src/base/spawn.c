/* base/spawn.c: see spawn.h. */
#include "base/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

#define FDS_MAX 4
#define HIGH_FD 64 /* above every place that a passed descriptor gets */

static int
close_from(unsigned first)
{
	return (int)syscall(SYS_close_range, first, ~0u, 0);
}

/* Async-signal-safe. Errors are not: what is written here is good to have. */
static void
write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, text, strlen(text));
	close(fd);
}

static bool
is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *
dg_spawn_find(const char *file, const char *const *env)
{
	const char *path = "/usr/local/bin:/usr/bin:/bin";

	if (strchr(file, '/'))
		return is_program(file) ? dg_xstrdup(file) : NULL;
	for (; env && *env; env++)
		if (strncmp(*env, "PATH=", 5) == 0)
			path = *env + 5;
	while (*path) {
		size_t n = strcspn(path, ":");
		char *full =
			dg_xasprintf("%.*s/%s", n ? (int)n : 1, n ? path : ".", file);

		if (is_program(full))
			return full;
		free(full);
		path += n + (path[n] == ':');
	}
	return NULL;
}

/* In the child, between fork and exec: async-signal-safe calls only. */
static void __attribute__((noreturn))
child(const struct dg_spawn *s, const char *path, int null, int report)
{
	static const struct rlimit files = {65536, 65536};
	static const unsigned long
		by_default[8]; /* the kernel's struct: SIG_DFL, no flags */
	struct rlimit now;
	sigset_t none;
	int high[FDS_MAX], num;

	/* By the system call: the library keeps two signals from us, and they may be
	 * ignored. */
	for (int sig = 1; sig < NSIG; sig++)
		(void)syscall(
			SYS_rt_sigaction, sig, by_default, NULL, sizeof(unsigned long));
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	umask(022);
	if (s->cgroup)
		write_text(s->cgroup, "0");
	if (s->setsid)
		setsid();
	if (s->death_signal && prctl(PR_SET_PDEATHSIG, s->death_signal) < 0)
		goto fail;
	/* Copy what must survive above everything that is put into place. */
	report = fcntl(report, F_DUPFD_CLOEXEC, HIGH_FD);
	if (report < 0)
		_exit(127);
	for (int i = 0; i < s->nfds; i++)
		if ((high[i] = fcntl(s->fds[i], F_DUPFD_CLOEXEC, HIGH_FD)) < 0)
			goto fail;
	if (dup2(null, 0) < 0 ||
		(s->output >= 0 && (dup2(s->output, 1) < 0 || dup2(s->output, 2) < 0)))
		goto fail;
	for (int i = 0; i < s->nfds; i++)
		if (dup2(high[i], 3 + i) < 0)
			goto fail;
	if (dup3(report, 3 + s->nfds, O_CLOEXEC) < 0)
		goto fail;
	report = 3 + s->nfds;
	close_from((unsigned)report + 1);
	if (s->drop &&
		(setgroups(0, NULL) < 0 || setgid(s->gid) < 0 || setuid(s->uid) < 0))
		goto fail;
	if (s->drop && s->death_signal) /* cleared by the change of user */
		prctl(PR_SET_PDEATHSIG, s->death_signal);
	if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < files.rlim_cur) {
		now.rlim_cur =
			now.rlim_max < files.rlim_cur ? now.rlim_max : files.rlim_cur;
		setrlimit(RLIMIT_NOFILE, &now);
	}
	if (s->oom_score_adj) {
		char text[16];

		snprintf(text, sizeof text, "%d", s->oom_score_adj);
		write_text("/proc/self/oom_score_adj", text);
	}
	if (s->cwd && chdir(s->cwd) < 0)
		goto fail;
	execve(path, (char *const *)(uintptr_t)s->argv, (char *const *)(uintptr_t)s->env);
fail:
	num = errno;
	(void)!write(report, &num, sizeof num);
	_exit(127);
}

pid_t
dg_spawn(const struct dg_spawn *s, int *ret_pidfd, struct dg_err *e)
{
	auto_free char *path = dg_spawn_find(s->file, s->env);
	auto_close int null = -1, r_end = -1, w_end = -1;
	int ends[2], num = 0;
	sigset_t all, old;
	ssize_t got;
	pid_t pid;

	DG_ASSERT(s->nfds <= FDS_MAX);
	if (!path)
		return dg_fail(e, DG_USER, ENOENT, "cannot find the program %s", s->file);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (null < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot start %s", s->file);
	r_end = ends[0];
	w_end = ends[1];
	sigfillset(&all);
	sigprocmask(
		SIG_SETMASK, &all, &old); /* no handler of ours may run in the child */
	pid = fork();
	if (pid == 0)
		child(s, path, null, w_end);
	sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot fork for %s", s->file);
	close(w_end);
	w_end = -1;
	do
		got = read(r_end, &num, sizeof num);
	while (got < 0 && errno == EINTR);
	if (got == sizeof num) {
		waitpid(pid, NULL, 0);
		return dg_fail(e, DG_USER, num, "cannot execute %s", path);
	}
	if (ret_pidfd) {
		*ret_pidfd = dg_pidfd_open(pid);
		if (*ret_pidfd < 0) {
			num = errno;
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
			return dg_fail(e, DG_TRANSPORT, num, "cannot watch %s", path);
		}
	}
	return pid;
}
