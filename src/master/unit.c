/* master/unit.c: see unit.h. Three questions, each asynchronous: which unit (its object's
 * path), which job, of which type. */
#include "master/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-login.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/log.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define ANSWER_LIMIT (2 * DG_SEC)

struct dg_unit_ask {
	sd_event_source *timer;
	sd_bus *bus;
	sd_bus_slot *slot; /* of the question under way */
	void (*done)(void *arg, enum dg_unit_job job);
	void *arg;
};

static int
finish(struct dg_unit_ask *u, enum dg_unit_job job, const char *why)
{
	sd_event_source_set_enabled(u->timer, SD_EVENT_OFF);
	u->slot = sd_bus_slot_unref(u->slot);
	if (why)
		dg_log(LOG_NOTICE, "systemd does not say why it ends us: %s", why);
	u->done(u->arg, job);
	return 0;
}

static int
on_late(sd_event_source *s, uint64_t usec, void *arg)
{
	(void)s;
	(void)usec;
	return finish(arg, DG_JOB_NONE, "no answer within two seconds");
}

static const char *
refusal(sd_bus_message *m)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);

	return e && e->message ? e->message : "it refuses";
}

static int
on_type(sd_bus_message *m, void *arg, sd_bus_error *ret)
{
	struct dg_unit_ask *u = arg;
	const char *type = "";

	(void)ret;
	if (sd_bus_message_is_method_error(m, NULL))
		return finish(u, DG_JOB_NONE, refusal(m));
	if (sd_bus_message_read(m, "v", "s", &type) < 0)
		return finish(u, DG_JOB_NONE, "an answer that is none");
	if (strcmp(type, "stop") == 0)
		return finish(u, DG_JOB_STOP, NULL);
	if (strcmp(type, "restart") == 0 || strcmp(type, "try-restart") == 0)
		return finish(u, DG_JOB_RESTART, NULL);
	return finish(u, DG_JOB_OTHER, NULL);
}

static int
ask(struct dg_unit_ask *u, const char *path, const char *interface, const char *property,
	sd_bus_message_handler_t fn)
{
	u->slot = sd_bus_slot_unref(u->slot);
	return sd_bus_call_method_async(u->bus, &u->slot, SYSTEMD, path,
		"org.freedesktop.DBus.Properties", "Get", fn, u, "ss", interface,
		property);
}

static int
on_job(sd_bus_message *m, void *arg, sd_bus_error *ret)
{
	struct dg_unit_ask *u = arg;
	const char *path = "";
	uint32_t id = 0;

	(void)ret;
	if (sd_bus_message_is_method_error(m, NULL))
		return finish(u, DG_JOB_NONE, refusal(m));
	if (sd_bus_message_read(m, "v", "(uo)", &id, &path) < 0)
		return finish(u, DG_JOB_NONE, "an answer that is none");
	if (!id) /* somebody's own signal */
		return finish(u, DG_JOB_OTHER, NULL);
	if (ask(u, path, SYSTEMD ".Job", "JobType", on_type) < 0)
		return finish(u, DG_JOB_NONE, "it cannot be asked");
	return 0;
}

static int
on_unit(sd_bus_message *m, void *arg, sd_bus_error *ret)
{
	struct dg_unit_ask *u = arg;
	const char *path = "";

	(void)ret;
	if (sd_bus_message_is_method_error(m, NULL))
		return finish(u, DG_JOB_NONE, refusal(m));
	if (sd_bus_message_read(m, "o", &path) < 0)
		return finish(u, DG_JOB_NONE, "an answer that is none");
	if (ask(u, path, SYSTEMD ".Unit", "Job", on_job) < 0)
		return finish(u, DG_JOB_NONE, "it cannot be asked");
	return 0;
}

/* systemd names the main process of a service; what that starts inherits the name. */
static bool
is_main_process(void)
{
	const char *pid = getenv("SYSTEMD_EXEC_PID");
	char own[24];

	snprintf(own, sizeof own, "%d", (int)getpid());
	return pid && strcmp(pid, own) == 0;
}

static int
begin(struct dg_unit_ask *u, sd_event *event)
{
	auto_free char *unit = NULL;
	bool user = sd_pid_get_user_unit(0, &unit) >= 0;
	int r;

	if (!user && (r = sd_pid_get_unit(0, &unit)) < 0)
		return r;
	r = user ? sd_bus_open_user(&u->bus) : sd_bus_open_system(&u->bus);
	if (r >= 0)
		r = sd_bus_attach_event(u->bus, event, SD_EVENT_PRIORITY_NORMAL);
	if (r >= 0)
		r = sd_bus_call_method_async(u->bus, &u->slot, SYSTEMD,
			"/org/freedesktop/systemd1", SYSTEMD ".Manager", "GetUnit",
			on_unit, u, "s", unit);
	return r;
}

int
dg_unit_ask(struct dg_unit_ask **ret, sd_event *event,
	void (*done)(void *arg, enum dg_unit_job job), void *arg)
{
	struct dg_unit_ask *u = dg_new(struct dg_unit_ask);
	int r = 0;

	*u = (struct dg_unit_ask){.done = done, .arg = arg};
	if (!is_main_process())
		r = -ESRCH;
	if (r >= 0)
		r = sd_event_add_time_relative(event, &u->timer, CLOCK_MONOTONIC,
			ANSWER_LIMIT, 10 * DG_MSEC, on_late, u);
	if (r >= 0)
		r = begin(u, event);
	if (r < 0) {
		dg_unit_ask_free(u);
		return r;
	}
	*ret = u;
	return 0;
}

void
dg_unit_ask_free(struct dg_unit_ask *u)
{
	if (!u)
		return;
	sd_event_source_disable_unref(u->timer);
	sd_bus_slot_unref(u->slot);
	if (u->bus) {
		sd_bus_detach_event(u->bus);
		sd_bus_close(u->bus);
		sd_bus_unref(u->bus);
	}
	free(u);
}
