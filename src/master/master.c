/* master/master.c: see master.h. Effects only: what to do is decided in supervise.c. */
#include "master/master.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-daemon.h>

#include "base/mem.h"
#include "log/log.h"
#include "master/rows.h"

#define TICK_EVERY (500 * DG_MSEC)
#define TELL_EVERY (10 * DG_SEC) /* a row that has no news */

static const struct {
	const char *program;
	bool linked;
	int stop_step;
} roles[] = {
#define X(id, name, program, linked, stop, env) [DG_ROLE_##id] = {program, linked, stop},
	DG_ROLE_TABLE(X)
#undef X
};

static void drive(struct dg_child *c, enum dg_child_event ev);
static void next_stop_step(struct dg_master *m);

static const char *
display(const struct dg_child *c, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", dg_role_name(c->role), c->inst[0] ? ":" : "",
		c->inst);
	return buf;
}

/* Links: every linked role that is ready gets a socket pair with the ledger. */

static struct dg_child *
the_ledger(struct dg_master *m)
{
	struct dg_child *c;

	TAILQ_FOREACH (c, &m->children, entry)
		if (c->role == DG_ROLE_LEDGER && c->sup.state == DG_CHILD_READY)
			return c;
	return NULL;
}

static void
join(struct dg_master *m, struct dg_child *ledger, struct dg_child *c)
{
	auto_close int a = -1, b = -1;
	int ends[2];
	struct dg_err e;
	struct dg_msg_peer to_ledger, to_worker;

	if (dg_link_pair(ends, &e) < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		return;
	}
	a = ends[0];
	b = ends[1];
	c->epoch = ++m->next_epoch;
	to_ledger = (struct dg_msg_peer){c->role, c->epoch, dg_str(c->inst), a};
	to_worker = (struct dg_msg_peer){DG_ROLE_LEDGER, c->epoch, DG_STR(""), b};
	dg_child_send(ledger, DG_MSG_PEER, &to_ledger);
	dg_child_send(c, DG_MSG_PEER, &to_worker);
}

static void
on_ready(struct dg_child *c)
{
	struct dg_master *m = c->master;
	struct dg_child *ledger = the_ledger(m), *o;

	if (c->role == DG_ROLE_LEDGER) {
		TAILQ_FOREACH (o, &m->children, entry)
			if (roles[o->role].linked && o->sup.state == DG_CHILD_READY)
				join(m, c, o);
	} else if (roles[c->role].linked && ledger) {
		join(m, ledger, c);
	}
}

/* systemd, and what status is shown. */

static void
tell_world(struct dg_master *m)
{
	unsigned ready = 0, all = 0, parked = 0;
	struct dg_child *c;

	TAILQ_FOREACH (c, &m->children, entry) {
		all++;
		ready += c->sup.state == DG_CHILD_READY;
		parked += c->sup.state == DG_CHILD_PARKED;
	}
	if (ready == all && !m->told_ready) {
		m->told_ready = true;
		dg_log(LOG_NOTICE, "all %u roles are ready", all);
		(void)sd_notify(0, "READY=1");
	}
	if (m->stopping)
		return;
	if (parked)
		(void)sd_notifyf(0,
			"STATUS=%u of %u roles are ready; %u parked by a configuration "
			"error",
			ready, all, parked);
	else
		(void)sd_notifyf(0, "STATUS=%u of %u roles are ready", ready, all);
}

static void
changed(struct dg_child *c)
{
	dg_rows_tell(c->master, c);
	tell_world(c->master);
}

/* One child: channel and process. */

static void
send_config(struct dg_child *c, const struct dg_settings *s, uint64_t generation)
{
	struct dg_err e;
	auto_close int fd = dg_settings_seal(s, DG_ROLE_BIT(c->role), &e);
	struct dg_msg_config m = {generation, fd};

	if (fd < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		return;
	}
	dg_child_send(c, DG_MSG_CONFIG, &m);
}

