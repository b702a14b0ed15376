/* backend/process/process.h: the process backend's own state, shared by its files.
 *
 *   process.c  the vtable: opening, validating, small answers
 *   unit.c     what servers and runs have in common: watching, stopping, ending
 *   server.c   code servers        runs.c  runs, with run.c (daglet-run) as their parent
 *   emit.c     events on their way to the launcher
 *   folder.c   folders, markers, sweeping         drop.c  what ended ones leave
 *   output.c lines.c  what children print     tree.c cgroup.c  all that they started
 *   look.c     what a silent server is doing
 *   handle.c stop.c env.c  pure
 */
#ifndef DG_BACKEND_PROCESS_PROCESS_H
#define DG_BACKEND_PROCESS_PROCESS_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "backend/backend.h"
#include "backend/process/handle.h"
#include "backend/process/output.h"
#include "base/map.h"

/* A healthy server that is slow for a while must not give up; adoption is promised for an
 * absence of up to 240 s. */
#define DG_HEARTBEAT_TIMEOUT "300"
/* Lines and bytes of output that an exit carries. */
#define DG_EXIT_LINES 100
#define DG_EXIT_BYTES (16 << 10)
#define DG_LOGS_LINES 2000
#define DG_LOGS_BYTES (256 << 10)
/* User code goes first when memory ends, never a role. */
#define DG_CHILD_OOM_ADJ 100
/* How long the master may take to tell how a child ended that is not ours. */
#define DG_STATUS_WAIT (500 * DG_MSEC)

enum dg_run_phase {
	DG_RUN_FORKED,   /* daglet-run was started; its worker's pid is awaited */
	DG_RUN_HELD,     /* at the gate; the handle was told */
	DG_RUN_RELEASED, /* the gate is open */
	DG_RUN_UNSURE,   /* adopted: the marker has not been seen yet */
	DG_RUN_STARTED,
};

struct dg_unit {
	struct dg_backend *b;
	bool run;
	char *id;                   /* server id or run id */
	char name[DG_RUN_NAME + 1]; /* of its files, and value of DAGLET_TREE */
	struct dg_handle handle;
	int pidfd; /* of handle.pid */
	sd_event_source *exited;
	struct dg_output *output;

	/* stopping */
	bool stopping, killed;
	unsigned step;
	dg_usec grace;
	sd_event_source *timer; /* the next step */

	/* ending */
	bool gone;              /* the process has ended, its status is awaited */
	bool have_status;       /* the master told */
	int status;             /* as waitpid() gives it */
	sd_event_source *await; /* for that, and for markers */
	long oom_before;
	bool oom; /* daglet-run told */

	/* runs */
	enum dg_run_phase phase;
	int parentfd, gate, told;
	sd_event_source *parent_exited, *told_source;
	struct dg_buf telling;
	char *program;
	bool exists;     /* somebody else's daglet-run started it */
	unsigned looked; /* times that a marker was looked for */
	struct dg_err failure;
};

struct dg_backend {
	struct dg_backend_host host;
	char *output_dir; /* NULL: outputs are in memory */
	char *runs_dir;
	bool runs_last; /* markers survive a reboot */
	char *socket_dir;
	char *helper;   /* daglet-run */
	char *cgroup;   /* where others may be made, or NULL */
	char *counters; /* where we are, for out-of-memory counts, or NULL */
	char cgroup_prefix[32];
	const char *boot;
	unsigned long long pidns;
	struct dg_dropped *dropped; /* cgroups that are not empty yet */
	sd_event_source *dropper;
	struct dg_outputs outputs;
	struct dg_map servers, runs; /* id -> struct dg_unit */
	struct dg_report *reports;   /* under way */
	struct dg_emitted *first, **last;
	struct dg_unit *telling; /* whose last event is being told */
	sd_event_source *emitter, *sweeper;
};

