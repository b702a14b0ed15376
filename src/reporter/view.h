/* reporter/view.h: the reporter's mirror of the ledger's STATE rows. Pure.
 *
 * After a new link all rows are said again; what was not said again within a minute is
 * gone. Until then the old rows stand, so that heartbeats go on.
 */
#ifndef DG_REPORTER_VIEW_H
#define DG_REPORTER_VIEW_H

#include "base/map.h"
#include "base/time.h"
#include "daglet/msg.h"

#define DG_VIEW_SETTLE DG_MINUTE

struct dg_view_row {
	struct dg_buf body; /* a checked JSON object */
	uint32_t link;      /* number of the link it was last said on */
};

struct dg_view {
	struct dg_map rows[DG_STATE_COUNT];
	uint32_t link;
	dg_usec linked; /* when the link began; 0: swept since */
	/* Something that a heartbeat says has changed: status or error of a location or a
	 * run. Set here, taken by the one who sends heartbeats. */
	bool news;
};

void dg_view_init(struct dg_view *v);
void dg_view_clear(struct dg_view *v);
void dg_view_linked(struct dg_view *v, dg_usec now);
/* A body that is no JSON object is not taken (false). */
bool dg_view_set(struct dg_view *v, const struct dg_msg_state *m);
/* Drop what a new link did not say again. */
void dg_view_sweep(struct dg_view *v, dg_usec now);
/* The row's body; empty when there is none. */
struct dg_str dg_view_get(const struct dg_view *v, enum dg_state_kind k, const char *key);
/* The body of the launcher's row (DG_STATE_ROLE "launcher:..."), or empty. */
struct dg_str dg_view_launcher(const struct dg_view *v);

#endif
