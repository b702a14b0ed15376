/* launcher/launcher.h: the launcher's own state, shared by the files of this room only.
 *
 *   launcher.c  messages in and out, start, links, adoption, end
 *   desired.c   the workspace -> which locations are wanted
 *   place.c     one (deployment, location): effects of the machine in location.c
 *   server.c    one code server: channel, pings, heartbeat, slots, draining
 *   relay.c     requests: held, answered, handed to who does them
 *   query.c     requests that are one gRPC call
 *   uploads.c   snapshots: effects of the saga in upload.c
 *   runs.c      runs: table and requests     outcome.c  what became of them
 *   launching.c ending.c  effects of the machines in launch.c and terminate.c
 *   report.c    STATE bodies
 *   reload.c    other settings
 *   calls.c     what is asked of the control plane
 * Pure: location.c policy.c launch.c terminate.c verdict.c upload.c (pack.c: memfd).
 */
#ifndef DG_LAUNCHER_LAUNCHER_H
#define DG_LAUNCHER_LAUNCHER_H

#include <sys/queue.h>

#include "backend/backend.h"
#include "base/map.h"
#include "daglet/request.h"
#include "dagster/args.h"
#include "dagster/event.h"
#include "grpc/call.h"
#include "grpc/slots.h"
#include "launcher/calls.h"
#include "launcher/launch.h"
#include "launcher/location.h"
#include "launcher/policy.h"
#include "launcher/terminate.h"
#include "worker/worker.h"

int dg_launcher_main(const struct dg_backend_ops *ops, int argc, char **argv);

/* Times and limits that the environment may change (src/config/env.c). */
struct dg_tuning {
	struct dg_grpc_timeouts timeouts;
	dg_usec unary, repository, list, job;
	struct dg_channel_limits grpc;
	size_t upload_error, agent_error, run_message;
	bool direct, upload_on_start, metrics, isolated_agents;
};

struct dg_launcher {
	struct dg_worker *w;
	const struct dg_backend_ops *ops;
	struct dg_backend *backend;
	struct dg_tuning tuning;
	struct dg_loc_limits limits;
	struct dg_policy policy;
	struct dg_map places;      /* deployment \n location -> struct dg_place */
	struct dg_map servers;     /* id -> struct dg_server */
	struct dg_map requests;    /* id in decimal -> struct dg_request */
	struct dg_map runs;        /* run id -> struct dg_run */
	struct dg_map deployments; /* of the last workspace: name -> "full" | "branch" */
	struct dg_map listed;      /* places of the last workspace, wanted or not */
	struct dg_map skipped;     /* places that are not allowed: said once */
	struct dg_calls calls;
	char agent_id[40], installation[72];
	char *token; /* of the settings */
	unsigned slot;
	bool known_end;    /* what earlier launchers left is known */
	bool desired_seen; /* the first workspace has come */
	/* A CHECK has wanted what the workspace may not name: after so many looks at an
	 * unchanged one (the first may be older than the CHECK) the workspace is right. */
	unsigned looks;
	struct dg_buf workspace;    /* the last one: TTLs are judged again */
	struct dg_buf ttl_names;    /* last told */
	struct dg_adopted *adopted; /* between KNOWN and the first workspace */
	size_t nadopted;
	uint64_t handle_id;    /* of HANDLE and INTENT messages */
	struct dg_map commits; /* id in decimal -> struct dg_commit */
	struct {
		uint64_t taken, held, queued, running;
	} count;
	sd_event_source *reconsider; /* TTLs */
	sd_event_source *settle;     /* STATE, once per turn */
	sd_event_source *quiesce;
	struct dg_buf role_state;
	bool settling; /* the timer is armed */
	bool ready;    /* every location of the first workspace has served or failed */
	bool late, stopping, ended; /* quiescing */
	uint64_t ticket;            /* of logs() */
	struct dg_map logs;         /* ticket in decimal -> struct dg_logs */
	struct dg_instance_ref *ref;
	struct dg_map refs; /* kind, deployment -> its text */
};

/* A server of an earlier launcher, until it is known whether it is wanted. */
struct dg_adopted {
	char *id, *deployment, *location;
	bool branch;
	struct dg_loc_version version;
	struct dg_buf metadata, handle;
};

/* INTENT and HANDLE messages that are not acknowledged. */
struct dg_commit {
	uint64_t id;
	enum dg_msg_type type;
	uint64_t what, stage, request;
	char *key, *deployment, *location, *nonce;
	struct dg_buf handle;
	void (*done)(struct dg_launcher *l, const char *key); /* may be NULL */
};

struct dg_request;
TAILQ_HEAD(dg_request_list, dg_request);
struct dg_server;
TAILQ_HEAD(dg_server_list, dg_server);

