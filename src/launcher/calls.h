/* launcher/calls.h: what the launcher asks of the control plane: CALL and CALL_DONE.
 *
 * A call is kept until it is done and sent again on a new link; the reporter keeps the
 * order within a subject. Nobody waits for a call without a callback: those are cosmetic.
 */
#ifndef DG_LAUNCHER_CALLS_H
#define DG_LAUNCHER_CALLS_H

#include <sys/queue.h>

#include "daglet/call.h"
#include "worker/worker.h"

struct dg_errand;

TAILQ_HEAD(dg_errand_list, dg_errand);

struct dg_calls {
	struct dg_worker *w;
	uint64_t next; /* id */
	struct dg_errand_list list;
	size_t count;
};

/* M: payload of CALL_DONE; class 0 is success. Called once. */
typedef void dg_errand_fn(void *arg, const struct dg_msg_call_done *m);

void dg_calls_init(struct dg_calls *c, struct dg_worker *w);
void dg_calls_clear(struct dg_calls *c);
/* Strings may be NULL; TAKE_BODY is empty afterwards. */
struct dg_errand *dg_calls_send(struct dg_calls *c, enum dg_call_op op,
	const char *deployment, const char *subject, const char *args, const char *key,
	struct dg_blob *take_body, dg_errand_fn *fn, void *arg);
/* The same with a short text. */
struct dg_errand *dg_calls_text(struct dg_calls *c, enum dg_call_op op,
	const char *deployment, const char *subject, const char *args, const char *key,
	struct dg_str body, dg_errand_fn *fn, void *arg);
/* Nobody is interested any more; it is made all the same. */
void dg_errand_forget(struct dg_errand *e);
void dg_calls_done(struct dg_calls *c, uint64_t id, const struct dg_msg_call_done *m);
void dg_calls_resend(struct dg_calls *c);

#endif
