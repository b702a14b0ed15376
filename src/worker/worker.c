/* worker/worker.c: see worker.h. */
#include "worker/worker.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/log.h"

/* Messages between two pulses: with more, a role was busy. */
#define BUSY 50
#define PULSE_EVERY (2 * DG_SEC)

static void
to_master(struct dg_worker *w, enum dg_msg_type type, const void *payload)
{
	struct dg_err e;

	if (dg_link_send(w->control, type, 0, payload, &e) < 0)
		dg_log_err(LOG_WARNING, &e, NULL);
}

void
dg_worker_exit(struct dg_worker *w, int code)
{
	sd_event_exit(w->event, code);
}

void
dg_worker_success(struct dg_worker *w)
{
	w->last_success = dg_now();
}

static void
pulse(struct dg_worker *w)
{
	dg_usec now = dg_now();
	struct dg_msg_pulse m = {
		.success_age = w->last_success ? now - w->last_success : DG_USEC_NEVER,
		.trouble_age = w->trouble_since ? now - w->trouble_since : DG_USEC_NEVER,
		.trouble = dg_str(w->trouble),
		.text = dg_str(w->pulse_text),
	};

	to_master(w, DG_MSG_PULSE, &m);
}

void
dg_worker_trouble(struct dg_worker *w, const char *why)
{
	bool now = why != NULL, before = w->trouble_since != 0;

	snprintf(w->trouble, sizeof w->trouble, "%s", now ? why : "");
	if (now == before)
		return;
	w->trouble_since = now ? dg_now() : 0;
	if (w->ready)
		pulse(w);
}

void
dg_worker_say(struct dg_worker *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->pulse_text, sizeof w->pulse_text, fmt, ap);
	va_end(ap);
}

void
dg_worker_done(struct dg_worker *w, uint64_t left)
{
	struct dg_msg_drained m = {left};

	to_master(w, DG_MSG_DRAINED, &m);
}

void
dg_worker_idle(struct dg_worker *w, uint64_t left)
{
	struct dg_msg_idle m = {left};

	to_master(w, DG_MSG_IDLE, &m);
}

void
dg_worker_denied(struct dg_worker *w)
{
	dg_usec now = dg_now();

	if (w->denied && now - w->denied < DG_SEC)
		return;
	w->denied = now;
	to_master(w, DG_MSG_DENIED, NULL);
}

void
dg_worker_misbehaved(struct dg_worker *w, enum dg_role role, const char *inst,
	uint32_t epoch, const char *text)
{
	struct dg_msg_misbehaved m = {
		.role = role, .epoch = epoch, .inst = dg_str(inst), .text = dg_str(text)};

	to_master(w, DG_MSG_MISBEHAVED, &m);
}

void
dg_worker_send(
	struct dg_worker *w, enum dg_msg_type type, uint64_t id, const void *payload)
{
	struct dg_err e;

	if (!w->ledger || !dg_link_open(w->ledger))
		return;
	if (dg_link_send(w->ledger, type, id, payload, &e) < 0)
		dg_log_err(LOG_ERR, &e, DG_KV({"msg", dg_msg_name(type)}));
}

/* The data link. */

static void
ledger_message(
	struct dg_link *l, enum dg_msg_type type, uint64_t id, void *payload, void *arg)
{
	struct dg_worker *w = arg;

	(void)l;
	w->ops->message(w, type, id, payload);
}

static void
ledger_batch_end(struct dg_link *l, void *arg)
{
	struct dg_worker *w = arg;

	(void)l;
	if (w->ops->batch_end)
		w->ops->batch_end(w);
}

static void
ledger_drained(struct dg_link *l, void *arg)
{
	struct dg_worker *w = arg;

	(void)l;
	if (w->ops->drained)
		w->ops->drained(w);
}

/* The master sends a new end when the ledger is back; until then the role goes on alone.
 */
