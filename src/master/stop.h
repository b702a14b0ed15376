/* master/stop.h: what an end means, pure: what becomes of code servers, how much time
 * each role gets, with which code daglet ends. Effects are in ending.c. */
#ifndef DG_MASTER_STOP_H
#define DG_MASTER_STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "daglet/role.h"

/* Who asked. */
enum dg_stop_why {
	DG_STOP_TERM,    /* SIGTERM */
	DG_STOP_INT,     /* SIGINT: a person at a terminal */
	DG_STOP_RESTART, /* dagletctl restart */
};

/* The job of our systemd unit while it asks us to end. */
enum dg_unit_job {
	DG_JOB_NONE,    /* not a unit's main process, or nobody asked systemd */
	DG_JOB_STOP,    /* systemctl stop, shutdown */
	DG_JOB_RESTART, /* systemctl restart: the next one comes at once */
	DG_JOB_OTHER,
};

struct dg_stop_facts {
	const char *on_stop; /* of daglet.yaml; NULL: auto */
	enum dg_stop_why why;
	enum dg_unit_job job;
	bool outlive; /* servers are processes of this machine: they end by themselves
			 when no daglet comes back */
	bool init;    /* we are PID 1: with us everything ends */
};

/* Do code servers end too? */
bool dg_stop_removes(const struct dg_stop_facts *f);

/* Has systemd to be asked for the job, because the answer matters? */
bool dg_stop_asks(const struct dg_stop_facts *f);

/* What a role in the ordered end gets for what it has under way, and what the master
 * waits at most for its end. REST: what is left of drain_timeout. */
struct dg_stop_limits {
	dg_usec finish, wait;
};
struct dg_stop_limits dg_stop_limits(enum dg_role role, dg_usec rest, bool remove);

#define DG_EXIT_LEFT 75 /* EX_TEMPFAIL: what is left waits in the store */

/* LEFT: requests that are not answered and delivered; negative: nobody knows. */
int dg_stop_code(int64_t left);

#endif
