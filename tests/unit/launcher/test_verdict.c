/* What the end of a run's process says about the run: every end, every record. */
#include <criterion/criterion.h>
#include <signal.h>

#include "base/mem.h"
#include "daglet/state.h"
#include "launcher/verdict.h"

static const struct dg_exit clean = {.known = true}, code = {.known = true, .code = 7},
			    killed = {.known = true, .code = -1, .signal = SIGKILL},
			    unseen = {.code = -1};

Test(verdict, table)
{
	static const struct {
		const struct dg_exit *x;
		enum dg_record record;
		const char *want; /* NULL: ask */
	} rows[] = {
		{&clean, DG_RECORD_UNASKED, DG_WORKER_SUCCESS},
		{&clean, DG_RECORD_OPEN, DG_WORKER_SUCCESS},
		{&clean, DG_RECORD_CLOSED, DG_WORKER_SUCCESS},
		{&clean, DG_RECORD_SILENT, DG_WORKER_SUCCESS},
		{&clean, DG_RECORD_REFUSED, DG_WORKER_SUCCESS},
		{&code, DG_RECORD_UNASKED, NULL},
		{&code, DG_RECORD_OPEN, DG_WORKER_FAILED},
		{&code, DG_RECORD_CLOSED, DG_WORKER_SUCCESS},
		{&code, DG_RECORD_SILENT, NULL},
		{&code, DG_RECORD_REFUSED, DG_WORKER_FAILED},
		{&killed, DG_RECORD_UNASKED, NULL},
		{&killed, DG_RECORD_OPEN, DG_WORKER_FAILED},
		{&killed, DG_RECORD_CLOSED, DG_WORKER_SUCCESS},
		{&killed, DG_RECORD_SILENT, NULL},
		{&killed, DG_RECORD_REFUSED, DG_WORKER_FAILED},
		{&unseen, DG_RECORD_UNASKED, NULL},
		{&unseen, DG_RECORD_OPEN, DG_WORKER_NOT_FOUND},
		{&unseen, DG_RECORD_CLOSED, DG_WORKER_SUCCESS},
		{&unseen, DG_RECORD_SILENT, NULL},
		{&unseen, DG_RECORD_REFUSED, DG_WORKER_NOT_FOUND},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		const char *got = dg_verdict(rows[i].x, rows[i].record);

		cr_assert(got == rows[i].want || strcmp(got, rows[i].want) == 0,
			"row %zu: %s", i, got);
	}
}

Test(verdict, asked_again)
{
	static const dg_usec want[] = {DG_SEC / 4, DG_SEC, 2 * DG_SEC, 4 * DG_SEC,
		8 * DG_SEC, 16 * DG_SEC, 30 * DG_SEC, 30 * DG_SEC};

	for (unsigned n = 0; n < DG_N(want); n++)
		cr_assert_eq(dg_verdict_wait(n), want[n], "%u", n);
	cr_assert_eq(dg_verdict_wait(1000000), 30 * DG_SEC);
}

static void
expect(struct dg_exit x, const char *status, const char *tail, size_t limit,
	const char *want)
{
	auto_buf b = DG_BUF_INIT;

	x.tail = dg_str(tail);
	dg_verdict_text(&x, status, limit, &b);
	cr_assert_str_eq(b.n ? b.p : "", want);
}

#define SAID "The run's process exited with code 7."
#define KILLED "The run's process was killed by signal 9 (Killed)"

Test(verdict, text)
{
	struct dg_exit oom = killed, step = code;

	oom.oom = step.oom = true;
	expect(clean, DG_WORKER_SUCCESS, "hello\n", 1000, "");
	expect(code, DG_WORKER_FAILED, "", 1000, SAID);
	expect(code, DG_WORKER_FAILED, "oops\n", 1000, SAID "\noops\n");
	expect(killed, DG_WORKER_FAILED, "a\nb\n", 1000, KILLED ".\na\nb\n");
	expect(oom, DG_WORKER_FAILED, "", 1000, KILLED "; it ran out of memory.");
	expect(step, DG_WORKER_FAILED, "", 1000,
		"The run's process exited with code 7 after it ran out of memory.");
	expect(unseen, DG_WORKER_NOT_FOUND, "x", 1000,
		"The run's process is gone, and nobody saw how it ended.\nx");
	expect(killed, DG_WORKER_SUCCESS, "bye\n", 1000,
		KILLED ", after the run had ended.");
}

Test(verdict, last_lines_are_kept)
{
	size_t said = strlen(SAID) + 1;

	expect(code, DG_WORKER_FAILED, "one\ntwo\nthree\n", said + 14,
		SAID "\none\ntwo\nthree\n");
	expect(code, DG_WORKER_FAILED, "one\ntwo\nthree\n", said + 13,
		SAID "\ntwo\nthree\n");
	expect(code, DG_WORKER_FAILED, "one\ntwo\nthree\n", said + 10,
		SAID "\ntwo\nthree\n");
	expect(code, DG_WORKER_FAILED, "one\ntwo\nthree\n", said + 6, SAID "\nthree\n");
	/* a line that is too long by itself */
	expect(code, DG_WORKER_FAILED, "one\ntwo\nthree\n", said + 4, SAID "\nree\n");
	expect(code, DG_WORKER_FAILED, "one\ntwo\nthree", said + 4, SAID "\nhree");
	/* characters, not bytes, and none is cut */
	expect(code, DG_WORKER_FAILED, "\303\244\303\266\303\274", said + 2,
		SAID "\n\303\266\303\274");
	/* no room */
	expect(code, DG_WORKER_FAILED, "one\n", said, SAID);
	expect(code, DG_WORKER_FAILED, "one\n", 0, SAID);
}