static void
ledger_closed(struct dg_link *l, const struct dg_err *why, void *arg)
{
	struct dg_worker *w = arg;

	if (why->cls == DG_BUG)
		dg_worker_misbehaved(w, DG_ROLE_LEDGER, "", dg_link_epoch(l), why->what);
	dg_log_err(LOG_NOTICE, why, NULL);
}

static const struct dg_link_ops ledger_ops = {
	.message = ledger_message,
	.batch_end = ledger_batch_end,
	.drained = ledger_drained,
	.closed = ledger_closed,
};

static void
on_peer(struct dg_worker *w, struct dg_msg_peer *m)
{
	struct dg_err e;

	dg_link_free(w->ledger);
	w->ledger = NULL;
	if (dg_link_new(&w->ledger, w->event, TAKE_FD(m->link), w->role, DG_ROLE_LEDGER,
		    (uint32_t)m->epoch, &ledger_ops, w, &e) < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		dg_worker_exit(w, DG_EXIT_BUG);
		return;
	}
	if (w->ops->linked)
		w->ops->linked(w);
}

/* The control channel. */

static void
log_by_settings(struct dg_worker *w)
{
	const char *level = dg_settings_str(w->settings, "daglet.log_level");
	const char *format = dg_settings_str(w->settings, "daglet.log_format");
	enum dg_log_format f = dg_log_format_auto();
	int prio = LOG_INFO;

	if (level)
		(void)dg_log_level_parse(level, &prio, NULL);
	if (format)
		(void)dg_log_format_parse(format, &f, NULL);
	dg_log_init(dg_role_name(w->role), w->inst, f, prio);
}

static void
first_config(struct dg_worker *w, uint64_t generation)
{
	struct dg_msg_ready ready = {.generation = generation};
	struct dg_err e = {0};

	w->generation = generation;
	log_by_settings(w);
	if (w->ops->setup && w->ops->setup(w, &e) < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		dg_worker_exit(w, e.cls == DG_CONFIG ? DG_EXIT_CONFIG : 1);
		return;
	}
	w->ready = true;
	to_master(w, DG_MSG_READY, &ready);
}

static void
on_config(struct dg_worker *w, struct dg_msg_config *m)
{
	struct dg_msg_config_ok ok = {.generation = m->generation};
	struct dg_msg_config_bad bad = {.generation = m->generation};
	struct dg_settings *s = NULL;
	struct dg_err e = {0};
	char text[1280];
	int r = dg_settings_load(m->settings, &s, &e);

	if (r < 0 && !w->ready) {
		dg_log_err(LOG_ERR, &e, NULL);
		dg_worker_exit(w, DG_EXIT_BUG);
		return;
	}
	if (!w->ready) {
		dg_settings_free(w->settings);
		w->settings = s;
		first_config(w, m->generation);
		return;
	}
	if (r == 0)
		r = w->ops->check ? w->ops->check(w, s, &e) : 0;
	if (r < 0) {
		bad.text = dg_str(dg_err_text(&e, text, sizeof text));
		to_master(w, DG_MSG_CONFIG_BAD, &bad);
		dg_settings_free(s);
		return;
	}
	dg_settings_free(w->next);
	w->next = s;
	w->next_generation = m->generation;
	to_master(w, DG_MSG_CONFIG_OK, &ok);
}

static void
on_apply(struct dg_worker *w, const struct dg_msg_apply *m)
{
	if (!w->next || w->next_generation != m->generation)
		return;
	dg_settings_free(w->settings);
	w->settings = TAKE_PTR(w->next);
	w->generation = m->generation;
	log_by_settings(w);
	if (w->ops->apply)
		w->ops->apply(w);
}

static void
control_message(
	struct dg_link *l, enum dg_msg_type type, uint64_t id, void *payload, void *arg)
{
	struct dg_worker *w = arg;

