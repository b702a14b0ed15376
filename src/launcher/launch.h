/* launcher/launch.h: LAUNCH_RUN as a machine: what is done in which order, so that a run
 * starts at most once. Pure; the effects are in runs.c.
 *
 * Isolated runs are started by the backend, which looks before it starts and holds the
 * worker back until the handle is committed:
 *   INTENT committed -> run_start -> HANDLE committed -> run_release -> started -> answer
 * While the intent is being committed the first engine event is on its way: a run that the
 * control plane refuses to know is not started. That is waited for a moment only
 * (DG_LAUNCH_WORD); a control plane that is slow or away holds up no launch.
 * Other runs are started by their code server (StartRun), which has no key: where bytes
 * may have left, the server is asked for its current runs and the control plane for the
 * run's status, and in doubt the answer says so. The cosmetic calls (engine events, tags)
 * are queued and never waited for. Source: LAUNCH_RUN in release
 * 1.13.27, and what its run launchers tell.
 */
#ifndef DG_LAUNCHER_LAUNCH_H
#define DG_LAUNCHER_LAUNCH_H

#include <stdbool.h>

#include "base/time.h"

#define DG_LAUNCH_WORD (300 * DG_MSEC)

enum dg_launch_state {
	DG_LAUNCH_NEW,
	DG_LAUNCH_INTENT,   /* waits for INTENT_OK, and for the control plane's word */
	DG_LAUNCH_STARTING, /* the backend starts it */
	DG_LAUNCH_COMMIT,   /* waits for HANDLE_OK */
	DG_LAUNCH_RELEASED, /* waits for the worker */
	DG_LAUNCH_SERVER,   /* waits for the code server */
	DG_LAUNCH_CALLING,  /* StartRun is under way */
	DG_LAUNCH_LOOKING,  /* GetCurrentRuns is */
	DG_LAUNCH_ASKING,   /* the control plane is asked for the run */
	DG_LAUNCH_DONE,
};

struct dg_launch {
	enum dg_launch_state state;
	bool isolated;
	bool committed, heard; /* INTENT */
	bool look;  /* StartRun may have been sent, by us or by a launcher before us */
	bool again; /* ... by one before us: it may be sent if the run has not begun */
};

/* What is known of the run when the request comes. */
enum dg_launch_known { DG_KNOWN_NOTHING, DG_KNOWN_INTENT, DG_KNOWN_STARTED };

enum dg_launch_event {
	DG_LAUNCH_EV_INTENT_OK,
	DG_LAUNCH_EV_HEARD,    /* the event is stored, or nobody says anything */
	DG_LAUNCH_EV_STRANGER, /* the event is refused */
	DG_LAUNCH_EV_HANDLE,   /* the backend knows its name */
	DG_LAUNCH_EV_HANDLE_OK,
	DG_LAUNCH_EV_STARTED,
	DG_LAUNCH_EV_FAILED, /* certain that it did not start */
	DG_LAUNCH_EV_SERVER, /* the code server serves */
	DG_LAUNCH_EV_NO_SERVER,
	DG_LAUNCH_EV_ACCEPTED, /* StartRun: success */
	DG_LAUNCH_EV_REFUSED,  /* StartRun: no success, or it never left */
	DG_LAUNCH_EV_LOST,     /* StartRun: no answer, and it may have left */
	DG_LAUNCH_EV_CURRENT,  /* it is among the server's runs */
	DG_LAUNCH_EV_NOT_CURRENT,
	DG_LAUNCH_EV_BLIND, /* the server cannot or does not say; nor the control plane */
	DG_LAUNCH_EV_BEGUN, /* its status says that it has started */
	DG_LAUNCH_EV_NOT_BEGUN,
};

enum dg_launch_do {
	DG_LAUNCH_DO_INTENT = 1u << 0, /* commit the intent */
	DG_LAUNCH_DO_EVENTS = 1u << 1, /* queue tags, and the other engine event */
	DG_LAUNCH_DO_START = 1u << 2,  /* backend run_start */
	DG_LAUNCH_DO_HANDLE = 1u << 3, /* commit the handle */
	DG_LAUNCH_DO_RELEASE = 1u << 4,
	DG_LAUNCH_DO_TAGS = 1u << 5,    /* queue the tags of the started worker */
	DG_LAUNCH_DO_SERVER = 1u << 6,  /* wait for the code server */
	DG_LAUNCH_DO_PLACE = 1u << 7,   /* queue the tags that name the server */
	DG_LAUNCH_DO_CALL = 1u << 8,    /* StartRun */
	DG_LAUNCH_DO_TROUBLE = 1u << 9, /* queue the event that the call failed */
	DG_LAUNCH_DO_LOOK = 1u << 10,   /* GetCurrentRuns */
	DG_LAUNCH_DO_ASK = 1u << 11,    /* run records */
	DG_LAUNCH_DO_MARK = 1u << 12,   /* commit: it runs on a code server */
	DG_LAUNCH_DO_FORGET = 1u << 13, /* commit: it never started */
	DG_LAUNCH_DO_OK = 1u << 14,     /* answer: success */
	DG_LAUNCH_DO_ERROR = 1u << 15,  /* answer: the error at hand */
	DG_LAUNCH_DO_HELLO = 1u << 17,  /* store the first engine event */
	DG_LAUNCH_DO_MAYBE = 1u << 16,  /* answer: it may have been started */
};

/* Both return what is to be done. */
unsigned dg_launch_begin(struct dg_launch *l, bool isolated, enum dg_launch_known known);
unsigned dg_launch_event(struct dg_launch *l, enum dg_launch_event ev);

#endif
