#include "harness.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

struct text {
	char *p;
	size_t size, n;
};

static void __attribute__((format(printf, 2, 3)))
add(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(t->p + t->n, t->size - t->n, fmt, ap);
	va_end(ap);
	t->n += (size_t)n < t->size - t->n ? (size_t)n : t->size - t->n - 1;
}

static void
describe(struct harness *h, enum dg_msg_type type, void *payload, struct heard *heard)
{
	struct text t = {heard->text, sizeof(heard->text), 0};

#define U_(x) add(&t, #x "=%llu ", (unsigned long long)m->x);
#define S_(x) add(&t, #x "=%.*s ", DG_FMT(m->x));
#define B_(x) add(&t, #x "=%.*s", (int)m->x.n, m->x.p);
#define F_(x) add(&t, #x "=fd");
#define X(name, lower, from, to, fields)                                                 \
	case DG_MSG_##name: {                                                            \
		struct dg_msg_##lower *m = payload;                                      \
		(void)m;                                                                 \
		fields(U_, S_, B_, F_) break;                                            \
	}
	switch (type) {
		DG_MSG_TABLE(X)
	default:
		break;
	}
#undef X
	if (type == DG_MSG_POP_RAW) {
		struct dg_msg_pop_raw *m = payload;

		cr_assert_lt(m->slot, DG_N(h->raw));
		dg_closep(&h->raw[m->slot]);
		h->raw[m->slot] = TAKE_FD(m->raw);
	}
}

static void
on_message(
	struct dg_link *l, enum dg_msg_type type, uint64_t id, void *payload, void *arg)
{
	struct harness *h = arg;
	struct heard *heard = &h->heard[h->n % HEARD_MAX];

	if (type == DG_MSG_PULSE)
		return;
	cr_assert_lt(h->n, HEARD_MAX);
	*heard = (struct heard){.type = type, .id = id};
	describe(h, type, payload, heard);
	h->n++;
	if (l == h->data && h->on_data)
		h->on_data(h, type, id);
}

static void
on_closed(struct dg_link *l, const struct dg_err *why, void *arg)
{
	(void)l;
	(void)arg;
	cr_assert_neq(why->cls, DG_BUG, "%s", why->what);
}

static const struct dg_link_ops ops = {.message = on_message, .closed = on_closed};

void
harness_send(struct harness *h, enum dg_msg_type type, uint64_t id, const void *payload)
{
	struct dg_err e;

	cr_assert_eq(dg_link_send(h->data, type, id, payload, &e), 0, "%s", e.what);
}

void
harness_unlink(struct harness *h)
{
	dg_link_free(h->data);
	h->data = NULL;
}

void
harness_link(struct harness *h)
{
	int pair[2];
	struct dg_msg_peer m = {.role = DG_ROLE_LEDGER, .epoch = ++h->epoch};
	struct dg_err e;

	harness_unlink(h);
	cr_assert_eq(dg_link_pair(pair, NULL), 0);
	cr_assert_eq(dg_link_new(&h->data, h->event, pair[0], DG_ROLE_LEDGER, h->role,
			     h->epoch, &ops, h, NULL),
		0);
	m.link = pair[1];
	cr_assert_eq(dg_link_send(h->control, DG_MSG_PEER, 0, &m, &e), 0, "%s", e.what);
	close(pair[1]);
}

void
harness_start(struct harness *h, sd_event *event, enum dg_role role, const char *program,
	const char *inst, const struct dg_settings *settings)
{
	auto_free char *path = dg_xasprintf("%s/%s", DAGLET_BUILD, program);
	char *argv[] = {path, inst ? (char *)(uintptr_t)inst : NULL, NULL};
	int pair[2];
	struct dg_msg_config config = {.generation = 1};

	*h = (struct harness){
		.role = role, .inst = inst, .event = event, .exit_status = -1};
	for (size_t i = 0; i < DG_N(h->raw); i++)
		h->raw[i] = -1;
	cr_assert_eq(dg_link_pair(pair, NULL), 0);
	h->pid = fork();
	if (h->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(pair[1], 3) != 3)
			_exit(99);
		closefrom(4);
		execv(path, argv);
		_exit(98);
	}
	close(pair[1]);
	cr_assert_eq(dg_link_new(&h->control, event, pair[0], DG_ROLE_MASTER, role, 0,
			     &ops, h, NULL),
		0);
	config.settings = dg_settings_seal(settings, DG_ROLE_BIT(role), NULL);
	cr_assert_geq(config.settings, 0);
	harness_expect(h, DG_MSG_HELLO);
	cr_assert_eq(dg_link_send(h->control, DG_MSG_CONFIG, 0, &config, NULL), 0);
	close(config.settings);
}

