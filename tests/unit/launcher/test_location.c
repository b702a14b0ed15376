/* The location machine, row by row: what happens, what it does, how it looks then. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "launcher/location.h"

static const struct dg_loc_limits limits = {
	.startup = 180 * DG_SEC,
	.adopt = 10 * DG_SEC,
	.silent = {30 * DG_SEC, 90 * DG_SEC, 600 * DG_SEC},
	.ping = 100 * DG_MSEC,
	.health = 10 * DG_SEC,
	.drain = 3600 * DG_SEC,
	.retry_min = DG_SEC,
	.retry_max = 60 * DG_SEC,
	.recover_min = 30 * DG_SEC,
	.recover_max = 300 * DG_SEC,
	.short_life = 30 * DG_SEC,
	.calm = 5 * DG_SEC,
	.quiet = 2 * DG_SEC,
	.burst_max = 10 * DG_SEC,
};

enum { W, UW, UP, OK, NO, AL, LS, LF, UD, RD, RF, SF, EX, CL, DR, TK, RN };

struct row {
	unsigned ms; /* since the row before */
	int ev;
	unsigned serial;
	/* u user, p upload, h healthy, d other defs state, a ailing, g upload again; pings:
	 * r refused, t stopped, w at work, 1 looked at for the first time */
	const char *flags;
	double ts;
	const char *does;  /* serials after the word, @ms from now */
	const char *looks; /* state status verdict */
};

static const char *const words[] = {"START", "PING", "LIST", "UPLOAD", "UPERR", "RELOAD",
	"SERVE", "FAIL", "TELL", "DRAIN", "STOP", "KILL", "GONE"};
static const char *const whys[] = {
	"", "timeout", "unreachable", "stopped", "stuck", "busy", "clogged"};

static void
render(const struct dg_loc_actions *a, dg_usec now, struct dg_buf *b)
{
	dg_buf_reset(b);
	dg_buf_adds(b, "");
	for (unsigned i = 0; i < a->n; i++) {
		dg_buf_addf(b, "%s%s", b->n ? " " : "", words[a->a[i].what]);
		if (a->a[i].serial)
			dg_buf_addf(b, "%u", a->a[i].serial);
		if (a->a[i].what == DG_DO_FAIL)
			dg_buf_adds(b, whys[a->a[i].why]);
		if (a->a[i].what == DG_DO_PING)
			dg_buf_addf(b, "@%llu",
				(unsigned long long)((a->a[i].at - now) / 1000));
	}
}

static void
play(struct dg_loc *l, const char *name, const struct row *r, size_t n)
{
	dg_usec now = 1000 * DG_SEC;
	auto_buf b = DG_BUF_INIT;

	for (size_t i = 0; i < n; i++, r++) {
		struct dg_loc_actions out = {.n = 0};
		bool other = r->flags && strchr(r->flags, 'd');
		struct dg_loc_event ev = {
			.type = (enum dg_loc_event_type)r->ev,
			.serial = r->serial,
			.user = r->flags && strchr(r->flags, 'u'),
			.upload = r->flags && strchr(r->flags, 'p'),
			.healthy = r->flags && strchr(r->flags, 'h'),
			.ailing = r->flags && strchr(r->flags, 'a'),
			.again = r->flags && strchr(r->flags, 'g'),
			.look = {.refused = r->flags && strchr(r->flags, 'r'),
				.stopped = r->flags && strchr(r->flags, 't'),
				.works = r->flags && strchr(r->flags, 'w'),
				.seen = !r->flags || !strchr(r->flags, '1')},
			.version = {r->ts, other ? 77 : 7, other ? 99 : (uint64_t)r->ts},
		};
		char looks[128];

		if (other)
			ev.version.meta = (uint64_t)(r->ts * 100);
		now += r->ms * DG_MSEC;
		dg_loc_event(l, &ev, now, 1023, &out);
		render(&out, now, &b);
		cr_assert_str_eq(b.p ? b.p : "", r->does,
			"%s row %zu: does '%s', not '%s'", name, i, b.p ? b.p : "",
			r->does);
		snprintf(looks, sizeof(looks), "%s %s %s", dg_loc_state(l),
			dg_loc_status(l),
			((const char *[]){"serve", "hold", "error"})[dg_loc_verdict(l)]);
		cr_assert_str_eq(looks, r->looks, "%s row %zu: looks '%s', not '%s'",
			name, i, looks, r->looks);
	}
}

