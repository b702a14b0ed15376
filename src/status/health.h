/* status/health.h: is the agent alive, is it ready, and what is wrong with it. Pure.
 *
 * alive  daglet's parts hold together: there is a ledger, or it went away only now. Not
 *        alive is for whoever may restart the whole agent.
 * ready  every role runs, reaches the control plane (but for a few seconds) and each
 *        launcher has brought up (or seen fail) every location of the first workspace.
 * Warnings are what somebody should look at and a restart would not mend.
 */
#ifndef DG_STATUS_HEALTH_H
#define DG_STATUS_HEALTH_H

#include <stdbool.h>

#include "base/str.h"
#include "base/time.h"
#include "status/mirror.h"

struct dg_health {
	bool alive, ready;
	struct dg_buf reasons;  /* why not ready: one per line, with '\n' */
	struct dg_buf warnings; /* the same form */
};

void dg_health(const struct dg_mirror *m, dg_usec now, struct dg_health *ret);
void dg_health_clear(struct dg_health *h);

#define auto_health __attribute__((cleanup(dg_health_clear))) struct dg_health

#endif
