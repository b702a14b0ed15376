/* launcher/report.c: STATE bodies (daglet/state.h). What changed is marked and told once
 * per 100 ms, so that a thousand requests a second cost ten messages. See launcher.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "daglet/state.h"
#include "dagster/server_metrics.h"
#include "launcher/launcher.h"
#include "json/write.h"

#define SETTLE (100 * DG_MSEC)

static void
tell(struct dg_launcher *l, enum dg_state_kind kind, bool gone, const char *key,
	struct dg_str body)
{
	struct dg_msg_state m = {
		.kind = kind,
		.gone = gone,
		.key = dg_str(key),
		.body = DG_BODY_STR(body),
	};

	dg_worker_send(l->w, DG_MSG_STATE, 0, &m);
}

/* Tell what is new against SHOWN. */
static void
tell_new(struct dg_launcher *l, enum dg_state_kind kind, const char *key,
	const struct dg_buf *now, struct dg_buf *shown)
{
	if (dg_str_eq(dg_buf_str(now), dg_buf_str(shown)))
		return;
	dg_buf_reset(shown);
	dg_buf_addstr(shown, dg_buf_str(now));
	tell(l, kind, false, key, dg_buf_str(shown));
}

static void
kwall(struct dg_jw *w, const char *key, int64_t wall)
{
	char t[32];

	if (wall)
		dg_jw_kraw(w, key, dg_str(dg_wall_json(wall, t)));
	else
		dg_jw_knull(w, key);
}

static void
kraw_or_null(struct dg_jw *w, const char *key, const struct dg_buf *json)
{
	dg_jw_kraw(w, key, json->n ? dg_buf_str(json) : DG_STR("null"));
}

static void
tell_place(struct dg_place *p)
{
	const struct dg_loc *loc = &p->loc;
	struct dg_server *s = dg_place_serving(p);
	auto_buf b = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&b);
	const char *state = dg_loc_state(loc), *status = dg_loc_status(loc);

	if (p->bad.n && !s) {
		state = "BROKEN";
		status = DG_STATUS_FAILED;
	} else if (!p->l->desired_seen && s) {
		state = "SERVING"; /* taken over; what is wanted is not known yet */
	}
	if (!p->state || strcmp(p->state, state) != 0) {
		p->state = state;
		p->since = dg_wall_usec();
	}
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "deployment", p->deployment);
	dg_jw_kstr(&w, "location", p->location);
	dg_jw_kbool(&w, "branch", p->branch);
	dg_jw_kstr(&w, "status", status);
	dg_jw_kstr(&w, "state", state);
	dg_jw_kstr(&w, "next",
		s && loc->next.serial ? dg_loc_phase_name(loc->next.phase) : NULL);
	kraw_or_null(&w, "error", &p->error);
	dg_jw_kstr(&w, "note", p->note.n ? p->note.p : NULL);
	dg_jw_kstr(&w, "server", s ? s->id : NULL);
	dg_jw_kdouble(&w, "timestamp", loc->want.timestamp);
	kwall(&w, "since", p->since);
	dg_jw_kint(&w, "failures", loc->failures);
	kwall(&w, "retry", loc->failures ? p->retry_wall : 0);
	dg_jw_kint(&w, "held", p->nheld);
	dg_jw_kraw(&w, "metrics",
		!p->l->tuning.metrics ? DG_STR("null")
		: p->metrics.n        ? dg_buf_str(&p->metrics)
				      : dg_str(dg_server_metrics_none));
	dg_jw_close_object(&w);
	tell_new(p->l, DG_STATE_LOCATION, p->key, &b, &p->shown);
}

static void
tell_server(struct dg_server *s)
{
	static const char *const phases[] = {
		[DG_PHASE_NONE] = "stopping",
		[DG_PHASE_STARTING] = "starting",
		[DG_PHASE_WAITING] = "waiting",
		[DG_PHASE_LOADING] = "loading",
		[DG_PHASE_UPLOADING] = "uploading",
		[DG_PHASE_SERVING] = "serving",
		[DG_PHASE_DRAINING] = "draining",
		[DG_PHASE_STOPPING] = "stopping",
	};
	const struct dg_loc_inst *i = dg_loc_inst(&s->p->loc, s->serial);
	struct dg_slots_count c = {0};
	auto_buf b = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&b);

	if (s->slots)
		c = dg_slots_count(s->slots);
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "deployment", s->p->deployment);
	dg_jw_kstr(&w, "location", s->p->location);
	dg_jw_kstr(&w, "state", phases[i ? i->phase : DG_PHASE_NONE]);
	dg_jw_kstr(&w, "phase", s->phase[0] ? s->phase : NULL);
	dg_jw_kstr(&w, "handle", s->tag[0] ? s->tag : NULL);
	dg_jw_kstr(&w, "endpoint", s->endpoint[0] ? s->endpoint : NULL);
	dg_jw_kdouble(&w, "timestamp", s->version.timestamp);
	kwall(&w, "since", s->since);
	dg_jw_kint(&w, "calls", c.running);
	dg_jw_kint(&w, "waiting", (int64_t)c.waiting);
	dg_jw_kint(&w, "slots", c.slots);
	dg_jw_kint(&w, "zombies", c.zombies);
	dg_jw_close_object(&w);
	tell_new(s->p->l, DG_STATE_SERVER, s->id, &b, &s->shown);
}

