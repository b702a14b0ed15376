/* ctl/view.h: the status role's JSON documents as text for people. Pure.
 *
 * Each appends to OUT and says how things stand: 0 fine, 1 something is wrong. What a
 * document lacks is shown as "-". NOW is real time in seconds.
 */
#ifndef DG_CTL_VIEW_H
#define DG_CTL_VIEW_H

#include "base/str.h"
#include "ctl/table.h"

typedef int dg_view(
	struct dg_str json, const struct dg_style *style, double now, struct dg_buf *out);

dg_view dg_view_status;    /* /status.json */
dg_view dg_view_locations; /* /locations */
dg_view dg_view_requests;  /* /requests */
dg_view dg_view_runs;      /* /runs */
dg_view dg_view_check;     /* /health.json */

/* "12s", "5m", "3h", "2d" */
void dg_view_age(double seconds, char *buf, size_t size);

/* Whose logs does NAME mean: a server's id, a run's id, or the name of a location (its
 * serving instance, else its newest)? Looks into /status.json; appends the id to OUT and
 * returns "server" or "run", or NULL when nothing is called so. */
const char *dg_view_whose_logs(
	struct dg_str status, const char *name, struct dg_buf *out);

#endif
