/* launcher/place.c: one (deployment, location): what the machine in location.c wants
 * done. See launcher.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rand.h"
#include "dagster/error.h"
#include "launcher/launcher.h"
#include "log/log.h"
#include "json/json.h"
#include "json/write.h"

/* A server that is replaced or unwanted gets so long after TERM. */
#define STOP_GRACE (10 * DG_SEC)

struct dg_place *
dg_place_find(struct dg_launcher *l, struct dg_str deployment, struct dg_str location)
{
	auto_buf key = DG_BUF_INIT;

	return dg_map_get(&l->places, dg_place_key(&key, deployment, location));
}

struct dg_place *
dg_place_get(struct dg_launcher *l, struct dg_str deployment, struct dg_str location,
	bool branch)
{
	auto_buf key = DG_BUF_INIT;
	struct dg_str k = dg_place_key(&key, deployment, location);
	struct dg_place *p = dg_map_get(&l->places, k);

	if (p) {
		p->gone = false;
		return p;
	}
	p = dg_new(struct dg_place);
	p->l = l;
	p->key = dg_str_dup(k);
	p->deployment = dg_str_dup(deployment);
	p->location = dg_str_dup(location);
	p->branch = branch;
	p->since = dg_wall_usec();
	TAILQ_INIT(&p->servers);
	TAILQ_INIT(&p->held);
	dg_loc_init(&p->loc, &l->limits);
	dg_map_put(&l->places, k, p);
	return p;
}

void
dg_place_free(struct dg_place *p)
{
	struct dg_server *s;

	dg_uploads_stop(p);
	while ((s = TAILQ_FIRST(&p->servers)))
		dg_server_free(s);
	sd_event_source_disable_unref(p->tick);
	dg_buf_clear(&p->metadata);
	dg_buf_clear(&p->bad);
	dg_buf_clear(&p->error);
	dg_buf_clear(&p->note);
	dg_buf_clear(&p->reason);
	dg_buf_clear(&p->metrics);
	dg_buf_clear(&p->shown);
	free(p->key);
	free(p->deployment);
	free(p->location);
	free(p);
}

void
dg_place_sweep(struct dg_launcher *l)
{
	DG_MAP_EACH(&l->places, s)
	{
		struct dg_place *p = s->value;

		if (!p->gone || p->nheld || !TAILQ_EMPTY(&p->servers))
			continue;
		dg_map_del(&l->places, dg_str(p->key));
		if (p->shown.n)
			dg_report_gone(l, DG_STATE_LOCATION, p->key);
		dg_place_free(p);
	}
}

static struct dg_server *
by_serial(struct dg_place *p, unsigned serial)
{
	struct dg_server *s;

	TAILQ_FOREACH (s, &p->servers, link)
		if (s->serial == serial)
			return s;
	return NULL;
}

struct dg_server *
dg_place_serving(struct dg_place *p)
{
	return dg_loc_verdict(&p->loc) == DG_LOC_SERVE ? by_serial(p, p->loc.cur.serial)
						       : NULL;
}

static int
on_tick(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	dg_place_event(arg, &(struct dg_loc_event){.type = DG_LOC_TICK});
	return 0;
}

/* Why a server is replaced that lives. */
static void
why_given_up(const struct dg_place *p, const struct dg_server *s, enum dg_loc_why why,
	struct dg_buf *out)
{
	const struct dg_loc_inst *i = s ? dg_loc_inst(&p->loc, s->serial) : NULL;
	dg_usec silent = i ? dg_now() - i->last_ok : 0;

	dg_buf_addf(
		out, "The code server %s at %s ", s ? s->id : "", s ? s->endpoint : "");
	if (why == DG_WHY_CLOGGED) {
		dg_buf_adds(out, "answers, but half of its threads are still busy with "
				 "calls that timed out");
	} else {
		dg_buf_addf(out, "has not answered for %llu seconds",
			(unsigned long long)(silent / DG_SEC));
		if (why == DG_WHY_STOPPED)
			dg_buf_adds(
				out, ": its process is stopped (SIGSTOP or a debugger)");
		else if (why == DG_WHY_UNREACHABLE)
			dg_buf_addf(out,
				": its process lives, but cannot be reached (%.*s)",
				DG_FMT(dg_buf_str(&s->ping_error)));
		else
			dg_buf_addf(out, " and used %.2f s of processor time meanwhile: ",
				(double)(s->cpu - s->silent_cpu) / DG_SEC);
		if (why == DG_WHY_STUCK)
			dg_buf_adds(out, "it waits for Python's lock, or in a call that "
					 "does not return");
		else if (why == DG_WHY_BUSY)
			dg_buf_adds(out, "it computes without letting anybody in");
	}
	dg_buf_adds(out, "; it is being replaced.");
}

