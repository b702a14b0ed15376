/* launcher/verdict.h: what the end of a run's process says about the run. Pure.
 *
 * A process that ended with code 0 did what it had to: the run's own events say what came
 * of it. Any other end is a crash, unless the run had ended before: the control plane's
 * record of it decides, so that a run that reported its success (or any other end) is
 * never marked as failed because its process was killed in its last moments. A control
 * plane that does not answer is asked again: nobody could be told meanwhile.
 * Source: dagster's run monitoring (every status but RUNNING and SUCCESS
 * fails a run that is not finished).
 */
#ifndef DG_LAUNCHER_VERDICT_H
#define DG_LAUNCHER_VERDICT_H

#include "backend/backend.h"
#include "base/str.h"
#include "base/time.h"

/* What the control plane's record of the run says. */
enum dg_record {
	DG_RECORD_UNASKED,
	DG_RECORD_OPEN,    /* not finished, or there is no such run */
	DG_RECORD_CLOSED,  /* finished: SUCCESS, FAILURE, CANCELED */
	DG_RECORD_SILENT,  /* no answer: transport, or not allowed for now */
	DG_RECORD_REFUSED, /* an answer that says nothing, and will not */
};

/* WorkerStatus (DG_WORKER_...), or NULL: ask the control plane (again). */
const char *dg_verdict(const struct dg_exit *x, enum dg_record record);

/* When it is asked for the Nth time (0: the first); events of the run's last moments may
 * still be under way. */
dg_usec dg_verdict_wait(unsigned n);

/* Append what is told with STATUS: how it ended, and the last lines of its output, LIMIT
 * characters in all. Nothing for a run that ended as it should. */
void dg_verdict_text(
	const struct dg_exit *x, const char *status, size_t limit, struct dg_buf *out);

#endif
