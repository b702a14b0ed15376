/* backend/process/tree.h: everything that a server or a run has started. */
#ifndef DG_BACKEND_PROCESS_TREE_H
#define DG_BACKEND_PROCESS_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/proc.h"

/* Every process of a server or run has this variable, unless it cleaned its environment:
 * so those are found that left their session and their parents. */
#define DG_TREE_VARIABLE "DAGLET_TREE="

struct dg_tree {
	pid_t root; /* and what descends from it; 0: nothing */
	unsigned long long root_start;
	/* And this session. Its id is the pid of its first process; when that is gone the
	 * number may be another's by now, and only those of its members count that have
	 * the variable. */
	pid_t session;
	unsigned long long session_start;
	pid_t spare; /* not this one: daglet-run, which writes down how it ended; 0: none
		      */
	const char *name;   /* value of DAGLET_TREE */
	bool whole;         /* all that have it, in other sessions too */
	const char *cgroup; /* or NULL */
};

/* Pure: set MEMBER[i] for those of the N processes that belong to the tree as far as
 * parents and sessions tell; some may be set already. */
void dg_tree_mark(
	const struct dg_tree *t, const struct dg_proc *procs, bool *member, size_t n);

/* KILL to all of it; how many there were. What forks meanwhile is found next time. */
unsigned dg_tree_kill(const struct dg_tree *t);

#endif
