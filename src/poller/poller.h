/* poller/poller.h: the role that asks: one instance per queue pops, one asks for the
 * workspace. Shared by the files of this room only. */
#ifndef DG_POLLER_POLLER_H
#define DG_POLLER_POLLER_H

#include "cloud/api.h"
#include "worker/worker.h"

#define DG_POLLER_WORKSPACE "workspace"

/* Each instance is one of these. */
struct dg_poller_ops {
	int (*setup)(struct dg_worker *w, struct dg_err *e);
	void (*linked)(struct dg_worker *w);
	void (*message)(
		struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload);
	void (*quiesce)(struct dg_worker *w);
	void (*teardown)(struct dg_worker *w);
};

extern const struct dg_poller_ops dg_pops_ops, dg_workspace_ops;

/* The names of a message's lines as a JSON array of strings. */
void dg_poller_names_json(struct dg_str lines, struct dg_buf *out);
/* The agent's queues as JSON ("[\"gpu\", null]"); ONLY: this instance's one. */
void dg_poller_queues_json(const struct dg_settings *s, struct dg_buf *out);
/* Something that belongs into the next heartbeat's errors. */
void dg_poller_trouble(struct dg_worker *w, const char *what, const char *text);

#endif
