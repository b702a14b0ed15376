/* launcher/relay.c: requests: taken, held, handed to who does them, answered. One request
 * never hurts another: each is judged by itself. See launcher.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "dagster/answer.h"
#include "dagster/args.h"
#include "dagster/error.h"
#include "launcher/launcher.h"
#include "log/log.h"

/* A location that the last workspace does not have may be in the next one (polled every
 * five seconds); after that it is unknown. */
#define UNKNOWN_FOR (12 * DG_SEC)

static struct dg_str
key_of(uint64_t id, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%llu", (unsigned long long)id);

	return dg_strn(buf, (size_t)n);
}

static struct dg_request *
by_id(struct dg_launcher *l, uint64_t id)
{
	char key[24];

	return dg_map_get(&l->requests, key_of(id, key, sizeof(key)));
}

void
dg_relay_free(struct dg_request *r)
{
	char key[24];

	dg_map_del(&r->l->requests, key_of(r->id, key, sizeof(key)));
	dg_query_free(r);
	dg_errand_forget(r->errand);
	sd_event_source_disable_unref(r->timer);
	free(r->request_id);
	free(r->api);
	free(r->deployment);
	free(r->location);
	free(r->refused);
	dg_blob_clear(&r->body);
	dg_blob_clear(&r->answer);
	free(r);
}

/* Answers. */

static void
transmit(const struct dg_request *r)
{
	struct dg_msg_answer m = {
		.outcome = dg_str(r->outcome),
		.response = dg_blob_body(&r->answer),
	};

	dg_worker_send(r->l->w, DG_MSG_ANSWER, r->id, &m);
}

static struct dg_telemetry
telemetry(const struct dg_request *r)
{
	return (struct dg_telemetry){
		r->submitted, r->started ? r->started : r->submitted, dg_wall_usec()};
}

static void
leave(struct dg_request *r)
{
	if (r->held_in) {
		TAILQ_REMOVE(&r->held_in->held, r, link);
		r->held_in->nheld--;
		r->l->count.held--;
		dg_report_place(r->held_in);
		r->held_in = NULL;
	}
	if (r->stage == DG_REQUEST_QUEUED) {
		dg_slots_remove(r->server->slots, r);
		r->l->count.queued--;
		r->server = NULL;
	}
	r->timer = sd_event_source_disable_unref(r->timer);
}

void
dg_relay_answer(struct dg_request *r, const char *outcome, struct dg_blob *take_body)
{
	struct dg_launcher *l = r->l;
	char dur[24];

	leave(r);
	dg_errand_forget(TAKE_PTR(r->errand));
	r->stage = DG_REQUEST_ANSWERED;
	r->answer = *take_body;
	*take_body = DG_BLOB_INIT;
	dg_blob_clear(&r->body);
	snprintf(r->outcome, sizeof(r->outcome), "%s", outcome);
	transmit(r);
	dg_desired_use(l, r, -1);
	dg_worker_success(l->w);
	snprintf(dur, sizeof(dur), "%lld", (long long)(dg_wall_usec() - r->submitted));
	dg_logkv(LOG_INFO,
		DG_KV({"req", r->request_id}, {"kind", r->api}, {"dep", r->deployment},
			{"loc", r->location[0] ? r->location : NULL}, {"dur_us", dur},
			{"outcome", r->outcome}),
		"request done");
	if (l->w->quiescing)
		dg_launcher_quiesced(l);
}

static void
answer_text(struct dg_request *r, const char *outcome, const struct dg_buf *text)
{
	struct dg_blob b = DG_BLOB_INIT;
	struct dg_err e;

	if (dg_blob_from(&b, dg_buf_str(text), &e) < 0) {
		dg_log_err(LOG_CRIT, &e, NULL);
		b = (struct dg_blob){dg_xstrndup(text->p, text->n), text->n, -1};
	}
	dg_relay_answer(r, outcome, &b);
}

void
dg_relay_ok(struct dg_request *r)
{
	struct dg_telemetry t = telemetry(r);
	auto_buf b = DG_BUF_INIT;

	dg_answer_success(&b, &t);
	answer_text(r, "ok", &b);
}

void
dg_relay_error(struct dg_request *r, struct dg_str error)
{
	struct dg_telemetry t = telemetry(r);
	auto_buf b = DG_BUF_INIT, line = DG_BUF_INIT;

	dg_error_line(error, 300, &line);
	dg_logkv(LOG_WARNING,
		DG_KV({"req", r->request_id}, {"kind", r->api}, {"dep", r->deployment},
			{"loc", r->location[0] ? r->location : NULL}),
		"request failed: %s", line.p ? line.p : "");
	dg_launcher_trouble(r->l, error);
	dg_answer_error(&b, error, &t);
	answer_text(r, "error", &b);
}

