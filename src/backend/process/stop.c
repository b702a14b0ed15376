/* backend/process/stop.c: see stop.h. */
#include "backend/process/stop.h"

#include <signal.h>

#define TERM_WAIT_MAX (10 * DG_SEC)
#define KILL_AGAIN (200 * DG_MSEC) /* what forked while the tree was walked */
#define KILL_RARELY (5 * DG_SEC)   /* it hangs in the kernel */
#define KILL_STEPS 20

struct dg_stop_step
dg_stop_step(bool run, unsigned step, dg_usec grace)
{
	if (grace && step == 0)
		return (struct dg_stop_step){run ? SIGINT : SIGTERM, false, grace};
	if (grace && run && step == 1)
		return (struct dg_stop_step){
			SIGTERM, false, grace < TERM_WAIT_MAX ? grace : TERM_WAIT_MAX};
	return (struct dg_stop_step){
		SIGKILL, true, step < KILL_STEPS ? KILL_AGAIN : KILL_RARELY};
}
