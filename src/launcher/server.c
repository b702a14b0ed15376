/* launcher/server.c: one code server: its start, its channel, what is asked of it without
 * a request. See launcher.h. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rand.h"
#include "dagster/code_server.h"
#include "dagster/error.h"
#include "dagster/run.h"
#include "dagster/server_metrics.h"
#include "grpc/proto.h"
#include "launcher/launcher.h"
#include "log/log.h"
#include "json/json.h"
#include "json/write.h"

#define RUNS_TIMEOUT (10 * DG_SEC)
/* A code server ends by itself after the time-out that its backend gave it (process: 300
 * s). */
#define BEAT_EVERY (15 * DG_SEC)
#define BEAT_TIMEOUT (60 * DG_SEC)
#define DRAIN_EVERY (5 * DG_SEC)
#define METRICS_EVERY (60 * DG_SEC)
/* Half of its threads busy with calls that timed out: as slots.h has it, or sooner. */
#define CLOGGED_AFTER DG_MINUTE

struct dg_server *
dg_server_new(
	struct dg_place *p, unsigned serial, struct dg_loc_version v, const char *id)
{
	struct dg_server *s = dg_new(struct dg_server);

	s->p = p;
	s->serial = serial;
	s->version = v;
	s->since = dg_wall_usec();
	if (id)
		snprintf(s->id, sizeof(s->id), "%s", id);
	else
		dg_random_hex(s->id, 16);
	TAILQ_INIT(&s->running);
	TAILQ_INSERT_TAIL(&p->servers, s, link);
	dg_map_put(&p->l->servers, dg_str(s->id), s);
	return s;
}

void
dg_server_free(struct dg_server *s)
{
	struct dg_launcher *l = s->p->l;

	TAILQ_REMOVE(&s->p->servers, s, link);
	dg_map_del(&l->servers, dg_str(s->id));
	dg_channel_free(TAKE_PTR(s->channel)); /* every call's done() is called */
	dg_slots_free(s->slots);
	sd_event_source_disable_unref(s->ping_at);
	sd_event_source_disable_unref(s->beat_at);
	sd_event_source_disable_unref(s->slots_at);
	sd_event_source_disable_unref(s->drain_at);
	if (s->shown.n)
		dg_report_gone(l, DG_STATE_SERVER, s->id);
	dg_buf_clear(&s->metadata);
	dg_buf_clear(&s->reloading);
	dg_buf_clear(&s->handle);
	dg_buf_clear(&s->ping_error);
	dg_buf_clear(&s->shown);
	free(s);
}

/* Start. */

static unsigned
prepare(struct dg_server *s, const struct dg_metadata *m, struct dg_strv *argv,
	struct dg_strv *env)
{
	struct dg_launcher *l = s->p->l;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	dg_code_server_argv(m, l->tuning.metrics, argv);
	dg_code_server_env(
		m, s->p->location, dg_launcher_ref(l, s->p->deployment, true), env);
	return dg_code_server_pool(
		env, getenv(DG_POOL_ENV), cpus > 0 ? (unsigned)cpus : 1);
}

static struct dg_slots *
slots(const struct dg_server *s, unsigned pool)
{
	struct dg_slots *ret = dg_slots_new(pool);
	dg_usec stuck = s->p->l->limits.silent.stuck;

	if (stuck < CLOGGED_AFTER)
		dg_slots_set_sick(ret, stuck);
	return ret;
}

int
dg_server_launch(struct dg_server *s, struct dg_err *e)
{
	struct dg_launcher *l = s->p->l;
	auto_strv argv = {0}, env = {0};
	auto_free char *owner = dg_xasprintf("%s/%u", l->installation, l->slot);
	struct dg_metadata m = {0};
	struct dg_server_spec spec;
	int r = dg_metadata_parse(dg_buf_str(&s->metadata), &m, e);

	if (r < 0)
		return r;
	s->slots = slots(s, prepare(s, &m, &argv, &env));
	spec = (struct dg_server_spec){
		.id = s->id,
		.deployment = s->p->deployment,
		.location = s->p->location,
		.image = m.image,
		.pex = m.pex_metadata.n > 0,
		.argv = (const char *const *)argv.v,
		.env = (const char *const *)env.v,
		.container_context = m.container_context,
		.owner = owner,
	};
	r = l->ops->validate(l->backend, &spec, e);
	if (r == 0)
		r = l->ops->server_start(l->backend, &spec, e);
	dg_metadata_clear(&m);
	return r;
}

