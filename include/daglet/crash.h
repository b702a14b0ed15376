/* daglet/crash.h: every point at which a test may kill, stop or fail a process.
 *
 * A step is a message, a durable write or an outside effect in the life of a request, of a
 * location or of a run; it has two points, STEP.before and STEP.after. Only builds with
 * --enable-crashpoints obey
 *
 *   DAGLET_AT=POINT:NTH:KILL|STOP|ERR|AGENT   or   DAGLET_AT=@FILE
 *
 * FILE holds such a line, may come and go at any time, and is obeyed once: who does as it
 * says renames it to FILE.done. NTH counts in each process from when the line came. KILL
 * and STOP are for the process that is at the point, ERR makes the step fail where it can,
 * AGENT kills master and roles at once (the master's process group: start it as the leader
 * of its own) and leaves servers and runs alone. Elsewhere the points are nothing.
 *
 * The matrix of the crash tests is enumerated from these tables
 * (`daglet --list-crashpoints`); it fails when a message, a write or an effect has no row.
 */
#ifndef DAGLET_CRASH_H
#define DAGLET_CRASH_H

#include <stdbool.h>
#include <sys/types.h>

#include "daglet/role.h"

enum dg_crash_life {
	DG_LIFE_REQUEST = 1u << 0,
	DG_LIFE_LOCATION = 1u << 1,
	DG_LIFE_RUN = 1u << 2,
};
#define DG_L_R DG_LIFE_REQUEST
#define DG_L_L DG_LIFE_LOCATION
#define DG_L_U DG_LIFE_RUN

/* daglet-run, which is no role. */
#define DG_CRASH_RUN DG_ROLE_COUNT

/* clang-format off */
/* Messages of msg.h, as they leave their sender: before and after the system call. */
/*	sender    message          lives */
#define DG_CRASH_MESSAGES(X) \
	X(POLLER,   POP_RAW,         DG_L_R) \
	X(POLLER,   REQUEST,         DG_L_R) \
	X(POLLER,   POP_END,         DG_L_R) \
	X(POLLER,   SCOPE,           DG_L_L) \
	X(POLLER,   WORKSPACE,       DG_L_L) \
	X(POLLER,   UNCHANGED,       DG_L_L) \
	X(POLLER,   HAVE_END,        DG_L_R) \
	X(LEDGER,   RECORDED,        DG_L_R) \
	X(LEDGER,   CREDIT,          DG_L_R) \
	X(LEDGER,   SCOPE,           DG_L_R) \
	X(LEDGER,   UNCHANGED,       DG_L_L) \
	X(LEDGER,   DESIRED,         DG_L_L) \
	X(LEDGER,   KNOWN,           DG_L_L | DG_L_U) \
	X(LEDGER,   KNOWN_END,       DG_L_L | DG_L_U) \
	X(LEDGER,   DO,              DG_L_R | DG_L_U) \
	X(LEDGER,   ANSWERED,        DG_L_R) \
	X(LEDGER,   INTENT_OK,       DG_L_U) \
	X(LEDGER,   HANDLE_OK,       DG_L_L | DG_L_U) \
	X(LEDGER,   CALL,            DG_L_R | DG_L_L | DG_L_U) \
	X(LEDGER,   CALL_DONE,       DG_L_R | DG_L_L | DG_L_U) \
	X(LEDGER,   DELIVER,         DG_L_R | DG_L_U) \
	X(LEDGER,   STATE,           DG_L_L | DG_L_U) \
	X(LEDGER,   TTL_DEPLOYMENTS, DG_L_L) \
	X(LAUNCHER, ANSWER,          DG_L_R | DG_L_U) \
	X(LAUNCHER, INTENT,          DG_L_U) \
	X(LAUNCHER, HANDLE,          DG_L_L | DG_L_U) \
	X(LAUNCHER, CALL,            DG_L_R | DG_L_L | DG_L_U) \
	X(LAUNCHER, STATE,           DG_L_L | DG_L_U) \
	X(LAUNCHER, TTL_DEPLOYMENTS, DG_L_L) \
	X(LAUNCHER, HAVE,            DG_L_R) \
	X(LAUNCHER, HAVE_END,        DG_L_R | DG_L_L) \
	X(REPORTER, DELIVERED,       DG_L_R | DG_L_U) \
	X(REPORTER, REFUSED,         DG_L_R) \
	X(REPORTER, CALL_DONE,       DG_L_R | DG_L_L | DG_L_U) \
	X(REPORTER, HAVE,            DG_L_R) \
	X(REPORTER, HAVE_END,        DG_L_R) \
	X(MASTER,   CHILD_EXIT,      DG_L_L | DG_L_U)