void
dg_relay_fail(struct dg_request *r, const char *cls, const char *fmt, ...)
{
	auto_buf text = DG_BUF_INIT, error = DG_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	dg_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	dg_error_add(&error, cls, dg_buf_str(&text), DG_STR_NULL);
	dg_relay_error(r, dg_buf_str(&error));
}

static void
unknown_kind(struct dg_request *r)
{
	struct dg_telemetry t = telemetry(r);
	auto_buf b = DG_BUF_INIT;

	dg_logkv(LOG_WARNING,
		DG_KV({"req", r->request_id}, {"kind", r->api}, {"dep", r->deployment}),
		"a request of a kind that this version does not know");
	dg_answer_unknown(&b, dg_str(r->api), &t);
	answer_text(r, "unknown", &b);
}

void
dg_relay_expired(struct dg_request *r)
{
	if (r->stage == DG_REQUEST_QUEUED) {
		r->l->count.queued--;
		r->stage = DG_REQUEST_NEW;
		r->server = NULL;
	}
	dg_relay_fail(r, DG_CLS_UNREACHABLE,
		"The request expired before the code server for %s:%s could serve it.",
		r->deployment, r->location);
}

void
dg_relay_no_server(struct dg_launcher *l, const char *deployment, const char *location,
	struct dg_buf *out)
{
	const struct dg_place *p = dg_place_find(l, dg_str(deployment), dg_str(location));

	if (p && p->error.n)
		dg_error_add_server_failed(
			out, dg_str(deployment), dg_str(location), dg_buf_str(&p->error));
	else
		dg_error_add_no_server(out, dg_str(deployment), dg_str(location));
}

/* Where a request goes. */

static bool
listed(const struct dg_place *p)
{
	return dg_map_get(&p->l->listed, dg_str(p->key)) != NULL;
}

enum dg_loc_verdict
dg_relay_place(struct dg_request *r, const char *location, struct dg_server **ret)
{
	struct dg_place *p = dg_place_find(r->l, dg_str(r->deployment), dg_str(location));

	*ret = p ? dg_place_serving(p) : NULL;
	if (*ret)
		return DG_LOC_SERVE;
	if (p && p->bad.n)
		return DG_LOC_ERROR;
	if (!p || !p->loc.wanted) /* it may be wanted soon */
		return DG_LOC_HOLD;
	return dg_loc_verdict(&p->loc);
}

static int on_held(sd_event_source *s, uint64_t usec, void *arg);

static void
watch_held(struct dg_request *r)
{
	int64_t left = r->expire ? (int64_t)r->expire - dg_wall_usec() : INT64_MAX;
	dg_usec at =
		r->expire ? dg_now() + (left > 0 ? (dg_usec)left : 0) : DG_USEC_NEVER;

	if (r->l->desired_seen && !listed(r->held_in)) {
		if (!r->unknown_at)
			r->unknown_at = dg_now() + UNKNOWN_FOR;
		if (r->unknown_at < at)
			at = r->unknown_at;
	}
	dg_launcher_timer(r->l, &r->timer, at, 50 * DG_MSEC, on_held, r);
}

static bool
expired(const struct dg_request *r)
{
	return r->expire && dg_wall_usec() >= (int64_t)r->expire;
}

static void
no_such_place(struct dg_request *r)
{
	auto_buf error = DG_BUF_INIT;

	if (r->row->how == DG_HOW_LOCAL) {
		dg_relay_ok(r);
	} else if (r->run) {
		dg_runs_released(r);
	} else {
		dg_relay_no_server(r->l, r->deployment, r->location, &error);
		dg_relay_error(r, dg_buf_str(&error));
	}
}

static int
on_held(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_request *r = arg;

	(void)s;
	(void)usec;
	if (expired(r)) {
		if (r->run) {
			leave(r);
			dg_runs_released(r);
		} else {
			dg_relay_expired(r);
		}
	} else if (!r->l->desired_seen || listed(r->held_in)) {
		watch_held(r);
	} else {
		leave(r);
		r->unlisted = true;
		no_such_place(r);
	}
	return 0;
}

