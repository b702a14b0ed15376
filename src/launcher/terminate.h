/* launcher/terminate.h: TERMINATE_RUN as a machine. Pure; the effects are in runs.c.
 *
 * PIPELINE_CANCELING is stored before the signal, otherwise the run ends as a failure;
 * but a control plane that does not answer does not keep a run alive: after 30 s the run
 * is stopped, and the answer's log line says so. Source: what the control plane of
 * release 1.13.27 expects of TERMINATE_RUN.
 * First comes an engine event; where the control plane refuses it, it knows no such run.
 *   isolated agents   mark as canceling; the worker watches its own status
 *   isolated run      finished? mark as canceling, stop the worker where it is ours
 *   else              mark as canceling, CancelExecution on the location's server
 */
#ifndef DG_LAUNCHER_TERMINATE_H
#define DG_LAUNCHER_TERMINATE_H

#include <stdbool.h>

#include "base/time.h"

#define DG_TERMINATE_BARRIER (30 * DG_SEC)

enum dg_terminate_how { DG_TERM_MARK, DG_TERM_WORKER, DG_TERM_SERVER };

enum dg_terminate_state {
	DG_TERM_TELLING, /* the engine event is being stored */
	DG_TERM_ASKING,  /* run records */
	DG_TERM_FINDING, /* waits for the code server */
	DG_TERM_MARKING, /* PIPELINE_CANCELING is being stored */
	DG_TERM_CALLING, /* CancelExecution */
	DG_TERM_DONE,
};

struct dg_terminate {
	enum dg_terminate_how how;
	enum dg_terminate_state state;
};

enum dg_terminate_event {
	DG_TERM_EV_HEARD,    /* the engine event is stored, or nobody says anything */
	DG_TERM_EV_STRANGER, /* it is refused: no such run */
	DG_TERM_EV_ALIVE,    /* the run is there and not finished */
	DG_TERM_EV_FINISHED, /* or unknown to the control plane */
	DG_TERM_EV_UNASKED,  /* the question failed */
	DG_TERM_EV_SERVER,
	DG_TERM_EV_NO_SERVER,
	DG_TERM_EV_MARKED,
	DG_TERM_EV_UNMARKED, /* the event could not be stored */
	DG_TERM_EV_CALLED,
	DG_TERM_EV_UNCALLED, /* CancelExecution failed */
	DG_TERM_EV_TIMEOUT,  /* DG_TERMINATE_BARRIER has passed since the beginning */
};

enum dg_terminate_do {
	DG_TERM_DO_EVENT = 1u << 0,  /* store the engine event */
	DG_TERM_DO_ASK = 1u << 1,    /* run records */
	DG_TERM_DO_SERVER = 1u << 2, /* wait for the code server */
	DG_TERM_DO_MARK = 1u << 3,   /* store PIPELINE_CANCELING */
	DG_TERM_DO_SAY = 1u << 4,    /* log: stopped before it was marked */
	DG_TERM_DO_STOP = 1u << 5,   /* the worker, if it is ours */
	DG_TERM_DO_CALL = 1u << 6,   /* CancelExecution */
	DG_TERM_DO_OK = 1u << 7,
	DG_TERM_DO_ERROR = 1u << 8, /* answer: the error at hand */
};

unsigned dg_terminate_begin(struct dg_terminate *t, enum dg_terminate_how how);
unsigned dg_terminate_event(struct dg_terminate *t, enum dg_terminate_event ev);

#endif