#define PLAY(l, ...)                                                                     \
	do {                                                                             \
		static const struct row rows[] = {__VA_ARGS__};                          \
		play(l, __func__, rows, DG_N(rows));                                     \
	} while (0)

#define HOLD_STARTING "STARTING STARTING hold"
#define SERVING "SERVING RUNNING serve"

/* From nothing to serving, for the timestamp 1. */
#define COMING_UP                                                                        \
	{0, W, 0, NULL, 1, "START1", HOLD_STARTING},                                     \
		{5, UP, 1, NULL, 0, "PING1@0", "WAITING STARTING hold"},                 \
		{1, NO, 1, NULL, 0, "PING1@100", "WAITING STARTING hold"},               \
		{100, OK, 1, NULL, 0, "LIST1", "LOADING STARTING hold"},                 \
	{                                                                                \
		10, LS, 1, NULL, 0, "SERVE1 PING1@10000", SERVING                        \
	}

Test(location, comes_up_and_goes)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	cr_assert_not(dg_loc_settled(&l));
	cr_assert_str_eq(dg_loc_state(&l), "STOPPING");
	PLAY(&l, COMING_UP, {0, W, 0, "h", 1, "", SERVING},
		{10000, OK, 1, NULL, 0, "PING1@10000", SERVING},
		{1, LS, 1, NULL, 0, "", SERVING}, {1, UD, 1, NULL, 0, "", SERVING},
		{1, UP, 1, NULL, 0, "", SERVING}, {1, RD, 1, NULL, 0, "", SERVING},
		{1, LF, 1, NULL, 0, "", SERVING}, {1, DR, 1, NULL, 0, "", SERVING},
		{1, EX, 99, NULL, 0, "", SERVING},
		{1, UW, 0, NULL, 0, "DRAIN1 TELL", "STOPPING STARTING error"},
		{1, OK, 1, NULL, 0, "", "STOPPING STARTING error"},
		{1, NO, 1, NULL, 0, "", "STOPPING STARTING error"},
		{50, DR, 1, NULL, 0, "STOP1", "STOPPING STARTING error"},
		{50, EX, 1, NULL, 0, "GONE", "STOPPING STARTING error"});
}

Test(location, one_that_is_well_is_renewed_beside)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	PLAY(&l, {0, RN, 0, NULL, 0, "GONE", "STOPPING STARTING error"}, COMING_UP,
		{5, RN, 0, NULL, 0, "START2", SERVING},
		/* once more while it comes up: that one is of yesterday already */
		{5, RN, 0, NULL, 0, "STOP2 START3", SERVING},
		{5, EX, 2, NULL, 0, "", SERVING},
		/* the user's code refuses, and served a moment ago: it serves on */
		{5, SF, 3, "u", 0, "FAIL3", SERVING},
		{1000, TK, 0, NULL, 0, "START4", SERVING},
		{5, UP, 4, NULL, 0, "PING4@0", SERVING},
		{1, OK, 4, NULL, 0, "LIST4", SERVING},
		{1, LS, 4, NULL, 0, "DRAIN1 SERVE4 PING4@10000", SERVING},
		{5, DR, 1, NULL, 0, "STOP1", SERVING},
		/* a new timestamp: then the user's error counts */
		{5, RN, 0, NULL, 0, "START5", SERVING},
		{60000, W, 0, NULL, 2, "STOP5 START6", SERVING},
		{5, SF, 6, "u", 0, "FAIL6 DRAIN4 TELL", "BROKEN FAILED error"});
}

Test(location, uploads_before_it_serves)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	PLAY(&l, {0, W, 0, "p", 1, "START1", HOLD_STARTING},
		{5, UP, 1, NULL, 0, "PING1@0", "WAITING STARTING hold"},
		{1, OK, 1, NULL, 0, "LIST1", "LOADING STARTING hold"},
		{1, LS, 1, NULL, 0, "UPLOAD1", "UPLOADING STARTING hold"},
		{1, UD, 1, NULL, 0, "SERVE1 PING1@10000", SERVING},
		/* asked again while it serves: no new server */
		{1, W, 0, "p", 1, "UPLOAD1", SERVING}, {1, W, 0, "p", 1, "", SERVING},
		{1, UD, 1, NULL, 0, "UPLOAD1", SERVING}, {1, UD, 1, NULL, 0, "", SERVING},
		/* dies while it uploads: another does both */
		{40000, W, 0, "p", 1, "UPLOAD1", SERVING},
		{1, EX, 1, NULL, 0, "START2", HOLD_STARTING},
		{1, UP, 2, NULL, 0, "PING2@0", "WAITING STARTING hold"},
		{1, OK, 2, NULL, 0, "LIST2", "LOADING STARTING hold"},
		{1, LS, 2, NULL, 0, "UPLOAD2", "UPLOADING STARTING hold"});
}

