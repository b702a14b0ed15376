/* launcher/health.h: is a code server that does not answer hung, or busy? Pure.
 *
 * A ping that is not answered says little: Python answers none while one of its threads
 * holds the interpreter's lock, be it for a long computation in C or for ever. What tells
 * them apart is what the system says of the process, and time:
 *
 *   refused   nobody listens on its socket, though the process lives    `gone`
 *   stopped   all its processes are stopped (SIGSTOP, a debugger)       `gone`
 *   idle      it uses no processor time: it waits, for a lock that is
 *             never given back or in a call that does not return        `stuck`
 *   working   it uses processor time: a computation that lets nobody
 *             in; it is left alone, but not for ever                    `busy`
 *
 * Each is replaced after its own limit; 0 is never. Idle time is counted from the last
 * answer or the last sight of work, so a server whose computation has just ended gets
 * time to answer. Where nobody can look at the process it counts as idle.
 */
#ifndef DG_LAUNCHER_HEALTH_H
#define DG_LAUNCHER_HEALTH_H

#include <stdbool.h>

#include "base/time.h"

struct dg_health_limits {
	dg_usec gone, stuck, busy;
};

struct dg_health_facts {
	dg_usec silent; /* since it answered anything */
	dg_usec idle;   /* since that, or since it was seen at work */
	bool refused, stopped;
	bool seen; /* it was looked at twice, or cannot be looked at */
};

enum dg_health {
	DG_HEALTH_WAIT, /* no reason to replace it yet */
	DG_HEALTH_UNREACHABLE,
	DG_HEALTH_STOPPED,
	DG_HEALTH_STUCK,
	DG_HEALTH_BUSY,
};

enum dg_health dg_health_judge(
	const struct dg_health_facts *f, const struct dg_health_limits *l);

/* Is processor time USED within SPAN work? Threads that only wait for Python's lock wake
 * up 200 times a second, which is a few percent of a core. */
bool dg_health_works(dg_usec used, dg_usec span);

/* How long a ping may take, so that the shortest limit sees several of them. */
dg_usec dg_health_ping_timeout(const struct dg_health_limits *l);

#endif
