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

#include "config/config.h"
#include "config/settings.h"
#include "master/child.h"
#include "master/stop.h"
#include "master/unit.h"

TAILQ_HEAD(dg_children, dg_child);

struct dg_master {
	sd_event *event;
	struct dg_settings *settings;
	uint64_t generation;
	int64_t began; /* real time */
	char libexec[4096];
	char runtime_dir[4096]; /* ours below /tmp, removed at the end when empty; or ""
				 */
	bool drop;              /* roles but the launcher become uid:gid */
	uid_t uid;
	gid_t gid;
	struct dg_children children;
	uint32_t next_epoch;
	sd_event_source *tick, *term, *intr, *hup, *chld;
	bool told_ready;
	struct dg_ending {
		bool under_way, hurry, restart;
		enum dg_stop_why why;
		bool remove, decided; /* what becomes of servers */
		struct dg_unit_ask *ask;
		int step;         /* of DG_ROLE_TABLE's stop column */
		dg_usec deadline; /* of what is under way */
		bool asked, idle; /* whether something is; nothing is */
		int64_t left;     /* requests that stay in the store; -1: not known */
	} ending;
	struct dg_draining {
		enum { DG_DRAIN_NO, DG_DRAIN_WAITING, DG_DRAIN_DONE } state;
		uint64_t left; /* requests that wait for their location */
	} draining;
	struct dg_reloading {
		/* From the files; NULL where there is nothing to read again. */
		int (*load)(struct dg_master *m, struct dg_settings **ret,
			struct dg_buf *errors);
		void *arg;
		char *given[3]; /* folders and socket, as the files said at the start */
		struct dg_settings *next; /* while roles are asked */
		unsigned missing;         /* answers */
		dg_usec deadline;
		bool refused;
		uint64_t asker;              /* id of the command, 0: a signal */
		struct dg_buf report, lines; /* for people: all of it, the changes */
		struct dg_buf changes;       /* for status, JSON */
		unsigned restart;            /* roles that start anew */
		int64_t wall;                /* the last one's end */
		bool ok;
	} reloading;
	struct dg_token_watch {
		dg_usec next;       /* when to look */
		uint64_t signature; /* of the file */
		bool failing;
	} token;
};

/* Roles of the configuration become children; RET is ready to run. */
int dg_master_init(
	struct dg_master *m, struct dg_settings *take_settings, struct dg_err *e);
#define DG_EXIT_AGAIN 256 /* no exit code */
/* Until asked to end. Returns the exit code, or DG_EXIT_AGAIN: start anew. */
int dg_master_run(struct dg_master *m);
void dg_master_clear(struct dg_master *m);

/* Where the role programs are: DAGLET_LIBEXEC, beside this program in a build tree, else
 * the installed folder. */
void dg_master_find_libexec(char *buf, size_t size);

/* For the files of this room. */
void dg_master_drive(struct dg_child *c, enum dg_child_event ev);
void dg_master_tick_soon(struct dg_master *m);
void dg_master_send_config(
	struct dg_child *c, const struct dg_settings *s, uint64_t generation);
/* The child of this role that is ready, or NULL. */
struct dg_child *dg_master_ready(struct dg_master *m, enum dg_role role);
const char *dg_master_display(const struct dg_child *c, char *buf, size_t size);

/* ending.c: the ordered end. */
void dg_ending_begin(struct dg_master *m, enum dg_stop_why why);
/* A child is gone, or ready, or the clock went on: what is next? */
void dg_ending_next(struct dg_master *m);

/* draining.c: no new work. */
void dg_draining_set(struct dg_master *m, bool on);
/* Pollers are gone: is the rest idle? */
void dg_draining_ask(struct dg_master *m);
void dg_draining_ready(struct dg_child *c);
void dg_draining_idle(struct dg_child *c, uint64_t left);

/* reload.c: other settings, in two phases: all look at them, then all take them. */
void dg_reload_begin(struct dg_master *m, uint64_t asker);
/* NEXT is taken; for a reload of one thing. */
void dg_reload_settings(struct dg_master *m, struct dg_settings *take_next);
/* C has answered, or is gone (BAD NULL). */
void dg_reload_answer(struct dg_child *c, const struct dg_str *bad);
void dg_reload_ready(struct dg_child *c, uint64_t generation);
void dg_reload_tick(struct dg_master *m);
void dg_reload_remember(struct dg_master *m, const struct dg_settings *s);
void dg_reload_keep(struct dg_master *m, struct dg_settings *s);

/* token.c: the token's file. */
void dg_token_tick(struct dg_master *m);
void dg_token_look(struct dg_master *m);

/* orders.c: what status passes on. */
void dg_orders_take(struct dg_child *status, uint64_t id, const struct dg_msg_command *o);
/* The answer to a command; ID 0: nobody waits. */
void dg_orders_done(struct dg_master *m, uint64_t id, unsigned code, struct dg_str text);

#endif
