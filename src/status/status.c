/* status/status.c: see status.h. */
#include "status/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sock.h"
#include "log/log.h"
#include "status/health.h"
#include "status/metrics.h"
#include "status/page.h"
#include "status/show.h"
#include "json/write.h"

#define LINES_DEFAULT 100
#define LINES_MAX 10000
#define SWEEP_EVERY (10 * DG_SEC)
#define SOCKET_MODE 0660

/* Nobody tells when the ledger's link goes down; whoever looks sees it. */
static void
look_at_link(struct dg_status *st)
{
	bool open = st->w->ledger && dg_link_open(st->w->ledger);

	if (open != st->mirror.linked)
		dg_mirror_link(&st->mirror, open, dg_now());
}

static void
health_of(struct dg_status *st, struct dg_health *ret)
{
	look_at_link(st);
	dg_health(&st->mirror, dg_now(), ret);
}

/* What each path shows. */

static void
show_live(struct dg_status *st, struct dg_exchange *x)
{
	auto_health h;

	health_of(st, &h);
	dg_exchange_text(x, h.alive ? 200 : 503, h.alive ? "ok" : "the ledger is gone");
}

static void
show_ready(struct dg_status *st, struct dg_exchange *x)
{
	auto_health h;
	auto_buf out = DG_BUF_INIT;

	health_of(st, &h);
	if (h.ready)
		dg_buf_adds(&out, "ok\n");
	else
		dg_buf_addstr(&out, dg_buf_str(&h.reasons));
	dg_exchange_reply(x, h.ready ? 200 : 503, DG_TEXT_TYPE, &out);
}

static void
show_status(struct dg_status *st, struct dg_exchange *x)
{
	auto_health h;
	auto_buf out = DG_BUF_INIT;

	health_of(st, &h);
	dg_show_status(&st->mirror, &h, dg_now(), dg_wall_usec(), &out);
	dg_exchange_reply(x, 200, DG_JSON_TYPE, &out);
}

static void
show_health(struct dg_status *st, struct dg_exchange *x)
{
	auto_health h;
	auto_buf out = DG_BUF_INIT;

	health_of(st, &h);
	dg_show_health(&h, &out);
	dg_exchange_reply(x, h.ready ? 200 : 503, DG_JSON_TYPE, &out);
}

static void
show_locations(struct dg_status *st, struct dg_exchange *x)
{
	auto_buf out = DG_BUF_INIT;

	dg_show_locations(&st->mirror, &out);
	dg_exchange_reply(x, 200, DG_JSON_TYPE, &out);
}

static void
show_runs(struct dg_status *st, struct dg_exchange *x)
{
	auto_buf out = DG_BUF_INIT;

	dg_show_runs(&st->mirror, &out);
	dg_exchange_reply(x, 200, DG_JSON_TYPE, &out);
}

static void
show_metrics(struct dg_status *st, struct dg_exchange *x)
{
	auto_health h;
	auto_buf out = DG_BUF_INIT;

	health_of(st, &h);
	dg_metrics(&st->mirror, &h, dg_now(), &out);
	dg_exchange_reply(x, 200, DG_METRICS_TYPE, &out);
}

static void
show_page(struct dg_status *st, struct dg_exchange *x)
{
	auto_buf out = DG_BUF_INIT;

	(void)st;
	dg_buf_adds(&out, dg_page);
	dg_exchange_reply(x, 200, "text/html; charset=utf-8", &out);
}

static void
ask_requests(struct dg_status *st, struct dg_exchange *x)
{
	dg_ask(&st->asks, st->w, x, "requests", DG_STR("{\"limit\": 1000}"),
		DG_JSON_TYPE);
}

