/* grpc/channel.c: see channel.h. Lists, the shared connection, and settling. */
#include "grpc/channel.h"

#include "base/mem.h"
#include "daglet/limits.h"
#include "grpc/conn.h"

#define PING_INTERVAL (30 * DG_SEC)

static int
on_post(sd_event_source *s, void *arg)
{
	(void)s;
	dg_channel_settle(arg);
	return 0;
}

int
dg_channel_new(struct dg_channel **ret, sd_event *event, const char *address,
	const struct dg_channel_limits *limits, struct dg_err *e)
{
	struct dg_channel *ch;
	int rc = dg_dial_check(address, e);

	if (rc < 0)
		return rc;
	ch = dg_new(struct dg_channel);
	TAILQ_INIT(&ch->conns);
	TAILQ_INIT(&ch->finished);
	if (limits)
		ch->limits = *limits;
	if (!ch->limits.send_max)
		ch->limits.send_max = DG_GRPC_MESSAGE_MAX;
	if (!ch->limits.receive_max)
		ch->limits.receive_max = DG_GRPC_MESSAGE_MAX;
	rc = sd_event_add_defer(event, &ch->post, on_post, ch);
	if (rc < 0) {
		free(ch);
		return dg_fail(e, DG_TRANSPORT, -rc, "cannot make a channel");
	}
	sd_event_source_set_enabled(ch->post, SD_EVENT_OFF);
	ch->event = sd_event_ref(event);
	ch->address = dg_xstrdup(address);
	*ret = ch;
	return 0;
}

void
dg_channel_wake(struct dg_channel *ch)
{
	DG_ASSERT(sd_event_source_set_enabled(ch->post, SD_EVENT_ONESHOT) >= 0);
}

/* Give the call a connection: its own, or the shared one, made when there is none. */
void
dg_channel_attach(struct dg_channel *ch, struct dg_call *call)
{
	struct dg_conn *c = call->spec.bulk ? NULL : ch->shared;

	if (!c || c->dead || c->draining) {
		c = dg_conn_new(ch, call->spec.bulk);
		TAILQ_INSERT_TAIL(&ch->conns, c, link);
		if (!c->bulk)
			ch->shared = c;
	}
	call->conn = c;
	TAILQ_INSERT_TAIL(&c->calls, call, link);
	dg_conn_submit(c, call);
}

static void
deliver(struct dg_channel *ch)
{
	struct dg_call *call;

	while ((call = TAILQ_FIRST(&ch->finished))) {
		TAILQ_REMOVE(&ch->finished, call, link);
		ch->calls--;
		call->spec.done(call->spec.arg, call, &call->reply);
		dg_call_destroy(call);
	}
}

static void
remove_conn(struct dg_channel *ch, struct dg_conn *c)
{
	struct dg_call *call;

	TAILQ_REMOVE(&ch->conns, c, link);
	if (ch->shared == c)
		ch->shared = NULL;
	if (ch->probe.conn == c)
		ch->probe.conn = NULL;
	while ((call = TAILQ_FIRST(&c->calls)))
		dg_call_lost(call, &c->why);
	dg_conn_free(c);
}

/* Write what waits, drop connections that are through, tell callers what came of their
 * calls. Called from the loop only, never from inside nghttp2. */
void
dg_channel_settle(struct dg_channel *ch)
{
	struct dg_conn *c, *next;

	if (ch->settling)
		return;
	ch->settling = true;
	for (c = TAILQ_FIRST(&ch->conns); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->dirty)
			dg_conn_flush(c);
		if (c->draining && ch->shared == c)
			ch->shared = NULL;
		if (c->dead ||
			((c->bulk || c->draining) && TAILQ_EMPTY(&c->calls) && !c->dirty))
			remove_conn(ch, c);
	}
	deliver(ch);
	ch->settling = false;
	if (ch->freed)
		dg_channel_free(ch);
}

void
dg_channel_free(struct dg_channel *ch)
{
	struct dg_conn *c;

	if (!ch)
		return;
	ch->freed = true;
	if (ch->settling)
		return; /* settle comes back here */
	ch->settling = true;
	while ((c = TAILQ_FIRST(&ch->conns))) {
		if (!c->dead)
			dg_fail(&c->why, DG_TRANSPORT, 0,
				"the connection to %s was closed", ch->address);
		remove_conn(ch, c);
	}
	deliver(ch);
	if (ch->probe.fn)
		ch->probe.fn(ch->probe.arg, false);
	sd_event_source_disable_unref(ch->probe.timer);
	sd_event_source_disable_unref(ch->post);
	sd_event_unref(ch->event);
	free(ch->address);
	free(ch);
}

void
dg_channel_freep(struct dg_channel **ch)
{
	dg_channel_free(*ch);
	*ch = NULL;
}

const char *
dg_channel_address(const struct dg_channel *ch)
{
	return ch->address;
}

size_t
dg_channel_calls(const struct dg_channel *ch)
{
	return ch->calls;
}

static void
probe_end(struct dg_channel *ch, bool alive)
{
	dg_probe_fn *fn = TAKE_PTR(ch->probe.fn);

	sd_event_source_set_enabled(ch->probe.timer, SD_EVENT_OFF);
	ch->probe.conn = NULL;
	fn(ch->probe.arg, alive); /* may free ch */
}

/* Also the way an answer is told: `heard` is checked here, outside nghttp2. */
static int
on_probe(sd_event_source *s, uint64_t now, void *arg)
{
	struct dg_channel *ch = arg;

	(void)s, (void)now;
	probe_end(ch, ch->probe.conn && ch->probe.conn->heard >= ch->probe.asked);
	return 0;
}

void
dg_channel_heard(struct dg_channel *ch, struct dg_conn *c)
{
	if (ch->probe.fn && ch->probe.conn == c)
		sd_event_source_set_time(ch->probe.timer, 0); /* on_probe tells */
}

int
dg_channel_probe(struct dg_channel *ch, dg_usec limit, dg_probe_fn *fn, void *arg,
	struct dg_err *e)
{
	dg_usec now = dg_now();
	struct dg_conn *c = ch->shared;
	int rc;

	if (ch->freed || ch->probe.fn ||
		(ch->probe.pinged && now - ch->probe.pinged < PING_INTERVAL))
		return dg_fail(
			e, DG_LIMIT, 0, "too early for another PING to %s", ch->address);
	if (!ch->probe.timer)
		rc = sd_event_add_time(ch->event, &ch->probe.timer, CLOCK_MONOTONIC,
			now + limit, DG_MSEC, on_probe, ch);
	else if ((rc = sd_event_source_set_time(ch->probe.timer, now + limit)) >= 0)
		rc = sd_event_source_set_enabled(ch->probe.timer, SD_EVENT_ONESHOT);
	if (rc < 0)
		return dg_fail(e, DG_TRANSPORT, -rc, "cannot set a timer");
	ch->probe.fn = fn;
	ch->probe.arg = arg;
	ch->probe.asked = now;
	if (!c || c->dead || c->draining) {
		c = ch->shared = dg_conn_new(ch, false);
		TAILQ_INSERT_TAIL(&ch->conns, c, link);
	} else if (c->session) {
		dg_conn_ping(c);
		ch->probe.pinged = now;
	}
	ch->probe.conn = c; /* a new connection speaks first: no PING needed */
	return 0;
}
