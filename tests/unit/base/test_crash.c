/* The table of crash points, and what a build that obeys them does. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daglet/crash.h"

Test(crash, every_step_has_a_name_of_its_own_a_life_and_who_does_it)
{
	int n = 0;

	for (int i = 1; i < DG_CRASH_COUNT; i++) {
		const struct dg_crash_row *row = dg_crash_row((enum dg_crash_step)i);

		cr_assert(row->name[0] && row->what[0] && row->subject[0]);
		cr_assert(row->lives && row->lives <= 7, "%s has no life", row->name);
		cr_assert(row->who, "nobody does %s", row->name);
		for (int k = 1; k < i; k++)
			cr_assert_str_neq(
				row->name, dg_crash_row((enum dg_crash_step)k)->name);
		n++;
	}
	cr_assert(2 * n >= 40);
	cr_assert_null(dg_crash_row(DG_CRASH_NONE));
	cr_assert_null(dg_crash_row(DG_CRASH_COUNT));
	cr_assert_str_eq(dg_crash_row(DG_CRASH_POLLER_REQUEST)->name, "POLLER_REQUEST");
	cr_assert_str_eq(dg_crash_row(DG_CRASH_POLLER_REQUEST)->who, "poller");
	cr_assert_str_eq(dg_crash_row(DG_CRASH_WRITE_RECORD)->kind, "write");
	cr_assert_str_eq(dg_crash_row(DG_CRASH_WRITE_RECORD)->who, "ledger");
	cr_assert_str_eq(dg_crash_row(DG_CRASH_MARKER)->who, "daglet-run");
}

/* A child passes UPLOAD three times, POP once; how does that end? */
static int
passes(const char *at)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int failed = 0;

		setpgid(0, 0);
		if (at)
			setenv("DAGLET_AT", at, 1);
		else
			unsetenv("DAGLET_AT");
		for (int i = 1; i <= 3; i++) {
			failed = DG_CRASH_BEFORE(UPLOAD) ? i : failed;
			failed = DG_CRASH_AFTER(UPLOAD) ? 10 + i : failed;
		}
		failed = DG_CRASH_AFTER(POP) ? 9 : failed;
		_exit(failed);
	}
	cr_assert_eq(waitpid(pid, &status, WUNTRACED), pid);
	if (WIFSTOPPED(status)) {
		kill(pid, SIGKILL);
		cr_assert_eq(waitpid(pid, NULL, 0), pid);
		return 1000 + WSTOPSIG(status);
	}
	return WIFSIGNALED(status) ? 100 + WTERMSIG(status) : WEXITSTATUS(status);
}

#ifdef DAGLET_CRASHPOINTS
static const bool built = true;
#else
static const bool built = false;
#endif

Test(crash, a_point_is_obeyed_at_its_nth_passing_only_where_it_was_built_in)
{
	static const struct {
		const char *at;
		int end;
	} rows[] = {
		{NULL, 0},
		{"UPLOAD.before:1:ERR", 1},
		{"UPLOAD.before:3:ERR", 3},
		{"UPLOAD.after:3:ERR", 13},
		{"UPLOAD.before:4:ERR", 0},
		{"UPLOAD.before:2:KILL", 100 + SIGKILL},
		{"UPLOAD.after:2:STOP", 1000 + SIGSTOP},
		{"UPLOAD.after:2:AGENT", 100 + SIGKILL},
		{"POP.after:1:ERR", 9},
		{"POP.before:1:ERR", 0},
		{"UPLOA.before:1:ERR", 0},
		{"UPLOADX.before:1:ERR", 0},
		{"UPLOAD:1:ERR", 0},
		{"UPLOAD.before", 0},
		{"UPLOAD.before:1", 0},
		{"UPLOAD.before:x:ERR", 0},
		{"UPLOAD.before:1:WHAT", 0},
		{"@/nonexistent/order", 0},
		{"", 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_assert_eq(passes(rows[i].at), built ? rows[i].end : 0, "row %zu", i);
}

static void
write_order(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert(f);
	fputs(text, f);
	cr_assert_eq(fclose(f), 0);
}

Test(crash, an_order_in_a_file_is_obeyed_once)
{
	char folder[] = "/tmp/test_crash.XXXXXX", at[64], done[64];

	cr_assert(mkdtemp(folder));
	snprintf(at, sizeof at, "@%s/order", folder);
	snprintf(done, sizeof done, "%s/order.done", folder);
	cr_assert_eq(passes(at), 0);
	for (int i = 0; i < 2; i++) {
		write_order(at + 1, "UPLOAD.before:2:ERR\n");
		cr_assert_eq(passes(at), built ? 2 : 0);
		cr_assert_eq(passes(at), 0);
		cr_assert_eq(unlink(built ? done : at + 1), 0);
	}
	cr_assert_eq(rmdir(folder), 0);
}