/* emit.c: queue an event; everything in it is copied. */
int dg_emit_open(struct dg_backend *b, struct dg_err *e);
void dg_emit_close(struct dg_backend *b);
void dg_emit(struct dg_backend *b, const struct dg_backend_event *ev);
/* The last one of a server or run: its id is free at once; what it was can be asked for
 * until the event has been told (dg_emit_ending). Takes U. */
void dg_emit_last(struct dg_unit *u, const struct dg_backend_event *ev);
struct dg_unit *dg_emit_ending(const struct dg_backend *b, const char *id);

/* folder.c */
int dg_folders_open(struct dg_backend *b, struct dg_err *e);
char *dg_output_file(const struct dg_backend *b, bool run, const char *name);
/* The marker of a run: 1 and H filled; 0 there is none; -1 it is not wholly written. */
int dg_marker_look(const struct dg_backend *b, const char *name, struct dg_handle *h,
	int *exec_errno);
bool dg_run_end_look(
	const struct dg_backend *b, const char *name, struct dg_run_end *end);
/* Remove what nobody needs any more. */
void dg_folders_sweep(struct dg_backend *b, int64_t wall); /* now, microseconds */

/* stray.c: end servers of this installation that nobody knows. */
void dg_strays_end(struct dg_backend *b);

/* drop.c: what is left of something that ended. */
int dg_drop_open(struct dg_backend *b, struct dg_err *e);
void dg_drop_close(struct dg_backend *b);
void dg_drop_cgroup(struct dg_backend *b, const char *path); /* may be NULL */
/* It was stopped: all that it started is killed until nobody is found; its cgroup too. */
void dg_drop_tree(struct dg_unit *u);

/* unit.c */
struct dg_unit *dg_unit_new(struct dg_backend *b, bool run, const char *id);
void dg_unit_end(struct dg_unit *u);  /* out of its map, deaf */
void dg_unit_free(struct dg_unit *u); /* that too; its process is left alone */
struct dg_unit *dg_unit_find(const struct dg_backend *b, bool run, const char *id);
void dg_unit_identify(struct dg_unit *u); /* boot, namespace into its handle */
void dg_unit_names(const struct dg_unit *u, struct dg_output_names *names);
/* Is the process of a handle still there? Its pidfd, or -1. */
int dg_process_find(pid_t pid, unsigned long long start);
int dg_unit_watch(struct dg_unit *u, sd_event_io_handler_t fn, struct dg_err *e);
void dg_unit_cgroup(struct dg_unit *u); /* make one, where possible */
void dg_unit_stop(struct dg_unit *u, dg_usec grace);
/* What of it is to be killed; false: it is of another boot. T lives as long as U. */
struct dg_tree;
bool dg_unit_tree(const struct dg_unit *u, bool whole, struct dg_tree *t);
void dg_unit_kill_tree(struct dg_unit *u, bool whole);
/* How it ended, with the tail of its output, which lives in TAIL. */
struct dg_exit dg_unit_exit(
	struct dg_unit *u, bool known, int status, struct dg_buf *tail);
void dg_unit_await(struct dg_unit *u, dg_usec wait, sd_event_time_handler_t fn);
void dg_unit_emit_handle(struct dg_unit *u);

/* server.c */
int dg_server_start(
	struct dg_backend *b, const struct dg_server_spec *spec, struct dg_err *e);
bool dg_server_adopt(struct dg_backend *b, const char *id, struct dg_str handle);
void dg_server_reaped(struct dg_unit *u, int status);

/* look.c */
bool dg_server_look(struct dg_backend *b, const char *id, struct dg_look *ret);
void dg_server_report(struct dg_backend *b, const char *id);
void dg_reports_close(struct dg_backend *b);

/* runs.c */
int dg_run_start(struct dg_backend *b, const struct dg_run_spec *spec, struct dg_err *e);
void dg_run_release(struct dg_backend *b, const char *run_id);
void dg_run_stop(struct dg_backend *b, const char *run_id, dg_usec grace);
bool dg_run_adopt(struct dg_backend *b, const char *run_id, struct dg_str handle);
void dg_run_reaped(struct dg_unit *u, int status);

#endif
