/* daglet/state.h: what the bodies of STATE, COMMAND and RESULT messages say.
 *
 * The launcher writes them, the ledger keeps the newest per key, the reporter composes
 * heartbeats from them and the status role shows them. A body is one JSON object; keys
 * that a reader does not know are ignored; every key below is always there. Times are
 * real time in seconds, as JSON floats. STATE with gone = 1 takes the key away.
 *
 * DG_STATE_DEPLOYMENT, key: deployment. One per deployment of the last workspace answer;
 * each gets a heartbeat.
 *   "branch"      bool
 *
 * DG_STATE_LOCATION, key: deployment '\n' location. One per wanted location.
 *   "deployment", "location"   strings
 *   "branch"      bool
 *   "status"      "STARTING" | "RUNNING" | "FAILED": CloudCodeServerStatus of heartbeats
 *   "state"       "WANTED" | "STARTING" | "WAITING" | "LOADING" | "UPLOADING" | "SERVING"
 *                 | "RETRY" | "BROKEN" | "STOPPING"
 *   "next"        state of a replacement that comes up beside the serving one, or null
 *   "error"       SerializableErrorInfo (not truncated) or null; set when FAILED, and
 *                 while a replacement fails beside a serving one
 *   "note"        why a server that lived was given up last, and what it was doing; null
 *   "server"      id of the serving instance or null
 *   "timestamp"   metadataTimestamp that is wanted
 *   "since"       when "state" was entered
 *   "failures"    failed starts in a row
 *   "retry"       when it will be started again, or null
 *   "held"        requests that wait for it
 *   "metrics"     value of metadata.utilization_metrics, or null where metrics are off
 *
 * DG_STATE_SERVER, key: server id. One per instance, old ones that drain included.
 *   "deployment", "location"   strings
 *   "state"       "starting" | "waiting" | "loading" | "uploading" | "serving"
 *                 | "draining" | "stopping"
 *   "phase"       the backend's word ("pulling", ...) or null
 *   "handle"      as tags say it (process: the pid), a string, or null
 *   "endpoint"    "unix:/path" | "host:port" or null
 *   "timestamp"   metadataTimestamp that it was started for
 *   "since"       when it was started
 *   "calls"       calls under way, "waiting" calls that wait for a slot,
 *   "slots"       how many may be under way, "zombies" slots held by timed-out calls
 *
 * DG_STATE_RUN, key: run id. Isolated runs that this backend started; kept for ten
 * minutes after their end.
 *   "deployment"  string
 *   "location", "job"          strings or null
 *   "status"      "RUNNING" | "SUCCESS" | "FAILED" | "NOT_FOUND" | "UNKNOWN"
 *                 (WorkerStatus)
 *   "message"     string or null
 *   "transient"   bool: not known for sure
 *   "handle"      as tags say it, or null
 *   "since"       when "status" was entered
 *
 * DG_STATE_ROLE, key: "launcher:" instance. Counters.
 *   "requests"    taken since the start, "held", "queued" (wait for a slot), "running"
 *   "supported"   bool: run worker monitoring is supported by the backend
 *   "agent_type"  e.g. "ProcessUserCodeLauncher"
 *   "ready"       bool: every location of the first workspace has served or failed once
 *
 * DG_STATE_ROLE, key: "ledger:". Counters; "kinds" may be missing.
 *   "requests"    {"recorded", "repeated", "dispatched", "answered", "delivered",
 *                 "refused": since the start, "pending", "waiting": now,
 *                 "oldest_usec": age of the oldest pending one}
 *   "store"       {"durability": "full" | "none" | "slow" (popping pauses) | "paused"
 *                 (cannot be written: what is in hand waits) | "broken" (for long now:
 *                 served without it, launches are refused), "writer_age": time of the
 *                 batch under way in microseconds, "queued", "batches", "writes",
 *                 "error": text or null, "damaged": name of a damaged state.db that
 *                 was moved aside, or null}
 *   "kinds"       {kind: {"outcomes": {outcome: count}, "sum": seconds,
 *                 "buckets": {"0.005": count, ..., "+Inf": count}}}, popped to answered,
 *                 counts are cumulative
 * Other roles may say what they count under their own key; numbers are shown as they are.
 *
 * DG_STATE_ROLE on the control channel, master to status, key: role ':' instance.
 *   "pid"         number, or null while there is no process
 *   "state"       "starting" | "ready" | "backoff" | "parked" | "stopping" | "stopped"
 *   "since"       when "state" was entered
 *   "restarts"    how often it was started again
 *   "last_exit"   the last death in words, or null
 *   "pulse_age"   seconds since its last sign of life, or null
 *   "success_age" seconds since it last did something useful, or null
 *   "trouble_age" seconds since something keeps it from its work outside, or null
 *   "trouble"     what that is, or null
 *   "text"        what it says about itself
 * Its own row has the key "master:", and besides
 *   "drain"       "no" | "draining" | "drained"
 *   "left"        when drained: requests that wait for their location
 *   "configuration"  number of the configuration in force, counted from the start
 *   "reload"      the last one, or null: {"time", "ok", "changes": [{"key", "needs":
 *                 "reload" | "role" | "agent"}, ...], "text"}
 *
 * COMMAND, status to master; args: who asks, for the log; the body of RESULT is text.
 *   "drain" "undrain" "reload" "restart"
 *
 * COMMAND, status to ledger; args: one JSON object. RESULT code is an HTTP status; when
 * that is not 200 the body says why, in words.
 *   "requests"    {"limit": n}; answered by the ledger, oldest first:
 *                 {"count": all, "requests": [{"id", "request_id", "kind", "deployment",
 *                 "location", "state", "popped", "attempt"}, ...]}
 *   "logs"        {"server": id, "lines": n} or {"run": id, "lines": n}; passed on to
 *                 the launcher; the body is text; 404: nobody knows the id
 */
#ifndef DAGLET_STATE_H
#define DAGLET_STATE_H

#define DG_STATUS_STARTING "STARTING"
#define DG_STATUS_RUNNING "RUNNING"
#define DG_STATUS_FAILED "FAILED"

#define DG_WORKER_RUNNING "RUNNING"
#define DG_WORKER_SUCCESS "SUCCESS"
#define DG_WORKER_FAILED "FAILED"
#define DG_WORKER_NOT_FOUND "NOT_FOUND"
#define DG_WORKER_UNKNOWN "UNKNOWN"

#endif
