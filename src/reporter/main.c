/* reporter/main.c: the worker's events, passed to the parts of the role. */
#include <stdlib.h>

#include "base/mem.h"
#include "log/log.h"
#include "reporter/reporter.h"

static size_t
error_limit(const struct dg_settings *s)
{
	static const char key[] = "env.DAGSTER_CLOUD_AGENT_ERROR_SIZE_LIMIT";
	int64_t chars = dg_settings_int(s, key);

	return dg_settings_has(s, key) && chars >= 0 ? (size_t)chars : 10000;
}

static void
on_trouble(const char *why, void *arg)
{
	dg_worker_trouble(((struct dg_reporter *)arg)->worker, why);
}

static int
setup(struct dg_worker *w, struct dg_err *e)
{
	struct dg_reporter *r = dg_new(struct dg_reporter);
	int n;

	w->data = r;
	r->worker = w;
	dg_view_init(&r->view);
	dg_troubles_init(&r->troubles, error_limit(w->settings));
	if ((n = dg_cloud_new(&r->cloud, w->event, w->settings, e)) < 0 ||
		(n = dg_deliver_new(r, e)) < 0 || (n = dg_calls_new(r, e)) < 0 ||
		(n = dg_beat_new(r, e)) < 0)
		return n;
	dg_cloud_on_trouble(r->cloud, on_trouble, r);
	return dg_sentinel_new(r, e);
}

static int
check(struct dg_worker *w, const struct dg_settings *next, struct dg_err *e)
{
	(void)w;
	return dg_cloud_check(next, e);
}

/* A new client, token and all; what was under way begins anew with it. */
static void
apply(struct dg_worker *w)
{
	struct dg_reporter *r = w->data;
	struct dg_err e = {0};

	r->troubles.limit = error_limit(w->settings);
	dg_cloud_freep(&r->cloud);
	dg_sentinel_free(r->sentinel);
	r->sentinel = NULL;
	if (dg_cloud_new(&r->cloud, w->event, w->settings, &e) < 0 ||
		dg_deliver_apply(r->deliver, &e) < 0 ||
		dg_calls_apply(r->calls, &e) < 0 || dg_beat_apply(r->beat, &e) < 0 ||
		dg_sentinel_new(r, &e) < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		dg_worker_exit(w, e.cls == DG_CONFIG ? DG_EXIT_CONFIG : 1);
		return;
	}
	dg_cloud_on_trouble(r->cloud, on_trouble, r);
	dg_sentinel_view(r->sentinel);
}

void
dg_reporter_done(struct dg_reporter *r)
{
	dg_worker_say(r->worker,
		"%llu answers delivered, %llu refused, %zu waiting; %llu calls, "
		"%llu heartbeats",
		(unsigned long long)r->delivered, (unsigned long long)r->refused,
		dg_deliver_open(r->deliver), (unsigned long long)r->called,
		(unsigned long long)r->beats);
	if (r->worker->quiescing &&
		(r->late || (!dg_deliver_open(r->deliver) && !dg_calls_open(r->calls))))
		dg_beat_last(r->beat);
}

static int
on_limit(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_reporter *r = arg;

	(void)s;
	(void)usec;
	r->late = true;
	dg_reporter_done(r);
	return 0;
}

static void
linked(struct dg_worker *w)
{
	struct dg_reporter *r = w->data;

	dg_view_linked(&r->view, dg_now());
	dg_calls_linked(r->calls);
	dg_deliver_linked(r->deliver);
	dg_worker_send(w, DG_MSG_HAVE_END, 0, NULL);
}

static void
message(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct dg_reporter *r = w->data;

	switch (type) {
	case DG_MSG_DELIVER:
		dg_deliver_take(r->deliver, id, payload);
		break;
	case DG_MSG_CALL:
		dg_calls_take(r->calls, id, payload);
		break;
	case DG_MSG_STATE:
		if (!dg_view_set(&r->view, payload))
			dg_log(LOG_ERR, "a STATE body is no object and is left out");
		dg_beat_view(r->beat);
		dg_sentinel_view(r->sentinel);
		break;
	case DG_MSG_TROUBLE: {
		const struct dg_msg_trouble *m = payload;

		dg_troubles_add(
			&r->troubles, (int64_t)m->wall, dg_strn(m->error.p, m->error.n));
		break;
	}
	case DG_MSG_IDENTITY:
		dg_beat_identity(r->beat, ((struct dg_msg_identity *)payload)->agent_id);
		break;
	default:
		break;
	}
}

static void
quiesce(struct dg_worker *w)
{
	struct dg_reporter *r = w->data;

	if (!r->limit && sd_event_add_time_relative(w->event, &r->limit, CLOCK_MONOTONIC,
				 w->quiesce_limit, 50 * DG_MSEC, on_limit, r) < 0)
		r->late = true;
	dg_reporter_done(r);
}

static void
teardown(struct dg_worker *w)
{
	struct dg_reporter *r = w->data;

	if (!r)
		return;
	sd_event_source_disable_unref(r->limit);
	dg_cloud_freep(&r->cloud);
	dg_deliver_free(r->deliver);
	dg_calls_free(r->calls);
	dg_beat_free(r->beat);
	dg_sentinel_free(r->sentinel);
	dg_troubles_clear(&r->troubles);
	dg_view_clear(&r->view);
	free(r);
}

int
main(int argc, char **argv)
{
	static const struct dg_worker_ops ops = {.setup = setup,
		.check = check,
		.apply = apply,
		.linked = linked,
		.message = message,
		.quiesce = quiesce,
		.teardown = teardown};

	return dg_worker_main(DG_ROLE_REPORTER, argc, argv, &ops);
}