static struct dg_child *
find_child(struct dg_master *m, enum dg_role role, struct dg_str inst)
{
	struct dg_child *c;

	TAILQ_FOREACH (c, &m->children, entry)
		if (c->role == role && dg_str_is(inst, c->inst))
			return c;
	return NULL;
}

static void
on_misbehaved(struct dg_child *from, const struct dg_msg_misbehaved *b)
{
	struct dg_child *bad = find_child(from->master, (enum dg_role)b->role, b->inst);
	auto_free char *text = dg_str_dup(b->text);
	char name[160], who[160];

	if (!bad || (bad->epoch != b->epoch && bad->role != DG_ROLE_LEDGER))
		return; /* its successor is not to blame */
	dg_log(LOG_ERR, "%s broke a promise to %s and is replaced: %s",
		display(bad, name, sizeof name), display(from, who, sizeof who), text);
	drive(bad, DG_EV_MISBEHAVED);
}

static void
reload_answer(struct dg_master *m, struct dg_child *c, const struct dg_str *bad)
{
	char name[160];

	if (!m->next || !m->answers_missing)
		return;
	if (bad) {
		auto_free char *text = dg_str_dup(*bad);

		m->refused = true;
		dg_log(LOG_ERR, "%s refuses the new configuration: %s",
			display(c, name, sizeof name), text);
	}
	if (--m->answers_missing)
		return;
	if (m->refused) {
		dg_settings_freep(&m->next);
		dg_log(LOG_ERR, "the configuration stays as it was");
	} else {
		struct dg_msg_apply apply = {m->generation + 1};
		struct dg_child *o;

		dg_settings_free(m->settings);
		m->settings = TAKE_PTR(m->next);
		m->generation++;
		TAILQ_FOREACH (o, &m->children, entry)
			if (o->sup.state == DG_CHILD_READY)
				dg_child_send(o, DG_MSG_APPLY, &apply);
		dg_log(LOG_NOTICE, "the new configuration is in force");
	}
	(void)sd_notify(0, "READY=1");
}

static void
on_message(
	struct dg_link *l, enum dg_msg_type type, uint64_t id, void *payload, void *arg)
{
	struct dg_child *c = arg;

	(void)l;
	(void)id;
	switch (type) {
	case DG_MSG_HELLO: {
		const struct dg_msg_hello *h = payload;

		if (h->version != DG_MSG_VERSION) {
			dg_log(LOG_ERR,
				"%s speaks version %u of our messages, not %d: mixed "
				"installation?",
				c->program, (unsigned)h->version, DG_MSG_VERSION);
			drive(c, DG_EV_MISBEHAVED);
			return;
		}
		drive(c, DG_EV_HELLO);
		if (c->sup.state == DG_CHILD_CONFIGURING)
			send_config(c, c->master->settings, c->master->generation);
		break;
	}
	case DG_MSG_READY:
		drive(c, DG_EV_READY);
		if (c->sup.state == DG_CHILD_READY)
			on_ready(c);
		break;
	case DG_MSG_PULSE: {
		const struct dg_msg_pulse *p = payload;
		bool news = !dg_str_is(p->text, c->text) ||
			    !dg_str_is(p->trouble, c->trouble) ||
			    (p->trouble_age != DG_USEC_NEVER) != (c->troubled != 0) ||
			    dg_now() - c->told >= TELL_EVERY;

		c->success =
			p->success_age == DG_USEC_NEVER ? 0 : dg_now() - p->success_age;
		c->troubled =
			p->trouble_age == DG_USEC_NEVER ? 0 : dg_now() - p->trouble_age;
		snprintf(c->trouble, sizeof c->trouble, "%.*s", DG_FMT(p->trouble));
		snprintf(c->text, sizeof c->text, "%.*s", DG_FMT(p->text));
		drive(c, DG_EV_PULSE);
		/* With the status role's own pulse come all rows: ages stay true. */
		if (news || c->role == DG_ROLE_STATUS)
			dg_rows_tell(c->master, c);
		break;
	}
	case DG_MSG_DRAINED:
		c->drained = true;
		drive(c, DG_EV_DRAINED);
		break;
	case DG_MSG_CONFIG_OK:
		reload_answer(c->master, c, NULL);
		break;
	case DG_MSG_CONFIG_BAD:
		reload_answer(c->master, c, &((struct dg_msg_config_bad *)payload)->text);
		break;
	case DG_MSG_MISBEHAVED:
		on_misbehaved(c, payload);
		break;
	default:
		break;
	}
}