static void
ask_logs(struct dg_status *st, struct dg_exchange *x)
{
	const char *server = dg_exchange_arg(x, "server");
	const char *run = dg_exchange_arg(x, "run");
	const char *text = dg_exchange_arg(x, "lines");
	const char *id = server ? server : run;
	auto_buf args = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&args);
	long lines = LINES_DEFAULT;
	char *end = NULL;

	if (text)
		lines = strtol(text, &end, 10);
	if (!id || !*id || (server && run) || strlen(id) > 256 || (end && *end) ||
		lines < 1 || lines > LINES_MAX) {
		dg_exchange_text(x, 400,
			"say /logs?server=ID or /logs?run=ID, and lines=1 to %d",
			LINES_MAX);
		return;
	}
	dg_jw_open_object(&w);
	dg_jw_kstr(&w, server ? "server" : "run", id);
	dg_jw_kint(&w, "lines", lines);
	dg_jw_close_object(&w);
	dg_ask(&st->asks, st->w, x, "logs", dg_buf_str(&args), DG_TEXT_TYPE);
}

/* What is to be done, by those who may. */

static bool
may_order(struct dg_exchange *x, struct dg_buf *who)
{
	uid_t uid;
	pid_t pid;

	if (!dg_exchange_peer(x, &uid, &pid)) {
		dg_exchange_text(x, 403,
			"commands are taken over the Unix socket only, where it is known "
			"who asks");
		return false;
	}
	if (uid != 0 && uid != geteuid()) {
		dg_exchange_text(x, 403,
			"user %u may not do this: only root and the user that daglet "
			"runs "
			"as (%u) may; try sudo",
			(unsigned)uid, (unsigned)geteuid());
		return false;
	}
	dg_buf_addf(who, "user %u, process %d", (unsigned)uid, (int)pid);
	return true;
}

static const char *const orders[] = {"/drain", "/undrain", "/reload", "/restart"};

static void
order(struct dg_status *st, struct dg_exchange *x, const char *path)
{
	auto_buf who = DG_BUF_INIT;

	if (may_order(x, &who))
		dg_ask_master(&st->asks, st->w, x, path + 1, dg_buf_str(&who));
}

static const struct {
	const char *path;
	void (*show)(struct dg_status *st, struct dg_exchange *x);
} paths[] = {
	{"/", show_page},
	{"/livez", show_live},
	{"/readyz", show_ready},
	{"/health.json", show_health},
	{"/status.json", show_status},
	{"/locations", show_locations},
	{"/runs", show_runs},
	{"/requests", ask_requests},
	{"/logs", ask_logs},
	{"/metrics", show_metrics},
};

static void
on_request(struct dg_exchange *x, void *arg)
{
	const char *path = dg_exchange_path(x);

	for (size_t i = 0; i < DG_N(orders); i++)
		if (strcmp(orders[i], path) == 0) {
			if (dg_exchange_orders(x))
				order(arg, x, path);
			else
				dg_exchange_text(
					x, 405, "%s changes something: POST", path);
			return;
		}
	for (size_t i = 0; i < DG_N(paths); i++)
		if (strcmp(paths[i].path, path) == 0) {
			if (!dg_exchange_orders(x))
				paths[i].show(arg, x);
			else
				dg_exchange_text(
					x, 405, "%s is only looked at: GET", path);
			return;
		}
	dg_exchange_text(x, 404, "nothing is here");
}

static void
on_gone(struct dg_exchange *x, void *arg)
{
	struct dg_status *st = arg;

	dg_asks_gone(&st->asks, x);
}

static const struct dg_server_ops server_ops = {on_request, on_gone};

/* The worker. */

static char *
socket_path(const struct dg_settings *s)
{
	static const char *const dirs[] = {"daglet.runtime_dir", "daglet.state_dir"};
	const char *path = dg_settings_str(s, "daglet.status_socket");

	if (path && *path)
		return dg_xstrdup(path);
	for (size_t i = 0; i < DG_N(dirs); i++) {
		const char *dir = dg_settings_str(s, dirs[i]);

		if (dir && *dir)
			return dg_xasprintf("%s/status.sock", dir);
	}
	return NULL;
}

static int
on_sweep(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_status *st = arg;

	(void)usec;
	look_at_link(st);
	dg_mirror_sweep(&st->mirror, dg_now());
	dg_worker_say(st->w, "%zu locations, %zu servers, %zu runs at %s",
		dg_mirror_count(&st->mirror, DG_STATE_LOCATION),
		dg_mirror_count(&st->mirror, DG_STATE_SERVER),
		dg_mirror_count(&st->mirror, DG_STATE_RUN), st->path);
	sd_event_source_set_time(s, dg_now() + SWEEP_EVERY);
	sd_event_source_set_enabled(s, SD_EVENT_ONESHOT);
	return 0;
}