Test(location, newer_one_first_and_newest_wins)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	PLAY(&l, COMING_UP, {6000, W, 0, "p", 2, "START2", SERVING},
		{5, UP, 2, NULL, 0, "PING2@0", SERVING},
		{6000, W, 0, NULL, 3, "STOP2 START3", SERVING},
		{5, EX, 2, NULL, 0, "", SERVING}, {5, UP, 3, NULL, 0, "PING3@0", SERVING},
		{5, OK, 3, NULL, 0, "LIST3", SERVING},
		{5, LS, 3, NULL, 0, "UPLOAD3", SERVING},
		{5, UD, 3, NULL, 0, "DRAIN1 SERVE3 PING3@10000", SERVING},
		/* the old one drains too long */
		{3599000, TK, 0, NULL, 0, "", SERVING},
		{2000, TK, 0, NULL, 0, "STOP1", SERVING},
		{2000, DR, 1, NULL, 0, "", SERVING}, {1, EX, 1, NULL, 0, "", SERVING},
		/* back to what serves */
		{5, W, 0, NULL, 4, "START4", SERVING},
		{5, W, 0, NULL, 3, "STOP4", SERVING});
	cr_assert_not_null(dg_loc_inst(&l, 3));
	cr_assert_null(dg_loc_inst(&l, 1));
	cr_assert_null(dg_loc_inst(&l, 0));
	cr_assert(dg_loc_settled(&l));
}

Test(location, the_users_error)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	PLAY(&l, {0, W, 0, "p", 1, "START1", HOLD_STARTING},
		{5, UP, 1, NULL, 0, "PING1@0", "WAITING STARTING hold"},
		{1, OK, 1, NULL, 0, "LIST1", "LOADING STARTING hold"},
		{1, LF, 1, "u", 0, "FAIL1 STOP1 UPERR TELL", "BROKEN FAILED error"},
		{1, EX, 1, NULL, 0, "", "BROKEN FAILED error"},
		{1, W, 0, NULL, 1, "", "BROKEN FAILED error"},
		{60000, TK, 0, NULL, 0, "", "BROKEN FAILED error"},
		/* asked to upload: the error again */
		{1, W, 0, "p", 1, "UPERR", "BROKEN FAILED error"},
		/* the control plane believes it is well: again, ever later */
		{1, W, 0, "h", 1, "", "BROKEN FAILED error"},
		{1, W, 0, "h", 1, "", "BROKEN FAILED error"},
		{30000, TK, 0, NULL, 0, "START2", "STARTING FAILED error"},
		{1, EX, 2, "u", 0, "FAIL2 TELL", "BROKEN FAILED error"},
		{59000, TK, 0, NULL, 0, "", "BROKEN FAILED error"},
		{2000, TK, 0, NULL, 0, "START3", "STARTING FAILED error"},
		/* a new timestamp starts anew */
		{1, W, 0, NULL, 2, "STOP3 START4", HOLD_STARTING},
		{1, UP, 4, NULL, 0, "PING4@0", "WAITING STARTING hold"},
		{1, OK, 4, NULL, 0, "LIST4", "LOADING STARTING hold"},
		{1, LS, 4, NULL, 0, "SERVE4 PING4@10000", SERVING},
		/* a broken update takes the serving one with it, as the release does */
		{6000, W, 0, NULL, 3, "START5", SERVING},
		{1, SF, 5, "u", 0, "FAIL5 DRAIN4 TELL", "BROKEN FAILED error"},
		/* no longer well: no more tries */
		{1, W, 0, "h", 3, "", "BROKEN FAILED error"},
		{1, W, 0, NULL, 3, "", "BROKEN FAILED error"},
		{90000, TK, 0, NULL, 0, "", "BROKEN FAILED error"});
	cr_assert_eq(dg_loc_due(&l) != DG_USEC_NEVER, true); /* the draining one */
}

Test(location, recovery_can_be_off)
{
	struct dg_loc_limits off = limits;
	struct dg_loc l;

	off.recover_min = 0;
	dg_loc_init(&l, &off);
	PLAY(&l, {0, W, 0, "h", 1, "START1", HOLD_STARTING},
		{1, EX, 1, "u", 0, "FAIL1 TELL", "BROKEN FAILED error"},
		{1, W, 0, "h", 1, "", "BROKEN FAILED error"},
		{900000, TK, 0, NULL, 0, "", "BROKEN FAILED error"});
	cr_assert_eq(dg_loc_due(&l), DG_USEC_NEVER);
}

