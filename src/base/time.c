/* base/time.c: see time.h. */
#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

dg_usec
dg_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (dg_usec)ts.tv_sec * DG_SEC + (dg_usec)ts.tv_nsec / 1000;
}

int64_t
dg_wall_usec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

char *
dg_wall_json(int64_t wall_usec, char *buf)
{
	char *end;

	snprintf(buf, 32, "%" PRId64 ".%06" PRId64, wall_usec / 1000000,
		wall_usec % 1000000);
	end = buf + strlen(buf) - 1;
	while (*end == '0' && end[-1] != '.')
		*end-- = '\0';
	return buf;
}
