/* launcher/location.h: the life of one (deployment, location), as a pure machine.
 *
 *   WANTED -> STARTING -> WAITING (ping) -> LOADING (list repositories) -> UPLOADING? ->
 * SERVING
 *
 * An event and the time go in, actions come out; the effects are in place.c and server.c.
 * The machine knows its servers by serial numbers. At most one of them serves (`cur`),
 * one comes up beside it (`next`); what was replaced drains and stops (`old`). Rules:
 *   - newer timestamp: start the next one, switch when it serves, drain the old one; an
 *     older start still under way is dropped;
 *   - only the defs state changed: reload the running server in place, else a new one;
 *   - the world's trouble (killed, unreachable, timed out): again, unaided, for ever,
 * with back-off; what serves goes on serving;
 *   - the user's error (import error, exit code, refused by the backend): BROKEN; what
 *     served goes, as the control plane shows the error; tried again for a new timestamp,
 *     or when the control plane believes that the location is well;
 *   - a serving one that exits is replaced at once; one that does not answer (health.h)
 *     is replaced beside, and kept if it answers again before the other serves;
 *   - versions that follow each other faster than `calm` are a burst: what is under way is
 *     dropped and the newest started when it has been quiet, but of three starts one is
 *     brought to its end;
 *   - an upload that the world kept from its end is made again, unaided; so is one for
 *     which the control plane shows an error although the location serves, once.
 */
#ifndef DG_LAUNCHER_LOCATION_H
#define DG_LAUNCHER_LOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/backoff.h"
#include "base/time.h"
#include "launcher/health.h"

/* What is wanted: metadataTimestamp, and hashes of the metadata, whole and without
 * defs_state_info. */
struct dg_loc_version {
	double timestamp;
	uint64_t meta, rest;
};

enum dg_loc_phase {
	DG_PHASE_NONE,
	DG_PHASE_STARTING,
	DG_PHASE_WAITING,
	DG_PHASE_LOADING,
	DG_PHASE_UPLOADING,
	DG_PHASE_SERVING,
	DG_PHASE_DRAINING,
	DG_PHASE_STOPPING,
};

struct dg_loc_inst {
	unsigned serial; /* 0: none */
	enum dg_loc_phase phase;
	struct dg_loc_version version;
	dg_usec since;   /* it may be pinged */
	dg_usec served;  /* it serves */
	dg_usec last_ok; /* it last answered */
	dg_usec until;   /* draining: at most until then */
	dg_usec worked;  /* it was seen at work */
	bool adopted, reloading, uploading;
	bool bad;   /* it wants replacing */
	bool hung;  /* ... because it does not answer */
	bool firm;  /* its start is brought to its end */
	bool renew; /* well, and serves on until another of its version does */
};

struct dg_loc_limits {
	dg_usec startup;                /* from UP to the first answered ping */
	dg_usec adopt;                  /* the same for an adopted server */
	struct dg_health_limits silent; /* no answer for so long: replaced */
	dg_usec ping, health;           /* between pings: coming up, serving */
	dg_usec drain;                  /* for calls and runs of a replaced server */
	dg_usec retry_min, retry_max;
	dg_usec recover_min,
		recover_max; /* BROKEN, but well for the control plane; 0 = never */
	dg_usec short_life;  /* dead sooner than that twice in a row: back off */
	dg_usec calm;        /* versions that follow each other faster are a burst */
	dg_usec quiet;       /* a burst is over when none came for so long, */
	dg_usec burst_max;   /* and after that in any case */
};

#define DG_LOC_OLD_MAX 16

struct dg_loc {
	const struct dg_loc_limits *limits;
	bool wanted, upload, healthy;
	struct dg_loc_version want;
	struct dg_loc_inst cur, next, old[DG_LOC_OLD_MAX];
	unsigned nold, serial;
	unsigned failures, short_lives;
	double failed;    /* timestamp the failures are of */
	double no_reload; /* timestamp for which a reload in place failed */
	bool broken;
	struct dg_backoff retry, recover;
	dg_usec retry_at;       /* DG_USEC_NEVER: not */
	dg_usec changed, burst; /* the last new version; the burst's first, or 0 */
	unsigned dropped;       /* starts in a row that newer versions ended */
	bool ailing;            /* the control plane shows an error for what is wanted */
	double cured;           /* timestamp for which it was given definitions */
	struct dg_backoff upload_retry;
	dg_usec upload_at; /* no upload before */
	dg_usec tell_at;   /* the error is uploaded again; DG_USEC_NEVER: not */
	struct dg_loc_version target; /* of the reload under way */
};

