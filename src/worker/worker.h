/* worker/worker.h: what every worker does first and last.
 *
 * A role's main is `return dg_worker_main(DG_ROLE_X, argc, argv, &ops);`. It finds the
 * control channel to the master on fd 3, says HELLO, takes its settings (CONFIG), calls
 * setup(), says READY, and loops. The data link to the ledger comes as a PEER message,
 * now and again after the ledger was restarted. It tells the master every two seconds
 * that the loop turns (PULSE), and ends when the control channel closes.
 *
 * Exit codes: 0 asked to end, 78 configuration (the master parks the role), 70 a bug.
 */
#ifndef DG_WORKER_WORKER_H
#define DG_WORKER_WORKER_H

#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/time.h"
#include "config/settings.h"
#include "daglet/msg.h"
#include "ipc/link.h"

#define DG_FD_CONTROL 3
#define DG_EXIT_CONFIG 78
#define DG_EXIT_BUG 70

struct dg_worker;

struct dg_worker_ops {
	/* The settings are there (w->settings); make what the role needs. The data link
	 * is not there yet. An error of class DG_CONFIG parks the role. */
	int (*setup)(struct dg_worker *w, struct dg_err *e);
	/* A reload: check NEXT (an error refuses it and changes nothing), later apply it
	 * (w->settings is the new one then). NULL: the role is restarted instead. */
	int (*check)(
		struct dg_worker *w, const struct dg_settings *next, struct dg_err *e);
	void (*apply)(struct dg_worker *w);
	/* A new, empty link to the ledger: send what is held (HAVE...) and HAVE_END. */
	void (*linked)(struct dg_worker *w);
	/* A message on the ledger link. */
	void (*message)(
		struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload);
	/* After a batch of them; may be NULL. */
	void (*batch_end)(struct dg_worker *w);
	/* The ledger link has room again after dg_link_full(); may be NULL. */
	void (*drained)(struct dg_worker *w);
	/* A control message that is not common to all (PEER for the ledger, CHILD_EXIT).
	 */
	void (*control)(
		struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload);
	/* Take no new work, finish what is under way, then dg_worker_done(). NULL: at
	 * once. It may be called again, with less time. */
	void (*quiesce)(struct dg_worker *w);
	/* The loop has ended; free everything. */
	void (*teardown)(struct dg_worker *w);
};

struct dg_worker {
	enum dg_role role;
	char inst[128]; /* instance: queue, backend; "" where there is one */
	sd_event *event;
	struct dg_settings *settings;
	uint64_t generation;
	struct dg_link *control;
	struct dg_link *ledger; /* NULL while there is none */
	bool quiescing, remove;
	dg_usec quiesce_limit; /* for what is under way; 0: it is cut off */
	dg_usec denied;        /* when the master was told last */
	dg_usec last_success;  /* see dg_worker_success() */
	char pulse_text[256];
	dg_usec trouble_since; /* see dg_worker_trouble(); 0: none */
	char trouble[256];
	void *data; /* the role's own */
	/* private */
	const struct dg_worker_ops *ops;
	struct dg_settings *next;
	uint64_t next_generation;
	sd_event_source *pulse;
	bool ready;
	uint64_t handled;    /* messages until the last pulse */
	uint64_t given_back; /* ... until memory was last given back */
};

int dg_worker_main(
	enum dg_role role, int argc, char **argv, const struct dg_worker_ops *ops);

/* Queue a message to the ledger; silently nothing while there is no link: whoever needs
 * it there re-sends in linked(). A message that breaks the limits is logged. */
void dg_worker_send(
	struct dg_worker *w, enum dg_msg_type type, uint64_t id, const void *payload);
/* The role did something useful just now (shown in status, watched by the master). */
void dg_worker_success(struct dg_worker *w);
/* What keeps the role from its work outside (WHY; the agent is not ready then), or NULL:
 * nothing any more. The master hears of a change at once. */
void dg_worker_trouble(struct dg_worker *w, const char *why);
/* One line for `dagletctl status`. */
void dg_worker_say(struct dg_worker *w, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* quiesce() is finished; LEFT: what is not done and stays remembered. */
void dg_worker_done(struct dg_worker *w, uint64_t left);
/* While draining (DRAIN): nothing is under way any more. */
void dg_worker_idle(struct dg_worker *w, uint64_t left);
/* The control plane does not take our token (401): the master looks for a newer one. */
void dg_worker_denied(struct dg_worker *w);
/* A peer broke a promise: the master restarts it. ROLE, INST, EPOCH name it. */
void dg_worker_misbehaved(struct dg_worker *w, enum dg_role role, const char *inst,
	uint32_t epoch, const char *text);
/* End this process after the current turn. */
void dg_worker_exit(struct dg_worker *w, int code);

#endif
