/* status/status.h: the role that shows the agent: HTTP on a Unix socket (and, if asked
 * for, on TCP).
 *
 *   mirror.c   what the others say            health.c   is it well (pure)
 *   show.c, metrics.c, page.c   the same for programs, Prometheus and people (pure)
 *   ask.c      questions that the ledger answers
 *   server.c   libmicrohttpd on the event loop
 *   status.c   which path shows what; the worker
 *
 * It changes nothing in the agent and holds no secret. Shared by this room's files only.
 */
#ifndef DG_STATUS_STATUS_H
#define DG_STATUS_STATUS_H

#include "status/ask.h"
#include "status/mirror.h"
#include "status/server.h"
#include "worker/worker.h"

struct dg_status {
	struct dg_worker *w;
	struct dg_mirror mirror;
	struct dg_asks asks;
	struct dg_server *local, *tcp; /* tcp: NULL unless configured */
	char *path;                    /* of the local socket */
	sd_event_source *sweep;
};

#endif