/* What a server that does not answer looks like. */
struct dg_loc_look {
	bool refused, stopped;
	bool works; /* it used processor time since the last look */
	bool seen;  /* there was a last look, or nobody can look */
};

enum dg_loc_event_type {
	DG_LOC_WANT, /* version, upload, healthy, ailing */
	DG_LOC_UNWANT,
	DG_LOC_UP, /* it may be pinged */
	DG_LOC_PING_OK,
	DG_LOC_PING_FAIL, /* look */
	DG_LOC_ALIVE,     /* any other call was answered */
	DG_LOC_LISTED,
	DG_LOC_LIST_FAIL, /* user: it answered with an error */
	DG_LOC_UPLOADED,  /* or failed to; again: for the world's trouble. Serial 0: the
			     location's error was to be uploaded */
	DG_LOC_RELOADED,
	DG_LOC_RELOAD_FAIL,
	DG_LOC_START_FAIL, /* user; there is no such instance any more */
	DG_LOC_EXIT,       /* user: by an exit code; there is no such instance any more */
	DG_LOC_CLOGGED,    /* its slots are held by calls that timed out */
	DG_LOC_DRAINED,
	DG_LOC_TICK,
	DG_LOC_RENEW, /* it is well, but to be replaced; no serial */
};

struct dg_loc_event {
	enum dg_loc_event_type type;
	unsigned serial;
	bool user, upload, healthy, ailing, again;
	struct dg_loc_look look;
	struct dg_loc_version version;
};

enum dg_loc_do {
	DG_DO_START, /* a new server: serial */
	DG_DO_PING,  /* at */
	DG_DO_LIST,
	DG_DO_UPLOAD,       /* snapshots of this server */
	DG_DO_UPLOAD_ERROR, /* the location's error */
	DG_DO_RELOAD,       /* in place, to the wanted version */
	DG_DO_SERVE,        /* calls go to serial from now on; the error is forgotten */
	DG_DO_FAIL,  /* a start failed, for `why`: that is the location's error now */
	DG_DO_TELL,  /* held requests get the error */
	DG_DO_DRAIN, /* no new calls; say DRAINED when idle */
	DG_DO_STOP,
	DG_DO_KILL, /* it stands still */
	DG_DO_GONE, /* unwanted and without servers: forget it */
};

enum dg_loc_why {
	DG_WHY_EVENT,
	DG_WHY_TIMEOUT,
	DG_WHY_UNREACHABLE,
	DG_WHY_STOPPED,
	DG_WHY_STUCK,
	DG_WHY_BUSY,
	DG_WHY_CLOGGED,
};

struct dg_loc_action {
	enum dg_loc_do what;
	unsigned serial;
	dg_usec at;
	enum dg_loc_why why;
};

struct dg_loc_actions {
	struct dg_loc_action a[DG_LOC_OLD_MAX + 16];
	unsigned n;
};

void dg_loc_init(struct dg_loc *l, const struct dg_loc_limits *limits);
/* A server that an earlier launcher left: before the first WANT. Returns its serial; at
 * most one per location is taken (0: not taken; stop it). OUT says PING when it is UP. */
unsigned dg_loc_adopt(struct dg_loc *l, struct dg_loc_version v);
/* JITTER: 0 to 1023, fresh for each event. */
void dg_loc_event(struct dg_loc *l, const struct dg_loc_event *ev, dg_usec now,
	unsigned jitter, struct dg_loc_actions *out);
/* When TICK is due next, or DG_USEC_NEVER. */
dg_usec dg_loc_due(const struct dg_loc *l);

enum dg_loc_verdict { DG_LOC_SERVE, DG_LOC_HOLD, DG_LOC_ERROR };
/* What is done with a request that comes now. */
enum dg_loc_verdict dg_loc_verdict(const struct dg_loc *l);
/* Words of STATE bodies (daglet/state.h). */
const char *dg_loc_status(const struct dg_loc *l);
const char *dg_loc_state(const struct dg_loc *l);
const char *dg_loc_phase_name(enum dg_loc_phase p); /* upper case; NULL for NONE */
/* The instance with this serial, or NULL. */
const struct dg_loc_inst *dg_loc_inst(const struct dg_loc *l, unsigned serial);
/* Has it served or failed once? */
bool dg_loc_settled(const struct dg_loc *l);

#endif
