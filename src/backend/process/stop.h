/* backend/process/stop.h: how a process is ended, step by step; pure. */
#ifndef DG_BACKEND_PROCESS_STOP_H
#define DG_BACKEND_PROCESS_STOP_H

#include <stdbool.h>

#include "base/time.h"

struct dg_stop_step {
	int signal;
	bool tree;    /* to everything it started too */
	dg_usec wait; /* then the next step */
};

/* Step 0 is asked for at once; the last one, KILL of the tree, repeats for ever.
 *   a server:  TERM, grace, KILL of the tree
 *   a run:     INT (Dagster's interrupt), grace, TERM, 10 s at most, KILL of the tree
 * With no grace at all it is KILL at once. */
struct dg_stop_step dg_stop_step(bool run, unsigned step, dg_usec grace);

#endif