/* What the ledger keeps of it: enough for the next launcher to take it over. */
static void
commit(struct dg_server *s)
{
	auto_buf body = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&body);
	struct dg_commit c = {
		.type = DG_MSG_HANDLE,
		.what = DG_HANDLE_SERVER,
		.stage = DG_STAGE_STARTED,
		.key = s->id,
		.deployment = s->p->deployment,
		.location = s->p->location,
	};

	dg_jw_open_object(&w);
	dg_jw_key(&w, "handle");
	dg_jw_strn(&w, dg_buf_str(&s->handle));
	dg_jw_kdouble(&w, "timestamp", s->version.timestamp);
	dg_jw_kbool(&w, "branch", s->p->branch);
	dg_jw_key(&w, "metadata");
	dg_jw_strn(&w, dg_buf_str(&s->metadata));
	dg_jw_close_object(&w);
	c.handle = body;
	dg_launcher_commit(s->p->l, &c);
}

void
dg_server_handle(struct dg_server *s, struct dg_str handle)
{
	struct dg_launcher *l = s->p->l;

	dg_buf_reset(&s->handle);
	dg_buf_addstr(&s->handle, handle);
	if (l->ops->handle_tag(l->backend, s->id, s->tag, sizeof(s->tag)) < 0)
		s->tag[0] = '\0';
	commit(s);
	dg_report_server(s);
}

struct dg_call *
dg_server_call(struct dg_server *s, const char *method, dg_usec timeout,
	struct dg_buf *message,
	void (*done)(void *arg, struct dg_call *call, struct dg_reply *reply), void *arg)
{
	struct dg_call_spec spec = {
		.method = method,
		.timeout = timeout,
		.done = done,
		.arg = arg,
	};

	return s->channel ? dg_call_start(s->channel, &spec, message) : NULL;
}

/* Heartbeat. */

static void
beat_done(void *arg, struct dg_call *call, struct dg_reply *reply)
{
	(void)arg; /* liveness is judged by Ping */
	(void)call;
	(void)reply;
}

static int
on_beat(sd_event_source *src, uint64_t usec, void *arg)
{
	struct dg_server *s = arg;
	auto_buf m = DG_BUF_INIT;

	(void)src;
	(void)usec;
	dg_pb_add_str(&m, 1, DG_STR("ping"));
	dg_server_call(s, "Heartbeat", BEAT_TIMEOUT, &m, beat_done, NULL);
	dg_launcher_timer(
		s->p->l, &s->beat_at, dg_now() + BEAT_EVERY, DG_SEC, on_beat, s);
	return 0;
}

int
dg_server_up(struct dg_server *s, const char *endpoint, struct dg_err *e)
{
	struct dg_launcher *l = s->p->l;
	int r;

	if (s->channel)
		return 0;
	snprintf(s->endpoint, sizeof(s->endpoint), "%s", endpoint);
	r = dg_channel_new(&s->channel, l->w->event, endpoint, &l->tuning.grpc, e);
	if (r < 0)
		return r;
	if (!s->slots) { /* adopted: as it was started */
		auto_strv argv = {0}, env = {0};
		struct dg_metadata m = {0};

		(void)dg_metadata_parse(dg_buf_str(&s->metadata), &m, NULL);
		s->slots = slots(s, prepare(s, &m, &argv, &env));
		dg_metadata_clear(&m);
		if (l->ops->handle_tag(l->backend, s->id, s->tag, sizeof(s->tag)) < 0)
			s->tag[0] = '\0';
	}
	if (l->ops->servers_need_heartbeat)
		dg_launcher_timer(
			l, &s->beat_at, dg_now() + BEAT_EVERY, DG_SEC, on_beat, s);
	return 0;
}

/* Ping. */

static void
metrics(struct dg_server *s, struct dg_str text)
{
	struct dg_place *p = s->p;
	int64_t running = dg_server_metrics_running(text);
	dg_usec now = dg_now();
	auto_buf limits = DG_BUF_INIT, next = DG_BUF_INIT;

	if (running >= 0)
		dg_slots_seen(s->slots, running > 0 ? (unsigned)running - 1 : 0, now);
	if (!text.n || !p->l->tuning.metrics || s->draining ||
		(p->metrics.n && now - p->metrics_at < METRICS_EVERY))
		return;
	p->metrics_at = now;
	p->l->ops->resource_limits(p->l->backend, &limits);
	(void)dg_server_metrics(&next,
		p->metrics.n ? dg_buf_str(&p->metrics) : dg_str(dg_server_metrics_none),
		text, dg_buf_str(&limits));
	dg_buf_clear(&p->metrics);
	p->metrics = next;
	next = DG_BUF_INIT;
	dg_report_place(p);
}

/* It does not answer: look at what it does instead. REFUSED: it said so, or nobody is
 * there. */