Test(location, the_worlds_trouble)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	PLAY(&l, {0, W, 0, "p", 1, "START1", HOLD_STARTING},
		{1, EX, 1, NULL, 0, "FAIL1 UPERR", "RETRY FAILED hold"},
		{1, W, 0, "h", 1, "", "RETRY FAILED hold"},
		{500, TK, 0, NULL, 0, "", "RETRY FAILED hold"},
		{500, TK, 0, NULL, 0, "START2", "STARTING FAILED hold"},
		{1, SF, 2, NULL, 0, "FAIL2 TELL", "RETRY FAILED error"},
		{1, W, 0, "p", 1, "UPERR", "RETRY FAILED error"},
		{2000, TK, 0, NULL, 0, "START3", "STARTING FAILED error"},
		{1, UP, 3, NULL, 0, "PING3@0", "WAITING FAILED error"},
		{179000, NO, 3, NULL, 0, "PING3@100", "WAITING FAILED error"},
		{1000, NO, 3, NULL, 0, "FAIL3timeout KILL3 TELL", "RETRY FAILED error"},
		{4000, TK, 0, NULL, 0, "START4", "STARTING FAILED error"},
		{1, UP, 4, NULL, 0, "PING4@0", "WAITING FAILED error"},
		{1, OK, 4, NULL, 0, "LIST4", "LOADING FAILED error"},
		{1, LF, 4, NULL, 0, "FAIL4 STOP4 TELL", "RETRY FAILED error"},
		{8000, TK, 0, NULL, 0, "START5", "STARTING FAILED error"},
		{1, UP, 5, NULL, 0, "PING5@0", "WAITING FAILED error"},
		{1, OK, 5, NULL, 0, "LIST5", "LOADING FAILED error"},
		/* what was asked for is uploaded after all */
		{1, LS, 5, NULL, 0, "UPLOAD5", "UPLOADING FAILED error"},
		{1, UD, 5, NULL, 0, "SERVE5 PING5@10000", SERVING},
		/* an update in trouble leaves the serving one alone */
		{1, W, 0, NULL, 2, "START6", SERVING},
		{1, EX, 6, NULL, 0, "FAIL6", SERVING},
		{16000, TK, 0, NULL, 0, "START7", SERVING});
}

Test(location, dead_is_replaced_at_once_unless_it_dies_often)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	PLAY(&l, COMING_UP, {40000, EX, 1, NULL, 0, "START2", HOLD_STARTING},
		{1, UP, 2, NULL, 0, "PING2@0", "WAITING STARTING hold"},
		{1, OK, 2, NULL, 0, "LIST2", "LOADING STARTING hold"},
		{1, LS, 2, NULL, 0, "SERVE2 PING2@10000", SERVING},
		{10, EX, 2, NULL, 0, "START3", HOLD_STARTING},
		{1, UP, 3, NULL, 0, "PING3@0", "WAITING STARTING hold"},
		{1, OK, 3, NULL, 0, "LIST3", "LOADING STARTING hold"},
		{1, LS, 3, NULL, 0, "SERVE3 PING3@10000", SERVING},
		{10, EX, 3, NULL, 0, "FAIL3", "RETRY FAILED hold"},
		{1000, TK, 0, NULL, 0, "START4", "STARTING FAILED hold"},
		/* unwanted while it starts */
		{1, UW, 0, NULL, 0, "STOP4 TELL", "STOPPING FAILED error"},
		{1, EX, 4, NULL, 0, "GONE", "STOPPING FAILED error"});
}