void
dg_relay_hold(struct dg_request *r, const char *location)
{
	struct dg_place *p =
		dg_place_get(r->l, dg_str(r->deployment), dg_str(location), r->branch);

	r->stage = DG_REQUEST_HELD;
	r->held_in = p;
	TAILQ_INSERT_TAIL(&p->held, r, link);
	p->nheld++;
	r->l->count.held++;
	watch_held(r);
	dg_report_place(p);
}

void
dg_relay_enqueue(struct dg_request *r, struct dg_server *s)
{
	dg_usec at = DG_USEC_NEVER;

	if (r->expire) {
		int64_t left = (int64_t)r->expire - dg_wall_usec();

		at = dg_now() + (left > 0 ? (dg_usec)left : 0);
	}
	r->stage = DG_REQUEST_QUEUED;
	r->server = s;
	r->l->count.queued++;
	dg_slots_put(s->slots, r->row->lane, r, at);
	dg_server_pump(s);
}

static void
route(struct dg_request *r)
{
	struct dg_server *s;
	auto_buf error = DG_BUF_INIT;

	if (expired(r)) {
		dg_relay_expired(r);
		return;
	}
	switch (dg_relay_place(r, r->location, &s)) {
	case DG_LOC_HOLD:
		dg_relay_hold(r, r->location);
		return;
	case DG_LOC_ERROR:
		if (r->row->how == DG_HOW_LOCAL) {
			dg_relay_ok(r);
			return;
		}
		dg_relay_no_server(r->l, r->deployment, r->location, &error);
		dg_relay_error(r, dg_buf_str(&error));
		return;
	case DG_LOC_SERVE:
	default:
		if (r->row->how == DG_HOW_LOCAL)
			dg_relay_ok(r);
		else
			dg_relay_enqueue(r, s);
	}
}

void
dg_relay_released(struct dg_place *p)
{
	struct dg_request_list now;
	struct dg_request *r;

	TAILQ_INIT(&now);
	TAILQ_CONCAT(&now, &p->held, link);
	while ((r = TAILQ_FIRST(&now))) {
		TAILQ_REMOVE(&now, r, link);
		p->nheld--;
		r->l->count.held--;
		r->held_in = NULL;
		r->stage = DG_REQUEST_NEW;
		r->timer = sd_event_source_disable_unref(r->timer);
		if (r->run)
			dg_runs_released(r);
		else
			route(r);
	}
	dg_report_place(p);
}

void
dg_relay_unknown(struct dg_launcher *l)
{
	DG_MAP_EACH(&l->places, slot)
	{
		struct dg_place *p = slot->value;
		struct dg_request *r, *next;

		bool known = dg_map_get(&l->deployments, dg_str(p->deployment));

		if (!p->nheld || listed(p))
			continue;
		for (r = TAILQ_FIRST(&p->held); r; r = next) {
			next = TAILQ_NEXT(r, link);
			if (!known) { /* its deployment is asked for next time */
				watch_held(r);
				continue;
			}
			leave(r);
			r->unlisted = true;
			no_such_place(r);
		}
	}
}

void
dg_relay_moved(struct dg_server *s)
{
	DG_MAP_EACH(&s->p->l->requests, slot)
	{
		struct dg_request *r = slot->value;

		if (r->stage != DG_REQUEST_QUEUED || r->server != s)
			continue;
		leave(r);
		r->stage = DG_REQUEST_NEW;
		if (r->run)
			dg_runs_released(r);
		else
			route(r);
	}
}

void
dg_relay_go(struct dg_request *r)
{
	if (r->stage == DG_REQUEST_QUEUED)
		r->l->count.queued--;
	r->stage = DG_REQUEST_CALLING;
	r->started = dg_wall_usec();
	TAILQ_INSERT_TAIL(&r->server->running, r, link);
	r->l->count.running++;
	dg_report_server(r->server);
	if (r->run)
		dg_runs_go(r);
	else
		dg_query_go(r);
}

void
dg_relay_slot_free(struct dg_request *r, bool gave_up)
{
	struct dg_server *s = r->server;

	TAILQ_REMOVE(&s->running, r, link);
	r->l->count.running--;
	r->server = NULL;
	if (gave_up)
		dg_slots_gave_up(s->slots, r->row->lane, dg_now());
	else
		dg_slots_done(s->slots, r->row->lane);
	dg_report_server(s);
	if (s->channel)
		dg_server_pump(s);
}

/* CHECK_FOR_WORKSPACE_UPDATES. */

