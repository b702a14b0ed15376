/* Every state in which a request can be found, and what is done with it. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "base/time.h"
#include "ledger/durability.h"
#include "ledger/recover.h"

#define HOUR ((int64_t)(60 * DG_MINUTE))
#define DAY (24 * HOUR)

static enum dg_recover
found(int stage, enum dg_on_lost on_lost, bool body, bool answer)
{
	struct dg_found f = {.stage = (enum dg_stage)stage,
		.on_lost = on_lost,
		.body = body,
		.answer = answer};

	return dg_recover(&f);
}

Test(recover, by_stage_and_what_is_left_of_it)
{
	static const struct {
		int stage;
		enum dg_on_lost on_lost;
		bool body, answer;
		enum dg_recover what;
	} cases[] = {
		{DG_REQ_RECORDED, DG_LOST_AGAIN, true, false, DG_RECOVER_DISPATCH},
		{DG_REQ_RECORDED, DG_LOST_ERROR, true, false, DG_RECOVER_DISPATCH},
		{DG_REQ_RECORDED, DG_LOST_LOOK, true, false, DG_RECOVER_DISPATCH},
		{DG_REQ_RECORDED, DG_LOST_AGAIN, false, false, DG_RECOVER_REFUSE},
		{DG_REQ_RECORDED, DG_LOST_LOOK, false, false, DG_RECOVER_REFUSE},
		{DG_REQ_SENT, DG_LOST_ERROR, true, false, DG_RECOVER_LOOK},
		{DG_REQ_SENT, DG_LOST_LOOK, true, false, DG_RECOVER_LOOK},
		{DG_REQ_SENT, DG_LOST_LOOK, false, false, DG_RECOVER_REFUSE},
		{DG_REQ_ANSWERED, DG_LOST_AGAIN, false, true, DG_RECOVER_DELIVER},
		{DG_REQ_ANSWERED, DG_LOST_LOOK, true, true, DG_RECOVER_DELIVER},
		/* its answer was in a file that is gone */
		{DG_REQ_ANSWERED, DG_LOST_AGAIN, true, false, DG_RECOVER_DISPATCH},
		{DG_REQ_ANSWERED, DG_LOST_ERROR, true, false, DG_RECOVER_LOOK},
		{DG_REQ_ANSWERED, DG_LOST_LOOK, true, false, DG_RECOVER_LOOK},
		{DG_REQ_ANSWERED, DG_LOST_AGAIN, false, false, DG_RECOVER_REFUSE},
		/* of a newer build */
		{77, DG_LOST_AGAIN, true, false, DG_RECOVER_LOOK},
		{77, DG_LOST_AGAIN, false, false, DG_RECOVER_REFUSE},
	};

	for (size_t i = 0; i < DG_N(cases); i++) {
		enum dg_recover r = found(
			cases[i].stage, cases[i].on_lost, cases[i].body, cases[i].answer);

		cr_expect_eq(r, cases[i].what, "case %zu: %s, not %s", i,
			dg_recover_name(r), dg_recover_name(cases[i].what));
	}
}

/* Nothing that was recorded is dropped, and nothing that may have happened is done as if
 * it had not: for all combinations that there are. */
Test(recover, keeps_its_promises_everywhere)
{
	for (unsigned bits = 0; bits < 16; bits++)
		for (int stage = 1; stage <= 4; stage++)
			for (int on_lost = 0; on_lost <= DG_LOST_LOOK; on_lost++) {
				struct dg_found f = {.stage = (enum dg_stage)stage,
					.on_lost = (enum dg_on_lost)on_lost,
					.body = bits & 1,
					.answer = bits & 2,
					.twice = bits & 4,
					.buried = bits & 8};
				enum dg_recover r = dg_recover(&f);

				cr_expect_eq(r == DG_RECOVER_FORGET, f.twice);
				if (r == DG_RECOVER_DISPATCH) {
					cr_expect(f.body && !f.buried);
					cr_expect(stage == DG_REQ_RECORDED ||
						  on_lost == DG_LOST_AGAIN);
				}
				if (r == DG_RECOVER_DELIVER)
					cr_expect(f.answer && stage == DG_REQ_ANSWERED);
				if (r == DG_RECOVER_REPEAT)
					cr_expect(f.buried);
				if (f.buried)
					cr_expect(r != DG_RECOVER_LOOK &&
						  r != DG_RECOVER_REFUSE);
				if (r == DG_RECOVER_LOOK)
					cr_expect(f.body);
			}
}

Test(recover, tombstones_outlive_a_clock_that_is_set_back)
{
	int64_t now = 1800000000 * (int64_t)DG_SEC;

	cr_expect_not(dg_tombstone_old(now, now));
	cr_expect_not(dg_tombstone_old(now + HOUR, now), "set back an hour");
	cr_expect_not(dg_tombstone_old(now - 7 * DAY, now));
	cr_expect(dg_tombstone_old(now - 7 * DAY - 1, now));
	cr_expect_not(dg_tombstone_old(now + 7 * DAY, now));
	cr_expect(dg_tombstone_old(now + 7 * DAY + 1, now), "the clock was years ahead");
}

Test(durability, follows_from_the_stores_health)
{
	static const struct {
		struct dg_store_health h;
		enum dg_durability d;
	} cases[] = {
		{{.durable = false}, DG_DURABLE_NONE},
		{{.durable = true, .opened = true}, DG_DURABLE},
		{{.durable = true, .opened = true, .batch_age = DG_STORE_SLOW - 1},
			DG_DURABLE},
		{{.durable = true, .opened = true, .batch_age = DG_STORE_SLOW},
			DG_DURABLE_SLOW},
		{{.durable = true, .opened = true, .batch_age = DG_STORE_STUCK},
			DG_DURABLE_BROKEN},
		{{.durable = true, .opened = true, .broken = true, .broken_for = 1},
			DG_DURABLE_PAUSED},
		{{.durable = true,
			 .opened = true,
			 .broken = true,
			 .broken_for = DG_STORE_PATIENCE - 1,
			 .batch_age = DG_STORE_SLOW},
			DG_DURABLE_PAUSED},
		{{.durable = true,
			 .opened = true,
			 .broken = true,
			 .broken_for = DG_STORE_PATIENCE},
			DG_DURABLE_BROKEN},
		{{.durable = true, .broken = true, .broken_for = 1}, DG_DURABLE_BROKEN},
		{{.durable = true, .reopened = true}, DG_DURABLE_BROKEN},
	};

	for (size_t i = 0; i < DG_N(cases); i++)
		cr_expect_eq(dg_durability(&cases[i].h), cases[i].d, "case %zu: %s", i,
			dg_durability_name(dg_durability(&cases[i].h)));
}

Test(durability, popping_stops_first_and_launches_are_refused_last)
{
	cr_expect(dg_may_pop(DG_DURABLE) && dg_may_launch(DG_DURABLE));
	cr_expect_not(dg_may_serve_unstored(DG_DURABLE));
	cr_expect(dg_may_pop(DG_DURABLE_NONE) && dg_may_launch(DG_DURABLE_NONE));
	for (int d = DG_DURABLE_SLOW; d <= DG_DURABLE_PAUSED; d++) {
		cr_expect_not(dg_may_pop((enum dg_durability)d));
		cr_expect_not(dg_may_serve_unstored((enum dg_durability)d));
		cr_expect(dg_may_launch((enum dg_durability)d));
	}
	cr_expect(dg_may_pop(DG_DURABLE_BROKEN));
	cr_expect(dg_may_serve_unstored(DG_DURABLE_BROKEN));
	cr_expect_not(dg_may_launch(DG_DURABLE_BROKEN));
}
