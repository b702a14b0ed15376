/* master/master.h: the set of roles, and the loop that keeps them.
 *
 * The master reads the configuration once, starts a program per role, hands each its part
 * of the settings, joins each with the ledger, replaces what dies or stands still, and
 * ends all of them in order. It has no network, no SQLite and no JSON, and never blocks.
 */
#ifndef DG_MASTER_MASTER_H
#define DG_MASTER_MASTER_H

#include <sys/queue.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "config/settings.h"
#include "master/child.h"

TAILQ_HEAD(dg_children, dg_child);

struct dg_master {
	sd_event *event;
	struct dg_settings *settings;
	uint64_t generation;
	char libexec[4096];
	char runtime_dir[4096]; /* ours below /tmp, removed at the end when empty; or ""
				 */
	bool drop;              /* roles but the launcher become uid:gid */
	uid_t uid;
	gid_t gid;
	struct dg_children children;
	uint32_t next_epoch;
	sd_event_source *tick, *term, *intr, *hup, *chld;
	/* ordered stop */
	bool stopping, remove, hurry, told_ready;
	int step; /* of DG_ROLE_TABLE's stop column */
	/* reload: says how it went; NULL where there is nothing to reload */
	int (*reload)(struct dg_master *m, struct dg_settings **ret, struct dg_err *e);
	void *reload_arg;
	struct dg_settings *next;
	unsigned answers_missing;
	bool refused;
};

/* Roles of the configuration become children; RET is ready to run. */
int dg_master_init(
	struct dg_master *m, struct dg_settings *take_settings, struct dg_err *e);
/* Until asked to end. Returns the exit code. */
int dg_master_run(struct dg_master *m);
void dg_master_clear(struct dg_master *m);

/* Where the role programs are: DAGLET_LIBEXEC, beside this program in a build tree, else
 * the installed folder. */
void dg_master_find_libexec(char *buf, size_t size);

#endif
