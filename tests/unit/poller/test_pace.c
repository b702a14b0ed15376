/* When the next pop goes out. */
#include <criterion/criterion.h>

#include "poller/pace.h"

#define IDLE (500 * DG_MSEC)
#define T0 (100 * DG_SEC)

static struct dg_pace p;

static void
one(dg_usec at, enum dg_pace_end how, dg_usec asked)
{
	cr_assert_geq(dg_pace_may(&p, at), 1, "not yet");
	dg_pace_began(&p);
	dg_pace_ended(&p, at, how, 50 * DG_MSEC, asked, 0);
}

Test(pace, idle_it_is_the_configured_interval_from_the_end)
{
	dg_pace_init(&p, IDLE, 8);
	cr_assert_eq(dg_pace_may(&p, T0), 1);
	dg_pace_began(&p);
	cr_assert_eq(dg_pace_may(&p, T0), 0);
	cr_assert_eq(dg_pace_next(&p), DG_USEC_NEVER);
	dg_pace_ended(&p, T0 + DG_SEC, DG_PACE_EMPTY, 50 * DG_MSEC, 0, 0);
	cr_assert_eq(dg_pace_next(&p), T0 + DG_SEC + IDLE);
	cr_assert_eq(dg_pace_may(&p, T0 + DG_SEC + IDLE - 1), 0);
	cr_assert_eq(dg_pace_may(&p, T0 + DG_SEC + IDLE), 1);
}

Test(pace, after_work_at_once_and_then_quickly_for_a_while)
{
	dg_usec t = T0;

	dg_pace_init(&p, IDLE, 8);
	one(t, DG_PACE_SOME, 0);
	cr_assert_eq(dg_pace_next(&p), t);
	one(t, DG_PACE_EMPTY, 0);
	cr_assert_eq(dg_pace_next(&p), t + DG_PACE_QUICK);
	t += DG_PACE_WARM - 1;
	one(t, DG_PACE_EMPTY, 0);
	cr_assert_eq(dg_pace_next(&p), t + DG_PACE_QUICK);
	t += DG_PACE_QUICK;
	one(t, DG_PACE_EMPTY, 0);
	cr_assert_eq(dg_pace_next(&p), t + IDLE);
}

Test(pace, a_shorter_interval_than_the_quick_one_is_kept)
{
	dg_pace_init(&p, 10 * DG_MSEC, 8);
	one(T0, DG_PACE_SOME, 0);
	one(T0, DG_PACE_EMPTY, 0);
	cr_assert_eq(dg_pace_next(&p), T0 + 10 * DG_MSEC);
}

Test(pace, several_while_they_come_back_full)
{
	dg_pace_init(&p, IDLE, 8);
	one(T0, DG_PACE_FULL, 0);
	cr_assert_eq(dg_pace_may(&p, T0), 2);
	dg_pace_began(&p);
	dg_pace_began(&p);
	dg_pace_ended(&p, T0, DG_PACE_FULL, 50 * DG_MSEC, 0, 0);
	cr_assert_eq(dg_pace_may(&p, T0), 3);
	for (int i = 0; i < 3; i++)
		dg_pace_began(&p);
	for (int i = 0; i < 4; i++)
		dg_pace_ended(&p, T0, DG_PACE_FULL, 50 * DG_MSEC, 0, 0);
	cr_assert_eq(dg_pace_may(&p, T0), 8);
	for (int i = 0; i < 8; i++)
		dg_pace_began(&p);
	dg_pace_ended(&p, T0, DG_PACE_SOME, 50 * DG_MSEC, 0, 0);
	cr_assert_eq(dg_pace_may(&p, T0), 0);
	cr_assert_eq(dg_pace_next(&p), DG_USEC_NEVER);
	for (int i = 0; i < 7; i++)
		dg_pace_ended(&p, T0, DG_PACE_EMPTY, 50 * DG_MSEC, 0, 0);
	cr_assert_eq(dg_pace_next(&p), T0 + DG_PACE_QUICK);
}

Test(pace, trouble_makes_it_slower_up_to_a_bound_and_success_ends_it)
{
	static const dg_usec want[] = {IDLE, 2 * IDLE, 4 * IDLE, 8 * IDLE,
		DG_PACE_TROUBLE_MAX, DG_PACE_TROUBLE_MAX};
	dg_usec t = T0;

	dg_pace_init(&p, IDLE, 8);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		one(t, DG_PACE_TROUBLE, 0);
		cr_assert_eq(dg_pace_next(&p), t + want[i], "%zu", i);
		t = dg_pace_next(&p);
	}
	one(t, DG_PACE_EMPTY, 0);
	cr_assert_eq(dg_pace_next(&p), t + IDLE);
	t = dg_pace_next(&p);
	dg_pace_began(&p);
	dg_pace_ended(&p, t, DG_PACE_TROUBLE, 50 * DG_MSEC, 0, UINT32_MAX);
	cr_assert_eq(dg_pace_next(&p), t + IDLE); /* jitter never goes below */
	t = dg_pace_next(&p);
	one(t, DG_PACE_TROUBLE, 77 * DG_SEC);
	cr_assert_eq(dg_pace_next(&p), t + 77 * DG_SEC);
}

