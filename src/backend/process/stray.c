/* backend/process/stray.c: servers that nobody knows: their launcher died when they were
 * started and before their handle was committed. The name of their output, which is in the
 * state folder, says that they are of this installation. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "backend/process/process.h"
#include "backend/process/tree.h"
#include "base/mem.h"
#include "log/log.h"

#define SUFFIX ".log"

/* NAME: of the server whose output P writes; false: it is none of ours. */
static bool
server_of(const struct dg_backend *b, pid_t pid, char name[DG_RUN_NAME + 1])
{
	auto_free char *link = dg_xasprintf("/proc/%d/fd/1", pid);
	size_t dir = strlen(b->output_dir), n;
	char path[4096];
	ssize_t len = readlink(link, path, sizeof path - 1);

	if (len <= 0)
		return false;
	path[len] = '\0';
	if (strncmp(path, b->output_dir, dir) != 0 || path[dir] != '/')
		return false;
	n = strspn(path + dir + 1, "0123456789abcdef");
	if (!n || n > DG_RUN_NAME ||
		strncmp(path + dir + 1 + n, SUFFIX, strlen(SUFFIX)) != 0)
		return false; /* a run's ends otherwise */
	snprintf(name, DG_RUN_NAME + 1, "%.*s", (int)n, path + dir + 1);
	return true;
}

static bool
look(void *arg, const struct dg_proc *p)
{
	struct dg_backend *b = arg;
	char name[DG_RUN_NAME + 1];
	struct dg_tree t = {.name = name, .whole = true};

	if (p->dead || p->pid <= 1 || p->pid != p->session ||
		!server_of(b, p->pid, name) || dg_unit_find(b, false, name))
		return true;
	dg_logkv(LOG_WARNING, DG_KV({"srv", name}),
		"a code server that nobody knows [%d] is ended: its launcher died when "
		"it was started",
		p->pid);
	t.session = p->pid;
	t.session_start = p->start;
	(void)dg_tree_kill(&t);
	return true;
}

void
dg_strays_end(struct dg_backend *b)
{
	if (b->output_dir)
		dg_proc_each(look, b);
}
