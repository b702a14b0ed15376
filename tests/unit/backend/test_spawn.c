/* What a child of spawn() looks like from inside. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"

/* Run SCRIPT and return what it printed. */
static char *
run(const char *script, struct dg_spawn *s)
{
	const char *argv[] = {"sh", "-c", script, NULL};
	const char *env[] = {"PATH=/usr/bin:/bin", NULL};
	char path[] = "/tmp/daglet-test-XXXXXX";
	auto_close int out = mkostemp(path, O_CLOEXEC | O_APPEND);
	struct dg_buf b = DG_BUF_INIT;
	struct dg_err e = {0};
	int status;
	pid_t pid;

	cr_assert_geq(out, 0);
	unlink(path);
	s->file = "sh";
	s->argv = argv;
	s->env = env;
	s->output = out;
	pid = dg_spawn(s, NULL, &e);
	cr_assert_gt(pid, 0, "%s", e.what);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	lseek(out, 0, SEEK_SET);
	cr_assert_eq(dg_read_fd(out, 65536, &b, NULL), 0);
	return dg_buf_take(&b);
}

static const char *
field(const char *status, const char *name)
{
	const char *at = strstr(status, name);

	cr_assert(at, "%s", name);
	at += strlen(name);
	return at + strspn(at, ":\t ");
}

Test(spawn, no_signal_is_ignored_or_blocked)
{
	auto_free char *text = NULL;
	sigset_t set;

	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	text = run("exec cat /proc/self/status", &(struct dg_spawn){.setsid = true});
	cr_assert_eq(
		strncmp(field(text, "SigBlk"), "0000000000000000\n", 17), 0, "%s", text);
	cr_assert_eq(
		strncmp(field(text, "SigIgn"), "0000000000000000\n", 17), 0, "%s", text);
	cr_assert_eq(strncmp(field(text, "NoNewPrivs"), "0\n", 2), 0, "%s", text);
}

Test(spawn, no_descriptor_leaks)
{
	auto_free char *text = NULL;
	int leak = open("/dev/null", O_RDONLY); /* not even close-on-exec */

	cr_assert_geq(leak, 0);
	text = run("exec ls /proc/self/fd", &(struct dg_spawn){0});
	cr_assert_str_eq(text, "0\n1\n2\n3\n"); /* 3 is how ls looks */
	close(leak);
}

Test(spawn, passed_descriptors_stand_where_they_are_said)
{
	auto_free char *text = NULL;
	int ends[2];

	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	cr_assert_eq(write(ends[1], "hello\n", 6), 6);
	close(ends[1]);
	text = run("cat <&3; exec ls /proc/self/fd",
		&(struct dg_spawn){.fds = ends, .nfds = 1});
	cr_assert_str_eq(text, "hello\n0\n1\n2\n3\n4\n");
	close(ends[0]);
}

Test(spawn, stdin_is_empty_and_session_is_its_own)
{
	auto_free char *text = run("cat; readlink /proc/$$/fd/0; umask; "
				   "[ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo own",
		&(struct dg_spawn){.setsid = true});

	cr_assert_str_eq(text, "/dev/null\n0022\nown\n");
}

Test(spawn, score_limit_and_folder)
{
	auto_free char *text = run("cat /proc/$$/oom_score_adj; pwd; ulimit -n",
		&(struct dg_spawn){.oom_score_adj = 100, .cwd = "/tmp"});
	struct rlimit r;
	char want[64];

	getrlimit(RLIMIT_NOFILE, &r);
	if (r.rlim_cur < 65536)
		r.rlim_cur = r.rlim_max < 65536 ? r.rlim_max : 65536;
	snprintf(want, sizeof want, "100\n/tmp\n%lu\n", (unsigned long)r.rlim_cur);
	cr_assert_str_eq(text, want);
}

Test(spawn, a_cgroup_that_is_not_there_does_no_harm)
{
	auto_free char *text =
		run("echo ok", &(struct dg_spawn){.cgroup = "/nowhere/cgroup.procs"});

	cr_assert_str_eq(text, "ok\n");
}

Test(spawn, a_program_that_is_not_there)
{
	const char *argv[] = {"no-such-program", NULL}, *env[] = {"PATH=/bin", NULL};
	struct dg_err e = {0};

	cr_assert_eq(
		dg_spawn(
			&(struct dg_spawn){
				.file = argv[0], .argv = argv, .env = env, .output = -1},
			NULL, &e),
		-DG_USER);
	cr_assert(strstr(e.what, "no-such-program"));
	cr_assert_eq(e.num, ENOENT);
}

Test(spawn, a_program_that_cannot_be_executed)
{
	char path[] = "/tmp/daglet-test-XXXXXX";
	auto_close int fd = mkostemp(path, O_CLOEXEC);
	const char *argv[] = {path, NULL}, *env[] = {NULL};
	struct dg_err e = {0};

	cr_assert_eq(write(fd, "#!/no/such/interpreter\n", 23), 23);
	fchmod(fd, 0700);
	close(TAKE_FD(fd));
	cr_assert_eq(
		dg_spawn(
			&(struct dg_spawn){
				.file = path, .argv = argv, .env = env, .output = -1},
			NULL, &e),
		-DG_USER);
	cr_assert_eq(e.num, ENOENT);
	unlink(path);
}

Test(proc, names_this_process)
{
	struct dg_proc p;

	cr_assert(dg_proc_read(getpid(), &p));
	cr_assert_eq(p.parent, getppid());
	cr_assert_eq(p.session, getsid(0));
	cr_assert_not(p.dead);
	cr_assert_eq(dg_proc_start_time(getpid()), p.start);
	cr_assert_eq(strlen(dg_boot_id()), 36);
	cr_assert_gt(dg_pid_namespace(), 0);
	cr_assert_not(dg_proc_read(-1, &p));
	cr_assert_not(dg_proc_read(0x7ffffffe, &p));
}

Test(proc, gone_is_certain)
{
	unsigned long long start = dg_proc_start_time(getpid());

	cr_assert_not(dg_proc_gone(getpid(), start));
	cr_assert(dg_proc_gone(getpid(), start + 1));
	cr_assert(dg_proc_gone(0x7ffffffe, 1));
	cr_assert(dg_proc_gone(0, 0));
}

Test(proc, a_zombie_has_no_start_time)
{
	pid_t pid = fork();
	siginfo_t si;
	struct dg_proc p;

	if (pid == 0)
		_exit(0);
	cr_assert_eq(waitid(P_PID, (id_t)pid, &si, WEXITED | WNOWAIT), 0);
	cr_assert(dg_proc_read(pid, &p));
	cr_assert(p.dead);
	cr_assert_eq(dg_proc_start_time(pid), 0);
	waitpid(pid, NULL, 0);
}

static bool
count(void *arg, const struct dg_proc *p)
{
	(void)p;
	return ++*(int *)arg < 2;
}

Test(proc, each_stops_when_told)
{
	int n = 0;

	dg_proc_each(count, &n);
	cr_assert_eq(n, 2);
}