struct dg_place {
	struct dg_launcher *l;
	char *key, *deployment, *location;
	bool branch;
	struct dg_loc loc;
	struct dg_buf metadata; /* CodeDeploymentMetadata that is wanted, JSON */
	struct dg_buf bad;      /* why the entry cannot be decoded, or empty */
	struct dg_buf error;    /* SerializableErrorInfo of the last failure, or empty */
	struct dg_buf note;     /* why a server was given up last, or empty */
	struct dg_buf reason;   /* the same, until the report of what it did has come */
	struct dg_server_list servers;
	struct dg_request_list held;
	unsigned nheld;
	struct dg_uploads *upload; /* under way, or NULL */
	sd_event_source *tick;
	struct dg_buf metrics;
	dg_usec metrics_at;
	const char *state; /* last shown */
	int64_t since;
	int64_t retry_wall;
	struct dg_buf shown; /* STATE body */
	bool dirty;          /* what is shown may be old */
	bool keep;           /* named by the workspace that is being applied */
	bool gone;           /* to be freed by dg_place_sweep() */
	bool args_in_env;    /* its runs read their arguments there (dagster/run.h) */
};

struct dg_server {
	TAILQ_ENTRY(dg_server) link; /* in place->servers */
	struct dg_place *p;
	unsigned serial;
	char id[17];
	struct dg_loc_version version;
	struct dg_buf metadata;  /* what it was started for */
	struct dg_buf reloading; /* what it is being reloaded with */
	struct dg_buf handle;    /* the backend's; empty until known */
	char endpoint[DG_ENDPOINT_MAX];
	char phase[64], tag[256];
	int64_t since;
	struct dg_channel *channel;
	struct dg_slots *slots;
	struct dg_request_list running;
	sd_event_source *ping_at, *beat_at, *slots_at, *drain_at;
	struct dg_call *ping, *list, *reload, *runs;
	struct dg_buf ping_error; /* why the last ping failed */
	dg_usec looked;           /* since it is silent: the last look, 0: none */
	dg_usec cpu, silent_cpu;  /* processor time by then, and at the first look */
	dg_usec mute;             /* draining: since it answers nothing, or 0 */
	bool draining;            /* nothing new is asked of it */
	bool drain_asked;         /* and it is to be told when it is idle */
	bool adopted;
	struct dg_buf shown;
};

enum dg_request_stage {
	DG_REQUEST_NEW,
	DG_REQUEST_HELD,     /* waits for its location */
	DG_REQUEST_QUEUED,   /* for a slot */
	DG_REQUEST_CALLING,  /* gRPC */
	DG_REQUEST_CHECKING, /* control plane */
	DG_REQUEST_RUN,      /* in the run's queue */
	DG_REQUEST_ANSWERED, /* until the ledger has it */
};

struct dg_request {
	TAILQ_ENTRY(dg_request) link;     /* in place->held or server->running */
	TAILQ_ENTRY(dg_request) run_link; /* in run->queue */
	struct dg_launcher *l;
	uint64_t id;
	enum dg_request_kind kind;
	const struct dg_request_row *row;
	bool branch;
	uint64_t expire, popped, attempt;
	char *request_id, *api, *deployment, *location, *refused;
	struct dg_blob body;
	int64_t submitted, started;
	enum dg_request_stage stage;
	dg_usec unknown_at; /* held for a location that the workspace does not have */
	bool unlisted;      /* the workspace does not have its location */
	bool fell_back;     /* the stream is asked, for want of the unary method */
	struct dg_place *held_in;
	struct dg_server *server;
	struct dg_call *call;
	dg_usec timeout;
	struct dg_reply_sink *sink;
	struct dg_errand *errand;
	sd_event_source *timer;
	struct dg_run *run;
	struct dg_blob answer;
	char outcome[24];
};

struct dg_run {
	struct dg_launcher *l;
	char *id, *deployment, *location, *job;
	enum dg_handle_stage stage;
	bool known;     /* there is something to remember of it (INTENT or more) */
	bool on_server; /* not isolated */
	bool here;      /* the backend has it */
	bool adopting;  /* ... of before, and has not said yet whether it ever started */
	struct dg_buf handle;
	const char *status; /* WorkerStatus, or NULL: not shown */
	char *message;
	int64_t since;
	struct dg_request_list queue; /* LAUNCH and TERMINATE, in the order of popping */
	struct dg_request *at;        /* the one that is being done: first of the queue */
	struct dg_dagster_run said;   /* of it by `at` */
	struct dg_launch launch;
	struct dg_terminate terminate;
	struct dg_buf trouble; /* SerializableErrorInfo for the answer */
	struct dg_call *call;
	struct dg_errand *errand;
	sd_event_source *timer, *forget;
	struct dg_buf shown;
	/* its process has ended */
	bool over;
	struct dg_exit end;
	struct dg_buf tail;
	unsigned looks; /* how often the control plane was asked for it */
	struct dg_errand *looking;
	sd_event_source *look;
};

