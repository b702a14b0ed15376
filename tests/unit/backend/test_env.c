#include <criterion/criterion.h>
#include <stdlib.h>

#include "backend/process/env.h"

static void
expect(const char *const *base, const char *const *over, const char *const *ours,
	const char *const *want)
{
	const char **env = dg_env_make(base, over, ours);
	size_t i;

	for (i = 0; want[i]; i++) {
		cr_assert(env[i], "%s is missing", want[i]);
		cr_assert_str_eq(env[i], want[i]);
	}
	cr_assert_null(env[i]);
	free(env);
}

#define L(...) ((const char *const[]){__VA_ARGS__, NULL})

Test(env, later_wins_in_the_place_of_the_first)
{
	expect(L("A=1", "B=2", "C=3"), L("B=x", "D=4"), L("D=y", "E="),
		L("A=1", "B=x", "C=3", "D=y", "E="));
}

Test(env, names_are_compared_whole)
{
	expect(L("AB=1", "A=2"), L("A=3"), NULL, L("AB=1", "A=3"));
}

Test(env, values_may_hold_anything)
{
	expect(L("A=b=c"), L("A=\n=\t"), NULL, L("A=\n=\t"));
}

Test(env, entries_without_a_name_are_left_out)
{
	expect(L("nothing", "A=1"), L("B"), NULL, L("A=1"));
}

Test(env, what_is_only_for_daglet_stays_here)
{
	expect(L("NOTIFY_SOCKET=/run/x", "LISTEN_FDS=1", "WATCHDOG_USEC=1", "A=1",
		       "DAGLET_AT=X:1:KILL", "JOURNAL_STREAM=1:2"),
		L("NOTIFY_SOCKET=mine"), NULL, L("A=1", "NOTIFY_SOCKET=mine"));
}

Test(env, nothing_at_all)
{
	expect(NULL, NULL, NULL, L(NULL));
}
