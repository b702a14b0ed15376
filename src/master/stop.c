/* master/stop.c: see stop.h. */
#include "master/stop.h"

#include <stddef.h>
#include <string.h>

/* What was answered at the last moment is still delivered. */
#define DELIVER_AT_LEAST (2 * DG_SEC)
/* The last heartbeat; the end of a server that is asked to (its grace, and a kill). */
#define LAST_WORDS (4 * DG_SEC)
#define SERVERS_END (10 * DG_SEC)
#define MARGIN (2 * DG_SEC)

static bool
is_auto(const struct dg_stop_facts *f)
{
	return !f->on_stop || strcmp(f->on_stop, "auto") == 0;
}

bool
dg_stop_removes(const struct dg_stop_facts *f)
{
	if (f->why == DG_STOP_RESTART)
		return false;
	if (!is_auto(f))
		return strcmp(f->on_stop, "remove") == 0;
	if (f->init || f->why == DG_STOP_INT || f->job == DG_JOB_STOP)
		return true;
	return f->job != DG_JOB_RESTART && !f->outlive;
}

bool
dg_stop_asks(const struct dg_stop_facts *f)
{
	return is_auto(f) && f->why == DG_STOP_TERM && !f->init;
}

struct dg_stop_limits
dg_stop_limits(enum dg_role role, dg_usec rest, bool remove)
{
	struct dg_stop_limits l = {rest, rest + MARGIN};

	switch (role) {
	case DG_ROLE_LAUNCHER:
		l.wait += remove ? SERVERS_END : 0;
		break;
	case DG_ROLE_REPORTER:
		if (l.finish < DELIVER_AT_LEAST)
			l.finish = DELIVER_AT_LEAST;
		l.wait = l.finish + LAST_WORDS + MARGIN;
		break;
	case DG_ROLE_LEDGER: /* what it has is written, whatever time is left */
	case DG_ROLE_STATUS:
		l.wait = SERVERS_END;
		break;
	default:
		break;
	}
	return l;
}

int
dg_stop_code(int64_t left)
{
	return left ? DG_EXIT_LEFT : 0;
}
