/* The life of a role, with a clock in the hand. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "master/supervise.h"

static const struct dg_child_times T = {
	.hello = 10,
	.ready = 20,
	.stall = 30,
	.quiesce = 40,
	.end = 5,
	.good_age = 1000,
};

static struct dg_supervised
in_state(enum dg_child_state s, dg_usec now)
{
	struct dg_supervised c;

	dg_supervise_init(&c, now);
	if (s == DG_CHILD_BACKOFF)
		return c;
	dg_supervise(&c, DG_EV_SPAWNED, &T, now);
	if (s == DG_CHILD_STARTING)
		return c;
	if (s == DG_CHILD_KILLED) {
		dg_supervise(&c, DG_EV_MISBEHAVED, &T, now);
		return c;
	}
	dg_supervise(&c, DG_EV_HELLO, &T, now);
	if (s == DG_CHILD_CONFIGURING)
		return c;
	if (s == DG_CHILD_PARKED) {
		dg_supervise(&c, DG_EV_EXIT_CONFIG, &T, now);
		return c;
	}
	dg_supervise(&c, DG_EV_READY, &T, now);
	if (s == DG_CHILD_READY)
		return c;
	dg_supervise(&c, DG_EV_QUIESCE, &T, now);
	if (s == DG_CHILD_QUIESCING)
		return c;
	dg_supervise(&c, DG_EV_DRAINED, &T, now);
	if (s == DG_CHILD_ENDING)
		return c;
	dg_supervise(&c, DG_EV_EXIT, &T, now);
	return c;
}

#define B DG_CHILD_BACKOFF
#define S DG_CHILD_STARTING
#define C DG_CHILD_CONFIGURING
#define R DG_CHILD_READY
#define Q DG_CHILD_QUIESCING
#define E DG_CHILD_ENDING
#define K DG_CHILD_KILLED
#define P DG_CHILD_PARKED
#define G DG_CHILD_GONE
#define NO DG_DO_NOTHING

Test(supervise, every_event_in_every_state)
{
	static const struct {
		enum dg_child_state from;
		enum dg_child_event ev;
		dg_usec after;
		enum dg_child_state to;
		enum dg_child_action action;
	} rows[] = {
		{B, DG_EV_TICK, 0, B, DG_DO_SPAWN},
		{B, DG_EV_SPAWNED, 0, S, NO},
		{B, DG_EV_SPAWN_FAILED, 0, B, NO},
		{B, DG_EV_HELLO, 0, B, NO},
		{B, DG_EV_QUIESCE, 0, G, NO},
		{B, DG_EV_RELOAD, 0, B, NO},
		{B, DG_EV_RESTART, 0, B, NO},
		{B, DG_EV_HURRY, 0, G, NO},
		{S, DG_EV_TICK, 9, S, NO},
		{S, DG_EV_TICK, 10, K, DG_DO_KILL},
		{S, DG_EV_HELLO, 1, C, NO},
		{S, DG_EV_READY, 1, S, NO},
		{S, DG_EV_EXIT, 1, B, NO},
		{S, DG_EV_EXIT_CONFIG, 1, P, NO},
		{S, DG_EV_QUIESCE, 1, E, DG_DO_HANG_UP},
		{S, DG_EV_MISBEHAVED, 1, K, DG_DO_KILL},
		{S, DG_EV_RESTART, 1, E, DG_DO_HANG_UP},
		{S, DG_EV_HURRY, 1, K, DG_DO_KILL},
		{C, DG_EV_TICK, 19, C, NO},
		{C, DG_EV_TICK, 20, K, DG_DO_KILL},
		{C, DG_EV_HELLO, 1, K, DG_DO_KILL},
		{C, DG_EV_READY, 1, R, NO},
		{C, DG_EV_EXIT_CONFIG, 1, P, NO},
		{C, DG_EV_RESTART, 1, E, DG_DO_HANG_UP},
		{C, DG_EV_QUIESCE, 1, E, DG_DO_HANG_UP},
		{R, DG_EV_TICK, 30, R, NO},
		{R, DG_EV_TICK, 31, K, DG_DO_KILL},
		{R, DG_EV_READY, 1, R, NO},
		{R, DG_EV_HELLO, 1, K, DG_DO_KILL},
		{R, DG_EV_EXIT, 1, B, NO},
		{R, DG_EV_EXIT_CONFIG, 1, P, NO},
		{R, DG_EV_MISBEHAVED, 1, K, DG_DO_KILL},
		{R, DG_EV_QUIESCE, 1, Q, DG_DO_QUIESCE},
		{R, DG_EV_DRAINED, 1, R, NO},
		{R, DG_EV_RESTART, 1, Q, DG_DO_QUIESCE},
		{R, DG_EV_HURRY, 1, K, DG_DO_KILL},
		{Q, DG_EV_TICK, 30, Q, NO},
		{Q, DG_EV_TICK, 31, K, DG_DO_KILL}, /* stands still */
		{Q, DG_EV_DRAINED, 1, E, DG_DO_HANG_UP},
		{Q, DG_EV_EXIT, 1, G, NO},
		{Q, DG_EV_EXIT_CONFIG, 1, G, NO},
		{Q, DG_EV_QUIESCE, 1, Q, NO},
		{Q, DG_EV_RESTART, 1, Q, NO},
		{Q, DG_EV_HURRY, 1, K, DG_DO_KILL},
		{E, DG_EV_TICK, 4, E, NO},
		{E, DG_EV_TICK, 5, K, DG_DO_KILL},
		{E, DG_EV_EXIT, 1, G, NO},
		{E, DG_EV_HURRY, 1, K, DG_DO_KILL},
		{K, DG_EV_TICK, 1000, K, NO},
		{K, DG_EV_MISBEHAVED, 1, K, NO},
		{K, DG_EV_EXIT, 1, B, NO},
		{K, DG_EV_QUIESCE, 1, K, NO},
		{K, DG_EV_RESTART, 1, K, NO},
		{K, DG_EV_HURRY, 1, K, NO},
		{P, DG_EV_TICK, 100000, P, NO},
		{P, DG_EV_RELOAD, 1, B, NO},
		{P, DG_EV_QUIESCE, 1, G, NO},
		{P, DG_EV_RESTART, 1, B, NO},
		{P, DG_EV_HURRY, 1, G, NO},
		{G, DG_EV_TICK, 100, G, NO},
		{G, DG_EV_RELOAD, 1, G, NO},
		{G, DG_EV_RESTART, 1, G, NO},
		{G, DG_EV_HURRY, 1, G, NO},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_supervised c = in_state(rows[i].from, 5000);

		cr_assert_eq(c.state, rows[i].from, "row %zu: set-up", i);
		cr_assert_eq(dg_supervise(&c, rows[i].ev, &T, 5000 + rows[i].after),
			rows[i].action, "row %zu: action", i);
		cr_assert_eq(c.state, rows[i].to, "row %zu: %s", i,
			dg_child_state_name(c.state));
	}
}

