/* master/child.c: see child.h. */
#include "master/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/spawn.h"
#include "log/log.h"
#include "master/master.h"

extern char **environ;

static const bool keeps_environment[] = {
#define X(id, name, program, linked, stop, env) [DG_ROLE_##id] = env,
	DG_ROLE_TABLE(X)
#undef X
};

struct dg_child *
dg_child_new(
	struct dg_master *m, enum dg_role role, const char *inst, const char *program)
{
	struct dg_child *c = dg_new(struct dg_child);

	c->master = m;
	c->role = role;
	snprintf(c->inst, sizeof c->inst, "%s", inst);
	snprintf(c->program, sizeof c->program, "%s", program);
	dg_supervise_init(&c->sup, dg_now());
	return c;
}

void
dg_child_free(struct dg_child *c)
{
	dg_link_free(c->control);
	free(c);
}

int
dg_child_spawn(struct dg_child *c, const struct dg_link_ops *ops, struct dg_err *e)
{
	/* A role that needs nothing of the environment gets nothing: no secret of the
	 * agent's can leak from it. PATH and the locale are what libraries expect; the
	 * journal's stream lets it log as we do. */
	static const char *const kept[] = {"PATH", "LANG", "LC_ALL", "TZ",
		"JOURNAL_STREAM", "DAGLET_AT", "ASAN_OPTIONS", "UBSAN_OPTIONS",
		"LSAN_OPTIONS", NULL};
	/* GnuTLS comes along with libcurl, for a protocol that nobody here speaks; without
	 * this it would fill a quarter of a megabyte in each process before main(). */
	static const char no_gnutls[] = "GNUTLS_NO_IMPLICIT_INIT=1";
	auto_free char *path = dg_xasprintf("%s/%s", c->master->libexec, c->program);
	const char *argv[] = {c->program, c->inst[0] ? c->inst : NULL, NULL};
	const char *env[DG_N(kept) + 1] = {no_gnutls};
	char *own[DG_N(kept) + 1] = {NULL};
	size_t n = 1;
	auto_close int mine = -1, theirs = -1;
	int ends[2], r;
	struct dg_spawn s = {
		.file = path,
		.argv = argv,
		.fds = &theirs,
		.nfds = 1,
		.output = -1,
		.death_signal = SIGKILL,
	};
	pid_t pid = 0;

	for (size_t i = 0; kept[i]; i++) {
		const char *v = getenv(kept[i]);

		if (v)
			env[n] = own[n] = dg_xasprintf("%s=%s", kept[i], v), n++;
	}
	env[n] = NULL;
	s.env = keeps_environment[c->role] ? (const char *const *)environ : env;
	if (c->master->drop && c->role != DG_ROLE_LAUNCHER) {
		s.drop = true;
		s.uid = c->master->uid;
		s.gid = c->master->gid;
	}
	r = dg_link_pair(ends, e);
	if (r == 0) {
		mine = ends[0];
		theirs = ends[1];
		pid = dg_spawn(&s, NULL, e);
		r = pid < 0 ? (int)pid : 0;
	}
	for (size_t i = 1; i < n; i++)
		free(own[i]);
	if (r < 0)
		return r;
	c->pid = pid;
	c->idle = false;
	c->text[0] = '\0';
	c->success = 0;
	return dg_link_new(&c->control, c->master->event, TAKE_FD(mine), DG_ROLE_MASTER,
		c->role, 0, ops, c, e);
}

void
dg_child_kill(struct dg_child *c, int sig)
{
	if (c->pid > 0)
		kill(c->pid, sig);
}

void
dg_exit_words(int status, char *buf, size_t size)
{
	if (WIFSIGNALED(status))
		snprintf(buf, size, "killed by signal %d (%s)", WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else
		snprintf(buf, size, "exit code %d", WEXITSTATUS(status));
}

void
dg_child_reaped(struct dg_child *c, int status)
{
	dg_exit_words(status, c->last_exit, sizeof c->last_exit);
	dg_link_free(c->control);
	c->control = NULL;
	c->pid = 0;
	c->epoch = 0;
}

void
dg_child_reply(
	struct dg_child *c, enum dg_msg_type type, uint64_t id, const void *payload)
{
	struct dg_err e;

	if (!c->control || !dg_link_open(c->control))
		return;
	if (dg_link_send(c->control, type, id, payload, &e) < 0)
		dg_log_err(LOG_ERR, &e, DG_KV({"to", dg_role_name(c->role)}));
}

void
dg_child_send(struct dg_child *c, enum dg_msg_type type, const void *payload)
{
	dg_child_reply(c, type, 0, payload);
}