	(void)l;
	switch (type) {
	case DG_MSG_CONFIG:
		on_config(w, payload);
		break;
	case DG_MSG_APPLY:
		on_apply(w, payload);
		break;
	case DG_MSG_PEER:
		if (w->role == DG_ROLE_LEDGER)
			w->ops->control(w, type, id, payload);
		else
			on_peer(w, payload);
		break;
	case DG_MSG_QUIESCE:
		w->quiescing = true;
		w->remove = ((struct dg_msg_quiesce *)payload)->remove != 0;
		w->quiesce_limit = ((struct dg_msg_quiesce *)payload)->limit;
		if (w->ops->quiesce)
			w->ops->quiesce(w);
		else
			dg_worker_done(w, 0);
		break;
	default:
		if (w->ops->control)
			w->ops->control(w, type, id, payload);
	}
}

static void
control_closed(struct dg_link *l, const struct dg_err *why, void *arg)
{
	struct dg_worker *w = arg;

	(void)l;
	if (why->cls == DG_BUG)
		dg_log_err(LOG_ERR, why, NULL);
	dg_worker_exit(w, why->cls == DG_BUG ? DG_EXIT_BUG : 0);
}

static const struct dg_link_ops control_ops = {
	.message = control_message,
	.closed = control_closed,
};

/* A role is idle most of its life: when there was work, and no more comes, what it took is
 * given back. */
static void
give_back(struct dg_worker *w)
{
	uint64_t handled = dg_link_handled();
	bool busy = handled - w->handled > BUSY;

	w->handled = handled;
	if (busy || handled - w->given_back <= BUSY)
		return;
	w->given_back = handled;
	dg_link_give_back();
	malloc_trim(0);
}

static int
on_pulse(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_worker *w = arg;

	(void)usec;
	give_back(w);
	pulse(w);
	sd_event_source_set_time(s, dg_now() + PULSE_EVERY);
	sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

static int
enter(struct dg_worker *w, struct dg_err *e)
{
	struct dg_msg_hello hello = {
		.version = DG_MSG_VERSION, .pid = (uint64_t)getpid()};
	int r;

	signal(SIGPIPE, SIG_IGN);
	/* The master decides when a role ends: what is meant for it (Ctrl-C, the end of
	 * a process group) goes to all. */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* Large buffers come and go: each is a mapping of its own, not a hole in the heap.
	 * From 16 KB on, a request would cost a fifth more processor time. */
	mallopt(M_MMAP_THRESHOLD, 64 * 1024);
	mallopt(M_ARENA_MAX, 1);
	r = sd_event_default(&w->event);
	if (r < 0)
		return dg_fail(e, DG_TRANSPORT, -r, "cannot make an event loop");
	r = dg_link_new(&w->control, w->event, DG_FD_CONTROL, w->role, DG_ROLE_MASTER, 0,
		&control_ops, w, e);
	if (r < 0)
		return dg_err_next(e, "this program is started by daglet, not by hand");
	r = sd_event_add_time(w->event, &w->pulse, CLOCK_MONOTONIC,
		dg_now() + PULSE_EVERY, 200 * DG_MSEC, on_pulse, w);
	if (r < 0)
		return dg_fail(e, DG_TRANSPORT, -r, "cannot make a timer");
	hello.inst = dg_str(w->inst);
	to_master(w, DG_MSG_HELLO, &hello);
	return 0;
}

int
dg_worker_main(enum dg_role role, int argc, char **argv, const struct dg_worker_ops *ops)
{
	struct dg_worker w = {.role = role, .ops = ops};
	struct dg_err e = {0};
	int r;

	if (argc > 1)
		snprintf(w.inst, sizeof w.inst, "%s", argv[1]);
	dg_log_init(dg_role_name(role), w.inst, dg_log_format_auto(), LOG_INFO);
	r = enter(&w, &e);
	if (r < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		return DG_EXIT_BUG;
	}
	r = sd_event_loop(w.event);
	if (ops->teardown)
		ops->teardown(&w);
	dg_link_free(w.ledger);
	if (dg_link_open(w.control))
		dg_link_flush(w.control);
	dg_link_free(w.control);
	dg_settings_free(w.settings);
	dg_settings_free(w.next);
	sd_event_source_disable_unref(w.pulse);
	sd_event_unref(w.event);
	return r < 0 ? DG_EXIT_BUG : r;
}
