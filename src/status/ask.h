/* status/ask.h: questions of an exchange that the ledger (or a launcher behind it)
 * answers: COMMAND out, RESULT back, matched by id.
 *
 * Exchanges that go away are forgotten; a late RESULT is nobody's and dropped. When the
 * link to the ledger goes, all who wait are told.
 */
#ifndef DG_STATUS_ASK_H
#define DG_STATUS_ASK_H

#include <sys/queue.h>

#include "status/server.h"
#include "worker/worker.h"

struct dg_ask;

/* The master answers what is to be done, the ledger what is looked at. */
enum dg_ask_whom { DG_ASK_LEDGER, DG_ASK_MASTER };

struct dg_asks {
	LIST_HEAD(, dg_ask) list;
	uint64_t last_id;
};

/* Send OP with ARGS for X; its reply has TYPE when the answer is good, else it is JSON.
 */
void dg_ask(struct dg_asks *a, struct dg_worker *w, struct dg_exchange *x, const char *op,
	struct dg_str args, const char *type);
/* The same of the master, whose answer is text. ARGS: who asks, for its log. */
void dg_ask_master(struct dg_asks *a, struct dg_worker *w, struct dg_exchange *x,
	const char *op, struct dg_str args);
void dg_asks_result(struct dg_asks *a, uint64_t id, const struct dg_msg_result *m);
void dg_asks_gone(struct dg_asks *a, const struct dg_exchange *x);
/* The link is another one: nobody will answer what was sent on the old one. */
void dg_asks_unlinked(struct dg_asks *a);

#endif
