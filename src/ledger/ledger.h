/* ledger/ledger.h: the ledger's own state, shared by the files of this room only.
 *
 *   intake.c   poller -> ledger: pops are recorded, then acknowledged
 *   work.c     ledger <-> launcher: dispatch, answers, intents and handles
 *   out.c      ledger <-> reporter: deliveries, calls for the launcher
 *   mirror.c   what is shown: states, troubles, commands
 *   book.c     the requests in memory (pure); lanes.c who is next (pure)
 *   start.c    what the store remembers is taken up again
 *   store.c    what survives; recover.c, durability.c (pure): what is done with it
 */
#ifndef DG_LEDGER_LEDGER_H
#define DG_LEDGER_LEDGER_H

#include <sys/queue.h>

#include "ledger/book.h"
#include "ledger/durability.h"
#include "ledger/store.h"
#include "worker/worker.h"

/* One of a poller's memfds, and the request ids of the pop in it that were told. */
struct dg_pop_slot {
	int raw;
	struct dg_map told;
	bool ended; /* the next request is of the next pop */
};

/* A role at the other end of a data link. */
struct dg_peer {
	TAILQ_ENTRY(dg_peer) entry;
	struct dg_ledger *ledger;
	struct dg_link *link;
	enum dg_role role;
	char inst[128];
	uint32_t epoch;
	bool have_end; /* it has said all that it holds */
	/* pollers */
	struct dg_pop_slot slots[DG_POP_SLOTS];
	uint64_t taken, taken_bytes;   /* since the link's beginning */
	uint64_t credit, credit_bytes; /* last told */
	uint64_t recorded;             /* all up to here are committed */
	bool to_tell;                  /* and it has not been told */
};

/* What is done when a write is committed. */
enum dg_wait_what {
	DG_WAIT_RECORDED,
	DG_WAIT_REPEATED, /* nothing to do but the acknowledgement */
	DG_WAIT_SENT,
	DG_WAIT_ANSWERED,
	DG_WAIT_INTENT,
	DG_WAIT_HANDLE, /* of a run */
	DG_WAIT_SERVER,
};

struct dg_wait {
	TAILQ_ENTRY(dg_wait) entry;
	enum dg_wait_what what;
	uint64_t ticket, id; /* id: row id, or the message's id */
	uint32_t epoch;      /* of the link to be told */
	uint64_t seq;        /* poller's id of the request */
};

struct dg_known {
	enum dg_handle_what what;
	enum dg_handle_stage stage;
	uint64_t request;
	char *key, *deployment, *location;
	struct dg_buf handle;
};

struct dg_call {
	TAILQ_ENTRY(dg_call) entry;
	uint64_t id, from_id;
	uint32_t from_epoch; /* 0: nobody waits for the outcome any more */
	bool sent;
	uint64_t op;
	char *deployment, *subject, *args, *key;
	struct dg_blob body;
};

struct dg_ask { /* a command of the status role that a launcher answers */
	TAILQ_ENTRY(dg_ask) entry;
	uint64_t id, from_id;
};

struct dg_state_row {
	enum dg_state_kind kind;
	enum dg_role from;
	uint32_t epoch; /* of the link on which it was last said */
	char *key;
	struct dg_buf body;
};

#define DG_TROUBLES 25
#define DG_BUCKETS 12
#define DG_OUTCOMES 6

struct dg_kind_count {
	uint64_t count, buckets[DG_BUCKETS];
	double sum; /* seconds */
	struct {
		char name[24];
		uint64_t count;
	} outcomes[DG_OUTCOMES];
};

struct dg_ledger {
	struct dg_worker *w;
	struct dg_store *store;
	struct dg_book book;
	TAILQ_HEAD(, dg_peer) peers;
	TAILQ_HEAD(dg_waits, dg_wait) waits;
	struct dg_map known; /* what:key -> struct dg_known */
	TAILQ_HEAD(dg_calls, dg_call) calls;
	uint64_t next_call;
	TAILQ_HEAD(, dg_ask) asks;
	uint64_t next_ask;
	struct dg_map states; /* kind:key -> struct dg_state_row */
	struct {
		uint64_t id, wall;
		struct dg_buf error;
	} troubles[DG_TROUBLES];
	uint64_t next_trouble;
	struct dg_kind_count kinds[DG_REQ_COUNT + 1]; /* the last: unknown ones */
	char agent_id[40], installation[72];
	struct dg_buf workspace, scope, ttl;
	uint64_t workspace_wall;
	sd_event_source *tick, *sweep, *drain;
	unsigned drain_looks;          /* in a row that found nothing under way */
	enum dg_durability durability; /* as it was last looked at */
	struct dg_buf start_forget;    /* ids, while the store is read */
	uint64_t ids_reserved;         /* ids below may have been used: meta "ids" */
	dg_usec expired;               /* when tombstones were last looked through */
};