static void
checked(void *arg, const struct dg_msg_call_done *m)
{
	struct dg_request *r = arg;
	struct dg_err e = {0};

	r->errand = NULL;
	if (!m->cls)
		dg_desired_check(r->l, r->deployment, dg_strn(m->body.p, m->body.n), &e);
	if (m->cls)
		dg_relay_fail(r, DG_CLS_CLOUD, "%.*s", DG_FMT(m->text));
	else if (e.cls)
		dg_relay_fail(r, DG_CLS_EXCEPTION, "%s", e.what);
	else
		dg_relay_ok(r);
}

static void
check(struct dg_request *r)
{
	const struct dg_settings *s = r->l->w->settings;
	auto_buf b = DG_BUF_INIT;

	dg_workspace_variables(s, r->deployment, &b);
	r->stage = DG_REQUEST_CHECKING;
	r->started = dg_wall_usec();
	r->errand = dg_calls_text(&r->l->calls, DG_CALL_OP_CHECK_WORKSPACE, r->deployment,
		NULL, NULL, NULL, dg_buf_str(&b), checked, r);
}

/* From and to the ledger. */

static struct dg_request *
take(struct dg_launcher *l, uint64_t id, struct dg_msg_do *m)
{
	struct dg_request *r = dg_new(struct dg_request);
	char key[24];

	r->l = l;
	r->id = id;
	r->kind = m->kind < DG_REQ_COUNT ? (enum dg_request_kind)m->kind : DG_REQ_UNKNOWN;
	r->row = dg_request_row(r->kind);
	r->branch = m->branch != 0;
	/* A run that is to end is ended however late it is. */
	if (!r->row || r->row->how != DG_HOW_TERMINATE)
		r->expire = m->expire;
	r->popped = m->popped;
	r->attempt = m->attempt;
	r->request_id = dg_str_dup(m->request_id);
	r->api = dg_str_dup(m->api);
	r->deployment = dg_str_dup(m->deployment);
	r->location = dg_str_dup(m->location);
	if (m->error.n)
		r->refused = dg_str_dup(m->error);
	r->submitted = dg_wall_usec();
	dg_body_take(&m->body, &r->body);
	dg_map_put(&l->requests, key_of(id, key, sizeof(key)), r);
	l->count.taken++;
	return r;
}

void
dg_relay_do(struct dg_launcher *l, uint64_t id, struct dg_msg_do *m)
{
	struct dg_request *r = by_id(l, id);
	auto_buf error = DG_BUF_INIT;

	if (r) { /* we said that we have it; perhaps it was not heard */
		if (r->stage == DG_REQUEST_ANSWERED)
			transmit(r);
		return;
	}
	r = take(l, id, m);
	dg_desired_use(l, r, 1);
	if (!r->row) {
		unknown_kind(r);
	} else if (r->refused) {
		dg_relay_fail(r, DG_CLS_DESERIALIZE, "%s", r->refused);
	} else if (r->row->how == DG_HOW_DEPRECATED) {
		dg_error_add_deprecated(&error, r->row->name);
		dg_relay_error(r, dg_buf_str(&error));
	} else if (r->location[0] && !dg_policy_allowed(&l->policy, dg_str(r->deployment),
					     dg_str(r->location), r->branch)) {
		dg_error_add_not_allowed(
			&error, dg_str(r->deployment), dg_str(r->location), r->branch);
		dg_relay_error(r, dg_buf_str(&error));
	} else if (r->attempt && r->row->on_lost == DG_LOST_ERROR) {
		dg_relay_fail(r, DG_CLS_UNREACHABLE,
			"The agent was interrupted while it served this request; it may "
			"have "
			"been carried out.");
	} else if (r->row->how == DG_HOW_CHECK) {
		check(r);
	} else if (r->row->how == DG_HOW_LAUNCH || r->row->how == DG_HOW_TERMINATE) {
		dg_runs_request(r);
	} else {
		route(r);
	}
}

void
dg_relay_answered(struct dg_launcher *l, uint64_t id)
{
	struct dg_request *r = by_id(l, id);

	if (r && r->stage == DG_REQUEST_ANSWERED)
		dg_relay_free(r);
}

void
dg_relay_linked(struct dg_launcher *l)
{
	DG_MAP_EACH(&l->requests, slot)
	{
		const struct dg_request *r = slot->value;
		struct dg_msg_have m = {
			r->stage == DG_REQUEST_ANSWERED ? DG_HAVE_DONE : DG_HAVE_WORKING};

		dg_worker_send(l->w, DG_MSG_HAVE, r->id, &m);
	}
	DG_MAP_EACH(&l->requests, slot)
	{
		const struct dg_request *r = slot->value;

		if (r->stage == DG_REQUEST_ANSWERED)
			transmit(r);
	}
}
