/* poller/probe.c: see probe.h. */
#include "poller/probe.h"

#include <stdlib.h>

#include "base/mem.h"
#include "cloud/documents.h"

/* One question per so long, answered or not: this is how late an end of the silence is
 * noticed. */
#define EVERY (3 * DG_SEC)

struct dg_probe {
	struct dg_poller *p;
	sd_event_source *timer;
	struct dg_cloud_call *call;
	struct dg_buf variables;
	bool asking;
	void (*answered)(void *arg);
	void *arg;
};

static void
on_answer(struct dg_cloud_result *r, void *arg)
{
	struct dg_probe *p = arg;

	p->call = NULL;
	if (r->cls || !p->asking)
		return; /* the timer asks again */
	dg_probe_stop(p);
	p->answered(p->arg);
}

static void
ask(struct dg_probe *p)
{
	struct dg_cloud_spec spec = {.how = DG_CALL_GRAPHQL,
		.scope = DG_SCOPE_ORGANIZATION,
		.document = dg_doc_deployments,
		.body = {dg_buf_str(&p->variables)},
		.body_n = 1,
		.policy = DG_RETRY_NONE,
		.idempotent = true,
		.done = on_answer,
		.arg = p};

	dg_cloud_cancel(TAKE_PTR(p->call));
	sd_event_source_set_time(p->timer, dg_now() + EVERY);
	sd_event_source_set_enabled(p->timer, SD_EVENT_ONESHOT);
	p->call = dg_cloud_start(p->p->aside, &spec);
}

static int
on_timer(sd_event_source *src, uint64_t usec, void *arg)
{
	(void)src;
	(void)usec;
	ask(arg);
	return 0;
}

void
dg_probe_start(struct dg_probe *p, const struct dg_names *scope)
{
	if (p->asking)
		return;
	p->asking = true;
	dg_buf_reset(&p->variables);
	dg_buf_adds(&p->variables, "{\"deploymentNames\": ");
	dg_names_json(scope, &p->variables);
	dg_buf_addc(&p->variables, '}');
	ask(p);
}

void
dg_probe_stop(struct dg_probe *p)
{
	p->asking = false;
	sd_event_source_set_enabled(p->timer, SD_EVENT_OFF);
	dg_cloud_cancel(TAKE_PTR(p->call));
}

void
dg_probe_forget(struct dg_probe *p)
{
	p->call = NULL;
	dg_probe_stop(p);
}

int
dg_probe_new(struct dg_probe **ret, struct dg_poller *p, void (*answered)(void *arg),
	void *arg, struct dg_err *e)
{
	struct dg_probe *b = dg_new(struct dg_probe);
	int r;

	*ret = b;
	b->p = p;
	b->answered = answered;
	b->arg = arg;
	r = sd_event_add_time(p->worker->event, &b->timer, CLOCK_MONOTONIC, 0,
		100 * DG_MSEC, on_timer, b);
	if (r < 0 || (r = sd_event_source_set_enabled(b->timer, SD_EVENT_OFF)) < 0)
		return dg_fail(e, DG_TRANSPORT, -r, "no timer");
	return 0;
}

/* After the client: its calls are gone. */
void
dg_probe_free(struct dg_probe *p)
{
	if (!p)
		return;
	sd_event_source_disable_unref(p->timer);
	dg_buf_clear(&p->variables);
	free(p);
}
