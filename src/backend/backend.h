/* backend/backend.h: what a backend can do: start, find, watch and stop code servers and
 * runs.
 *
 * The launcher knows this header and no backend; each backend is a folder here and fills
 * one struct dg_backend_ops. Everything is asynchronous: a call returns at once and its
 * outcome comes as an event; nothing blocks the loop. Names:
 *   server  one instance of a code server; its id is 16 hex digits, made by the launcher
 *   handle  the backend's own text (a JSON object, at most 4 KB) that names a server or a
 *           run for good, across restarts of daglet and of the machine: process = boot
 * id, pid namespace, pid, start time, socket; Docker = container id; ... Handles go to
 * the ledger as they are and come back in `adopt`.
 */
#ifndef DG_BACKEND_BACKEND_H
#define DG_BACKEND_BACKEND_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/str.h"
#include "base/time.h"
#include "config/settings.h"

struct dg_backend; /* one backend's state */

/* A code server to be started. All memory is the caller's and lives for the call only. */
struct dg_server_spec {
	const char *id;
	const char *deployment, *location;
	const char *image; /* NULL where the location has none */
	bool pex;          /* the location is a PEX */
	/* After the executable rule of the release, NULL-terminated; how to listen and
	 * when to give up is the backend's to add (process: --heartbeat ... and the
	 * socket's variable). */
	const char *const *argv;
	const char *const *env; /* what the location adds or overrides: "KEY=VALUE" */
	const char *working_directory;   /* NULL: the agent's */
	struct dg_str container_context; /* JSON object */
	const char *owner;               /* installation/slot, for labels and clean-up */
};

/* A run to be started, once for ever per run id. */
struct dg_run_spec {
	const char *run_id;
	const char *deployment;
	const char *nonce;
	const char *const *argv;
	const char *const *env;
	const char *image;
	struct dg_str container_context;
	const char *owner;
};

/* How something ended. */
struct dg_exit {
	bool known;         /* false: it is gone, and nobody saw how */
	int code;           /* exit code, or -1 when a signal ended it */
	int signal;         /* 0: none */
	bool oom;           /* out of memory, as the cgroup or engine says */
	struct dg_str tail; /* last lines of its output; may be empty */
};

/* Where a server listens: "unix:/path" or "host:port". */
#define DG_ENDPOINT_MAX 512

enum dg_backend_event_type {
	DG_EV_SERVER_PHASE,  /* text: "pulling", "scheduled"...: for status */
	DG_EV_SERVER_HANDLE, /* handle: commit it; comes before anything can be lost */
	DG_EV_SERVER_UP,     /* endpoint: it may be pinged from now on (it need not answer
				yet) */
	DG_EV_SERVER_FAILED, /* err: could not be started; the id is forgotten */
	DG_EV_SERVER_EXIT,   /* exit; the id is forgotten */
	DG_EV_RUN_HANDLE,    /* handle: commit it, then call run_release() */
	DG_EV_RUN_STARTED,   /* it is certain that the run's worker runs */
	DG_EV_RUN_FAILED,    /* err: certain that it did not start */
	DG_EV_RUN_EXIT,      /* exit; the run id is forgotten */
	DG_EV_LOGS,          /* answer to logs(): text */
	DG_EV_SERVER_REPORT, /* answer to server_report(): text */
};

struct dg_backend_event {
	enum dg_backend_event_type type;
	const char *id; /* server id or run id */
	struct dg_str handle, text;
	const char *endpoint;
	const struct dg_err *err;
	struct dg_exit exit;
	uint64_t ticket; /* DG_EV_LOGS: what logs() was given */
};

/* What a server is doing, as far as the system tells at once. */
struct dg_look {
	bool stopped; /* all its processes are (SIGSTOP, a debugger) */
	dg_usec cpu;  /* processor time that they have used */
};

struct dg_backend_host {
	sd_event *event;
	const struct dg_settings *settings;
	const char *state_dir;   /* may be read-only or "": then files live in memory */
	const char *runtime_dir; /* for sockets; may be "": then a folder under /tmp */
	unsigned slot;           /* keeps replicas apart where they share a folder */
	/* Backend -> launcher. Never called from inside a call of the launcher. */
	void (*emit)(void *arg, const struct dg_backend_event *ev);
	void *arg;
};

