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
} roles[] = {
#define X(id, name, program, linked, stop, env) [DG_ROLE_##id] = {program, linked},
	DG_ROLE_TABLE(X)
#undef X
};

const char *
dg_master_display(const struct dg_child *c, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", dg_role_name(c->role), c->inst[0] ? ":" : "",
		c->inst);
	return buf;
}

/* Links: every linked role that is ready gets a socket pair with the ledger. */

struct dg_child *
dg_master_ready(struct dg_master *m, enum dg_role role)
{
	struct dg_child *c;

	TAILQ_FOREACH (c, &m->children, entry)
		if (c->role == role && c->sup.state == DG_CHILD_READY)
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
on_ready(struct dg_child *c, uint64_t generation)
{
	struct dg_master *m = c->master;
	struct dg_child *ledger = dg_master_ready(m, DG_ROLE_LEDGER), *o;

	dg_reload_ready(c, generation);
	dg_draining_ready(c); /* before it has a link */
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
	if (m->ending.under_way)
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

void
dg_master_send_config(
	struct dg_child *c, const struct dg_settings *s, uint64_t generation)
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
		dg_master_display(bad, name, sizeof name),
		dg_master_display(from, who, sizeof who), text);
	dg_master_drive(bad, DG_EV_MISBEHAVED);
}

static void
on_message(
	struct dg_link *l, enum dg_msg_type type, uint64_t id, void *payload, void *arg)
{
	struct dg_child *c = arg;

	(void)l;
	switch (type) {
	case DG_MSG_HELLO: {
		const struct dg_msg_hello *h = payload;

		if (h->version != DG_MSG_VERSION) {
			dg_log(LOG_ERR,
				"%s speaks version %u of our messages, not %d: mixed "
				"installation?",
				c->program, (unsigned)h->version, DG_MSG_VERSION);
			dg_master_drive(c, DG_EV_MISBEHAVED);
			return;
		}
		dg_master_drive(c, DG_EV_HELLO);
		if (c->sup.state == DG_CHILD_CONFIGURING)
			dg_master_send_config(
				c, c->master->settings, c->master->generation);
		break;
	}
	case DG_MSG_READY:
		dg_master_drive(c, DG_EV_READY);
		if (c->sup.state == DG_CHILD_READY)
			on_ready(c, ((struct dg_msg_ready *)payload)->generation);
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
		dg_master_drive(c, DG_EV_PULSE);
		/* With the status role's own pulse come all rows: ages stay true. */
		if (news || c->role == DG_ROLE_STATUS)
			dg_rows_tell(c->master, c);
		break;
	}
	case DG_MSG_DRAINED:
		if (c->role == DG_ROLE_LEDGER)
			c->master->ending.left =
				(int64_t)((struct dg_msg_drained *)payload)->left;
		dg_master_drive(c, DG_EV_DRAINED);
		break;
	case DG_MSG_IDLE:
		dg_draining_idle(c, ((struct dg_msg_idle *)payload)->left);
		break;
	case DG_MSG_CONFIG_OK:
		dg_reload_answer(c, NULL);
		break;
	case DG_MSG_CONFIG_BAD:
		dg_reload_answer(c, &((struct dg_msg_config_bad *)payload)->text);
		break;
	case DG_MSG_DENIED:
		dg_token_look(c->master);
		break;
	case DG_MSG_COMMAND:
		dg_orders_take(c, id, payload);
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
		dg_master_drive(c, DG_EV_MISBEHAVED);
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
		dg_master_drive(c, DG_EV_SPAWN_FAILED);
		return;
	}
	dg_master_drive(c, DG_EV_SPAWNED);
}

/* What it gets for what it has under way: at the end of daglet, or of it alone. */
static struct dg_msg_quiesce
quiesce_of(const struct dg_child *c)
{
	const struct dg_ending *d = &c->master->ending;
	dg_usec now = dg_now(),
		rest = now < d->deadline && !d->hurry ? d->deadline - now : 0;

	if (!d->under_way)
		return (struct dg_msg_quiesce){0, c->sup.quiesce};
	return (struct dg_msg_quiesce){
		d->remove, dg_stop_limits(c->role, rest, d->remove).finish};
}

