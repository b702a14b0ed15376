/* reporter/beat.c: heartbeats: every 30 seconds from the attempt before, on connections
 * of their own, from the mirror, so that nothing that is stuck elsewhere delays them, nor
 * the one before: of two that are silent the older one is broken off. When
 * a location or a run comes up or fails, the next one goes out at once: a person waits.
 *
 * The first one goes out as soon as the ledger has shown a deployment (the Python agent
 * waits until every location was loaded once, which is up to minutes later), or a few
 * seconds after a launcher is there and there is none. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cloud/documents.h"
#include "daglet/crash.h"
#include "daglet/limits.h"
#include "log/log.h"
#include "reporter/heartbeat.h"
#include "reporter/metrics.h"
#include "reporter/reporter.h"
#include "json/json.h"
#include "json/write.h"

#define EVERY (30 * DG_SEC)
/* After news: a moment for what comes together, and never more often than this. */
#define SOON (200 * DG_MSEC)
#define AT_MOST DG_SEC
/* One that is answered within this time is waited for. */
#define SILENT (5 * DG_SEC)
#define FIRST_WITHOUT (5 * DG_SEC)
#define MEASURE_EVERY (60 * DG_SEC)
/* Tries within one interval; the next heartbeat says more. */
#define TRIES 3
/* The last one is not worth more. */
#define LAST_LIMIT (3 * DG_SEC)

/* A heartbeat under way. */
struct beat {
	struct dg_beat *b;
	struct dg_cloud_call *call; /* NULL: none */
	struct dg_buf variables;
	dg_usec began;
	bool small;
};

struct dg_beat {
	struct dg_reporter *r;
	struct dg_cloud_channel *channel;
	sd_event_source *timer;
	char *agent_id; /* NULL: the ledger has not said it */
	bool armed;     /* the first one is set */
	struct beat beats[2];
	struct beat *last;      /* nothing is said after it; NULL: not yet */
	sd_event_source *limit; /* of it */
	bool failing;
	bool news;       /* came while one was under way */
	dg_usec attempt; /* when the last one began */
	dg_usec next;    /* when the next one is set */
	struct dg_heartbeat facts;
	struct dg_buf queues, allowed_full, allowed_branch, utilization;
	struct dg_metrics metrics;
	bool measure;
	dg_usec measured;
};

static void say(struct beat *t, bool small);
static void on_news(struct dg_beat *b);

static void
arm(struct dg_beat *b, dg_usec at)
{
	sd_event_source_set_time(b->timer, at);
	sd_event_source_set_enabled(b->timer, SD_EVENT_ONESHOT);
	b->armed = true;
	b->next = at;
}

static void
finished(struct dg_beat *b)
{
	dg_worker_done(b->r->worker, dg_deliver_open(b->r->deliver));
}

static void
on_done(struct dg_cloud_result *r, void *arg)
{
	struct beat *t = arg;
	struct dg_beat *b = t->b;

	(void)DG_CRASH_AFTER(BEAT);
	t->call = NULL;
	if (r->http == 401)
		dg_worker_denied(b->r->worker);
	if (r->outcome == DG_OUTCOME_STATUS && r->http == 413 && !t->small) {
		dg_log(LOG_WARNING, "a heartbeat was too large; a smaller one follows");
		say(t, true);
		return;
	}
	if (r->cls == 0) {
		if (b->failing)
			dg_log(LOG_NOTICE, "heartbeats are taken again");
		b->failing = false;
		b->r->beats++;
		dg_worker_success(b->r->worker);
	} else {
		if (!b->failing)
			dg_log(LOG_WARNING, "Failed to add heartbeat: %s", r->text);
		b->failing = true;
	}
	if (t == b->last)
		finished(b);
	if (b->last)
		return;
	if (b->news)
		on_news(b);
	dg_reporter_done(b->r);
}

static void
measure(struct dg_beat *b)
{
	struct dg_str launcher = dg_view_launcher(&b->r->view);
	struct dg_metrics_load load = {.max = DG_LAUNCHER_CREDIT};
	int64_t held = 0;

	if (!b->measure || (b->measured && dg_now() - b->measured < MEASURE_EVERY))
		return;
	b->measured = dg_now();
	(void)dg_json_member_int(launcher, "running", &load.running);
	(void)dg_json_member_int(launcher, "queued", &load.queued);
	(void)dg_json_member_int(launcher, "held", &held);
	load.queued += held;
	dg_buf_reset(&b->utilization);
	dg_metrics_measure(&b->metrics, &load, dg_wall_usec(), &b->utilization);
}

