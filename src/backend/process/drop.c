/* backend/process/drop.c: cgroups on their way out: what was killed in them takes a
 * moment to go, and only then they can be removed. */
#include "backend/process/process.h"

#include "backend/process/cgroup.h"
#include "base/mem.h"

#define TRY_EVERY (100 * DG_MSEC)
#define TRIES 50 /* then something lives in it on purpose; the sweep gets it */

struct dg_dropped {
	struct dg_dropped *next;
	unsigned tries;
	char path[];
};

static void
arm(struct dg_backend *b)
{
	(void)sd_event_source_set_time_relative(b->dropper, TRY_EVERY);
	(void)sd_event_source_set_enabled(b->dropper, SD_EVENT_ONESHOT);
}

static int
on_try(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_backend *b = arg;
	struct dg_dropped **at = &b->dropped;

	(void)s;
	(void)usec;
	while (*at) {
		struct dg_dropped *d = *at;

		if (dg_cgroup_remove(d->path) || ++d->tries > TRIES) {
			*at = d->next;
			free(d);
		} else
			at = &d->next;
	}
	if (b->dropped)
		arm(b);
	return 0;
}

int
dg_drop_open(struct dg_backend *b, struct dg_err *e)
{
	int r = sd_event_add_time_relative(
		b->host.event, &b->dropper, CLOCK_MONOTONIC, 0, 0, on_try, b);

	if (r >= 0)
		r = sd_event_source_set_enabled(b->dropper, SD_EVENT_OFF);
	return r < 0 ? dg_fail(e, DG_TRANSPORT, -r, "cannot set a timer") : 0;
}

void
dg_drop_close(struct dg_backend *b)
{
	sd_event_source_disable_unref(b->dropper);
	while (b->dropped) {
		struct dg_dropped *d = b->dropped;

		b->dropped = d->next;
		(void)dg_cgroup_remove(d->path); /* the next start sweeps the rest */
		free(d);
	}
}

void
dg_drop_cgroup(struct dg_backend *b, const char *path)
{
	struct dg_dropped *d;
	size_t n;

	if (!path || dg_cgroup_remove(path))
		return;
	n = strlen(path) + 1;
	d = dg_xcalloc(1, sizeof *d + n);
	memcpy(d->path, path, n);
	d->next = b->dropped;
	b->dropped = d;
	arm(b);
}