/* launcher.c */
void dg_launcher_commit(struct dg_launcher *l, const struct dg_commit *c);
/* Timers: (re)arm *S; NULL fn arguments are not allowed. */
void dg_launcher_timer(struct dg_launcher *l, sd_event_source **s, dg_usec at,
	dg_usec slack, sd_event_time_handler_t fn, void *arg);
/* A request ended while the role is to end: is it the last? */
void dg_launcher_quiesced(struct dg_launcher *l);
/* Its label in the configuration, or NULL. */
const char *dg_launcher_label(const struct dg_launcher *l);
void dg_launcher_trouble(struct dg_launcher *l, struct dg_str error);
/* The instance ref of a deployment: for user code, or for the agent's own use. */
struct dg_str dg_launcher_ref(
	struct dg_launcher *l, const char *deployment, bool user_code);
/* Forget that the backend's thing exists. */
void dg_launcher_gone(struct dg_launcher *l, enum dg_handle_what what, const char *key,
	const char *deployment);

/* reload.c */
int dg_reload_check(
	struct dg_worker *w, const struct dg_settings *next, struct dg_err *e);
void dg_reload_apply(struct dg_worker *w);
/* At the start, and again: times, limits, token. */
void dg_reload_settings(struct dg_launcher *l);

/* tuning.c */
void dg_tuning_read(struct dg_launcher *l);

/* desired.c */
/* Hashes of a location's metadata into V. */
void dg_desired_version(struct dg_str metadata, struct dg_loc_version *v);
void dg_desired(struct dg_launcher *l, struct dg_str body);
/* The same workspace, judged anew. */
void dg_desired_again(struct dg_launcher *l);
/* The question for CHECK_FOR_WORKSPACE_UPDATES. */
void dg_workspace_variables(
	const struct dg_settings *s, const char *deployment, struct dg_buf *out);
/* The answer to CHECK_FOR_WORKSPACE_UPDATES. 0 or -DG_TRANSPORT. */
int dg_desired_check(struct dg_launcher *l, const char *deployment, struct dg_str body,
	struct dg_err *e);
/* A request came or ended: TTLs. */
void dg_desired_use(struct dg_launcher *l, const struct dg_request *r, int pending);

/* place.c */
struct dg_place *dg_place_find(
	struct dg_launcher *l, struct dg_str deployment, struct dg_str location);
struct dg_place *dg_place_get(struct dg_launcher *l, struct dg_str deployment,
	struct dg_str location, bool branch);
void dg_place_free(struct dg_place *p);
/* Free those that are gone; not from inside an event of theirs. */
void dg_place_sweep(struct dg_launcher *l);
void dg_place_event(struct dg_place *p, const struct dg_loc_event *ev);
/* The same for one of its servers; ERROR (may be empty) is what it failed for. */
void dg_place_server_event(
	struct dg_server *s, enum dg_loc_event_type type, bool user, struct dg_str error);
void dg_place_adopt(struct dg_place *p, struct dg_adopted *a);
/* The one that serves, or NULL. */
struct dg_server *dg_place_serving(struct dg_place *p);
/* It answered a call: it is not hung. */
void dg_place_alive(struct dg_server *s);
void dg_place_backend(struct dg_launcher *l, const struct dg_backend_event *ev);

/* server.c */
struct dg_server *dg_server_new(
	struct dg_place *p, unsigned serial, struct dg_loc_version v, const char *id);
int dg_server_launch(struct dg_server *s, struct dg_err *e);
void dg_server_free(struct dg_server *s);
int dg_server_up(struct dg_server *s, const char *endpoint, struct dg_err *e);
void dg_server_handle(struct dg_server *s, struct dg_str handle);
void dg_server_ping(struct dg_server *s, dg_usec at);
void dg_server_list(struct dg_server *s);
void dg_server_reload(struct dg_server *s);
void dg_server_drain(struct dg_server *s);
/* Give free slots to those that wait. */
void dg_server_pump(struct dg_server *s);
/* A call outside the slots, or with one that the caller has. */
struct dg_call *dg_server_call(struct dg_server *s, const char *method, dg_usec timeout,
	struct dg_buf *message,
	void (*done)(void *arg, struct dg_call *call, struct dg_reply *reply), void *arg);

