/* backend/process/env.c: see env.h. */
#include "backend/process/env.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

/* A child that spoke to systemd in our name, or thought that our sockets were its own,
 * would do harm; stdout is a file, so that JOURNAL_STREAM is wrong there. */
static const char *const dropped[] = {"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
	"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "JOURNAL_STREAM", "MAINPID",
	"DAGLET_AT"};

static size_t
name_length(const char *entry)
{
	return strcspn(entry, "=");
}

static bool
is_dropped(const char *entry)
{
	size_t n = name_length(entry);

	for (size_t i = 0; i < DG_N(dropped); i++)
		if (strlen(dropped[i]) == n && memcmp(dropped[i], entry, n) == 0)
			return true;
	return false;
}

static size_t
count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

static size_t
put(const char **env, size_t n, const char *entry)
{
	size_t len = name_length(entry);

	for (size_t i = 0; i < n; i++)
		if (strncmp(env[i], entry, len) == 0 && env[i][len] == '=') {
			env[i] = entry;
			return n;
		}
	env[n] = entry;
	return n + 1;
}

const char **
dg_env_make(const char *const *base, const char *const *over, const char *const *ours)
{
	const char *const *lists[] = {base, over, ours};
	const char **env =
		dg_xcalloc(count(base) + count(over) + count(ours) + 1, sizeof *env);
	size_t n = 0;

	for (size_t l = 0; l < DG_N(lists); l++)
		for (const char *const *e = lists[l]; e && *e; e++)
			if (strchr(*e, '=') && !(l == 0 && is_dropped(*e)))
				n = put(env, n, *e);
	return env;
}