struct dg_backend_ops {
	const char *name; /* "process" */
	const char *
		agent_type; /* as the control plane knows it: "ProcessUserCodeLauncher" */
	bool servers_need_heartbeat; /* they end by themselves without Heartbeat calls */
	bool runs_are_watched;       /* run exits are seen: monitoring is supported */

	int (*open)(struct dg_backend **ret, const struct dg_backend_host *host,
		struct dg_err *e);
	void (*close)(struct dg_backend *b); /* servers and runs stay as they are */

	/* May this location be served here (image rules, PEX...)? -DG_USER with the text
	 * that the control plane shows. */
	int (*validate)(struct dg_backend *b, const struct dg_server_spec *spec,
		struct dg_err *e);
	int (*server_start)(struct dg_backend *b, const struct dg_server_spec *spec,
		struct dg_err *e);
	/* TERM, after GRACE harder. Ends in DG_EV_SERVER_EXIT; unknown ids are ignored.
	 */
	void (*server_stop)(struct dg_backend *b, const char *id, dg_usec grace);
	/* It stands still and does not deserve grace. */
	void (*server_kill)(struct dg_backend *b, const char *id);

	/* Idempotent by run id: what has been started once is found, not started again.
	 * DG_EV_RUN_HANDLE comes first, and the run's worker does not execute before
	 * run_release() (if the launcher dies in between it never does, and the run may
	 * be started again); then DG_EV_RUN_STARTED or DG_EV_RUN_FAILED. What was found
	 * is told in the same order, its end too, and needs no release (which is
	 * ignored).
	 */
	int (*run_start)(
		struct dg_backend *b, const struct dg_run_spec *spec, struct dg_err *e);
	/* The handle is committed: go. Unknown ids are ignored. */
	void (*run_release)(struct dg_backend *b, const char *run_id);
	/* The signal that Dagster expects, then TERM, then KILL of the whole tree. */
	void (*run_stop)(struct dg_backend *b, const char *run_id, dg_usec grace);

	/* Is this handle (from the ledger) still that server or run? true: it is ours
	 * again, events as for one we started (UP or STARTED follows; for a run whose
	 * start was under way it may be RUN_FAILED: certain that it never started).
	 * false: gone; for a run EXIT (or RUN_FAILED) follows where its end is known, and
	 * nothing otherwise (the caller treats it as gone anyway). */
	bool (*adopt_server)(struct dg_backend *b, const char *id, struct dg_str handle);
	bool (*adopt_run)(struct dg_backend *b, const char *run_id, struct dg_str handle);

	/* Look at a server that does not answer; false: it cannot be looked at. Costs a
	 * walk through /proc. */
	bool (*server_look)(struct dg_backend *b, const char *id, struct dg_look *ret);
	/* The same in detail, for people, with its stacks where a tool shows them:
	 * DG_EV_SERVER_REPORT comes once, within seconds. */
	void (*server_report)(struct dg_backend *b, const char *id);

	/* The text that tags `.dagster/server_handle` carry (process: the pid). */
	int (*handle_tag)(struct dg_backend *b, const char *id, char *buf, size_t size);

	/* All that earlier launchers left has been adopted, or was not wanted: what is
	 * this installation's and still unknown goes. May be NULL. */
	void (*adopted)(struct dg_backend *b);
	/* Append the tags that a started run gets, as members of a JSON object without
	 * braces: `"process/pid": "123"`. Nothing where there are none. */
	void (*run_tags)(struct dg_backend *b, const char *run_id, struct dg_buf *out);

	/* The last N lines of a server's or run's output come as DG_EV_LOGS with TICKET.
	 */
	void (*logs)(struct dg_backend *b, const char *id, bool run, unsigned n,
		uint64_t ticket);

	/* The master reaped a child that was once ours (process backend), or NULL. */
	void (*child_exit)(struct dg_backend *b, pid_t pid, int status);

	/* resource_limits of code server metrics, as a JSON object ("{}" where none). */
	void (*resource_limits)(struct dg_backend *b, struct dg_buf *out);
};

extern const struct dg_backend_ops dg_backend_process;

#endif