/* relay.c */
void dg_relay_do(struct dg_launcher *l, uint64_t id, struct dg_msg_do *m);
void dg_relay_answered(struct dg_launcher *l, uint64_t id);
void dg_relay_linked(struct dg_launcher *l);
/* Held requests may go on: the place serves, or its error is told. */
void dg_relay_released(struct dg_place *p);
/* Requests of the last workspace's unknown locations. */
void dg_relay_unknown(struct dg_launcher *l);
/* Those that wait for a slot of this server go where the place leads them now. */
void dg_relay_moved(struct dg_server *s);
/* R waits for a slot of S. */
void dg_relay_enqueue(struct dg_request *r, struct dg_server *s);
/* A slot is there for R. */
void dg_relay_go(struct dg_request *r);
void dg_relay_expired(struct dg_request *r);
void dg_relay_ok(struct dg_request *r);
/* ERROR: SerializableErrorInfo. */
void dg_relay_error(struct dg_request *r, struct dg_str error);
/* CLS: Python's class with its module, TEXT: what str() of the exception says. */
void dg_relay_fail(struct dg_request *r, const char *cls, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* ... for an error of our own. */
void dg_run_failed(struct dg_run *r, const struct dg_err *e);
/* The answer is composed: BODY is taken. */
void dg_relay_answer(
	struct dg_request *r, const char *outcome, struct dg_blob *take_body);
void dg_relay_free(struct dg_request *r);
/* What there is of R's deployment's location. */
enum dg_loc_verdict dg_relay_place(
	struct dg_request *r, const char *location, struct dg_server **ret);
void dg_relay_hold(struct dg_request *r, const char *location);
/* Its call is over; GAVE_UP: perhaps not for the server. */
void dg_relay_slot_free(struct dg_request *r, bool gave_up);
/* What a request gets whose location has no server: into OUT, as JSON. */
void dg_relay_no_server(struct dg_launcher *l, const char *deployment,
	const char *location, struct dg_buf *out);

/* query.c */
void dg_query_go(struct dg_request *r);
void dg_query_free(struct dg_request *r);

/* uploads.c */
void dg_uploads_start(struct dg_place *p, struct dg_server *s); /* s NULL: the error */
void dg_uploads_stop(struct dg_place *p);
struct dg_server *dg_uploads_server(const struct dg_uploads *u);

/* runs.c */
struct dg_run *dg_run_get(struct dg_launcher *l, const char *id, const char *deployment);
void dg_run_free(struct dg_run *r);
void dg_runs_request(struct dg_request *q);
void dg_runs_known(struct dg_launcher *l, const struct dg_msg_known *m);
void dg_runs_backend(struct dg_launcher *l, const struct dg_backend_event *ev);
/* Take the request at the head out, to be answered; and begin with the next (may free R).
 */
struct dg_request *dg_run_pop(struct dg_run *r);
void dg_run_next(struct dg_run *r);
void dg_run_stage(struct dg_run *r, enum dg_handle_stage stage, uint64_t request,
	void (*done)(struct dg_launcher *l, const char *key));
/* FN may be NULL; its argument is R. */
struct dg_errand *dg_run_queue_event(
	struct dg_run *r, enum dg_event what, struct dg_str error, dg_errand_fn *fn);
/* The control plane says no (it knows no such run): that is the run's error now. */
bool dg_run_refused(struct dg_run *r, const struct dg_msg_call_done *m);
void dg_run_queue_tags(struct dg_run *r, struct dg_str members);
/* A held LAUNCH or TERMINATE may go on; one that waited for a slot has it. */
void dg_runs_released(struct dg_request *q);
void dg_runs_go(struct dg_request *q);
void dg_run_status_set(struct dg_run *r, const char *status, const char *message);
void dg_run_ended(struct dg_run *r, const char *status, const char *message);
void dg_run_error(struct dg_run *r, const char *cls, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* ... for an error of our own. */
void dg_run_failed(struct dg_run *r, const struct dg_err *e);

/* outcome.c: its process has ended; the outcome follows by itself. */
void dg_run_exited(struct dg_run *r, const struct dg_exit *x);
void dg_outcome_clear(struct dg_run *r);

/* launching.c, ending.c */
void dg_launching_begin(struct dg_run *r);
void dg_launching_event(struct dg_run *r, enum dg_launch_event ev);
void dg_launching_released(struct dg_run *r);
void dg_launching_go(struct dg_run *r);
/* It was started by a launcher before this one, which may have died before it told so. */
void dg_launching_adopted(struct dg_run *r);
void dg_ending_begin(struct dg_run *r);
void dg_ending_event(struct dg_run *r, enum dg_terminate_event ev);
void dg_ending_released(struct dg_run *r);
void dg_ending_go(struct dg_run *r);

/* report.c */
void dg_report_place(struct dg_place *p);
void dg_report_server(struct dg_server *s);
void dg_report_run(struct dg_run *r);
void dg_report_gone(struct dg_launcher *l, enum dg_state_kind kind, const char *key);
void dg_report_deployment(struct dg_launcher *l, const char *name, bool branch);
void dg_report_role(struct dg_launcher *l);
/* Everything, on a new link. */
void dg_report_all(struct dg_launcher *l);

#endif
