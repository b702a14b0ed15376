/* backend/process/drop.c: what ended ones leave. A tree that is killed may fork meanwhile,
 * so it is looked at until nobody is found; what was killed in a cgroup takes a moment to
 * go, and only then it can be removed. */
#include "backend/process/process.h"

#include "backend/process/cgroup.h"
#include "backend/process/tree.h"
#include "base/mem.h"

#define TRY_EVERY (100 * DG_MSEC)
#define TRIES 50 /* then something lives in it on purpose; the sweep gets it */

struct dg_dropped {
	struct dg_dropped *next;
	unsigned tries;
	char *cgroup; /* or NULL */
	bool killing; /* the tree */
	char name[DG_RUN_NAME + 1];
	struct dg_tree tree;
};

static void
dropped_free(struct dg_dropped *d)
{
	free(d->cgroup);
	free(d);
}

/* True: nothing is left of it. */
static bool
drop(struct dg_dropped *d)
{
	if (d->killing)
		d->killing = dg_tree_kill(&d->tree) > 0;
	return !d->killing && (!d->cgroup || dg_cgroup_remove(d->cgroup));
}

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

		if (drop(d) || ++d->tries > TRIES) {
			*at = d->next;
			dropped_free(d);
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
		(void)drop(d); /* the next start sweeps the rest */
		dropped_free(d);
	}
}

static void
begin(struct dg_backend *b, struct dg_dropped *d)
{
	if (drop(d)) {
		dropped_free(d);
		return;
	}
	d->next = b->dropped;
	b->dropped = d;
	arm(b);
}

void
dg_drop_cgroup(struct dg_backend *b, const char *path)
{
	struct dg_dropped *d;

	if (!path)
		return;
	d = dg_new(struct dg_dropped);
	d->cgroup = dg_xstrdup(path);
	begin(b, d);
}

void
dg_drop_tree(struct dg_unit *u)
{
	struct dg_dropped *d = dg_new(struct dg_dropped);

	d->killing = dg_unit_tree(u, true, &d->tree);
	d->cgroup = dg_dup(u->handle.cgroup);
	d->tree.cgroup = d->cgroup;
	memcpy(d->name, u->name, sizeof d->name);
	d->tree.name = d->name;
	begin(u->b, d);
}