static void
silent(struct dg_server *s, bool refused)
{
	struct dg_launcher *l = s->p->l;
	const struct dg_loc_inst *i = dg_loc_inst(&s->p->loc, s->serial);
	struct dg_loc_event ev = {
		.type = DG_LOC_PING_FAIL,
		.serial = s->serial,
		.look = {.refused = refused},
	};
	struct dg_look look;

	if (!i || i->phase != DG_PHASE_SERVING) {
		/* it comes up: its start-up time-out counts */
	} else if (!l->ops->server_look(l->backend, s->id, &look)) {
		ev.look.seen = true;
	} else {
		dg_usec now = dg_now();

		ev.look.stopped = look.stopped;
		if (s->looked) {
			ev.look.seen = true;
			ev.look.works =
				dg_health_works(look.cpu > s->cpu ? look.cpu - s->cpu : 0,
					now - s->looked);
		} else {
			s->silent_cpu = look.cpu;
		}
		s->looked = now;
		s->cpu = look.cpu;
	}
	dg_place_event(s->p, &ev);
}

static void
ping_done(void *arg, struct dg_call *call, struct dg_reply *reply)
{
	struct dg_server *s = arg;
	struct dg_place *p = s->p;

	(void)call;
	s->ping = NULL;
	if (!s->channel)
		return; /* it is being freed */
	if (reply->status == DG_GRPC_OK) {
		dg_buf_reset(&s->ping_error);
		s->looked = 0;
		metrics(s, dg_buf_str(&reply->field[2]));
		if (dg_slots_sick(s->slots, dg_now()))
			dg_place_event(p, &(struct dg_loc_event){.type = DG_LOC_CLOGGED,
						  .serial = s->serial});
		dg_server_pump(s);
		dg_place_server_event(s, DG_LOC_PING_OK, false, DG_STR_NULL);
		return;
	}
	dg_buf_reset(&s->ping_error);
	dg_buf_addf(&s->ping_error, "%s: %s", dg_grpc_status_name(reply->status),
		reply->err.what);
	silent(s, reply->status != DG_GRPC_DEADLINE_EXCEEDED);
}

static int
on_ping(sd_event_source *src, uint64_t usec, void *arg)
{
	struct dg_server *s = arg;
	auto_buf m = DG_BUF_INIT;

	(void)src;
	(void)usec;
	if (!s->ping)
		s->ping = dg_server_call(s, "Ping",
			dg_health_ping_timeout(&s->p->l->limits.silent), &m, ping_done,
			s);
	return 0;
}

void
dg_server_ping(struct dg_server *s, dg_usec at)
{
	dg_usec now = dg_now();

	dg_launcher_timer(s->p->l, &s->ping_at, at,
		at > now + DG_SEC ? 500 * DG_MSEC : DG_MSEC, on_ping, s);
}

/* ListRepositories. */

static void
list_done(void *arg, struct dg_call *call, struct dg_reply *reply)
{
	struct dg_server *s = arg;
	struct dg_str text = dg_buf_str(&reply->field[1]);
	auto_buf error = DG_BUF_INIT;

	(void)call;
	s->list = NULL;
	if (!s->channel)
		return;
	if (reply->status != DG_GRPC_OK) {
		dg_error_add_unreachable(&error, dg_grpc_status_name(reply->status),
			(int64_t)(s->p->l->tuning.list / DG_SEC), false, reply->text);
		dg_place_server_event(s, DG_LOC_LIST_FAIL, false, dg_buf_str(&error));
	} else if (dg_json_check(text, DG_JSON_DEPTH_MAX, NULL) < 0) {
		dg_error_add(&error, DG_CLS_DESERIALIZE,
			DG_STR("The code server's list of repositories is not JSON."),
			DG_STR_NULL);
		dg_place_server_event(s, DG_LOC_LIST_FAIL, true, dg_buf_str(&error));
	} else if (dg_error_is(text)) {
		dg_buf_addstr(&error, text);
		dg_place_server_event(s, DG_LOC_LIST_FAIL, true, dg_buf_str(&error));
	} else {
		struct dg_str versions = DG_STR_NULL;

		(void)dg_json_member(text, "dagster_library_versions", &versions);
		s->p->args_in_env = dg_run_args_in_env(versions);
		dg_place_server_event(s, DG_LOC_LISTED, false, DG_STR_NULL);
	}
}

void
dg_server_list(struct dg_server *s)
{
	auto_buf m = DG_BUF_INIT;

	s->list = dg_server_call(
		s, "ListRepositories", s->p->l->tuning.list, &m, list_done, s);
}

/* ReloadCodeWithState: the defs state changed and nothing else. */

