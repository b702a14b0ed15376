/* cloud/api.h: calls to the control plane: headers, envelopes, retries.
 *
 * A process has one `struct dg_cloud`, made from the settings. A channel is a share of
 * connections, so that heartbeats never wait behind uploads: it starts with one
 * connection, takes more while calls wait and answers come, and goes back to one when the
 * peer is in trouble. A call is tried as its policy says and ends in exactly one done(),
 * from the loop; after dg_cloud_cancel() nothing comes. Nothing here sleeps.
 *
 * Used by poller and reporter. Says nothing about what is in the bodies.
 */
#ifndef DG_CLOUD_API_H
#define DG_CLOUD_API_H

#include <systemd/sd-event.h>

#include "base/err.h"
#include "base/str.h"
#include "cloud/retry.h"
#include "config/settings.h"
#include "daglet/call.h"

#define DG_CLOUD_BODY_MAX 4

struct dg_cloud;
struct dg_cloud_channel;
struct dg_cloud_call;

enum dg_cloud_scope {
	DG_SCOPE_ORGANIZATION,
	DG_SCOPE_DEPLOYMENT, /* with the deployment's name, where it is known */
};

struct dg_cloud_result {
	int cls;                  /* 0, or enum dg_class */
	enum dg_outcome outcome;  /* of the last try */
	enum dg_http_error error; /* of the last try */
	int http;                 /* status, 0: no answer */
	unsigned tries;
	dg_usec wait;       /* what the control plane asked for, 0: nothing */
	const char *text;   /* for people; "" when cls is 0 */
	struct dg_buf body; /* of the answer; take it, or it is freed */
};

struct dg_cloud_spec {
	enum dg_call_how how;
	enum dg_cloud_scope scope;
	struct dg_str deployment;
	const char *document; /* GRAPHQL */
	const char *path;     /* REST; PUT: the whole URL */
	struct dg_str query;  /* GET: what stands behind "?" */
	const char *file;     /* MULTIPART */
	const char *key;      /* Idempotency-Key, with X-Event-Write; or NULL */
	/* The variables, the JSON, the text to be deflated, or the raw bytes: up to
	 * DG_CLOUD_BODY_MAX slices, which must outlive the call. */
	struct dg_str body[DG_CLOUD_BODY_MAX];
	size_t body_n;
	enum dg_retry_policy policy;
	bool idempotent;
	unsigned retries; /* 0: what the settings say */
	dg_usec patience; /* see daglet/call.h */
	int64_t give_up;  /* real time; 0: never */
	size_t limit;     /* of the answer; 0: DG_HTTP_BODY_MAX */
	/* The answer as it comes (only with DG_RETRY_NONE), and all of it to judge it by
	 * at the end; NULL: collected. */
	void (*data)(struct dg_str bytes, void *arg);
	struct dg_str (*answer)(void *arg);
	void (*done)(struct dg_cloud_result *r, void *arg); /* the call is gone */
	void *arg;
};

int dg_cloud_new(struct dg_cloud **ret, sd_event *event,
	const struct dg_settings *settings, struct dg_err *e);
void dg_cloud_free(struct dg_cloud *c); /* its channels and calls with it */
void dg_cloud_freep(struct dg_cloud **c);
/* FN hears why a channel has no answers from a peer that takes its calls, or NULL when all
 * have. */
void dg_cloud_on_trouble(
	struct dg_cloud *c, void (*fn)(const char *why, void *arg), void *arg);
/* Would these settings do? For a reload, which makes a new client from them. */
int dg_cloud_check(const struct dg_settings *settings, struct dg_err *e);
/* Real time of the control plane minus ours, microseconds, from its Date headers; 0 while
 * it is within two seconds (what a header of whole seconds cannot tell apart). */
int64_t dg_cloud_skew(const struct dg_cloud *c);

/* At most MAX calls at once. */
int dg_cloud_channel_new(struct dg_cloud_channel **ret, struct dg_cloud *c, unsigned max,
	struct dg_err *e);
/* All MAX at once from now on: the caller decides how many there are. */
void dg_cloud_channel_widen(struct dg_cloud_channel *ch);
/* Calls that were started and are not done. */
size_t dg_cloud_channel_open(const struct dg_cloud_channel *ch);

/* S is copied; what it points to must outlive the call. */
struct dg_cloud_call *dg_cloud_start(
	struct dg_cloud_channel *ch, const struct dg_cloud_spec *s);
void dg_cloud_cancel(struct dg_cloud_call *c);

#endif