/* ledger.c */
struct dg_peer *dg_ledger_peer(struct dg_ledger *l, enum dg_role role, const char *inst);
struct dg_peer *dg_ledger_peer_by_epoch(struct dg_ledger *l, uint32_t epoch);
/* Queue to a peer; NULL or a closed link is nothing. */
void dg_peer_send(
	struct dg_peer *p, enum dg_msg_type type, uint64_t id, const void *payload);
void dg_ledger_wait(struct dg_ledger *l, enum dg_wait_what what, uint64_t ticket,
	uint64_t id, uint32_t epoch, uint64_t seq);

/* Look at the store anew; says what changed, and lets go what need not wait for it. */
void dg_ledger_look(struct dg_ledger *l);
void dg_ledger_acknowledge(struct dg_ledger *l);
dg_store_committed_fn dg_ledger_committed;

/* start.c: what the store remembers, and what is done with it. */
int dg_start(struct dg_ledger *l, struct dg_err *e);
/* Ids are never used twice, whatever the clock says: keep some ahead of those in use. */
void dg_start_reserve_ids(struct dg_ledger *l);

/* intake.c */
void dg_intake_linked(struct dg_peer *p);
void dg_intake_message(
	struct dg_peer *p, enum dg_msg_type type, uint64_t id, void *payload);
/* The poller is gone: what its memfds hold and it did not tell is recorded now. */
void dg_intake_rescue(struct dg_peer *p);
void dg_intake_recorded(struct dg_ledger *l, const struct dg_wait *wt);
void dg_intake_credit(struct dg_ledger *l);

/* work.c */
void dg_work_linked(struct dg_peer *p);
void dg_work_unlinked(struct dg_peer *p);
void dg_work_message(
	struct dg_peer *p, enum dg_msg_type type, uint64_t id, void *payload);
void dg_work_committed(struct dg_ledger *l, const struct dg_wait *wt);
void dg_work_add(struct dg_ledger *l, struct dg_entry *en);
void dg_work_pump(struct dg_ledger *l);
void dg_work_known(struct dg_ledger *l, const struct dg_row_handle *row);
void dg_work_desired(struct dg_ledger *l);
void dg_work_unchanged(struct dg_ledger *l, const struct dg_msg_unchanged *m);
void dg_work_clear(struct dg_ledger *l);

/* out.c */
void dg_out_linked(struct dg_peer *p);
void dg_out_unlinked(struct dg_peer *p);
void dg_out_message(struct dg_peer *p, enum dg_msg_type type, uint64_t id, void *payload);
void dg_out_answered(struct dg_ledger *l, struct dg_entry *en);
void dg_out_pump(struct dg_ledger *l);
void dg_out_call(struct dg_peer *from, uint64_t id, struct dg_msg_call *m);
void dg_out_forget_caller(struct dg_ledger *l, uint32_t epoch);
void dg_out_clear(struct dg_ledger *l);

/* drain.c */
int dg_drain_open(struct dg_ledger *l, struct dg_err *e);
void dg_drain_set(struct dg_ledger *l, bool on);

/* mirror.c */
void dg_mirror_state(struct dg_peer *from, const struct dg_msg_state *m);
void dg_mirror_linked(struct dg_peer *p);
void dg_mirror_sweep(struct dg_ledger *l);
void dg_mirror_trouble(struct dg_ledger *l, uint64_t wall, struct dg_str error);
void dg_mirror_command(struct dg_peer *from, uint64_t id, const struct dg_msg_command *m);
void dg_mirror_result(struct dg_ledger *l, uint64_t id, const struct dg_msg_result *m);
void dg_mirror_no_launcher(struct dg_ledger *l);
void dg_mirror_own(struct dg_ledger *l);
void dg_mirror_count(
	struct dg_ledger *l, const struct dg_entry *en, struct dg_str outcome);
void dg_mirror_clear(struct dg_ledger *l);

#endif
