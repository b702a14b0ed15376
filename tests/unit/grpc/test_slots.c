/* Who may call a code server, and who waits. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "base/rand.h"
#include "grpc/slots.h"

#define Q DG_LANE_QUERY
#define T DG_LANE_TICK
#define R DG_LANE_RUN

static char names[256];

static void *
item(char c)
{
	return &names[(unsigned char)c];
}

/* What may go now, as text; expired ones in brackets. */
static const char *
taken(struct dg_slots *s, dg_usec now)
{
	static char text[300];
	size_t n = 0;
	void *p;

	for (;;) {
		enum dg_slots_took t = dg_slots_take(s, now, &p);

		if (t == DG_SLOTS_NONE)
			break;
		if (t == DG_SLOTS_EXPIRED)
			text[n++] = '(';
		text[n++] = (char)((char *)p - names);
		if (t == DG_SLOTS_EXPIRED)
			text[n++] = ')';
	}
	text[n] = '\0';
	return text;
}

static void
put(struct dg_slots *s, enum dg_lane lane, const char *items)
{
	for (; *items; items++)
		dg_slots_put(s, lane, item(*items), DG_USEC_NEVER);
}

Test(slots, as_many_as_the_pool_less_one_and_one_is_kept_from_ticks)
{
	struct dg_slots *s = dg_slots_new(6);

	put(s, T, "abcdefgh");
	cr_assert_str_eq(taken(s, 1), "abcd", "ticks leave one slot");
	put(s, Q, "xyz");
	cr_assert_str_eq(taken(s, 1), "x");
	cr_assert_eq(dg_slots_count(s).running, 5);
	dg_slots_done(s, T);
	cr_assert_str_eq(taken(s, 1), "e", "the ticks' turn");
	dg_slots_done(s, T);
	cr_assert_str_eq(taken(s, 1), "y", "and now the queries'");
	dg_slots_done(s, Q);
	cr_assert_str_eq(taken(s, 1), "f");
	cr_assert_eq(dg_slots_count(s).waiting, 3);
	dg_slots_free(s);
}

Test(slots, lanes_take_turns_and_each_is_first_in_first_out)
{
	struct dg_slots *s = dg_slots_new(100);

	put(s, T, "abc");
	put(s, Q, "xyz");
	put(s, R, "12");
	cr_assert_str_eq(taken(s, 1), "1xa2ybzc");
	dg_slots_free(s);
}

Test(slots, a_pool_of_one_still_serves)
{
	struct dg_slots *s = dg_slots_new(1);

	put(s, T, "a");
	put(s, Q, "b");
	cr_assert_str_eq(taken(s, 1), "b");
	dg_slots_done(s, Q);
	cr_assert_str_eq(taken(s, 1), "a");
	dg_slots_set_pool(s, 3);
	put(s, Q, "cd");
	cr_assert_str_eq(taken(s, 1), "c");
	dg_slots_free(s);
	dg_slots_free(NULL);
}

Test(slots, what_waited_too_long_is_told_at_its_turn)
{
	struct dg_slots *s = dg_slots_new(2);

	dg_slots_put(s, Q, item('a'), DG_USEC_NEVER);
	dg_slots_put(s, Q, item('b'), 100);
	dg_slots_put(s, Q, item('c'), DG_USEC_NEVER);
	cr_assert_str_eq(taken(s, 50), "a");
	cr_assert_eq(dg_slots_next(s), 100);
	cr_assert_str_eq(taken(s, 99), "");
	cr_assert_str_eq(taken(s, 100), "(b)", "though there is no slot");
	cr_assert_eq(dg_slots_count(s).running, 1);
	dg_slots_done(s, Q);
	cr_assert_str_eq(taken(s, 101), "c");
	dg_slots_free(s);
}

Test(slots, one_that_waits_can_be_taken_back)
{
	struct dg_slots *s = dg_slots_new(2);

	put(s, T, "abc");
	cr_assert(dg_slots_remove(s, item('b')));
	cr_assert_not(dg_slots_remove(s, item('b')));
	cr_assert_str_eq(taken(s, 1), "a");
	dg_slots_done(s, T);
	cr_assert_str_eq(taken(s, 1), "c");
	dg_slots_free(s);
}

Test(slots, a_zombie_keeps_its_slot_until_it_is_seen_free_or_ten_minutes_old)
{
	struct dg_slots *s = dg_slots_new(4);
	dg_usec now = DG_SEC;

	put(s, Q, "abcdefg");
	cr_assert_str_eq(taken(s, now), "abc");
	dg_slots_gave_up(s, Q, now);
	cr_assert_str_eq(taken(s, now), "", "its thread is still at work");
	cr_assert_eq(dg_slots_count(s).zombies, 1);
	dg_slots_seen(s, 3, now);
	cr_assert_str_eq(taken(s, now), "", "three run: two of ours and the zombie");
	dg_slots_seen(s, 2, now);
	cr_assert_str_eq(taken(s, now), "d");
	dg_slots_gave_up(s, Q, now);
	cr_assert_eq(dg_slots_next(s), now + 10 * DG_MINUTE);
	cr_assert_str_eq(taken(s, now + 10 * DG_MINUTE - 1), "");
	cr_assert_str_eq(taken(s, now + 10 * DG_MINUTE), "e");
	dg_slots_seen(s, 0, now);
	cr_assert_eq(dg_slots_count(s).zombies, 0);
	dg_slots_free(s);
}