Test(location, a_silent_one_is_replaced_beside)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	PLAY(&l, COMING_UP, {10000, NO, 1, "1", 0, "PING1@1000", SERVING},
		{1000, AL, 1, NULL, 0, "", SERVING}, /* another call was answered */
		{89000, NO, 1, NULL, 0, "PING1@1000", SERVING},
		{1000, NO, 1, NULL, 0, "PING1@1000 FAIL1stuck START2", SERVING},
		{1000, NO, 1, NULL, 0, "PING1@1000", SERVING},
		{1000, UP, 2, NULL, 0, "PING2@0", SERVING},
		{1000, OK, 2, NULL, 0, "LIST2", SERVING},
		{1, LS, 2, NULL, 0, "KILL1 SERVE2 PING2@10000", SERVING},
		{1, EX, 1, NULL, 0, "", SERVING},
		/* clogged by calls that timed out, but it answers: it drains */
		{1, CL, 2, NULL, 0, "FAIL2clogged START3", SERVING},
		{1, CL, 2, NULL, 0, "", SERVING},
		{1, OK, 2, NULL, 0, "PING2@10000", SERVING},
		{1, UP, 3, NULL, 0, "PING3@0", SERVING},
		{1, OK, 3, NULL, 0, "LIST3", SERVING},
		{1, LS, 3, NULL, 0, "DRAIN2 SERVE3 PING3@10000", SERVING},
		/* clogged, and then it is silent, too: no grace for it */
		{1, CL, 3, NULL, 0, "FAIL3clogged START4", SERVING},
		{29000, NO, 3, "t", 0, "PING3@1000", SERVING},
		{1000, NO, 3, "t", 0, "PING3@1000 FAIL3stopped", SERVING},
		{1, UP, 4, NULL, 0, "PING4@0", SERVING},
		{1, OK, 4, NULL, 0, "LIST4", SERVING},
		{1, LS, 4, NULL, 0, "KILL3 SERVE4 PING4@10000", SERVING},
		/* unreachable though it lives; its replacement cannot start either */
		{30000, NO, 4, "r", 0, "PING4@1000 FAIL4unreachable START5", SERVING},
		{1, EX, 5, NULL, 0, "FAIL5", SERVING},
		{1000, NO, 4, "r", 0, "PING4@1000", SERVING},
		{1, TK, 0, NULL, 0, "START6", SERVING},
		{1, UW, 0, NULL, 0, "STOP6 KILL4 TELL", "STOPPING FAILED error"});
}

Test(location, a_busy_one_is_not)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	PLAY(&l, COMING_UP, {50000, NO, 1, "1", 0, "PING1@1000", SERVING},
		{40000, NO, 1, "w", 0, "PING1@1000", SERVING},
		{11000, NO, 1, "w", 0, "PING1@1000", SERVING},
		/* it is through, and has 90 s to say so */
		{89000, NO, 1, NULL, 0, "PING1@1000", SERVING},
		{500, OK, 1, NULL, 0, "PING1@10000", SERVING},
		/* ... but not for ever */
		{599000, NO, 1, "w", 0, "PING1@1000", SERVING},
		{1000, NO, 1, "w", 0, "PING1@1000 FAIL1busy START2", SERVING},
		{1000, UP, 2, NULL, 0, "PING2@0", SERVING},
		/* it answers before the other serves: it stays */
		{1000, OK, 1, NULL, 0, "PING1@10000 SERVE1 STOP2", SERVING},
		{1000, EX, 2, NULL, 0, "", SERVING},
		/* the same, while a newer version comes up */
		{1, W, 0, NULL, 2, "START3", SERVING},
		{30000, NO, 1, "t", 0, "PING1@1000 FAIL1stopped", SERVING},
		{1, OK, 1, NULL, 0, "PING1@10000 SERVE1", SERVING},
		{1, UP, 3, NULL, 0, "PING3@0", SERVING},
		{1, OK, 3, NULL, 0, "LIST3", SERVING},
		{1, LS, 3, NULL, 0, "DRAIN1 SERVE3 PING3@10000", SERVING});
}

Test(location, health_checks_can_be_off)
{
	struct dg_loc_limits off = limits;
	struct dg_loc l;

	off.silent = (struct dg_health_limits){0, 0, 0};
	dg_loc_init(&l, &off);
	PLAY(&l, COMING_UP, {900000, NO, 1, NULL, 0, "PING1@1000", SERVING},
		{1, UW, 0, NULL, 0, "DRAIN1 TELL", "STOPPING STARTING error"});
}

Test(location, only_the_defs_state_changed)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	PLAY(&l, {0, W, 0, "d", 1, "START1", HOLD_STARTING},
		{5, UP, 1, NULL, 0, "PING1@0", "WAITING STARTING hold"},
		{1, OK, 1, NULL, 0, "LIST1", "LOADING STARTING hold"},
		{1, LS, 1, NULL, 0, "SERVE1 PING1@10000", SERVING},
		{1, W, 0, "dp", 2, "RELOAD1", SERVING},
		{1, W, 0, "dp", 3, "", SERVING}, /* newer while it reloads */
		{1, RD, 1, NULL, 0, "RELOAD1", SERVING},
		{1, RD, 1, NULL, 0, "UPLOAD1", SERVING},
		/* wait for the upload to end */
		{1, UD, 1, NULL, 0, "", SERVING},
		{6000, W, 0, "d", 4, "RELOAD1", SERVING},
		{1, RF, 1, NULL, 0, "START2", SERVING}, /* not in place: a new one */
		{1, RF, 1, NULL, 0, "", SERVING}, {1, UP, 2, NULL, 0, "PING2@0", SERVING},
		{1, OK, 2, NULL, 0, "LIST2", SERVING},
		{1, LS, 2, NULL, 0, "DRAIN1 SERVE2 PING2@10000", SERVING},
		/* all else changed too */
		{6000, W, 0, NULL, 5, "START3", SERVING});
}

