/* base/crash.c: the crash points of daglet/crash.h. */
#include "daglet/crash.h"

#include <fcntl.h>
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
/* Only the first process that comes to a point with a file does as it is told. */
static bool
first(const char *path)
{
	int fd = *path ? open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600) : -1;

	if (fd >= 0)
		close(fd);
	return !*path || fd >= 0;
}

bool
dg_crash_at(enum dg_crash_point p)
{
	static unsigned long seen[DG_CRASH_COUNT];
	const char *at = getenv("DAGLET_AT"), *colon;
	size_t n;
	char *end;

	if (!at || !(colon = strchr(at, ':')))
		return false;
	if (strlen(points[p].name) != (size_t)(colon - at) ||
		memcmp(points[p].name, at, (size_t)(colon - at)) != 0)
		return false;
	if (++seen[p] != strtoul(colon + 1, &end, 10) || *end++ != ':')
		return false;
	n = strcspn(end, ":");
	if (!first(end[n] ? end + n + 1 : ""))
		return false;
	if (n == 4 && memcmp(end, "KILL", n) == 0)
		kill(getpid(), SIGKILL);
	else if (n == 4 && memcmp(end, "STOP", n) == 0)
		kill(getpid(), SIGSTOP);
	return n == 3 && memcmp(end, "ERR", n) == 0;
}
#endif