Test(slots, zombies_count_against_the_ticks)
{
	struct dg_slots *s = dg_slots_new(4);

	put(s, T, "abcd");
	cr_assert_str_eq(taken(s, 1), "ab");
	dg_slots_gave_up(s, T, 1);
	dg_slots_gave_up(s, T, 1);
	cr_assert_str_eq(taken(s, 1), "", "the last slot is for queries");
	put(s, Q, "x");
	cr_assert_str_eq(taken(s, 1), "x");
	dg_slots_free(s);
}

Test(slots, half_of_them_zombies_for_a_minute_is_sick)
{
	struct dg_slots *s = dg_slots_new(5);
	dg_usec now = DG_SEC;

	cr_assert_not(dg_slots_sick(s, now));
	put(s, Q, "abcd");
	taken(s, now);
	dg_slots_gave_up(s, Q, now);
	cr_assert_not(dg_slots_sick(s, now + 5 * DG_MINUTE), "one of four");
	dg_slots_gave_up(s, Q, now);
	cr_assert_not(dg_slots_sick(s, now + DG_MINUTE - 1));
	cr_assert_eq(dg_slots_next(s), now + DG_MINUTE);
	cr_assert(dg_slots_sick(s, now + DG_MINUTE));
	dg_slots_seen(s, 3, now + DG_MINUTE);
	cr_assert_not(dg_slots_sick(s, now + DG_MINUTE), "one was free after all");
	dg_slots_gave_up(s, Q, now + 2 * DG_MINUTE);
	cr_assert_not(dg_slots_sick(s, now + 2 * DG_MINUTE), "counted from here");
	cr_assert(dg_slots_sick(s, now + 3 * DG_MINUTE));
	cr_assert_not(dg_slots_sick(s, now + 20 * DG_MINUTE), "too old to count");
	dg_slots_free(s);
}

Test(slots, when_it_is_sick_can_be_said)
{
	struct dg_slots *s = dg_slots_new(5);
	dg_usec now = DG_SEC;

	dg_slots_set_sick(s, 6 * DG_SEC);
	put(s, Q, "ab");
	taken(s, now);
	dg_slots_gave_up(s, Q, now);
	dg_slots_gave_up(s, Q, now);
	cr_assert_eq(dg_slots_next(s), now + 6 * DG_SEC);
	cr_assert_not(dg_slots_sick(s, now + 6 * DG_SEC - 1));
	cr_assert(dg_slots_sick(s, now + 6 * DG_SEC));
	dg_slots_set_sick(s, 0);
	cr_assert_not(dg_slots_sick(s, now + 9 * DG_MINUTE), "never");
	cr_assert_eq(dg_slots_next(s), now + 10 * DG_MINUTE);
	dg_slots_free(s);
}

Test(slots, default_pool_is_pythons)
{
	cr_assert_eq(dg_slots_default_pool(2), 6);
	cr_assert_eq(dg_slots_default_pool(28), 32);
	cr_assert_eq(dg_slots_default_pool(64), 32);
}

/* Whatever happens: never more than the pool allows, and nobody is lost. An item is its
 * lane. */
Test(slots, random_work_keeps_the_promises)
{
	static const enum dg_lane lanes[] = {Q, T, R};
	struct dg_slots *s = dg_slots_new(7);
	unsigned running[DG_LANE_RUN + 1] = {0}, in = 0, out = 0;
	dg_usec now = 1;
	void *p;

	for (int i = 0; i < 50000; i++) {
		enum dg_lane lane = lanes[dg_random_below(DG_N(lanes))];
		uint64_t what = dg_random_below(10);
		struct dg_slots_count c;

		now += dg_random_below(DG_SEC);
		if (what < 4) {
			dg_slots_put(s, lane, item((char)lane),
				dg_random_below(2) ? DG_USEC_NEVER : now + DG_SEC);
			in++;
		} else if (what < 8) {
			enum dg_slots_took t = dg_slots_take(s, now, &p);

			out += t != DG_SLOTS_NONE;
			if (t == DG_SLOTS_GO)
				running[(char *)p - names]++;
		} else if (running[lane]) {
			running[lane]--;
			if (dg_random_below(4))
				dg_slots_done(s, lane);
			else
				dg_slots_gave_up(s, lane, now);
		}
		c = dg_slots_count(s);
		cr_assert_leq(c.running + c.zombies, c.slots);
		cr_assert_eq(c.running, running[Q] + running[T] + running[R]);
		cr_assert_lt(running[T], c.slots);
		cr_assert_eq(c.waiting, in - out);
	}
	dg_slots_free(s);
}
