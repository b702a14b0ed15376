/* The table of crash points, and what a build that obeys them does. */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daglet/crash.h"

Test(crash, every_point_has_a_name_of_its_own_and_says_where_it_is)
{
	for (int i = 0; i < DG_CRASH_COUNT; i++) {
		cr_assert(*dg_crash_name((enum dg_crash_point)i));
		cr_assert(strchr(dg_crash_what((enum dg_crash_point)i), ':'));
		for (int k = 0; k < i; k++)
			cr_assert_str_neq(dg_crash_name((enum dg_crash_point)i),
				dg_crash_name((enum dg_crash_point)k));
	}
	cr_assert_null(dg_crash_name(DG_CRASH_COUNT));
	cr_assert_null(dg_crash_what(DG_CRASH_COUNT));
}

/* A child passes RECORDED three times, DELIVERED once; how does that end? */
static int
passes(const char *at)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int failed = 0;

		if (at)
			setenv("DAGLET_AT", at, 1);
		else
			unsetenv("DAGLET_AT");
		for (int i = 1; i <= 3; i++)
			failed = DG_CRASH(RECORDED) ? i : failed;
		failed = DG_CRASH(DELIVERED) ? 9 : failed;
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

Test(crash, a_point_is_obeyed_at_its_nth_passing_only_where_it_was_built_in)
{
#ifdef DAGLET_CRASHPOINTS
	static const bool built = true;
#else
	static const bool built = false;
#endif
	static const struct {
		const char *at;
		int end;
	} rows[] = {
		{NULL, 0},
		{"RECORDED:1:ERR", 1},
		{"RECORDED:3:ERR", 3},
		{"RECORDED:4:ERR", 0},
		{"RECORDED:2:KILL", 100 + SIGKILL},
		{"RECORDED:2:STOP", 1000 + SIGSTOP},
		{"DELIVERED:1:ERR", 9},
		{"RECORD:1:ERR", 0},
		{"RECORDEDX:1:ERR", 0},
		{"RECORDED", 0},
		{"RECORDED:1", 0},
		{"RECORDED:x:ERR", 0},
		{"RECORDED:1:WHAT", 0},
		{"", 0},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_assert_eq(passes(rows[i].at), built ? rows[i].end : 0, "row %zu", i);
}

#ifdef DAGLET_CRASHPOINTS
Test(crash, with_a_file_only_the_first_process_obeys)
{
	char at[80], path[] = "/tmp/test_crash.XXXXXX";

	cr_assert(mkdtemp(path));
	snprintf(at, sizeof at, "RECORDED:2:ERR:%s/it", path);
	cr_assert_eq(passes(at), 2);
	cr_assert_eq(passes(at), 0);
	cr_assert_eq(unlink(strrchr(at, ':') + 1), 0);
	cr_assert_eq(passes("RECORDED:2:ERR:/nonexistent/it"), 0);
	cr_assert_eq(rmdir(path), 0);
}
#endif