static void
reload_done(void *arg, struct dg_call *call, struct dg_reply *reply)
{
	struct dg_server *s = arg;
	auto_buf line = DG_BUF_INIT;

	(void)call;
	s->reload = NULL;
	if (!s->channel)
		return;
	if (reply->status == DG_GRPC_OK && reply->field[1].n == 0) {
		s->version = s->p->loc.target;
		dg_buf_reset(&s->metadata);
		dg_buf_addstr(&s->metadata, dg_buf_str(&s->reloading));
		commit(s);
		dg_place_server_event(s, DG_LOC_RELOADED, false, DG_STR_NULL);
		return;
	}
	if (reply->status == DG_GRPC_OK)
		dg_error_line(dg_buf_str(&reply->field[1]), 300, &line);
	else
		dg_buf_adds(&line, reply->err.what);
	dg_logkv(LOG_NOTICE,
		DG_KV({"dep", s->p->deployment}, {"loc", s->p->location}, {"srv", s->id}),
		"the new defs state cannot be loaded in place, a new server will: %s",
		line.p ? line.p : "");
	dg_place_server_event(s, DG_LOC_RELOAD_FAIL, false, DG_STR_NULL);
}

void
dg_server_reload(struct dg_server *s)
{
	auto_buf msg = DG_BUF_INIT;
	struct dg_metadata m = {0};

	dg_buf_reset(&s->reloading);
	dg_buf_addstr(&s->reloading, dg_buf_str(&s->p->metadata));
	if (dg_metadata_parse(dg_buf_str(&s->reloading), &m, NULL) == 0)
		dg_pb_add_str(&msg, 1, m.defs_state_info);
	dg_metadata_clear(&m);
	s->reload = dg_server_call(
		s, "ReloadCodeWithState", s->p->l->tuning.unary, &msg, reload_done, s);
}

/* Slots. */

static int
on_slots(sd_event_source *src, uint64_t usec, void *arg)
{
	(void)src;
	(void)usec;
	dg_server_pump(arg);
	return 0;
}

void
dg_server_pump(struct dg_server *s)
{
	enum dg_slots_took took;
	void *item;
	dg_usec due;

	while ((took = dg_slots_take(s->slots, dg_now(), &item)) != DG_SLOTS_NONE) {
		if (took == DG_SLOTS_GO)
			dg_relay_go(item);
		else
			dg_relay_expired(item);
	}
	due = dg_slots_next(s->slots);
	if (due != DG_USEC_NEVER || s->slots_at)
		dg_launcher_timer(s->p->l, &s->slots_at, due, 10 * DG_MSEC, on_slots, s);
	if (s->drain_asked && TAILQ_EMPTY(&s->running))
		dg_server_drain(s);
}

/* Draining: first its calls, then the runs that it hosts. */

static int
on_drain(sd_event_source *src, uint64_t usec, void *arg)
{
	(void)src;
	(void)usec;
	dg_server_drain(arg);
	return 0;
}

/* A draining server that does not answer may be busy, and may have runs. */
static bool
mute_for_good(struct dg_server *s)
{
	dg_usec limit = s->p->l->limits.silent.stuck, now = dg_now();

	if (!s->mute)
		s->mute = now;
	return limit && now - s->mute >= limit;
}

static void
runs_done(void *arg, struct dg_call *call, struct dg_reply *reply)
{
	struct dg_server *s = arg;
	struct dg_str text = dg_buf_str(&reply->field[1]), runs;

	(void)call;
	s->runs = NULL;
	if (!s->channel)
		return;
	if ((reply->status == DG_GRPC_OK &&
		    dg_json_check(text, DG_JSON_DEPTH_MAX, NULL) == 0 &&
		    dg_json_member(text, "current_runs", &runs) &&
		    dg_json_count(runs) > 0) ||
		(reply->status == DG_GRPC_DEADLINE_EXCEEDED && !mute_for_good(s))) {
		if (reply->status == DG_GRPC_OK)
			s->mute = 0;
		dg_launcher_timer(s->p->l, &s->drain_at, dg_now() + DRAIN_EVERY, DG_SEC,
			on_drain, s);
		return;
	}
	dg_place_server_event(s, DG_LOC_DRAINED, false, DG_STR_NULL);
}

void
dg_server_drain(struct dg_server *s)
{
	auto_buf m = DG_BUF_INIT;

	s->drain_asked = true;
	if (s->runs || !TAILQ_EMPTY(&s->running))
		return; /* pump() or runs_done() comes back here */
	s->runs = dg_server_call(s, "GetCurrentRuns", RUNS_TIMEOUT, &m, runs_done, s);
}