static void
say(struct beat *t, bool small)
{
	struct dg_beat *b = t->b;
	struct dg_cloud_spec s = {.how = DG_CALL_GRAPHQL,
		.scope = DG_SCOPE_ORGANIZATION,
		.document = dg_doc_heartbeats,
		.policy = DG_RETRY_GRAPHQL,
		.idempotent = true,
		.retries = TRIES,
		.limit = 1 << 20,
		.done = on_done,
		.arg = t};

	b->news = false;
	if (!small) {
		b->facts.wall = dg_wall_usec();
		measure(b);
	}
	b->facts.small = small;
	b->facts.agent_id = b->agent_id;
	b->facts.utilization = dg_buf_str(&b->utilization);
	dg_buf_reset(&t->variables);
	dg_heartbeat_variables(&b->facts, &t->variables);
	s.give_up = b->facts.wall + (int64_t)EVERY * 2 / 3;
	s.body[0] = dg_buf_str(&t->variables);
	s.body_n = 1;
	t->small = small;
	t->began = dg_now();
	(void)DG_CRASH_BEFORE(BEAT);
	t->call = dg_cloud_start(b->channel, &s);
}

/* One that is not under way, or the older one. */
static struct beat *
turn(struct dg_beat *b)
{
	struct beat *t = &b->beats[0];

	if (t->call && (!b->beats[1].call || b->beats[1].began < t->began))
		t = &b->beats[1];
	dg_cloud_cancel(TAKE_PTR(t->call));
	return t;
}

static int
on_last_limit(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	finished(arg);
	return 0;
}

void
dg_beat_last(struct dg_beat *b)
{
	if (b->last)
		return;
	sd_event_source_set_enabled(b->timer, SD_EVENT_OFF);
	if (!b->agent_id || sd_event_add_time_relative(b->r->worker->event, &b->limit,
				    CLOCK_MONOTONIC, LAST_LIMIT, 50 * DG_MSEC,
				    on_last_limit, b) < 0) {
		finished(b); /* who we are is not known: nothing was said, either */
		return;
	}
	b->last = turn(b);
	say(b->last, false);
}

static int
on_timer(sd_event_source *src, uint64_t usec, void *arg)
{
	struct dg_beat *b = arg;

	(void)src;
	(void)usec;
	dg_view_sweep(&b->r->view, dg_now());
	for (size_t i = 0; i < DG_N(b->beats); i++) {
		struct beat *t = &b->beats[i];

		if (!t->call || t->began + SILENT <= dg_now())
			continue;
		b->news = true; /* it will be answered soon, or is silent then */
		arm(b, t->began + SILENT);
		return 0;
	}
	b->attempt = dg_now();
	arm(b, b->attempt + EVERY);
	say(turn(b), false);
	return 0;
}

static void
on_news(struct dg_beat *b)
{
	dg_usec at = dg_now() + SOON;

	if (b->last)
		return;

	if (at < b->attempt + AT_MOST)
		at = b->attempt + AT_MOST;
	if (at < b->next)
		arm(b, at);
}

void
dg_beat_view(struct dg_beat *b)
{
	bool news = b->r->view.news;

	b->r->view.news = false;
	if (!b->agent_id)
		return;
	if (b->attempt) {
		if (news)
			on_news(b);
	} else if (dg_map_count(&b->r->view.rows[DG_STATE_DEPLOYMENT])) {
		arm(b, dg_now());
	} else if (!b->armed && dg_view_launcher(&b->r->view).n) {
		arm(b, dg_now() + FIRST_WITHOUT);
	}
}

void
dg_beat_identity(struct dg_beat *b, struct dg_str agent_id)
{
	free(b->agent_id);
	b->agent_id = dg_str_dup(agent_id);
	dg_beat_view(b);
}

/* {"name": ["a"], ...} or ["a"] */
static void
list_json(const struct dg_settings *s, const char *key, struct dg_jw *w)
{
	dg_jw_open_array(w);
	for (size_t i = 0; i < dg_settings_count(s, key); i++)
		dg_jw_str(w, dg_settings_item(s, key, i));
	dg_jw_close_array(w);
}

static void
read_queues(struct dg_beat *b, const struct dg_settings *s)
{
	struct dg_jw w = dg_jw(&b->queues);
	size_t n = dg_settings_count(s, "queues"), named = 0;

	for (size_t i = 0; i < n; i++)
		named += dg_settings_item(s, "queues", i) != NULL;
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "__class__", "AgentQueuesConfig");
	dg_jw_key(&w, "additional_queues");
	if (named || dg_settings_has(s, "agent_queues.additional_queues")) {
		dg_jw_open_array(&w);
		for (size_t i = 0; i < n; i++)
			if (dg_settings_item(s, "queues", i))
				dg_jw_str(&w, dg_settings_item(s, "queues", i));
		dg_jw_close_array(&w);
	} else {
		dg_jw_null(&w);
	}
	dg_jw_kbool(&w, "include_default_queue", named < n);
	dg_jw_close_object(&w);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