static int
on_limit(sd_event_source *src, uint64_t usec, void *arg)
{
	(void)src;
	(void)usec;
	*(bool *)arg = true;
	return 0;
}

void
harness_run(struct harness *h, dg_usec time)
{
	bool late = false;
	sd_event_source *t = NULL;

	sd_event_add_time_relative(
		h->event, &t, CLOCK_MONOTONIC, time, 1000, on_limit, &late);
	while (!late)
		cr_assert_geq(sd_event_run(h->event, UINT64_MAX), 0);
	sd_event_source_disable_unref(t);
}

bool
harness_until(struct harness *h, bool (*done)(void *arg), void *arg)
{
	bool late = false;
	sd_event_source *t = NULL;

	sd_event_add_time_relative(
		h->event, &t, CLOCK_MONOTONIC, 10 * DG_SEC, 1000, on_limit, &late);
	while (!done(arg) && !late)
		cr_assert_geq(sd_event_run(h->event, UINT64_MAX), 0);
	sd_event_source_disable_unref(t);
	return done(arg);
}

struct wanted {
	struct harness *h;
	enum dg_msg_type type;
	size_t at;
};

static bool
is_there(void *arg)
{
	struct wanted *w = arg;

	for (w->at = w->h->read; w->at < w->h->n; w->at++)
		if (w->h->heard[w->at].type == w->type)
			return true;
	return false;
}

const struct heard *
harness_expect(struct harness *h, enum dg_msg_type type)
{
	struct wanted w = {h, type, 0};

	if (!harness_until(h, is_there, &w)) {
		for (size_t i = h->read; i < h->n; i++)
			fprintf(stderr, "heard %s %s\n", dg_msg_name(h->heard[i].type),
				h->heard[i].text);
		cr_assert_fail("no %s came", dg_msg_name(type));
	}
	h->read = w.at + 1;
	return &h->heard[w.at];
}

bool
harness_reload(struct harness *h, const struct dg_settings *settings)
{
	struct dg_msg_config config = {.generation = 2};
	struct dg_msg_apply apply = {.generation = 2};
	struct wanted ok = {h, DG_MSG_CONFIG_OK, 0}, bad = {h, DG_MSG_CONFIG_BAD, 0};

	config.settings = dg_settings_seal(settings, DG_ROLE_BIT(h->role), NULL);
	cr_assert_geq(config.settings, 0);
	h->read = h->n;
	cr_assert_eq(dg_link_send(h->control, DG_MSG_CONFIG, 0, &config, NULL), 0);
	close(config.settings);
	while (!is_there(&ok) && !is_there(&bad))
		cr_assert_geq(sd_event_run(h->event, UINT64_MAX), 0);
	if (!is_there(&ok))
		return false;
	cr_assert_eq(dg_link_send(h->control, DG_MSG_APPLY, 0, &apply, NULL), 0);
	return true;
}

int
harness_stop(struct harness *h)
{
	int status = 0;

	harness_unlink(h);
	dg_link_free(h->control);
	h->control = NULL;
	for (int i = 0; i < 500;
		i++) { /* its end is an event of the system: waited for */
		if (waitpid(h->pid, &status, WNOHANG) == h->pid)
			break;
		harness_run(h, 10 * DG_MSEC);
		if (i == 499) {
			kill(h->pid, SIGKILL);
			waitpid(h->pid, &status, 0);
		}
	}
	for (size_t i = 0; i < DG_N(h->raw); i++)
		dg_closep(&h->raw[i]);
	h->exit_status = status;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