/* What it did, from its backend. */
static void
report(struct dg_place *p, struct dg_str text)
{
	if (!p->reason.n)
		return;
	dg_buf_reset(&p->note);
	dg_buf_addf(&p->note, "%.*s\n%.*s", DG_FMT(dg_buf_str(&p->reason)), DG_FMT(text));
	dg_buf_reset(&p->reason);
	while (text.n) {
		const char *cut = memchr(text.p, '\n', text.n);
		size_t n = cut ? (size_t)(cut - text.p) : text.n;

		dg_logkv(LOG_WARNING, DG_KV({"dep", p->deployment}, {"loc", p->location}),
			"given up: %.*s", (int)n, text.p);
		text = dg_strn(text.p + n + (cut != NULL), text.n - n - (cut != NULL));
	}
	dg_report_place(p);
}

/* The error that the machine asks for, unless one came with the event. Heartbeats tell it
 * as the location's own, so it is none of the agent's troubles. */
static void
set_error(struct dg_place *p, const struct dg_loc_action *a, struct dg_str given)
{
	struct dg_server *s = by_serial(p, a->serial);
	auto_buf text = DG_BUF_INIT, line = DG_BUF_INIT;
	const char *where = s && s->endpoint[0] ? s->endpoint : "nowhere";

	dg_buf_reset(&p->error);
	switch (a->why) {
	case DG_WHY_TIMEOUT:
		dg_buf_addf(&text,
			"Timed out after waiting %llus for server localhost:%s.",
			(unsigned long long)(p->l->limits.startup / DG_SEC),
			strncmp(where, "unix:", 5) == 0 ? where + 5 : where);
		if (s && s->ping_error.n)
			dg_buf_addf(&text, "\n\nMost recent connection error: %s",
				s->ping_error.p);
		dg_error_add(&p->error, DG_CLS_EXCEPTION, dg_buf_str(&text), DG_STR_NULL);
		break;
	case DG_WHY_UNREACHABLE:
	case DG_WHY_STOPPED:
	case DG_WHY_STUCK:
	case DG_WHY_BUSY:
	case DG_WHY_CLOGGED:
		why_given_up(p, s, a->why, &text);
		dg_error_add(
			&p->error, DG_CLS_UNREACHABLE, dg_buf_str(&text), DG_STR_NULL);
		dg_buf_reset(&p->reason);
		dg_buf_addstr(&p->reason, dg_buf_str(&text));
		dg_buf_reset(&p->note);
		dg_buf_addstr(&p->note, dg_buf_str(&text));
		if (s)
			p->l->ops->server_report(p->l->backend, s->id);
		break;
	case DG_WHY_EVENT:
	default:
		if (given.n)
			dg_buf_addstr(&p->error, given);
		else
			dg_error_add(&p->error, DG_CLS_EXCEPTION,
				DG_STR("The code server could not be started."),
				DG_STR_NULL);
	}
	dg_error_line(dg_buf_str(&p->error), 300, &line);
	dg_logkv(LOG_WARNING,
		DG_KV({"dep", p->deployment}, {"loc", p->location},
			{"srv", s ? s->id : NULL}),
		"the location failed: %s", line.p ? line.p : "");
}

static void
own_error(const struct dg_err *e, struct dg_buf *out)
{
	char text[DG_ERR_TEXT];

	dg_error_add(out, DG_CLS_EXCEPTION, dg_str(dg_err_text(e, text, sizeof(text))),
		DG_STR_NULL);
}

static void
start(struct dg_place *p, unsigned serial)
{
	struct dg_server *s;
	struct dg_err e = {0};
	auto_buf error = DG_BUF_INIT;

	if (p->l->w->quiescing)
		return; /* the next launcher will */
	s = dg_server_new(p, serial, p->loc.want, NULL);
	dg_buf_addstr(&s->metadata, dg_buf_str(&p->metadata));
	dg_logkv(LOG_INFO,
		DG_KV({"dep", p->deployment}, {"loc", p->location}, {"srv", s->id}),
		"starting a code server");
	if (dg_server_launch(s, &e) < 0) {
		own_error(&e, &error);
		dg_place_server_event(s, DG_LOC_START_FAIL,
			e.cls == DG_USER || e.cls == DG_CONFIG || e.cls == DG_DENIED,
			dg_buf_str(&error));
	}
}

