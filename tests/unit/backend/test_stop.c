#include <criterion/criterion.h>
#include <signal.h>

#include "backend/process/stop.h"

static void
expect(bool run, unsigned step, dg_usec grace, int sig, bool tree, dg_usec wait)
{
	struct dg_stop_step s = dg_stop_step(run, step, grace);

	cr_assert_eq(s.signal, sig, "run %d step %u: %d", run, step, s.signal);
	cr_assert_eq(s.tree, tree);
	cr_assert_eq(s.wait, wait);
}

Test(stop, server)
{
	expect(false, 0, 5 * DG_SEC, SIGTERM, false, 5 * DG_SEC);
	expect(false, 1, 5 * DG_SEC, SIGKILL, true, 200 * DG_MSEC);
	expect(false, 2, 5 * DG_SEC, SIGKILL, true, 200 * DG_MSEC);
}

Test(stop, run)
{
	expect(true, 0, 30 * DG_SEC, SIGINT, false, 30 * DG_SEC);
	expect(true, 1, 30 * DG_SEC, SIGTERM, false, 10 * DG_SEC);
	expect(true, 1, DG_SEC, SIGTERM, false, DG_SEC);
	expect(true, 2, 30 * DG_SEC, SIGKILL, true, 200 * DG_MSEC);
}

Test(stop, without_grace_it_is_kill_at_once)
{
	expect(false, 0, 0, SIGKILL, true, 200 * DG_MSEC);
	expect(true, 0, 0, SIGKILL, true, 200 * DG_MSEC);
}

Test(stop, what_cannot_be_killed_costs_little)
{
	expect(true, 40, DG_SEC, SIGKILL, true, 5 * DG_SEC);
}
