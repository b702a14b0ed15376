/* backend/process/tree.c: see tree.h. */
#include "backend/process/tree.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/process/cgroup.h"
#include "base/fd.h"
#include "base/mem.h"

#define ENVIRON_MAX ((size_t)1 << 20)

struct table {
	struct dg_proc *procs;
	size_t n, cap;
};

static bool
collect(void *arg, const struct dg_proc *p)
{
	struct table *t = arg;

	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 256;
		t->procs = dg_xrealloc(t->procs, t->cap, sizeof *t->procs);
	}
	t->procs[t->n++] = *p;
	return true;
}

static const struct dg_proc *
find(const struct dg_proc *procs, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (procs[i].pid == pid)
			return &procs[i];
	return NULL;
}

void
dg_tree_mark(const struct dg_tree *t, const struct dg_proc *procs, bool *member, size_t n)
{
	const struct dg_proc *root = t->root > 1 ? find(procs, n, t->root) : NULL;
	const struct dg_proc *leader = t->session > 1 ? find(procs, n, t->session) : NULL;
	bool session = leader && leader->start == t->session_start;
	bool more = true;

	if (root && root->start == t->root_start)
		member[root - procs] = true;
	for (size_t i = 0; i < n; i++)
		if (session && procs[i].session == t->session)
			member[i] = true;
	while (more) {
		more = false;
		for (size_t i = 0; i < n; i++) {
			const struct dg_proc *parent;

			if (member[i])
				continue;
			parent = find(procs, n, procs[i].parent);
			if (parent && member[parent - procs])
				member[i] = more = true;
		}
	}
}

static bool
has_variable(pid_t pid, const char *name)
{
	auto_free char *path = dg_xasprintf("/proc/%d/environ", pid);
	auto_free char *want = dg_xasprintf("%s%s", DG_TREE_VARIABLE, name);
	auto_buf b = DG_BUF_INIT;
	const char *at, *end;

	if (dg_read_file(AT_FDCWD, path, ENVIRON_MAX, &b, NULL) < 0 || !b.n)
		return false;
	for (at = b.p, end = b.p + b.n; at < end; at += strlen(at) + 1)
		if (strcmp(at, want) == 0)
			return true;
	return false;
}

unsigned
dg_tree_kill(const struct dg_tree *t)
{
	struct table all = {NULL, 0, 0};
	auto_free bool *member = NULL;
	auto_free struct dg_proc *procs = NULL;
	unsigned count = 0;

	if (t->cgroup && !dg_cgroup_kill(t->cgroup))
		count += dg_cgroup_signal(t->cgroup, SIGKILL);
	dg_proc_each(collect, &all);
	procs = all.procs;
	member = dg_xcalloc(all.n + 1, sizeof *member);
	for (size_t i = 0; i < all.n; i++)
		member[i] = !procs[i].dead &&
			    (t->whole || procs[i].session == t->session) &&
			    has_variable(procs[i].pid, t->name);
	dg_tree_mark(t, procs, member, all.n);
	for (size_t i = 0; i < all.n; i++)
		if (member[i] && !procs[i].dead && procs[i].pid > 1 &&
			procs[i].pid != getpid() && procs[i].pid != t->spare &&
			dg_proc_signal(procs[i].pid, procs[i].start, SIGKILL))
			count++;
	return count;
}