Test(supervise, the_quiesce_limit_hangs_up_on_one_that_still_pulses)
{
	struct dg_supervised c = in_state(Q, 0);

	dg_supervise(&c, DG_EV_PULSE, &T, 39);
	cr_assert_eq(dg_supervise(&c, DG_EV_TICK, &T, 39), NO);
	cr_assert_eq(dg_supervise(&c, DG_EV_TICK, &T, 40), DG_DO_HANG_UP);
	cr_assert_eq(c.state, E);
}

Test(supervise, a_restart_that_was_asked_for_is_no_death)
{
	static const enum dg_child_state from[] = {S, C, R};

	for (size_t i = 0; i < DG_N(from); i++) {
		struct dg_supervised c = in_state(from[i], 0);

		dg_supervise(&c, DG_EV_RESTART, &T, 1);
		cr_assert_eq(dg_supervise(&c, DG_EV_EXIT, &T, 2), NO);
		cr_assert_eq(c.state, B);
		cr_assert_eq(c.restarts, 0);
		cr_assert_eq(dg_supervise(&c, DG_EV_TICK, &T, 2), DG_DO_SPAWN);
		/* the next death is one again */
		dg_supervise(&c, DG_EV_SPAWNED, &T, 2);
		dg_supervise(&c, DG_EV_EXIT, &T, 3);
		cr_assert_eq(c.restarts, 1);
	}
}