static void
tell_run(struct dg_run *r)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&b);

	if (!r->status)
		return;
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "deployment", r->deployment);
	dg_jw_kstr(&w, "location", r->location);
	dg_jw_kstr(&w, "job", r->job);
	dg_jw_kstr(&w, "status", r->status);
	dg_jw_kstr(&w, "message", r->message);
	dg_jw_kbool(&w, "transient", false);
	dg_jw_knull(&w, "handle");
	kwall(&w, "since", r->since);
	dg_jw_close_object(&w);
	tell_new(r->l, DG_STATE_RUN, r->id, &b, &r->shown);
}

static bool
ready(const struct dg_launcher *l)
{
	if (!l->desired_seen)
		return false;
	DG_MAP_EACH(&l->places, s)
	{
		const struct dg_place *p = s->value;

		if (p->loc.wanted && !p->bad.n && !dg_loc_settled(&p->loc))
			return false;
	}
	return true;
}

static void
tell_role(struct dg_launcher *l)
{
	auto_buf b = DG_BUF_INIT;
	auto_free char *key = dg_xasprintf("launcher:%s", l->w->inst);
	struct dg_jw w = dg_jw(&b);

	l->ready |= ready(l);
	dg_jw_open_object(&w);
	dg_jw_kint(&w, "requests", (int64_t)l->count.taken);
	dg_jw_kint(&w, "held", (int64_t)l->count.held);
	dg_jw_kint(&w, "queued", (int64_t)l->count.queued);
	dg_jw_kint(&w, "running", (int64_t)l->count.running);
	dg_jw_kbool(&w, "supported", l->ops->runs_are_watched);
	dg_jw_kstr(&w, "agent_type", l->ops->agent_type);
	dg_jw_kbool(&w, "ready", l->ready);
	dg_jw_close_object(&w);
	tell_new(l, DG_STATE_ROLE, key, &b, &l->role_state);
}

static int
on_settle(sd_event_source *src, uint64_t usec, void *arg)
{
	struct dg_launcher *l = arg;
	size_t serving = 0;

	(void)src;
	(void)usec;
	l->settling = false;
	DG_MAP_EACH(&l->places, s)
	{
		struct dg_place *p = s->value;

		serving += dg_place_serving(p) != NULL;
		if (p->dirty && (p->loc.wanted || p->bad.n || !TAILQ_EMPTY(&p->servers)))
			tell_place(p);
		p->dirty = false;
	}
	DG_MAP_EACH(&l->servers, s)
	tell_server(s->value);
	tell_role(l);
	dg_worker_say(l->w, "%zu locations serve, %llu requests held, %llu running",
		serving, (unsigned long long)l->count.held,
		(unsigned long long)l->count.running);
	return 0;
}

static void
settle(struct dg_launcher *l)
{
	if (l->settling)
		return;
	l->settling = true;
	dg_launcher_timer(l, &l->settle, dg_now() + SETTLE, 20 * DG_MSEC, on_settle, l);
}

void
dg_report_place(struct dg_place *p)
{
	p->dirty = true;
	settle(p->l);
}

void
dg_report_server(struct dg_server *s)
{
	settle(s->p->l);
}

void
dg_report_run(struct dg_run *r)
{
	tell_run(r);
	settle(r->l);
}

void
dg_report_role(struct dg_launcher *l)
{
	settle(l);
}

void
dg_report_gone(struct dg_launcher *l, enum dg_state_kind kind, const char *key)
{
	tell(l, kind, true, key, DG_STR(""));
}

void
dg_report_deployment(struct dg_launcher *l, const char *name, bool branch)
{
	tell(l, DG_STATE_DEPLOYMENT, false, name,
		branch ? DG_STR("{\"branch\": true}") : DG_STR("{\"branch\": false}"));
}

void
dg_report_all(struct dg_launcher *l)
{
	DG_MAP_EACH(&l->deployments, s)
	dg_report_deployment(l, s->key, strcmp(s->value, "branch") == 0);
	DG_MAP_EACH(&l->places, s)
	{
		struct dg_place *p = s->value;

		if (p->shown.n)
			tell(l, DG_STATE_LOCATION, false, p->key, dg_buf_str(&p->shown));
		p->dirty = true;
	}
	DG_MAP_EACH(&l->servers, s)
	{
		struct dg_server *v = s->value;

		if (v->shown.n)
			tell(l, DG_STATE_SERVER, false, v->id, dg_buf_str(&v->shown));
	}
	DG_MAP_EACH(&l->runs, s)
	{
		struct dg_run *r = s->value;

		if (r->shown.n)
			tell(l, DG_STATE_RUN, false, r->id, dg_buf_str(&r->shown));
	}
	dg_buf_reset(&l->role_state);
	settle(l);
}