Test(location, a_burst_of_versions)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	PLAY(&l, COMING_UP, {10000, W, 0, NULL, 2, "START2", SERVING},
		{1000, W, 0, NULL, 3, "STOP2", SERVING},
		{1000, W, 0, NULL, 4, "", SERVING}, {1000, TK, 0, NULL, 0, "", SERVING},
		{0, W, 0, NULL, 5, "", SERVING}, {1000, W, 0, NULL, 6, "", SERVING},
		{1999, TK, 0, NULL, 0, "", SERVING},
		{1, TK, 0, NULL, 0, "START3", SERVING},
		{1, UP, 3, NULL, 0, "PING3@0", SERVING},
		{1, OK, 3, NULL, 0, "LIST3", SERVING},
		{1, LS, 3, NULL, 0, "DRAIN1 SERVE3 PING3@10000", SERVING},
		{1, DR, 1, NULL, 0, "STOP1", SERVING}, {1, EX, 1, NULL, 0, "", SERVING},
		/* one after another, slowly: no burst */
		{5000, W, 0, NULL, 7, "START4", SERVING},
		{5000, W, 0, NULL, 8, "STOP4 START5", SERVING},
		/* the third start is brought to its end */
		{6000, W, 0, NULL, 9, "STOP5 START6", SERVING},
		{6000, W, 0, NULL, 10, "", SERVING},
		{1, UP, 6, NULL, 0, "PING6@0", SERVING},
		{1, OK, 6, NULL, 0, "LIST6", SERVING},
		{1, LS, 6, NULL, 0, "DRAIN3 SERVE6 PING6@10000 START7", SERVING});
	cr_assert_eq(dg_loc_inst(&l, 7)->version.timestamp, 10);

	/* without an end: the newest starts after ten seconds in any case */
	dg_loc_init(&l, &limits);
	PLAY(&l, COMING_UP, {10000, W, 0, NULL, 2, "START2", SERVING},
		{1500, W, 0, NULL, 3, "STOP2", SERVING},
		{1500, W, 0, NULL, 4, "", SERVING}, {1500, W, 0, NULL, 5, "", SERVING},
		{1500, W, 0, NULL, 6, "", SERVING}, {1500, W, 0, NULL, 7, "", SERVING},
		{1500, W, 0, NULL, 8, "", SERVING}, {1500, W, 0, NULL, 9, "", SERVING},
		{999, TK, 0, NULL, 0, "", SERVING},
		{1, TK, 0, NULL, 0, "START3", SERVING},
		{500, W, 0, NULL, 10, "STOP3", SERVING},
		{2000, TK, 0, NULL, 0, "START4", SERVING},
		{1, W, 0, NULL, 11, "", SERVING}, /* of three, one is ended */
		/* it fails: that is no error of the newest */
		{1, EX, 4, "u", 0, "", SERVING}, {1998, TK, 0, NULL, 0, "", SERVING},
		{1, TK, 0, NULL, 0, "START5", SERVING},
		/* in place of a dead one, too */
		{1, W, 0, NULL, 12, "STOP5", SERVING},
		{1, EX, 1, NULL, 0, "", "WANTED STARTING hold"},
		{2000, TK, 0, NULL, 0, "START6", HOLD_STARTING});

	/* the same, but its list fails, and back to what serves */
	dg_loc_init(&l, &limits);
	PLAY(&l, COMING_UP, {10000, W, 0, NULL, 2, "START2", SERVING},
		{6000, W, 0, NULL, 3, "STOP2 START3", SERVING},
		{6000, W, 0, NULL, 4, "STOP3 START4", SERVING},
		{6000, W, 0, NULL, 5, "", SERVING},
		{1, UP, 4, NULL, 0, "PING4@0", SERVING},
		{1, OK, 4, NULL, 0, "LIST4", SERVING},
		{1, LF, 4, "u", 0, "STOP4 START5", SERVING},
		{6000, W, 0, NULL, 1, "STOP5", SERVING});
}