void
dg_master_drive(struct dg_child *c, enum dg_child_event ev)
{
	enum dg_child_state before = c->sup.state;
	struct dg_msg_quiesce q;
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
				dg_master_display(c, name, sizeof name), c->pid,
				before == DG_CHILD_READY ? "stands still"
				: before == DG_CHILD_ENDING
					? "does not end"
					: "does not get ready in time");
		dg_child_kill(c, SIGKILL);
		break;
	case DG_DO_QUIESCE:
		q = quiesce_of(c);
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
	if (c->sup.state == DG_CHILD_GONE)
		dg_ending_next(c->master);
}

static void
child_ended(struct dg_child *c, int status)
{
	bool config = WIFEXITED(status) && WEXITSTATUS(status) == 78;
	bool wanted = c->sup.wanted;
	pid_t pid = c->pid;
	char name[160];

	dg_child_reaped(c, status);
	dg_reload_answer(c, NULL); /* its successor will have them */
	if (wanted && !c->sup.renew)
		dg_log(LOG_ERR, "%s [%d] ended: %s%s",
			dg_master_display(c, name, sizeof name), pid, c->last_exit,
			config ? "; parked until the configuration changes" : "");
	dg_master_drive(c, config ? DG_EV_EXIT_CONFIG : DG_EV_EXIT);
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
	dg_token_tick(m);
	dg_reload_tick(m);
	dg_ending_next(m);
	for (c = TAILQ_FIRST(&m->children); c; c = tmp) {
		tmp = TAILQ_NEXT(c, entry);
		dg_master_drive(c, DG_EV_TICK);
		if (c->sup.deadline < next)
			next = c->sup.deadline > now ? c->sup.deadline : now + DG_MSEC;
	}
	sd_event_source_set_time(s, next);
	sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

void
dg_master_tick_soon(struct dg_master *m)
{
	sd_event_source_set_time(m->tick, dg_now());
	sd_event_source_set_enabled(m->tick, SD_EVENT_ONESHOT);
}

static int
on_stop_signal(sd_event_source *s, const struct signalfd_siginfo *si, void *arg)
{
	(void)s;
	dg_ending_begin(arg, si->ssi_signo == SIGINT ? DG_STOP_INT : DG_STOP_TERM);
	return 0;
}

static int
on_hup(sd_event_source *s, const struct signalfd_siginfo *si, void *arg)
{
	(void)s;
	(void)si;
	dg_reload_begin(arg, 0);
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

static void
say_end(const struct dg_master *m)
{
	const struct dg_ending *d = &m->ending;

	if (d->left == 0)
		dg_log(LOG_NOTICE, "%s: nothing is left undone",
			d->restart ? "starting anew" : "stopped");
	else if (d->left > 0)
		dg_log(LOG_WARNING,
			"stopped: %lld requests are not answered and delivered; the next "
			"daglet takes them up",
			(long long)d->left);
	else
		dg_log(LOG_WARNING,
			"stopped: what was under way is taken up by the next daglet");
}

int
dg_master_run(struct dg_master *m)
{
	int r;

	/* Servers and runs whose launcher dies become our children: their end is seen. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	m->began = dg_wall_usec();
	dg_token_tick(m);
	r = watch(m);
	if (r >= 0)
		r = sd_event_loop(m->event);
	if (r < 0)
		dg_log(LOG_ERR, "the loop ended: %s", strerror(-r));
	else
		say_end(m);
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
	dg_unit_ask_free(m->ending.ask);
	sd_event_unref(m->event);
	dg_settings_free(m->settings);
	dg_settings_free(m->reloading.next);
	for (size_t i = 0; i < DG_N(m->reloading.given); i++)
		free(m->reloading.given[i]);
	dg_buf_clear(&m->reloading.report);
	dg_buf_clear(&m->reloading.lines);
	dg_buf_clear(&m->reloading.changes);
}
