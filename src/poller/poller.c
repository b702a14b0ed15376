/* poller/poller.c: main of the role; which instance it is, and what both share. */
#include "poller/poller.h"

#include <string.h>

#include "base/mem.h"
#include "dagster/error.h"
#include "json/write.h"

static const struct dg_poller_ops *
ops_of(const struct dg_worker *w)
{
	return strcmp(w->inst, DG_POLLER_WORKSPACE) == 0 ? &dg_workspace_ops
							 : &dg_pops_ops;
}

void
dg_poller_names_json(struct dg_str lines, struct dg_buf *out)
{
	struct dg_jw w = dg_jw(out);

	dg_jw_open_array(&w);
	while (lines.n) {
		const char *end = memchr(lines.p, '\n', lines.n);
		size_t n = end ? (size_t)(end - lines.p) : lines.n;

		if (n)
			dg_jw_strn(&w, dg_strn(lines.p, n));
		n += end != NULL;
		lines.p += n;
		lines.n -= n;
	}
	dg_jw_close_array(&w);
}

void
dg_poller_queues_json(const struct dg_settings *s, struct dg_buf *out)
{
	struct dg_jw w = dg_jw(out);
	size_t n = dg_settings_count(s, "queues");

	dg_jw_open_array(&w);
	for (size_t i = 0; i < n; i++)
		dg_jw_str(&w, dg_settings_item(s, "queues", i));
	dg_jw_close_array(&w);
}

void
dg_poller_trouble(struct dg_worker *w, const char *what, const char *text)
{
	auto_buf line = DG_BUF_INIT;
	auto_buf error = DG_BUF_INIT;
	struct dg_msg_trouble m = {.wall = (uint64_t)dg_wall_usec()};

	dg_buf_addf(&line, "%s: %s", what, text);
	dg_error_add(&error, DG_CLS_EXCEPTION, dg_buf_str(&line), DG_STR(""));
	m.error = DG_BODY_STR(dg_buf_str(&error));
	dg_worker_send(w, DG_MSG_TROUBLE, 0, &m);
}

static int
setup(struct dg_worker *w, struct dg_err *e)
{
	return ops_of(w)->setup(w, e);
}

static void
linked(struct dg_worker *w)
{
	ops_of(w)->linked(w);
}

static void
message(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	ops_of(w)->message(w, type, id, payload);
}

static void
quiesce(struct dg_worker *w)
{
	ops_of(w)->quiesce(w);
}

static void
teardown(struct dg_worker *w)
{
	if (w->data)
		ops_of(w)->teardown(w);
}

int
main(int argc, char **argv)
{
	static const struct dg_worker_ops ops = {
		.setup = setup,
		.linked = linked,
		.message = message,
		.quiesce = quiesce,
		.teardown = teardown,
	};

	return dg_worker_main(DG_ROLE_POLLER, argc, argv, &ops);
}
