/* base/spawn.h: the one way to start a program.
 *
 * Resets what an event loop does to its process (signal mask, ignored signals), closes
 * every descriptor that is not asked for, and reports a failing exec with its errno
 * before it returns. Used by the master for roles and by the process backend for code
 * servers and run workers; neither no_new_privs nor seccomp are ever passed to user code.
 */
#ifndef DG_BASE_SPAWN_H
#define DG_BASE_SPAWN_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/proc.h"

struct dg_spawn {
	const char *file;        /* looked up in PATH of ENV when it has no slash */
	const char *const *argv; /* NULL-terminated */
	const char *const *env;  /* NULL-terminated, "KEY=VALUE" */
	const char *cwd;         /* NULL: as ours */
	const int *fds;          /* become 3, 4...; at most 4 of them */
	int nfds;
	int output;         /* becomes stdout and stderr; -1: inherited */
	bool setsid;        /* a session of its own */
	int death_signal;   /* PR_SET_PDEATHSIG, 0: none */
	int oom_score_adj;  /* set when not 0; failure is ignored */
	const char *cgroup; /* a cgroup.procs file to enter, or NULL; failure is ignored
			     */
	bool drop;          /* become uid:gid, without supplementary groups */
	uid_t uid;
	gid_t gid;
};

/* Returns the pid; *RET_PIDFD (may be NULL) is its pidfd. Errors: DG_USER when the
 * program cannot be executed (errno in e->num), DG_TRANSPORT when no process could be
 * made. */
pid_t dg_spawn(const struct dg_spawn *s, int *ret_pidfd, struct dg_err *e);

/* The program's path as execvpe would find it, or NULL: the caller's to free. */
char *dg_spawn_find(const char *file, const char *const *env);

#endif