/* It is stopped or dies: nothing more is asked of it. */
static void
part(struct dg_place *p, struct dg_server *s)
{
	if (p->upload && dg_uploads_server(p->upload) == s)
		dg_uploads_stop(p);
	s->draining = true;
	dg_relay_moved(s);
}

static void
act(struct dg_place *p, const struct dg_loc_action *a, struct dg_str given)
{
	struct dg_launcher *l = p->l;
	struct dg_server *s = by_serial(p, a->serial);

	if (!s && a->serial && a->what != DG_DO_START && a->what != DG_DO_FAIL)
		return;
	switch (a->what) {
	case DG_DO_START:
		start(p, a->serial);
		break;
	case DG_DO_PING:
		dg_server_ping(s, a->at);
		break;
	case DG_DO_LIST:
		dg_server_list(s);
		break;
	case DG_DO_UPLOAD:
		dg_uploads_start(p, s);
		break;
	case DG_DO_UPLOAD_ERROR:
		dg_uploads_start(p, NULL);
		break;
	case DG_DO_RELOAD:
		dg_server_reload(s);
		break;
	case DG_DO_SERVE:
		dg_buf_reset(&p->error);
		s->adopted = false;
		dg_logkv(LOG_INFO,
			DG_KV({"dep", p->deployment}, {"loc", p->location},
				{"srv", s->id}),
			"the location is served");
		dg_worker_success(l->w);
		dg_relay_released(p);
		break;
	case DG_DO_FAIL:
		set_error(p, a, given);
		break;
	case DG_DO_TELL:
		dg_relay_released(p);
		break;
	case DG_DO_DRAIN:
		part(p, s);
		dg_server_drain(s);
		break;
	case DG_DO_STOP:
		part(p, s);
		l->ops->server_stop(l->backend, s->id, STOP_GRACE);
		break;
	case DG_DO_KILL:
		part(p, s);
		l->ops->server_kill(l->backend, s->id);
		break;
	case DG_DO_GONE:
		p->gone = true;
		break;
	}
}

static void
event(struct dg_place *p, const struct dg_loc_event *ev, struct dg_str given)
{
	struct dg_loc_actions out;
	struct dg_server *s;
	dg_usec due;

	dg_loc_event(&p->loc, ev, dg_now(), (unsigned)dg_random_below(1024), &out);
	/* Actions may bring further events of this place, each applied at once: SERVE
	 * before DRAIN's moving of what waits is the machine's order already. */
	for (unsigned i = 0; i < out.n; i++)
		if (out.a[i].what != DG_DO_TELL && out.a[i].what != DG_DO_DRAIN)
			act(p, &out.a[i], given);
	for (unsigned i = 0; i < out.n; i++)
		if (out.a[i].what == DG_DO_TELL || out.a[i].what == DG_DO_DRAIN)
			act(p, &out.a[i], given);
	due = dg_loc_due(&p->loc);
	p->retry_wall =
		due == DG_USEC_NEVER ? 0 : dg_wall_usec() + (int64_t)(due - dg_now());
	dg_launcher_timer(p->l, &p->tick, due, 10 * DG_MSEC, on_tick, p);
	/* A ping that only leads to the next one is no news. */
	if ((ev->type == DG_LOC_PING_OK || ev->type == DG_LOC_PING_FAIL) &&
		(out.n == 0 || (out.n == 1 && out.a[0].what == DG_DO_PING)))
		return;
	dg_report_place(p);
	TAILQ_FOREACH (s, &p->servers, link)
		dg_report_server(s);
}

void
dg_place_event(struct dg_place *p, const struct dg_loc_event *ev)
{
	event(p, ev, DG_STR_NULL);
}

void
dg_place_server_event(
	struct dg_server *s, enum dg_loc_event_type type, bool user, struct dg_str error)
{
	struct dg_place *p = s->p;
	struct dg_loc_event ev = {.type = type, .serial = s->serial, .user = user};

	if (type == DG_LOC_EXIT || type == DG_LOC_START_FAIL) {
		auto_free char *id = dg_xstrdup(s->id);

		part(p, s);
		dg_launcher_gone(p->l, DG_HANDLE_SERVER, id, p->deployment);
		dg_server_free(s); /* its calls end as unreachable */
	}
	event(p, &ev, error);
	if (p->gone)
		dg_place_sweep(p->l);
}

void
dg_place_alive(struct dg_server *s)
{
	struct dg_loc_actions out;

	dg_loc_event(&s->p->loc,
		&(struct dg_loc_event){.type = DG_LOC_ALIVE, .serial = s->serial},
		dg_now(), 0, &out);
}