Test(location, uploads_that_the_world_stops)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	PLAY(&l, {0, W, 0, "p", 1, "START1", HOLD_STARTING},
		{5, UP, 1, NULL, 0, "PING1@0", "WAITING STARTING hold"},
		{1, OK, 1, NULL, 0, "LIST1", "LOADING STARTING hold"},
		{1, LS, 1, NULL, 0, "UPLOAD1", "UPLOADING STARTING hold"},
		{1, UD, 1, "g", 0, "SERVE1 PING1@10000", SERVING},
		{998, TK, 0, NULL, 0, "", SERVING},
		{2, TK, 0, NULL, 0, "UPLOAD1", SERVING}, {1, UD, 1, "g", 0, "", SERVING},
		{1999, TK, 0, NULL, 0, "", SERVING},
		{1, TK, 0, NULL, 0, "UPLOAD1", SERVING},
		{1, UD, 1, NULL, 0, "", SERVING}, /* done, or the code's own fault */
		{90000, TK, 0, NULL, 0, "", SERVING},
		/* asked for while it waits to try again */
		{1, W, 0, "p", 1, "UPLOAD1", SERVING}, {1, UD, 1, "g", 0, "", SERVING},
		{1, W, 0, "p", 1, "UPLOAD1", SERVING}, {1, UD, 1, "g", 0, "", SERVING},
		/* unwanted meanwhile */
		{1, UW, 0, NULL, 0, "DRAIN1 TELL", "STOPPING STARTING error"},
		{1, UD, 1, "g", 0, "", "STOPPING STARTING error"});
	cr_assert_not(l.upload);

	/* an error that could not be uploaded */
	dg_loc_init(&l, &limits);
	PLAY(&l, {0, W, 0, "p", 1, "START1", HOLD_STARTING},
		{5, EX, 1, "u", 0, "FAIL1 UPERR TELL", "BROKEN FAILED error"},
		{5, UD, 0, "g", 0, "", "BROKEN FAILED error"},
		{998, TK, 0, NULL, 0, "", "BROKEN FAILED error"},
		{2, TK, 0, NULL, 0, "UPERR", "BROKEN FAILED error"},
		{5, UD, 0, NULL, 0, "", "BROKEN FAILED error"},
		{90000, TK, 0, NULL, 0, "", "BROKEN FAILED error"},
		{5, UD, 0, "g", 0, "", "BROKEN FAILED error"},
		/* another version: its error is no longer the one */
		{5, W, 0, NULL, 2, "START2", HOLD_STARTING},
		{9000, TK, 0, NULL, 0, "", HOLD_STARTING},
		{1, UD, 0, "g", 0, "", HOLD_STARTING});
	cr_assert_eq(dg_loc_due(&l), DG_USEC_NEVER);
}

Test(location, the_control_plane_shows_an_error_for_what_serves)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits); /* of an earlier launcher's time */
	PLAY(&l, {0, W, 0, "a", 1, "START1", HOLD_STARTING},
		{5, UP, 1, NULL, 0, "PING1@0", "WAITING STARTING hold"},
		{1, OK, 1, NULL, 0, "LIST1", "LOADING STARTING hold"},
		{1, LS, 1, NULL, 0, "SERVE1 PING1@10000 UPLOAD1", SERVING},
		{1, W, 0, "a", 1, "", SERVING}, {1, UD, 1, NULL, 0, "", SERVING},
		{1, W, 0, "a", 1, "", SERVING}, /* once is enough */
		{6000, W, 0, "ap", 2, "START2", SERVING},
		{5, UP, 2, NULL, 0, "PING2@0", SERVING},
		{1, OK, 2, NULL, 0, "LIST2", SERVING},
		{1, LS, 2, NULL, 0, "UPLOAD2", SERVING},
		{1, UD, 2, NULL, 0, "DRAIN1 SERVE2 PING2@10000", SERVING},
		{1, W, 0, "a", 2, "", SERVING}, /* what it shows is older */
		{1, W, 0, NULL, 2, "", SERVING});
	dg_loc_init(&l, &limits); /* nothing serves: nothing to tell */
	PLAY(&l, {0, W, 0, "a", 1, "START1", HOLD_STARTING},
		{5, EX, 1, "u", 0, "FAIL1 TELL", "BROKEN FAILED error"},
		{1, W, 0, "a", 1, "", "BROKEN FAILED error"});
}

