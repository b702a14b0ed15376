/* cloud/retry.h: what to do after a try: done, give up, or again and when. Pure.
 *
 * The statuses and times are those of release 1.13.27 (GRAPHQL: its GraphQL client;
 * REST: its sessions, that of presigned URLs with 500 as well), with full jitter, and
 * Retry-After honoured up to a bound. DELIVER is ours: an answer to a request is never
 * given up for trouble that may pass.
 */
#ifndef DG_CLOUD_RETRY_H
#define DG_CLOUD_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/time.h"
#include "http/client.h"

/* Nobody may make us wait longer than this. */
#define DG_RETRY_AFTER_MAX (5 * DG_MINUTE)
/* The longest wait of the exponential kind, for those who never give up and others. */
#define DG_RETRY_DELIVER_MAX (15 * DG_SEC)
#define DG_RETRY_WAIT_MAX (2 * DG_MINUTE)
/* When the control plane is in maintenance and does not say for how long. */
#define DG_MAINTENANCE_INTERVAL (30 * DG_SEC)
#define DG_MAINTENANCE_TIMEOUT (57600 * DG_SEC)

enum dg_retry_policy {
	DG_RETRY_NONE, /* the caller decides */
	DG_RETRY_GRAPHQL,
	DG_RETRY_REST,
	DG_RETRY_PRESIGNED,
	DG_RETRY_DELIVER,
};

/* How a try ended. */
enum dg_outcome {
	DG_OUTCOME_OK,
	DG_OUTCOME_TRANSPORT,   /* no whole answer; see error */
	DG_OUTCOME_STATUS,      /* an HTTP status that says no */
	DG_OUTCOME_UNEXPECTED,  /* a good status with a body that cannot be */
	DG_OUTCOME_ERRORS,      /* GraphQL errors */
	DG_OUTCOME_MAINTENANCE, /* come back later */
};

struct dg_retry_ask {
	enum dg_retry_policy policy;
	enum dg_outcome outcome;
	enum dg_http_error error; /* TRANSPORT */
	int status;
	bool idempotent;           /* may be sent twice */
	unsigned tries;            /* tries so far, this one included */
	unsigned retries;          /* dagster_cloud_api.retries */
	double backoff_factor;     /* dagster_cloud_api.backoff_factor, seconds */
	const char *retry_after;   /* header value, or NULL */
	dg_usec interval, timeout; /* MAINTENANCE, 0: not said */
	dg_usec elapsed;           /* since the first try began */
	dg_usec patience;          /* tried for at least so long */
	int64_t wall;              /* real time now, microseconds */
	int64_t give_up;           /* real time after which nobody wants it; 0: never */
	uint32_t random;           /* for the jitter */
};

enum dg_retry_act { DG_RETRY_DONE, DG_RETRY_FAIL, DG_RETRY_AGAIN };

struct dg_retry_answer {
	enum dg_retry_act act;
	dg_usec wait; /* AGAIN, and for NONE: what the peer asked for, or 0 */
	bool asked;   /* the peer named the time */
};

struct dg_retry_answer dg_retry(const struct dg_retry_ask *a);

/* What a Retry-After header asks for (seconds, or a date), bounded; false when it says
 * nothing that can be used, or zero. */
bool dg_retry_after(const char *value, int64_t wall, dg_usec *ret);

#endif