static int
setup(struct dg_worker *w, struct dg_err *e)
{
	struct dg_status *st = dg_new(struct dg_status);
	const char *tcp = dg_settings_str(w->settings, "daglet.status_listen");
	int fd, r;

	w->data = st;
	st->w = w;
	dg_mirror_init(&st->mirror, dg_now());
	st->path = socket_path(w->settings);
	if (!st->path)
		return dg_fail(e, DG_CONFIG, 0, "no place for the status socket");
	fd = dg_sock_listen_unix(st->path, SOCKET_MODE, e);
	if (fd < 0)
		return dg_err_next(e, "set status_socket in daglet.yaml");
	r = dg_server_new(&st->local, w->event, fd, &server_ops, st, e);
	if (r < 0)
		return r;
	if (tcp && *tcp) {
		fd = dg_sock_listen_tcp(tcp, e);
		if (fd < 0)
			return dg_err_wrap(e, "status_listen");
		r = dg_server_new(&st->tcp, w->event, fd, &server_ops, st, e);
		if (r < 0)
			return r;
	}
	r = sd_event_add_time(
		w->event, &st->sweep, CLOCK_MONOTONIC, 0, DG_SEC, on_sweep, st);
	return r < 0 ? dg_fail(e, DG_TRANSPORT, -r, "cannot make a timer") : 0;
}

static void
linked(struct dg_worker *w)
{
	struct dg_status *st = w->data;

	dg_mirror_link(&st->mirror, true, dg_now());
	dg_asks_unlinked(&st->asks);
	dg_worker_send(w, DG_MSG_HAVE_END, 0, NULL);
}

static int
put(struct dg_status *st, unsigned table, const struct dg_msg_state *m, struct dg_err *e)
{
	if (!m->gone)
		return dg_mirror_put(&st->mirror, table, m->key,
			dg_strn(m->body.p, m->body.n), dg_now(), e);
	dg_mirror_gone(&st->mirror, table, m->key);
	return 0;
}

static void
message(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	struct dg_status *st = w->data;
	const struct dg_msg_state *m = payload;
	struct dg_err e;

	switch (type) {
	case DG_MSG_STATE:
		if (m->kind >= DG_STATE_COUNT)
			dg_fail(&e, DG_BUG, 0, "a state of unknown kind");
		else if (put(st, (unsigned)m->kind, m, &e) == 0)
			break;
		dg_worker_misbehaved(
			w, DG_ROLE_LEDGER, "", dg_link_epoch(w->ledger), e.what);
		break;
	case DG_MSG_RESULT:
		dg_asks_result(&st->asks, id, payload);
		break;
	case DG_MSG_IDENTITY:
		dg_mirror_identity(&st->mirror, payload);
		break;
	default:
		break;
	}
	dg_worker_success(w);
}

static void
control(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	const struct dg_msg_state *m = payload;
	struct dg_err e;

	if (type == DG_MSG_RESULT)
		dg_asks_result(&((struct dg_status *)w->data)->asks, id, payload);
	if (type != DG_MSG_STATE || m->kind != DG_STATE_ROLE)
		return;
	if (put(w->data, DG_MIRROR_MASTER, m, &e) < 0)
		dg_log_err(LOG_ERR, &e, NULL);
}

static void
teardown(struct dg_worker *w)
{
	struct dg_status *st = w->data;

	if (!st)
		return;
	sd_event_source_disable_unref(st->sweep);
	if (st->local)
		unlink(st->path);
	dg_server_free(st->local);
	dg_server_free(st->tcp);
	dg_mirror_clear(&st->mirror);
	free(st->path);
	free(st);
	w->data = NULL;
}

static const struct dg_worker_ops worker_ops = {
	.setup = setup,
	.linked = linked,
	.message = message,
	.control = control,
	.teardown = teardown,
};

int
main(int argc, char **argv)
{
	return dg_worker_main(DG_ROLE_STATUS, argc, argv, &worker_ops);
}