read_allowed(struct dg_beat *b, const struct dg_settings *s)
{
	static const char full[] = "allowed_full_deployment_locations";
	struct dg_jw w = dg_jw(&b->allowed_branch);
	size_t n = dg_settings_count(s, full);
	auto_free const char **names = dg_xcalloc(n + 1, sizeof(*names));

	list_json(s, "allowed_branch_deployment_locations", &w);
	for (size_t i = 0; i < n; i++)
		names[i] = dg_settings_name(s, full, i);
	qsort(names, n, sizeof(*names), by_name);
	w = dg_jw(&b->allowed_full);
	dg_jw_open_object(&w);
	for (size_t i = 0; i < n; i++) {
		auto_free char *key = dg_xasprintf("%s.%s", full, names[i]);

		dg_jw_key(&w, names[i]);
		list_json(s, key, &w);
	}
	dg_jw_close_object(&w);
}

static size_t
limit_of(const struct dg_settings *s, const char *key, size_t usual)
{
	int64_t v = dg_settings_int(s, key);

	return dg_settings_has(s, key) && v >= 0 ? (size_t)v : usual;
}

static int
read_settings(struct dg_beat *b, struct dg_err *e)
{
	struct dg_reporter *r = b->r;
	const struct dg_settings *s = r->worker->settings;

	dg_buf_reset(&b->queues);
	dg_buf_reset(&b->allowed_full);
	dg_buf_reset(&b->allowed_branch);
	dg_buf_reset(&b->utilization);
	read_queues(b, s);
	read_allowed(b, s);
	dg_buf_adds(&b->utilization, "{}");
	b->measured = 0;
	b->measure =
		dg_settings_bool(s, "user_code_launcher.config.agent_metrics.enabled");
	b->facts = (struct dg_heartbeat){
		.agent_label = dg_settings_str(s, "dagster_cloud_api.agent_label"),
		.agent_type = dg_settings_str(s, "agent_type"),
		.image_tag = dg_settings_str(s, "env.DAGSTER_CLOUD_AGENT_IMAGE_TAG"),
		.queues = dg_buf_str(&b->queues),
		.allowed_full = dg_buf_str(&b->allowed_full),
		.allowed_branch = dg_buf_str(&b->allowed_branch),
		.view = &r->view,
		.troubles = &r->troubles,
		.server_error_limit = limit_of(s,
			"env.DAGSTER_CLOUD_CODE_SERVER_HEARTBEAT_ERROR_SIZE_LIMIT", 5000),
		.message_limit = limit_of(s,
			"env.DAGSTER_CLOUD_RUN_WORKER_STATUS_MESSAGE_SIZE_LIMIT", 1000),
	};
	dg_metrics_init(&b->metrics, s, b->facts.agent_type);
	return dg_cloud_channel_new(&b->channel, r->cloud, 2, e);
}

int
dg_beat_new(struct dg_reporter *r, struct dg_err *e)
{
	struct dg_beat *b = dg_new(struct dg_beat);
	int n;

	r->beat = b;
	b->r = r;
	b->beats[0].b = b->beats[1].b = b;
	n = sd_event_add_time(r->worker->event, &b->timer, CLOCK_MONOTONIC, 0,
		100 * DG_MSEC, on_timer, b);
	if (n < 0 || (n = sd_event_source_set_enabled(b->timer, SD_EVENT_OFF)) < 0)
		return dg_fail(e, DG_TRANSPORT, -n, "no timer");
	/* before all others, also when much is to be done */
	sd_event_source_set_priority(b->timer, SD_EVENT_PRIORITY_IMPORTANT);
	return read_settings(b, e);
}

int
dg_beat_apply(struct dg_beat *b, struct dg_err *e)
{
	if (b->beats[0].call || b->beats[1].call) /* they were broken off */
		arm(b, dg_now());
	b->beats[0].call = b->beats[1].call = NULL;
	return read_settings(b, e);
}

void
dg_beat_free(struct dg_beat *b)
{
	if (!b)
		return;
	sd_event_source_disable_unref(b->timer);
	sd_event_source_disable_unref(b->limit);
	free(b->agent_id);
	dg_buf_clear(&b->queues);
	dg_buf_clear(&b->allowed_full);
	dg_buf_clear(&b->allowed_branch);
	dg_buf_clear(&b->utilization);
	dg_buf_clear(&b->beats[0].variables);
	dg_buf_clear(&b->beats[1].variables);
	free(b);
}
