/* base/crash.c: the crash points of daglet/crash.h. */
#include "daglet/crash.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static const struct {
	const char *name, *what;
} points[] = {
#define X(name_, what_) {#name_, what_},
	DG_CRASH_TABLE(X)
#undef X
};

const char *
dg_crash_name(enum dg_crash_point p)
{
	return (unsigned)p < DG_N(points) ? points[p].name : NULL;
}

const char *
dg_crash_what(enum dg_crash_point p)
{
	return (unsigned)p < DG_N(points) ? points[p].what : NULL;
}

#ifdef DAGLET_CRASHPOINTS
bool
dg_crash_at(enum dg_crash_point p)
{
	static unsigned long seen[DG_CRASH_COUNT];
	const char *at = getenv("DAGLET_AT"), *colon;
	char *end;

	if (!at || !(colon = strchr(at, ':')))
		return false;
	if (strlen(points[p].name) != (size_t)(colon - at) ||
		memcmp(points[p].name, at, (size_t)(colon - at)) != 0)
		return false;
	if (++seen[p] != strtoul(colon + 1, &end, 10) || *end != ':')
		return false;
	if (strcmp(end, ":KILL") == 0)
		kill(getpid(), SIGKILL);
	else if (strcmp(end, ":STOP") == 0)
		kill(getpid(), SIGSTOP);
	return strcmp(end, ":ERR") == 0;
}
#endif
