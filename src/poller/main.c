/* poller/main.c: the worker's events, passed to the kind of instance that this is. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "daglet/limits.h"
#include "dagster/error.h"
#include "log/log.h"
#include "poller/poller.h"
#include "json/write.h"

#define CLS_AGENT_SERVER "dagster_cloud_cli.core.errors.DagsterCloudAgentServerError"

void
dg_poller_failed(
	struct dg_poller *p, const char *what, const struct dg_cloud_result *r, bool tell)
{
	auto_buf error = DG_BUF_INIT;
	struct dg_msg_trouble m = {.wall = (uint64_t)dg_wall_usec()};

	char why[256];

	dg_worker_say(p->worker, "%s fails: %s", what, r->text);
	snprintf(why, sizeof why, "%s fails: %s", what, r->text);
	dg_worker_trouble(p->worker, why);
	if (r->http == 401)
		dg_worker_denied(p->worker);
	if (p->failing)
		return;
	p->failing = true;
	dg_log(LOG_WARNING, "%s fails and is tried again: %s", what, r->text);
	if (!tell)
		return;
	dg_error_add(&error, CLS_AGENT_SERVER, dg_str(r->text), DG_STR_NULL);
	m.error = DG_BODY_STR(dg_buf_str(&error));
	dg_worker_send(p->worker, DG_MSG_TROUBLE, 0, &m);
}

void
dg_poller_worked(struct dg_poller *p, const char *what)
{
	dg_worker_success(p->worker);
	dg_worker_trouble(p->worker, NULL);
	if (!p->failing)
		return;
	p->failing = false;
	dg_worker_say(p->worker, "%s", "");
	dg_log(LOG_NOTICE, "%s works again", what);
}

void
dg_poller_queues(const struct dg_settings *s, struct dg_buf *out)
{
	size_t n = dg_settings_count(s, "queues");

	dg_buf_addc(out, '[');
	for (size_t i = 0; i < n; i++) {
		const char *name = dg_settings_item(s, "queues", i);

		if (i)
			dg_buf_adds(out, ", ");
		if (name)
			dg_json_add_str(out, dg_str(name));
		else
			dg_buf_adds(out, "null");
	}
	dg_buf_addc(out, ']');
}

static int
connect_to_cloud(struct dg_poller *p, struct dg_err *e)
{
	struct dg_worker *w = p->worker;
	int r;

	if ((r = dg_cloud_new(&p->cloud, w->event, w->settings, e)) < 0 ||
		(r = dg_cloud_channel_new(&p->channel, p->cloud,
			 p->kind == &dg_poller_workspace ? 1 : DG_POP_SLOTS, e)) < 0)
		return r;
	/* Pace decides how many pops there are. */
	dg_cloud_channel_widen(p->channel);
	return dg_cloud_channel_new(&p->aside, p->cloud, 1, e);
}

void
dg_poller_renew(struct dg_poller *p)
{
	struct dg_err e = {0};

	dg_cloud_freep(&p->cloud);
	if (connect_to_cloud(p, &e) == 0)
		return;
	dg_log_err(LOG_ERR, &e, NULL);
	dg_worker_exit(p->worker, e.cls == DG_CONFIG ? DG_EXIT_CONFIG : 1);
}

static int
setup(struct dg_worker *w, struct dg_err *e)
{
	struct dg_poller *p = dg_new(struct dg_poller);
	int r;

	p->worker = w;
	p->kind = strcmp(w->inst, "workspace") == 0 ? &dg_poller_workspace
						    : &dg_poller_queue;
	w->data = p;
	r = connect_to_cloud(p, e);
	return r < 0 ? r : p->kind->setup(p, e);
}

static int
check(struct dg_worker *w, const struct dg_settings *next, struct dg_err *e)
{
	(void)w;
	return dg_cloud_check(next, e);
}

static void
apply(struct dg_worker *w)
{
	struct dg_poller *p = w->data;

	p->kind->apply(p);
}

static void
linked(struct dg_worker *w)
{
	struct dg_poller *p = w->data;

	p->kind->linked(p);
}

static void
message(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct dg_poller *p = w->data;

	p->kind->message(p, type, id, payload);
}

static void
control(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct dg_poller *p = w->data;

	(void)id;
	if (type == DG_MSG_DRAIN && p->kind->drain)
		p->kind->drain(p, ((struct dg_msg_drain *)payload)->on != 0);
}

static void
quiesce(struct dg_worker *w)
{
	struct dg_poller *p = w->data;

	p->kind->quiesce(p);
}

static void
teardown(struct dg_worker *w)
{
	struct dg_poller *p = w->data;

	if (!p)
		return;
	dg_cloud_freep(&p->cloud);
	p->kind->teardown(p);
	free(p);
}

int
main(int argc, char **argv)
{
	static const struct dg_worker_ops ops = {.setup = setup,
		.check = check,
		.apply = apply,
		.linked = linked,
		.message = message,
		.control = control,
		.quiesce = quiesce,
		.teardown = teardown};

	return dg_worker_main(DG_ROLE_POLLER, argc, argv, &ops);
}