/* Writes of the store, DG_W_*: before the transaction that holds one, and after its commit,
 * before anybody is told. */
/*	write     lives */
#define DG_CRASH_WRITES(X) \
	X(RECORD,   DG_L_R | DG_L_U) \
	X(SENT,     DG_L_U) \
	X(ANSWER,   DG_L_R | DG_L_U) \
	X(FORGET,   DG_L_R) \
	X(BURY,     DG_L_U) \
	X(HANDLE,   DG_L_L | DG_L_U) \
	X(META,     DG_L_L)

/* What the outside sees, and files; most stand where they happen in src/. */
/*	step          who                lives                     what */
#define DG_CRASH_EFFECTS(X) \
	X(POP,          DG_ROLE_POLLER,    DG_L_R,                   "requests are popped") \
	X(KEEP,         DG_ROLE_POLLER,    DG_L_R,                   "popped bytes are put where the ledger sees them") \
	X(ASK,          DG_ROLE_POLLER,    DG_L_L,                   "the workspace is asked for") \
	X(SPOOL,        DG_ROLE_LEDGER,    DG_L_R,                   "a large body becomes a file") \
	X(GRPC,         DG_ROLE_LAUNCHER,  DG_L_R | DG_L_L,          "a code server is called") \
	X(SERVER,       DG_ROLE_LAUNCHER,  DG_L_L,                   "a code server is started") \
	X(STOP,         DG_ROLE_LAUNCHER,  DG_L_L | DG_L_U,          "a signal that ends a server or run") \
	X(PARENT,       DG_ROLE_LAUNCHER,  DG_L_U,                   "a run's parent is started") \
	X(GATE,         DG_ROLE_LAUNCHER,  DG_L_U,                   "the gate is opened") \
	X(UPLOAD,       DG_ROLE_REPORTER,  DG_L_R | DG_L_U,          "answers are uploaded") \
	X(CALL,         DG_ROLE_REPORTER,  DG_L_R | DG_L_L | DG_L_U, "the control plane is called for a launcher") \
	X(BEAT,         DG_ROLE_REPORTER,  DG_L_L | DG_L_U,          "a heartbeat") \
	X(FORK,         DG_CRASH_RUN,      DG_L_U,                   "the worker is forked, it waits at the gate") \
	X(MARKER,       DG_CRASH_RUN,      DG_L_U,                   "the gate is passed, the marker is made") \
	X(EXEC,         DG_CRASH_RUN,      DG_L_U,                   "the run's program is executed") \
	X(EXIT,         DG_CRASH_RUN,      DG_L_U,                   "the run's end is written down")
/* clang-format on */

enum dg_crash_step {
	DG_CRASH_NONE,
#define X(sender, message, ...) DG_CRASH_##sender##_##message,
	DG_CRASH_MESSAGES(X)
#undef X
#define X(write, ...) DG_CRASH_WRITE_##write,
		DG_CRASH_WRITES(X)
#undef X
#define X(step, ...) DG_CRASH_##step,
			DG_CRASH_EFFECTS(X)
#undef X
				DG_CRASH_COUNT
};

struct dg_crash_row {
	const char *name, *kind, *subject; /* kind: message, write or effect */
	const char *who, *what;
	unsigned lives;
};

/* NULL for what is no step. */
const struct dg_crash_row *dg_crash_row(enum dg_crash_step s);

#ifdef DAGLET_CRASHPOINTS
/* True: fail here (ERR). Does not return where the order is KILL. */
bool dg_crash_at(enum dg_crash_step s, bool after);
/* The process group that AGENT kills, for who is not in it. */
void dg_crash_group(pid_t group);
/* DAGLET_AT=... for a process that gets no environment but what it is given, or NULL. */
const char *dg_crash_env(void);
#else
#define dg_crash_at(s, after) ((void)(s), (void)(after), false)
#define dg_crash_group(group) ((void)0)
#define dg_crash_env() ((const char *)0)
#endif
#define DG_CRASH_BEFORE(step) dg_crash_at(DG_CRASH_##step, false)
#define DG_CRASH_AFTER(step) dg_crash_at(DG_CRASH_##step, true)

#endif
