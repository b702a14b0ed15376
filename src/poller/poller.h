/* poller/poller.h: the role that asks the control plane for work.
 *
 * An instance per agent queue ("queue" for the default one, "queue/NAME") pops requests;
 * the instance "workspace" asks which deployments and locations there are. What comes is
 * handed to the ledger before anything else is done with it: bytes of a pop go into a
 * memfd that the ledger holds already, and each request is passed on as soon as it is
 * whole. A pop in flight is never cancelled. It launches nothing and writes no files.
 */
#ifndef DG_POLLER_POLLER_H
#define DG_POLLER_POLLER_H

#include "cloud/api.h"
#include "worker/worker.h"

struct dg_poller;

/* What the two kinds of instance do at the events of a worker. */
struct dg_poller_kind {
	int (*setup)(struct dg_poller *p, struct dg_err *e);
	void (*linked)(struct dg_poller *p);
	void (*message)(
		struct dg_poller *p, enum dg_msg_type type, uint64_t id, void *payload);
	/* The settings are new ones: make a new client (dg_poller_renew) when nothing is
	 * under way. */
	void (*apply)(struct dg_poller *p);
	void (*quiesce)(struct dg_poller *p);
	/* May be NULL: it goes on. */
	void (*drain)(struct dg_poller *p, bool on);
	void (*teardown)(struct dg_poller *p);
};

extern const struct dg_poller_kind dg_poller_queue, dg_poller_workspace;

struct dg_poller {
	struct dg_worker *worker;
	const struct dg_poller_kind *kind;
	struct dg_cloud *cloud;
	struct dg_cloud_channel *channel;
	struct dg_cloud_channel *aside; /* for what must not wait behind the channel */
	bool failing; /* what is asked for is not answered: say so once */
	void *data;   /* the kind's own */
};

/* Replace the client by one of the settings of now; calls under way are broken off. Not
 * from a call's callback. */
void dg_poller_renew(struct dg_poller *p);
/* A call failed, or works again: logged at the change, and told to the ledger for the
 * heartbeat's errors when TELL is set. WHAT names the call. */
void dg_poller_failed(struct dg_poller *p, const char *what,
	const struct dg_cloud_result *r, bool tell);
void dg_poller_worked(struct dg_poller *p, const char *what);
/* The agent's queues as a JSON array: a name, or null for the default queue. */
void dg_poller_queues(const struct dg_settings *s, struct dg_buf *out);

#endif
