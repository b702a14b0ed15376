/* The commands of dagster-format. Arguments are never NULL; an absent one is empty. */
#ifndef DAGSTER_FORMAT_H
#define DAGSTER_FORMAT_H

#include "base/err.h"
#include "base/str.h"
#include "dagster/strv.h"

#define ARGS_MAX 12
/* The time of all that has one. */
#define WALL 1700000000123456

typedef int command_fn(char *const *a, struct dg_buf *out, struct dg_err *e);

/* dagster-format-request.c */
command_fn do_answer, do_compose, do_context, do_deadline, do_error, do_location, do_ref,
	do_server, do_workspace;
/* dagster-format-run.c */
command_fn do_entry, do_event, do_manifest, do_origin, do_records, do_result, do_run,
	do_squeeze, do_tags;
/* dagster-format-heartbeat.c */
command_fn do_heartbeat, do_server_metrics;

void add_list(struct dg_buf *out, const struct dg_strv *v);
/* The only environment the tool knows: PRESENT=here. */
const char *own_variable(void *arg, const char *name);

static inline const char *
none_if_empty(const char *s)
{
	return *s ? s : NULL;
}

#endif