Test(pace, jitter_and_odd_intervals)
{
	dg_pace_init(&p, 0, 8);
	one(T0, DG_PACE_TROUBLE, 0);
	cr_assert_eq(dg_pace_next(&p), T0 + 100 * DG_MSEC);
	one(dg_pace_next(&p), DG_PACE_EMPTY, 0);
	cr_assert_eq(dg_pace_next(&p), T0 + 100 * DG_MSEC);
	dg_pace_init(&p, DG_MINUTE, 8);
	one(T0, DG_PACE_TROUBLE, 0);
	cr_assert_eq(dg_pace_next(&p), T0 + DG_MINUTE);
	one(T0 + DG_MINUTE, DG_PACE_TROUBLE, 0);
	cr_assert_eq(dg_pace_next(&p), T0 + 2 * DG_MINUTE);
	dg_pace_init(&p, IDLE, 8);
	one(T0, DG_PACE_TROUBLE, 0);
	dg_pace_began(&p);
	dg_pace_ended(&p, T0, DG_PACE_TROUBLE, 50 * DG_MSEC, 0, UINT32_MAX);
	cr_assert_geq(dg_pace_next(&p), T0 + 3 * IDLE / 2);
	cr_assert_lt(dg_pace_next(&p), T0 + 3 * IDLE / 2 + DG_MSEC);
}

Test(pace, where_answers_come_quickly_one_at_a_time_is_enough)
{
	static const struct {
		dg_usec took;
		unsigned want;
	} rows[] = {{DG_MSEC, 1}, {2499, 1}, {2500, 2}, {4 * DG_MSEC, 2}, {DG_SEC, 2}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		dg_pace_init(&p, IDLE, 8);
		dg_pace_began(&p);
		dg_pace_ended(&p, T0, DG_PACE_FULL, rows[i].took, 0, 0);
		cr_assert_eq(dg_pace_may(&p, T0), rows[i].want, "row %zu", i);
	}
}

Test(pace, one_that_is_silent_makes_room_when_others_are_answered)
{
	dg_pace_init(&p, IDLE, 8);
	dg_pace_began(&p);
	dg_pace_silence(&p);
	cr_assert_eq(dg_pace_may(&p, T0), 0);
	cr_assert_eq(dg_pace_next(&p), DG_USEC_NEVER);
	dg_pace_open(&p, T0);
	cr_assert_eq(dg_pace_may(&p, T0), 1);
	cr_assert_eq(dg_pace_next(&p), T0);
	dg_pace_began(&p);
	cr_assert_eq(dg_pace_may(&p, T0), 0);
	dg_pace_ended(&p, T0, DG_PACE_EMPTY, 50 * DG_MSEC, 0, 0);
	cr_assert_eq(dg_pace_next(&p), T0 + IDLE, "the pace is the usual one again");
	dg_pace_ended(&p, T0, DG_PACE_LOST, DG_MINUTE, 0, 0);
	cr_assert_eq(p.in_flight, 0);
	cr_assert_eq(dg_pace_next(&p), T0 + IDLE, "its end is no news");
	cr_assert_eq(dg_pace_may(&p, T0 + IDLE), 1);
}

Test(pace, one_that_was_silent_and_is_heard_counts_again)
{
	dg_pace_init(&p, IDLE, 8);
	dg_pace_began(&p);
	dg_pace_silence(&p);
	dg_pace_heard(&p);
	cr_assert_eq(dg_pace_may(&p, T0), 0);
	dg_pace_ended(&p, T0, DG_PACE_SOME, 50 * DG_MSEC, 0, 0);
	cr_assert_eq(p.in_flight, 0);
	cr_assert_eq(p.silent, 0);
	cr_assert_eq(dg_pace_next(&p), T0);
}

Test(pace, how_long_one_may_be_silent)
{
	cr_assert_eq(dg_pace_patience(0), DG_PACE_SILENT);
	cr_assert_eq(dg_pace_patience(DG_MINUTE), DG_PACE_SILENT);
	cr_assert_eq(dg_pace_patience(5 * DG_MINUTE), 20 * DG_SEC);
}
