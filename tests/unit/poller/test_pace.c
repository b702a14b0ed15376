/* When pops go out. */
#include <criterion/criterion.h>

#include "daglet/limits.h"
#include "poller/pace.h"

#define HALF (500 * DG_MSEC)

static void
come(struct dg_pace *p, size_t count, dg_usec now)
{
	dg_pace_started(p, now);
	dg_pace_popped(p, count, now);
}

Test(pace, idle_it_keeps_the_configured_interval)
{
	struct dg_pace p;
	dg_usec now = 1000;
	int pops = 0;

	dg_pace_init(&p, HALF, now);
	for (dg_usec end = now + DG_MINUTE; now < end; now = p.next) {
		cr_assert(dg_pace_may(&p, now));
		come(&p, 0, now);
		cr_assert_not(dg_pace_may(&p, now));
		pops++;
	}
	cr_assert_eq(pops, 120);
}

Test(pace, after_work_the_next_follows_at_once_and_soon_for_a_while)
{
	struct dg_pace p;
	dg_usec now = 1000;

	dg_pace_init(&p, HALF, now);
	come(&p, 3, now);
	cr_assert(dg_pace_may(&p, now));
	come(&p, 0, now);
	cr_assert_eq(p.next, now + DG_PACE_FAST);
	now += DG_PACE_AWAKE;
	come(&p, 0, now);
	cr_assert_eq(p.next, now + HALF);
}

Test(pace, an_interval_that_is_shorter_than_ours_stays)
{
	struct dg_pace p;

	dg_pace_init(&p, 10 * DG_MSEC, 1000);
	come(&p, 3, 1000);
	come(&p, 0, 1000);
	cr_assert_eq(p.next, 1000 + 10 * DG_MSEC);
}

Test(pace, full_pops_double_what_is_in_flight_and_others_halve_it)
{
	struct dg_pace p;

	dg_pace_init(&p, HALF, 1000);
	for (unsigned want = 2; want <= DG_POPS_MAX; want *= 2) {
		come(&p, DG_POP_FULL, 1000);
		cr_assert_eq(p.target, want);
	}
	come(&p, DG_POP_FULL, 1000);
	cr_assert_eq(p.target, DG_POPS_MAX);
	for (unsigned i = 0; i < DG_POPS_MAX; i++) {
		cr_assert(dg_pace_may(&p, 1000));
		dg_pace_started(&p, 1000);
	}
	cr_assert_not(dg_pace_may(&p, 1000));
	dg_pace_popped(&p, 4, 1000);
	cr_assert_eq(p.target, DG_POPS_MAX / 2);
	dg_pace_popped(&p, 0, 1000);
	cr_assert_eq(p.target, 1);
	cr_assert_not(dg_pace_may(&p, 1000)); /* others are still under way */
}

Test(pace, an_empty_one_among_several_does_not_slow_the_rest)
{
	struct dg_pace p;

	dg_pace_init(&p, HALF, 1000);
	come(&p, DG_POP_FULL, 1000);
	dg_pace_started(&p, 1000);
	dg_pace_started(&p, 1000);
	dg_pace_popped(&p, 0, 1000);
	cr_assert_eq(p.next, 1000);
}

Test(pace, trouble_makes_it_wait_longer_and_longer_within_bounds)
{
	struct dg_pace p;
	dg_usec now = 1000, last = 0;

	dg_pace_init(&p, HALF, now);
	for (int i = 0; i < 12; i++) {
		dg_pace_started(&p, now);
		dg_pace_failed(&p, 0, 0xffff, now);
		cr_assert_geq(p.next - now, last);
		last = p.next - now;
		now = p.next;
	}
	cr_assert_leq(last, DG_PACE_TROUBLE);
	cr_assert_geq(last, DG_PACE_TROUBLE - DG_MSEC);
	dg_pace_started(&p, now);
	dg_pace_failed(&p, 0, 0, now);
	cr_assert_eq(p.next, now + DG_PACE_TROUBLE / 2);
	dg_pace_started(&p, now);
	dg_pace_failed(&p, DG_MINUTE, 0, now);
	cr_assert_eq(p.next, now + DG_MINUTE);
	come(&p, 0, now);
	dg_pace_started(&p, now);
	dg_pace_failed(&p, 0, 0xffff, now);
	cr_assert_eq(p.next, now + HALF); /* starts anew after a success */
}