static void
on_closed(struct dg_link *l, const struct dg_err *why, void *arg)
{
	struct dg_child *c = arg;

	(void)l;
	if (why->cls == DG_BUG) {
		dg_log_err(LOG_ERR, why, NULL);
		drive(c, DG_EV_MISBEHAVED);
	} /* else its exit follows */
}

static const struct dg_link_ops control_ops = {
	.message = on_message, .closed = on_closed};

static void
spawn(struct dg_child *c)
{
	struct dg_err e;

	if (dg_child_spawn(c, &control_ops, &e) < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		snprintf(c->last_exit, sizeof c->last_exit, "could not be started");
		drive(c, DG_EV_SPAWN_FAILED);
		return;
	}
	drive(c, DG_EV_SPAWNED);
}

static void
drive(struct dg_child *c, enum dg_child_event ev)
{
	enum dg_child_state before = c->sup.state;
	struct dg_msg_quiesce q = {c->master->remove};
	char name[160];

	switch (dg_supervise(&c->sup, ev, &dg_child_times, dg_now())) {
	case DG_DO_NOTHING:
		break;
	case DG_DO_SPAWN:
		spawn(c);
		return;
	case DG_DO_KILL:
		if (ev == DG_EV_TICK)
			dg_log(LOG_WARNING, "%s [%d] %s and is killed",
				display(c, name, sizeof name), c->pid,
				before == DG_CHILD_READY ? "stands still"
				: before == DG_CHILD_ENDING
					? "does not end"
					: "does not get ready in time");
		dg_child_kill(c, SIGKILL);
		break;
	case DG_DO_QUIESCE:
		dg_child_send(c, DG_MSG_QUIESCE, &q);
		break;
	case DG_DO_HANG_UP:
		if (c->control)
			dg_link_flush(c->control);
		dg_link_free(c->control);
		c->control = NULL;
		break;
	}
	if (c->sup.state != before)
		changed(c);
	if (c->master->stopping && c->sup.state == DG_CHILD_GONE)
		next_stop_step(c->master);
}

static void
child_ended(struct dg_child *c, int status)
{
	bool config = WIFEXITED(status) && WEXITSTATUS(status) == 78;
	bool wanted = c->sup.wanted;
	pid_t pid = c->pid;
	char name[160];

	dg_child_reaped(c, status);
	if (wanted)
		dg_log(LOG_ERR, "%s [%d] ended: %s%s", display(c, name, sizeof name), pid,
			c->last_exit,
			config ? "; parked until the configuration changes" : "");
	drive(c, config ? DG_EV_EXIT_CONFIG : DG_EV_EXIT);
}

static int
on_sigchld(sd_event_source *s, const struct signalfd_siginfo *si, void *arg)
{
	struct dg_master *m = arg;
	struct dg_child *c;
	int status;
	pid_t pid;

	(void)s;
	(void)si;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct dg_msg_child_exit gone = {(uint64_t)pid, (uint64_t)status};

		TAILQ_FOREACH (c, &m->children, entry)
			if (c->pid == pid)
				break;
		if (c) {
			child_ended(c, status);
			continue;
		}
		/* A server or run whose launcher died: it became ours, and we tell. */
		TAILQ_FOREACH (c, &m->children, entry)
			if (c->role == DG_ROLE_LAUNCHER)
				dg_child_send(c, DG_MSG_CHILD_EXIT, &gone);
	}
	return 0;
}

