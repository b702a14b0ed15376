/* master/child.h: one role as a process: its start, its control channel, its end. */
#ifndef DG_MASTER_CHILD_H
#define DG_MASTER_CHILD_H

#include <sys/queue.h>
#include <sys/types.h>

#include "base/err.h"
#include "daglet/role.h"
#include "ipc/link.h"
#include "master/supervise.h"

struct dg_master;

struct dg_child {
	TAILQ_ENTRY(dg_child) entry;
	struct dg_master *master;
	enum dg_role role;
	char inst[128];
	char program[64];
	struct dg_supervised sup;
	pid_t pid; /* 0: not running */
	struct dg_link *control;
	uint32_t epoch;     /* of its data link, 0: none */
	char last_exit[96]; /* in words */
	char text[256];     /* what it said last */
	dg_usec success;    /* when it last did something useful; 0: not yet */
	char trouble[256];  /* what keeps it from its work, or "" */
	dg_usec troubled;   /* since when; 0: not */
	dg_usec told;       /* when status was told last */
	bool asked;         /* it has not said yet what it thinks of the new settings */
	bool idle;          /* while draining: it has nothing under way */
};

struct dg_child *dg_child_new(
	struct dg_master *m, enum dg_role role, const char *inst, const char *program);
void dg_child_free(struct dg_child *c);

/* fork and exec with the control channel on fd 3. */
int dg_child_spawn(struct dg_child *c, const struct dg_link_ops *ops, struct dg_err *e);
void dg_child_kill(struct dg_child *c, int sig);
/* The process is gone: channel and pid are forgotten; last_exit says how. */
void dg_child_reaped(struct dg_child *c, int status);
void dg_child_send(struct dg_child *c, enum dg_msg_type type, const void *payload);
void dg_child_reply(
	struct dg_child *c, enum dg_msg_type type, uint64_t id, const void *payload);

/* "exit code 1", "killed by signal 9 (Killed)". */
void dg_exit_words(int status, char *buf, size_t size);

#endif