Test(location, adopts)
{
	struct dg_loc l;

	dg_loc_init(&l, &limits);
	cr_assert_eq(dg_loc_adopt(&l, (struct dg_loc_version){1, 7, 1}), 1);
	cr_assert_eq(dg_loc_adopt(&l, (struct dg_loc_version){1, 7, 1}), 0);
	PLAY(&l, {0, W, 0, NULL, 1, "", HOLD_STARTING},
		{1, UP, 1, NULL, 0, "PING1@0", "WAITING STARTING hold"},
		{1, OK, 1, NULL, 0, "LIST1", "LOADING STARTING hold"},
		{1, LS, 1, NULL, 0, "SERVE1 PING1@10000", SERVING});

	dg_loc_init(&l, &limits); /* an older one: serves while the new one comes up */
	dg_loc_adopt(&l, (struct dg_loc_version){1, 7, 1});
	PLAY(&l, {0, W, 0, NULL, 2, "START2", HOLD_STARTING},
		{1, UP, 1, NULL, 0, "PING1@0", HOLD_STARTING},
		{1, OK, 1, NULL, 0, "LIST1", HOLD_STARTING},
		{1, LS, 1, NULL, 0, "SERVE1 PING1@10000", SERVING});

	dg_loc_init(&l, &limits); /* older and broken */
	dg_loc_adopt(&l, (struct dg_loc_version){1, 7, 1});
	PLAY(&l, {0, W, 0, NULL, 2, "START2", HOLD_STARTING},
		{1, UP, 1, NULL, 0, "PING1@0", HOLD_STARTING},
		{1, OK, 1, NULL, 0, "LIST1", HOLD_STARTING},
		{1, LF, 1, "u", 0, "STOP1", HOLD_STARTING});

	dg_loc_init(&l, &limits); /* as wanted, and broken */
	dg_loc_adopt(&l, (struct dg_loc_version){1, 7, 1});
	PLAY(&l, {0, W, 0, NULL, 1, "", HOLD_STARTING},
		{1, UP, 1, NULL, 0, "PING1@0", "WAITING STARTING hold"},
		{1, OK, 1, NULL, 0, "LIST1", "LOADING STARTING hold"},
		{1, LF, 1, "u", 0, "FAIL1 STOP1 TELL", "BROKEN FAILED error"});

	dg_loc_init(&l, &limits); /* it never answers */
	dg_loc_adopt(&l, (struct dg_loc_version){1, 7, 1});
	PLAY(&l, {0, W, 0, NULL, 1, "", HOLD_STARTING},
		{1, UP, 1, NULL, 0, "PING1@0", "WAITING STARTING hold"},
		{9000, NO, 1, NULL, 0, "PING1@100", "WAITING STARTING hold"},
		{1000, NO, 1, NULL, 0, "KILL1 START2", HOLD_STARTING});

	dg_loc_init(&l, &limits); /* it died in between; another location is not wanted */
	dg_loc_adopt(&l, (struct dg_loc_version){1, 7, 1});
	PLAY(&l, {0, W, 0, NULL, 1, "", HOLD_STARTING},
		{1, EX, 1, NULL, 0, "START2", HOLD_STARTING});
	dg_loc_init(&l, &limits);
	dg_loc_adopt(&l, (struct dg_loc_version){1, 7, 1});
	PLAY(&l, {0, UP, 1, NULL, 0, "PING1@0", "STOPPING STARTING error"},
		{0, OK, 1, NULL, 0, "LIST1", "STOPPING STARTING error"},
		{0, LS, 1, NULL, 0, "SERVE1 PING1@10000", "STOPPING RUNNING serve"},
		{0, UW, 0, NULL, 0, "DRAIN1 TELL", "STOPPING STARTING error"});
}

Test(location, many_old_ones)
{
	struct dg_loc l;
	struct dg_loc_actions out;
	struct dg_loc_event ev = {.type = DG_LOC_WANT};
	const struct dg_loc_event gone = {.type = DG_LOC_UNWANT};
	unsigned killed = 0;

	dg_loc_init(&l, &limits);
	for (unsigned i = 1; i <= 40; i++) {
		ev.version = (struct dg_loc_version){i, i, i};
		dg_loc_event(&l, &ev, i, 0, &out);
		dg_loc_event(&l, &gone, i, 0, &out);
		for (unsigned k = 0; k < out.n; k++)
			killed += out.a[k].what == DG_DO_KILL;
	}
	cr_assert_eq(l.nold, DG_LOC_OLD_MAX);
	cr_assert_eq(killed, 40 - DG_LOC_OLD_MAX);
}