static int
on_tick(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_master *m = arg;
	struct dg_child *c, *tmp;
	dg_usec now = dg_now(), next = now + TICK_EVERY;

	(void)usec;
	for (c = TAILQ_FIRST(&m->children); c; c = tmp) {
		tmp = TAILQ_NEXT(c, entry);
		drive(c, DG_EV_TICK);
		if (c->sup.deadline < next)
			next = c->sup.deadline > now ? c->sup.deadline : now + DG_MSEC;
	}
	sd_event_source_set_time(s, next);
	sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

static void
tick_soon(struct dg_master *m)
{
	sd_event_source_set_time(m->tick, dg_now());
	sd_event_source_set_enabled(m->tick, SD_EVENT_ONESHOT);
}

/* Ordered stop: a step begins when nobody of the one before is left. */

static void
next_stop_step(struct dg_master *m)
{
	struct dg_child *c;
	int lowest = INT32_MAX;

	TAILQ_FOREACH (c, &m->children, entry)
		if (c->sup.state != DG_CHILD_GONE && roles[c->role].stop_step < lowest)
			lowest = roles[c->role].stop_step;
	if (lowest == INT32_MAX) {
		sd_event_exit(m->event, 0);
		return;
	}
	if (lowest == m->step)
		return;
	m->step = lowest;
	TAILQ_FOREACH (c, &m->children, entry)
		if (roles[c->role].stop_step == lowest && c->sup.wanted)
			drive(c, DG_EV_QUIESCE);
}

static void
begin_stop(struct dg_master *m, int sig)
{
	const char *on_stop = dg_settings_str(m->settings, "daglet.on_stop");
	struct dg_child *c;

	if (m->stopping) { /* asked twice: no more waiting */
		if (m->hurry)
			return;
		m->hurry = true;
		dg_log(LOG_NOTICE, "asked again: ending at once");
		TAILQ_FOREACH (c, &m->children, entry) {
			c->sup.wanted = false;
			dg_child_kill(c, SIGKILL);
		}
		return;
	}
	m->stopping = true;
	/* keep: servers wait for the next daglet; remove: they end with this one. Ctrl-C
	 * is a person at a terminal who expects nothing to be left. */
	m->remove = on_stop && strcmp(on_stop, "remove") == 0;
	if (!on_stop || strcmp(on_stop, "auto") == 0)
		m->remove = sig == SIGINT;
	m->step = -1;
	dg_log(LOG_NOTICE, "%s: stopping%s", sig == SIGINT ? "SIGINT" : "SIGTERM",
		m->remove ? ", code servers too" : ", code servers are kept");
	(void)sd_notify(0, "STOPPING=1\nSTATUS=Stopping in order");
	next_stop_step(m);
	tick_soon(m);
}

static int
on_stop_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *arg)
{
	(void)s;
	begin_stop(arg, (int)si->ssi_signo);
	return 0;
}

/* Reload in two phases: all look at the new settings, then all take them. */
static int
on_hup(sd_event_source *s, const struct signalfd_siginfo *si, void *arg)
{
	struct dg_master *m = arg;
	struct dg_child *c;
	struct dg_err e;

	(void)s;
	(void)si;
	if (m->stopping || m->answers_missing || !m->reload)
		return 0;
	(void)sd_notify(0, "RELOADING=1");
	if (m->reload(m, &m->next, &e) < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		dg_log(LOG_ERR, "the configuration stays as it was");
		(void)sd_notify(0, "READY=1");
		return 0;
	}
	m->refused = false;
	TAILQ_FOREACH (c, &m->children, entry) {
		if (c->sup.state == DG_CHILD_READY) {
			m->answers_missing++;
			send_config(c, m->next, m->generation + 1);
		}
		drive(c, DG_EV_RELOAD);
	}
	tick_soon(m);
	return 0;
}