void
dg_place_adopt(struct dg_place *p, struct dg_adopted *a)
{
	struct dg_launcher *l = p->l;
	unsigned serial = dg_loc_adopt(&p->loc, a->version);
	struct dg_server *s;

	if (!serial || !l->ops->adopt_server(l->backend, a->id, dg_buf_str(&a->handle))) {
		struct dg_loc_actions out;

		dg_logkv(LOG_INFO,
			DG_KV({"dep", p->deployment}, {"loc", p->location},
				{"srv", a->id}),
			serial ? "a code server of before is gone"
			       : "a code server of before is not needed");
		if (serial)
			dg_loc_event(&p->loc,
				&(struct dg_loc_event){
					.type = DG_LOC_EXIT, .serial = serial},
				dg_now(), 0, &out);
		else if (l->ops->adopt_server(l->backend, a->id, dg_buf_str(&a->handle)))
			l->ops->server_stop(l->backend, a->id, STOP_GRACE);
		dg_launcher_gone(l, DG_HANDLE_SERVER, a->id, p->deployment);
		return;
	}
	s = dg_server_new(p, serial, a->version, a->id);
	s->adopted = true;
	dg_buf_addstr(&s->metadata, dg_buf_str(&a->metadata));
	dg_buf_addstr(&s->handle, dg_buf_str(&a->handle));
	if (!p->metadata.n)
		dg_buf_addstr(&p->metadata, dg_buf_str(&a->metadata));
	dg_logkv(LOG_INFO,
		DG_KV({"dep", p->deployment}, {"loc", p->location}, {"srv", s->id}),
		"a code server of before is taken over");
}

/* How a server ended, as an error that people can act on. */
static void
exit_error(const struct dg_server *s, const struct dg_exit *x, struct dg_buf *out)
{
	auto_buf t = DG_BUF_INIT;

	dg_buf_adds(&t, "The code server process ");
	if (!x->known)
		dg_buf_adds(&t, "is gone, and nobody saw how it ended.");
	else if (x->signal)
		dg_buf_addf(&t, "was killed by signal %d (%s)%s.", x->signal,
			strsignal(x->signal), x->oom ? "; it ran out of memory" : "");
	else
		dg_buf_addf(&t, "exited with code %d%s.", x->code,
			x->oom ? " after it ran out of memory" : "");
	if (x->tail.n)
		dg_buf_addf(&t, " The end of its output:\n%.*s", DG_FMT(x->tail));
	(void)s;
	dg_error_add(out, DG_CLS_EXCEPTION, dg_buf_str(&t), DG_STR_NULL);
}

void
dg_place_backend(struct dg_launcher *l, const struct dg_backend_event *ev)
{
	struct dg_server *s = dg_map_get(&l->servers, dg_str(ev->id));
	auto_buf error = DG_BUF_INIT;
	struct dg_err e = {0};

	if (!s)
		return; /* one that nobody wanted */
	switch (ev->type) {
	case DG_EV_SERVER_PHASE:
		snprintf(s->phase, sizeof(s->phase), "%.*s", DG_FMT(ev->text));
		dg_report_server(s);
		break;
	case DG_EV_SERVER_REPORT:
		report(s->p, ev->text);
		break;
	case DG_EV_SERVER_HANDLE:
		dg_server_handle(s, ev->handle);
		break;
	case DG_EV_SERVER_UP:
		if (dg_server_up(s, ev->endpoint, &e) == 0) {
			dg_place_server_event(s, DG_LOC_UP, false, DG_STR_NULL);
			break;
		}
		own_error(&e, &error);
		l->ops->server_kill(l->backend, s->id);
		dg_place_server_event(s, DG_LOC_START_FAIL, false, dg_buf_str(&error));
		break;
	case DG_EV_SERVER_FAILED:
		own_error(ev->err, &error);
		dg_place_server_event(s, DG_LOC_START_FAIL,
			ev->err->cls == DG_USER || ev->err->cls == DG_CONFIG ||
				ev->err->cls == DG_DENIED,
			dg_buf_str(&error));
		break;
	case DG_EV_SERVER_EXIT:
		exit_error(s, &ev->exit, &error);
		if (!s->draining) {
			auto_buf line = DG_BUF_INIT;

			dg_error_line(dg_buf_str(&error), 300, &line);
			dg_logkv(LOG_WARNING,
				DG_KV({"dep", s->p->deployment}, {"loc", s->p->location},
					{"srv", s->id}),
				"%s", line.p ? line.p : "");
		}
		dg_place_server_event(s, DG_LOC_EXIT,
			ev->exit.known && !ev->exit.signal && !ev->exit.oom,
			dg_buf_str(&error));
		break;
	default:
		break;
	}
}
