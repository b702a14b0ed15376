/* base/proc.h: what the kernel says about processes: /proc and pidfds.
 *
 * A pid alone names nobody for long; a pid with its start time, the boot id and the pid
 * namespace name one process for good.
 */
#ifndef DG_BASE_PROC_H
#define DG_BASE_PROC_H

#include <stdbool.h>
#include <sys/types.h>

struct dg_proc {
	pid_t pid, parent, session;
	unsigned long long start; /* clock ticks since boot */
	bool dead;                /* a zombie, or nearly one */
	unsigned long long cpu;   /* clock ticks of processor time, its threads' too */
	char state;               /* R S D T t Z X ..., as ps shows it */
};

/* False: no such process. Allocates nothing. */
bool dg_proc_read(pid_t pid, struct dg_proc *ret);

/* When the process with this pid was started, in clock ticks since boot; 0: no such
 * process, or a zombie. */
unsigned long long dg_proc_start_time(pid_t pid);

/* Is it certain that this process is no more? Not being able to look is no certainty. */
bool dg_proc_gone(pid_t pid, unsigned long long start);

/* Call FN for every process there is, until it returns false. Allocates nothing that
 * stays. */
void dg_proc_each(bool (*fn)(void *arg, const struct dg_proc *p), void *arg);

/* SIG to this very process: a pid that has become another's by now gets nothing. True: it
 * was there. */
bool dg_proc_signal(pid_t pid, unsigned long long start, int sig);

/* SIG to every living process of this session but SKIP; how many there were. */
unsigned dg_proc_kill_session(pid_t session, pid_t skip, int sig);

/* The kernel's id of this boot (36 characters and a NUL). */
const char *dg_boot_id(void);

/* This process's pid namespace, as its inode number; 0 when /proc does not say. */
unsigned long long dg_pid_namespace(void);

/* pidfd_open; -1 with errno. */
int dg_pidfd_open(pid_t pid);

#endif