Test(supervise, one_that_restarts_may_be_asked_to_end)
{
	struct dg_supervised c = in_state(R, 0);

	dg_supervise(&c, DG_EV_RESTART, &T, 1);
	c.quiesce = 7;
	cr_assert_eq(dg_supervise(&c, DG_EV_QUIESCE, &T, 2), DG_DO_QUIESCE);
	cr_assert_eq(c.deadline, 9);
	dg_supervise(&c, DG_EV_EXIT, &T, 3);
	cr_assert_eq(c.state, G);
}

Test(supervise, in_a_hurry_one_with_a_limit_of_its_own_gets_that)
{
	struct dg_supervised c = in_state(Q, 0);

	c.quiesce = 5;
	cr_assert_eq(dg_supervise(&c, DG_EV_HURRY, &T, 10), DG_DO_QUIESCE);
	cr_assert_eq(c.deadline, 15);
	dg_supervise(&c, DG_EV_DRAINED, &T, 11);
	cr_assert_eq(c.state, E);
}

Test(supervise, a_role_that_never_gets_ready_is_tried_ever_more_rarely)
{
	struct dg_supervised c;
	dg_usec now = 0, last = 0;

	dg_supervise_init(&c, now);
	for (int i = 0; i < 20; i++) {
		now = c.deadline;
		cr_assert_eq(
			dg_supervise(&c, DG_EV_TICK, &dg_child_times, now), DG_DO_SPAWN);
		dg_supervise(&c, DG_EV_SPAWNED, &dg_child_times, now);
		dg_supervise(&c, DG_EV_EXIT, &dg_child_times, now);
		cr_assert_geq(c.deadline - now, last);
		last = c.deadline - now;
	}
	cr_assert_eq(last, 30 * DG_SEC);
	cr_assert_eq(c.restarts, 20);
}

Test(supervise, a_role_that_was_ready_is_back_within_a_second_however_often_it_is_killed)
{
	struct dg_supervised c;
	dg_usec now = 0;

	dg_supervise_init(&c, now);
	for (int i = 0; i < 40; i++) {
		now = c.deadline;
		dg_supervise(&c, DG_EV_SPAWNED, &dg_child_times, now);
		dg_supervise(&c, DG_EV_HELLO, &dg_child_times, now);
		dg_supervise(&c, DG_EV_READY, &dg_child_times, now);
		dg_supervise(&c, DG_EV_EXIT, &dg_child_times, now + 1);
		cr_assert_leq(c.deadline - now, 501 * DG_MSEC);
	}
	/* after a good age the first wait is short again */
	now = c.deadline;
	dg_supervise(&c, DG_EV_SPAWNED, &dg_child_times, now);
	dg_supervise(&c, DG_EV_HELLO, &dg_child_times, now);
	dg_supervise(&c, DG_EV_READY, &dg_child_times, now);
	now += dg_child_times.good_age;
	dg_supervise(&c, DG_EV_EXIT, &dg_child_times, now);
	cr_assert_eq(c.deadline - now, 20 * DG_MSEC);
}

Test(supervise, our_own_pause_is_nobodys_fault)
{
	struct dg_supervised c = in_state(R, 0);
	const dg_usec hour = 60 * DG_MINUTE;

	dg_supervise(&c, DG_EV_TICK, &dg_child_times, DG_SEC);
	cr_assert_eq(dg_supervise(&c, DG_EV_TICK, &dg_child_times, hour), NO);
	cr_assert_eq(c.state, R);
	/* from then on it has its time, and no more */
	cr_assert_eq(
		dg_supervise(&c, DG_EV_TICK, &dg_child_times, hour + 2 * DG_SEC), NO);
	cr_assert_eq(
		dg_supervise(&c, DG_EV_TICK, &dg_child_times, hour + 4 * DG_SEC), NO);
	cr_assert_eq(
		dg_supervise(&c, DG_EV_TICK, &dg_child_times, hour + 6 * DG_SEC), NO);
	cr_assert_eq(dg_supervise(&c, DG_EV_TICK, &dg_child_times, hour + 8 * DG_SEC),
		DG_DO_KILL);
}
