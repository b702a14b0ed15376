/* poller/probe.h: does the control plane answer? Asked while pops are silent.
 *
 * A pop cannot be broken off or repeated, so it cannot be used to find out. This is a
 * question without effect (which deployments there are), asked again on a connection of
 * its own until it is answered.
 */
#ifndef DG_POLLER_PROBE_H
#define DG_POLLER_PROBE_H

#include "poller/names.h"
#include "poller/poller.h"

struct dg_probe;

/* ANSWERED is called at the first good answer; then it rests. */
int dg_probe_new(struct dg_probe **ret, struct dg_poller *p, void (*answered)(void *arg),
	void *arg, struct dg_err *e);
void dg_probe_free(struct dg_probe *p);
/* Ask now and until it is answered; nothing when it asks already. SCOPE: full deployments. */
void dg_probe_start(struct dg_probe *p, const struct dg_names *scope);
void dg_probe_stop(struct dg_probe *p);
/* The client is gone with all its calls. */
void dg_probe_forget(struct dg_probe *p);

#endif
