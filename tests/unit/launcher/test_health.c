/* Hung or busy: every branch of the judgement. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "launcher/health.h"

#define S DG_SEC

static const struct dg_health_limits usual = {30 * S, 90 * S, 600 * S};
static const struct dg_health_limits never = {0, 0, 0};

Test(health, judges)
{
	static const struct {
		const char *what;
		struct dg_health_facts f;
		enum dg_health is;
	} rows[] = {
		{"it has just answered", {0, 0, false, false, false}, DG_HEALTH_WAIT},
		{"refused, not for long", {29 * S, 29 * S, true, false, true},
			DG_HEALTH_WAIT},
		{"refused", {30 * S, 30 * S, true, false, true}, DG_HEALTH_UNREACHABLE},
		{"stopped, not for long", {29 * S, 29 * S, false, true, true},
			DG_HEALTH_WAIT},
		{"stopped", {30 * S, 30 * S, false, true, true}, DG_HEALTH_STOPPED},
		{"stopped and its backlog is full", {30 * S, 30 * S, true, true, true},
			DG_HEALTH_STOPPED},
		{"asleep with the lock for 50 s", {61 * S, 61 * S, false, false, true},
			DG_HEALTH_WAIT},
		{"asleep with the lock", {90 * S, 90 * S, false, false, true},
			DG_HEALTH_STUCK},
		{"... but looked at only once", {90 * S, 90 * S, false, false, false},
			DG_HEALTH_WAIT},
		{"computes for 50 s", {61 * S, 0, false, false, true}, DG_HEALTH_WAIT},
		{"has just ended a long computation",
			{500 * S, 11 * S, false, false, true}, DG_HEALTH_WAIT},
		{"ended one and went to sleep", {500 * S, 90 * S, false, false, true},
			DG_HEALTH_STUCK},
		{"computes for ever", {600 * S, 0, false, false, true}, DG_HEALTH_BUSY},
		{"silent for ever, seen once", {600 * S, 600 * S, false, false, false},
			DG_HEALTH_BUSY},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		cr_expect_eq(dg_health_judge(&rows[i].f, &usual), rows[i].is, "%s",
			rows[i].what);
		cr_expect_eq(dg_health_judge(&rows[i].f, &never), DG_HEALTH_WAIT,
			"never: %s", rows[i].what);
	}
}

Test(health, work_is_a_fifth_of_a_core)
{
	cr_expect(dg_health_works(10 * S, 10 * S));
	cr_expect(dg_health_works(2 * S, 10 * S));
	cr_expect_not(dg_health_works(2 * S - 1, 10 * S));
	cr_expect_not(dg_health_works(0, 10 * S));
	cr_expect_not(dg_health_works(5, 0));
}

Test(health, pings_fit_the_limits)
{
	struct dg_health_limits l = usual;

	cr_expect_eq(dg_health_ping_timeout(&l), 10 * S);
	cr_expect_eq(dg_health_ping_timeout(&never), 10 * S);
	l.stuck = 12 * S;
	cr_expect_eq(dg_health_ping_timeout(&l), 4 * S);
	l.gone = 6 * S;
	cr_expect_eq(dg_health_ping_timeout(&l), 2 * S);
	l.busy = 1 * S;
	cr_expect_eq(dg_health_ping_timeout(&l), 1 * S);
}
