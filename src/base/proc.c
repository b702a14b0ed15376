/* base/proc.c: see proc.h. */
#include "base/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

int
dg_pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* The beginning of a small file as a string; false when it cannot be read. */
static bool
read_text(const char *path, char *buf, size_t size)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

const char *
dg_boot_id(void)
{
	static char id[37];

	if (!id[0])
		(void)read_text("/proc/sys/kernel/random/boot_id", id, sizeof id);
	return id;
}

unsigned long long
dg_pid_namespace(void)
{
	struct stat st;

	return stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

bool
dg_proc_read(pid_t pid, struct dg_proc *ret)
{
	char path[32], text[1024], *s;
	unsigned long long user = 0, system = 0;

	if (pid <= 0)
		return false;
	*ret = (struct dg_proc){.pid = pid};
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	if (!read_text(path, text, sizeof text))
		return false;
	s = strrchr(text, ')'); /* the command in front may hold anything */
	if (!s || sscanf(s + 1,
			  " %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d "
			  "%*d %*d %*d %*d %llu",
			  &ret->state, &ret->parent, &ret->session, &user, &system,
			  &ret->start) != 6)
		return false;
	ret->cpu = user + system;
	ret->dead = ret->state == 'Z' || ret->state == 'X';
	return true;
}

unsigned long long
dg_proc_start_time(pid_t pid)
{
	struct dg_proc p;

	return dg_proc_read(pid, &p) && !p.dead ? p.start : 0;
}

bool
dg_proc_gone(pid_t pid, unsigned long long start)
{
	struct dg_proc p;

	if (dg_proc_read(pid, &p))
		return p.dead || p.start != start;
	return pid <= 0 || (kill(pid, 0) < 0 && errno == ESRCH);
}

void
dg_proc_each(bool (*fn)(void *arg, const struct dg_proc *p), void *arg)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	struct dg_proc p;

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		if (dg_proc_read((pid_t)atol(entry->d_name), &p) && !fn(arg, &p))
			break;
	}
	if (d)
		closedir(d);
}

bool
dg_proc_signal(pid_t pid, unsigned long long start, int sig)
{
	auto_close int fd = pid > 1 && start ? dg_pidfd_open(pid) : -1;

	/* The descriptor holds one process; its start time says whether it is that one. */
	return fd >= 0 && dg_proc_start_time(pid) == start &&
	       syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) == 0;
}

struct session_kill {
	pid_t session, skip;
	int sig;
	unsigned count;
};

static bool
kill_member(void *arg, const struct dg_proc *p)
{
	struct session_kill *k = arg;

	if (p->session == k->session && p->pid != k->skip && !p->dead &&
		dg_proc_signal(p->pid, p->start, k->sig))
		k->count++;
	return true;
}

unsigned
dg_proc_kill_session(pid_t session, pid_t skip, int sig)
{
	struct session_kill k = {session, skip, sig, 0};

	if (session > 1)
		dg_proc_each(kill_member, &k);
	return k.count;
}
