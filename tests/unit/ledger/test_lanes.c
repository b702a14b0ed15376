/* Who is next: in order inside a lane, in turn between lanes, never more than the credit.
 */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "ledger/lanes.h"

static void
add(struct dg_lanes *l, struct dg_lane_item *it, const char *loc)
{
	dg_lanes_add(l, it, DG_STR("prod"), dg_str(loc));
}

Test(lanes, one_lane_keeps_the_order)
{
	struct dg_lanes l;
	struct dg_lane_item it[5] = {0};

	dg_lanes_init(&l, 100, 100);
	for (int i = 0; i < 5; i++)
		add(&l, &it[i], "a");
	for (int i = 0; i < 5; i++)
		cr_assert_eq(dg_lanes_next(&l), &it[i]);
	cr_assert_null(dg_lanes_next(&l));
	cr_assert_eq(l.in_flight, 5);
	for (int i = 0; i < 5; i++)
		dg_lanes_done(&l, &it[i]);
	cr_assert_eq(l.in_flight, 0);
	cr_assert_eq(dg_map_count(&l.by_key), 0);
	dg_lanes_clear(&l);
}

Test(lanes, lanes_take_turns)
{
	struct dg_lanes l;
	struct dg_lane_item a[3] = {0}, b[3] = {0};

	dg_lanes_init(&l, 100, 100);
	for (int i = 0; i < 3; i++)
		add(&l, &a[i], "a");
	for (int i = 0; i < 3; i++)
		add(&l, &b[i], "b");
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(dg_lanes_next(&l), &a[i]);
		cr_assert_eq(dg_lanes_next(&l), &b[i]);
	}
	for (int i = 0; i < 3; i++) {
		dg_lanes_done(&l, &a[i]);
		dg_lanes_done(&l, &b[i]);
	}
	dg_lanes_clear(&l);
}

Test(lanes, a_full_lane_does_not_stop_the_others)
{
	struct dg_lanes l;
	struct dg_lane_item a[4] = {0}, b[2] = {0};

	dg_lanes_init(&l, 5, 2);
	for (int i = 0; i < 4; i++)
		add(&l, &a[i], "a");
	for (int i = 0; i < 2; i++)
		add(&l, &b[i], "b");
	cr_assert_eq(dg_lanes_next(&l), &a[0]);
	cr_assert_eq(dg_lanes_next(&l), &b[0]);
	cr_assert_eq(dg_lanes_next(&l), &a[1]);
	cr_assert_eq(dg_lanes_next(&l), &b[1]);
	cr_assert_null(dg_lanes_next(&l));
	dg_lanes_done(&l, &a[0]);
	cr_assert_eq(dg_lanes_next(&l), &a[2]);
	cr_assert_null(dg_lanes_next(&l));
	/* one that still waits may go away as well */
	dg_lanes_done(&l, &a[3]);
	dg_lanes_done(&l, &a[1]);
	dg_lanes_done(&l, &a[2]);
	dg_lanes_done(&l, &b[0]);
	dg_lanes_done(&l, &b[1]);
	dg_lanes_done(&l, &b[1]); /* twice is nothing */
	cr_assert_eq(l.waiting + l.in_flight, 0);
	dg_lanes_clear(&l);
}

Test(lanes, the_credit_of_all_holds_too)
{
	struct dg_lanes l;
	struct dg_lane_item it[3] = {0};

	dg_lanes_init(&l, 2, 100);
	add(&l, &it[0], "a");
	add(&l, &it[1], "b");
	add(&l, &it[2], "c");
	cr_assert_not_null(dg_lanes_next(&l));
	cr_assert_not_null(dg_lanes_next(&l));
	cr_assert_null(dg_lanes_next(&l));
	dg_lanes_done(&l, &it[0]);
	cr_assert_eq(dg_lanes_next(&l), &it[2]);
	dg_lanes_done(&l, &it[1]);
	dg_lanes_done(&l, &it[2]);
	dg_lanes_clear(&l);
}

Test(lanes, names_that_only_read_alike_are_apart)
{
	struct dg_lanes l;
	struct dg_lane_item x = {0}, y = {0};

	dg_lanes_init(&l, 9, 1);
	dg_lanes_add(&l, &x, DG_STR("a-b"), DG_STR("c"));
	dg_lanes_add(&l, &y, DG_STR("a"), DG_STR("b-c"));
	cr_assert_not_null(dg_lanes_next(&l));
	cr_assert_not_null(dg_lanes_next(&l));
	dg_lanes_done(&l, &x);
	dg_lanes_done(&l, &y);
	dg_lanes_clear(&l);
}