static void
add_child(struct dg_master *m, enum dg_role role, const char *inst, const char *program)
{
	struct dg_child *c = dg_child_new(m, role, inst, program);

	TAILQ_INSERT_TAIL(&m->children, c, entry);
}

int
dg_master_init(struct dg_master *m, struct dg_settings *take_settings, struct dg_err *e)
{
	static const enum dg_role singles[] = {
		DG_ROLE_LEDGER, DG_ROLE_STATUS, DG_ROLE_REPORTER};
	const char *backend = dg_settings_str(take_settings, "backend");
	char program[64];
	size_t n;

	m->settings = take_settings;
	m->generation = 1;
	TAILQ_INIT(&m->children);
	if (!m->libexec[0])
		dg_master_find_libexec(m->libexec, sizeof m->libexec);
	for (size_t i = 0; i < DG_N(singles); i++)
		add_child(m, singles[i], "", roles[singles[i]].program);
	snprintf(program, sizeof program, "daglet-launcher-%s",
		backend ? backend : "process");
	add_child(m, DG_ROLE_LAUNCHER, backend, program);
	add_child(m, DG_ROLE_POLLER, "workspace", roles[DG_ROLE_POLLER].program);
	n = dg_settings_count(m->settings, "queues");
	if (!n)
		return dg_fail(e, DG_CONFIG, 0,
			"agent_queues leaves this agent without any queue to serve");
	for (size_t i = 0; i < n; i++) {
		const char *queue = dg_settings_item(m->settings, "queues", i);
		auto_free char *inst =
			dg_xasprintf("queue%s%s", queue ? "/" : "", queue ? queue : "");

		if (strlen(inst) >= sizeof((struct dg_child *)0)->inst)
			return dg_fail(e, DG_CONFIG, 0,
				"the queue's name '%s' is too long", queue);
		add_child(m, DG_ROLE_POLLER, inst, roles[DG_ROLE_POLLER].program);
	}
	return 0;
}

static int
watch(struct dg_master *m)
{
	static const int sigs[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
	sigset_t set;
	int r = sd_event_new(&m->event);

	sigemptyset(&set);
	for (size_t i = 0; i < DG_N(sigs); i++)
		sigaddset(&set, sigs[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (r >= 0)
		r = sd_event_add_signal(m->event, &m->chld, SIGCHLD, on_sigchld, m);
	if (r >= 0)
		r = sd_event_add_signal(m->event, &m->term, SIGTERM, on_stop_signal, m);
	if (r >= 0)
		r = sd_event_add_signal(m->event, &m->intr, SIGINT, on_stop_signal, m);
	if (r >= 0)
		r = sd_event_add_signal(m->event, &m->hup, SIGHUP, on_hup, m);
	if (r >= 0)
		r = sd_event_add_time(
			m->event, &m->tick, CLOCK_MONOTONIC, 0, 10 * DG_MSEC, on_tick, m);
	if (r >= 0)
		r = sd_event_set_watchdog(m->event, true);
	return r;
}

int
dg_master_run(struct dg_master *m)
{
	int r;

	/* Servers and runs whose launcher dies become our children: their end is seen. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	r = watch(m);
	if (r >= 0)
		r = sd_event_loop(m->event);
	if (r < 0)
		dg_log(LOG_ERR, "the loop ended: %s", strerror(-r));
	else
		dg_log(LOG_NOTICE, "stopped");
	return r < 0 ? 1 : r;
}

void
dg_master_clear(struct dg_master *m)
{
	struct dg_child *c;

	while ((c = TAILQ_FIRST(&m->children))) {
		TAILQ_REMOVE(&m->children, c, entry);
		dg_child_free(c);
	}
	sd_event_source_disable_unref(m->tick);
	sd_event_source_disable_unref(m->term);
	sd_event_source_disable_unref(m->intr);
	sd_event_source_disable_unref(m->hup);
	sd_event_source_disable_unref(m->chld);
	sd_event_unref(m->event);
	dg_settings_free(m->settings);
	dg_settings_free(m->next);
}
