/* backend/process/cgroup.h: a cgroup per server and run, where we may make one.
 *
 * Never required: v1 (hybrid too), v2 and no cgroup at all must work. What it gives: the
 * whole tree is killed at once, and out-of-memory kills are seen. Nothing here fails
 * loudly.
 */
#ifndef DG_BACKEND_PROCESS_CGROUP_H
#define DG_BACKEND_PROCESS_CGROUP_H

#include <stdbool.h>

#include "base/str.h"

/* Where this process is, as a folder: in the v2 hierarchy where it has memory, else in
 * v1's memory, else in whatever can kill or list. WRITABLE: only where others may be made
 * below it. NULL when there is none. */
char *dg_cgroup_own(bool writable);
/* The pure part: the folder of a hierarchy. CONTROLLER NULL: v2. CGROUP and MOUNTINFO are
 * the texts of /proc/self/cgroup and /proc/self/mountinfo. */
char *dg_cgroup_folder(
	struct dg_str cgroup, struct dg_str mountinfo, const char *controller);

/* The folder OWN/NAME, made if it is not there, or NULL where that is not allowed. */
char *dg_cgroup_make(const char *own, const char *name);
/* True when everything in it was killed at once (v2). */
bool dg_cgroup_kill(const char *path);
/* Processes in it get SIG; how many there were. */
unsigned dg_cgroup_signal(const char *path, int sig);
/* How many processes the kernel killed in it for want of memory; -1: it does not say. */
long dg_cgroup_oom_kills(const char *path);
/* True: it is gone. False: it is not empty (what was killed takes a moment to go). */
bool dg_cgroup_remove(const char *path);
/* Remove empty folders OWN/PREFIX*. */
void dg_cgroup_sweep(const char *own, const char *prefix);

#endif
