/* backend/process/handle.h: what names a process for good, as text; pure.
 *
 * A handle is what the ledger keeps of a server or run: boot id, pid namespace, pid and
 * start time say which process; the rest is what an adopter needs. A marker is what a
 * run's own process writes before it executes (`runs/<name>.started`), an exit what
 * daglet-run writes after it (`runs/<name>.exit`).
 */
#ifndef DG_BACKEND_PROCESS_HANDLE_H
#define DG_BACKEND_PROCESS_HANDLE_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/str.h"

struct dg_handle {
	char boot[40];
	unsigned long long pidns;
	pid_t pid;
	unsigned long long start;
	pid_t parent; /* runs: daglet-run */
	unsigned long long parent_start;
	char *deployment, *location;
	char *socket; /* servers */
	char *output; /* a path, or NULL: a memfd that the process holds as its stdout */
	char *cgroup; /* a folder, or NULL */
};

void dg_handle_clear(struct dg_handle *h);
/* As JSON, appended to OUT. */
void dg_handle_write(const struct dg_handle *h, struct dg_buf *out);
/* False (and nothing in H) for what is no handle of this backend. */
bool dg_handle_read(struct dg_str json, struct dg_handle *h);

/* Hex digits that name the files of a run (hashed: a run id is not a file name). */
#define DG_RUN_NAME 32
void dg_run_name(const char *run_id, char name[DG_RUN_NAME + 1]);

/* A marker: "BOOT PIDNS PARENT PARENT_START PID START\n", then "exec ERRNO\n" where the
 * program could not be executed. False while it is not wholly written. */
bool dg_marker_read(struct dg_str text, struct dg_handle *h, int *exec_errno);

/* An exit: "exit CODE\n", "signal NUMBER\n" or "exec ERRNO\n"; the first two end with
 * " oom" where the kernel killed something in its cgroup for want of memory. */
struct dg_run_end {
	int code; /* -1: a signal or exec_errno */
	int signal;
	int exec_errno;
	bool oom;
};

bool dg_run_end_read(struct dg_str text, struct dg_run_end *end);

#endif
