/* daglet/role.h: every role: a program of its own, started and watched by the master.
 *
 * The order of the table is the order of start; the order of stop is in the column.
 */
#ifndef DAGLET_ROLE_H
#define DAGLET_ROLE_H

#include <stdbool.h>

/* clang-format off */
/*	id        name        program                linked to the ledger  stop step  keeps the environment */
#define DG_ROLE_TABLE(X) \
	X(MASTER,   "master",   "daglet",              false,                9,         true)  \
	X(LEDGER,   "ledger",   "daglet-ledger",       false,                3,         false) \
	X(STATUS,   "status",   "daglet-status",       true,                 4,         false) \
	X(REPORTER, "reporter", "daglet-reporter",     true,                 2,         false) \
	X(LAUNCHER, "launcher", "daglet-launcher-%s",  true,                 1,         true)  \
	X(POLLER,   "poller",   "daglet-poller",       true,                 0,         false)
/* clang-format on */

enum dg_role {
#define X(id, name, program, linked, stop, env) DG_ROLE_##id,
	DG_ROLE_TABLE(X)
#undef X
		DG_ROLE_COUNT
};

#define DG_ROLE_BIT(role) (1u << (role))

static inline const char *
dg_role_name(enum dg_role r)
{
	static const char *const names[] = {
#define X(id, name, program, linked, stop, env) name,
		DG_ROLE_TABLE(X)
#undef X
	};

	return (unsigned)r < DG_ROLE_COUNT ? names[r] : "?";
}

#endif
