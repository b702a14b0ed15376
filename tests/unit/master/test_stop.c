/* What an end means: every row of the table, to the last branch. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "master/stop.h"

Test(stop, what_becomes_of_servers)
{
	static const struct {
		struct dg_stop_facts f;
		bool removes, asks;
	} rows[] = {
		/* on_stop, why, job, outlive, init */
		{{NULL, DG_STOP_TERM, DG_JOB_NONE, true, false}, false, true},
		{{"auto", DG_STOP_TERM, DG_JOB_NONE, true, false}, false, true},
		{{"auto", DG_STOP_TERM, DG_JOB_OTHER, true, false}, false, true},
		{{"auto", DG_STOP_TERM, DG_JOB_STOP, true, false}, true, true},
		{{"auto", DG_STOP_TERM, DG_JOB_RESTART, true, false}, false, true},
		{{"auto", DG_STOP_INT, DG_JOB_NONE, true, false}, true, false},
		{{"auto", DG_STOP_RESTART, DG_JOB_STOP, true, false}, false, false},
		/* in a container: the end of PID 1 is the end of all its processes */
		{{"auto", DG_STOP_TERM, DG_JOB_NONE, true, true}, true, false},
		{{"auto", DG_STOP_RESTART, DG_JOB_NONE, true, true}, false, false},
		/* servers that nobody else would end */
		{{"auto", DG_STOP_TERM, DG_JOB_NONE, false, false}, true, true},
		{{"auto", DG_STOP_TERM, DG_JOB_OTHER, false, false}, true, true},
		{{"auto", DG_STOP_TERM, DG_JOB_RESTART, false, false}, false, true},
		{{"auto", DG_STOP_RESTART, DG_JOB_NONE, false, false}, false, false},
		/* what was said is done, but for an explicit restart */
		{{"keep", DG_STOP_INT, DG_JOB_STOP, false, true}, false, false},
		{{"remove", DG_STOP_TERM, DG_JOB_RESTART, true, false}, true, false},
		{{"remove", DG_STOP_RESTART, DG_JOB_NONE, true, false}, false, false},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		cr_assert_eq(dg_stop_removes(&rows[i].f), rows[i].removes, "row %zu", i);
		cr_assert_eq(dg_stop_asks(&rows[i].f), rows[i].asks, "row %zu asks", i);
	}
}

Test(stop, how_much_time)
{
	struct dg_stop_limits l = dg_stop_limits(DG_ROLE_POLLER, 9 * DG_SEC, true);

	cr_assert_eq(l.finish, 9 * DG_SEC);
	cr_assert_gt(l.wait, l.finish);
	l = dg_stop_limits(DG_ROLE_LAUNCHER, 9 * DG_SEC, false);
	cr_assert_eq(l.finish, 9 * DG_SEC);
	cr_assert_gt(dg_stop_limits(DG_ROLE_LAUNCHER, 9 * DG_SEC, true).wait, l.wait);
	/* an answer of the last moment is still delivered */
	cr_assert_eq(dg_stop_limits(DG_ROLE_REPORTER, 0, false).finish, 2 * DG_SEC);
	l = dg_stop_limits(DG_ROLE_REPORTER, 9 * DG_SEC, false);
	cr_assert_eq(l.finish, 9 * DG_SEC);
	cr_assert_gt(l.wait, l.finish);
	/* the store is always closed in order */
	cr_assert_geq(dg_stop_limits(DG_ROLE_LEDGER, 0, false).wait, 5 * DG_SEC);
	cr_assert_geq(dg_stop_limits(DG_ROLE_STATUS, 0, false).wait, 5 * DG_SEC);
}

Test(stop, the_exit_code_tells)
{
	cr_assert_eq(dg_stop_code(0), 0);
	cr_assert_eq(dg_stop_code(3), DG_EXIT_LEFT);
	cr_assert_eq(dg_stop_code(-1), DG_EXIT_LEFT);
}
