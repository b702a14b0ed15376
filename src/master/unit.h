/* master/unit.h: what systemd is about to do with us: the job of our unit, asked for over
 * D-Bus, without blocking. */
#ifndef DG_MASTER_UNIT_H
#define DG_MASTER_UNIT_H

#include <systemd/sd-event.h>

#include "master/stop.h"

struct dg_unit_ask;

/* DONE is called once, within two seconds and never from inside this call; DG_JOB_NONE:
 * there was no answer. Negative: we are not the main process of a unit, DONE will not be
 * called. Freeing it is for later, not for DONE. */
int dg_unit_ask(struct dg_unit_ask **ret, sd_event *event,
	void (*done)(void *arg, enum dg_unit_job job), void *arg);
void dg_unit_ask_free(struct dg_unit_ask *u);

#endif
