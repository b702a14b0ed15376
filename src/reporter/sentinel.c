/* reporter/sentinel.c: the two files by which a container's health check knows an agent:
 * one touched every 15 seconds while the agent lives, one made when every location of the
 * first workspace was started once. A folder that cannot be written switches them off. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "log/log.h"
#include "reporter/reporter.h"
#include "json/json.h"

#define LIVE "liveness_sentinel.txt"
#define READY "finished_initial_reconciliation_sentinel.txt"

struct dg_sentinel {
	struct dg_reporter *r;
	char *folder; /* NULL: off */
	bool wants_ready, ready;
	dg_usec every;
	sd_event_source *timer;
};

static int
touch(const char *folder, const char *name)
{
	auto_free char *path = dg_xasprintf("%s/%s", folder, name);
	auto_close int fd =
		open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);

	return fd < 0 || futimens(fd, NULL) < 0 ? -errno : 0;
}

static void
give_up(struct dg_sentinel *s, const char *name, int error)
{
	dg_log(LOG_WARNING, "%s/%s cannot be written: %s; such files are written no more",
		s->folder, name, strerror(-error));
	free(s->folder);
	s->folder = NULL;
}

static int
on_timer(sd_event_source *src, uint64_t usec, void *arg)
{
	struct dg_sentinel *s = arg;
	int r;

	(void)usec;
	if (!s->folder)
		return 0;
	r = touch(s->folder, LIVE);
	if (r < 0) {
		give_up(s, LIVE, r);
		return 0;
	}
	sd_event_source_set_time(src, dg_now() + s->every);
	sd_event_source_set_enabled(src, SD_EVENT_ONESHOT);
	return 0;
}

void
dg_sentinel_view(struct dg_sentinel *s)
{
	bool ready = false;
	int r;

	if (!s->folder || !s->wants_ready || s->ready ||
		!dg_json_member_bool(dg_view_launcher(&s->r->view), "ready", &ready) ||
		!ready)
		return;
	s->ready = true;
	r = touch(s->folder, READY);
	if (r < 0)
		give_up(s, READY, r);
	else
		dg_log(LOG_INFO, "the agent is ready: %s/%s is written", s->folder,
			READY);
}

/* Where the class of the launcher has its files when nothing else is said. */
static const char *
usual_folder(const char *agent_type)
{
	if (agent_type && strcmp(agent_type, "K8sUserCodeLauncher") == 0)
		return "/tmp";
	if (agent_type && strcmp(agent_type, "EcsUserCodeLauncher") == 0)
		return "/opt";
	return NULL;
}

int
dg_sentinel_new(struct dg_reporter *r, struct dg_err *e)
{
	static const char every[] = "env.DAGSTER_CLOUD_AGENT_LIVENESS_CHECK_INTERVAL";
	const struct dg_settings *c = r->worker->settings;
	const char *folder = dg_settings_str(c, "env.DAGSTER_CLOUD_AGENT_SENTINEL_DIR");
	struct dg_sentinel *s = dg_new(struct dg_sentinel);
	double seconds = dg_settings_has(c, every) ? dg_settings_float(c, every) : 15.0;
	int n;

	r->sentinel = s;
	s->r = r;
	s->every = seconds > 0.1 ? (dg_usec)(seconds * (double)DG_SEC) : DG_SEC / 10;
	if (!folder)
		folder = usual_folder(dg_settings_str(c, "agent_type"));
	s->folder = folder && *folder ? dg_xstrdup(folder) : NULL;
	s->wants_ready =
		dg_settings_bool(c, "user_code_launcher.config.requires_healthcheck");
	if (!s->folder)
		return 0;
	n = sd_event_add_time(r->worker->event, &s->timer, CLOCK_MONOTONIC, 0,
		100 * DG_MSEC, on_timer, s);
	return n < 0 ? dg_fail(e, DG_TRANSPORT, -n, "no timer") : 0;
}

void
dg_sentinel_free(struct dg_sentinel *s)
{
	if (!s)
		return;
	sd_event_source_disable_unref(s->timer);
	free(s->folder);
	free(s);
}
