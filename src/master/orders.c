/* master/orders.c: what people ask of the master through the status socket. Whether they
 * may is judged there, where the peer is known. */
#include <string.h>

#include "base/mem.h"
#include "log/log.h"
#include "master/master.h"

void
dg_orders_done(struct dg_master *m, uint64_t id, unsigned code, struct dg_str text)
{
	struct dg_child *status = dg_master_ready(m, DG_ROLE_STATUS);
	struct dg_msg_result r = {code, DG_BODY_STR(text)};

	if (id && status)
		dg_child_reply(status, DG_MSG_RESULT, id, &r);
}

static void
drain(struct dg_master *m, uint64_t id)
{
	if (m->ending.under_way) {
		dg_orders_done(m, id, 409, DG_STR("daglet is about to end\n"));
		return;
	}
	dg_draining_set(m, true);
	dg_orders_done(m, id, 200, DG_STR("no more work is taken\n"));
}

static void
undrain(struct dg_master *m, uint64_t id)
{
	if (m->ending.under_way) {
		dg_orders_done(m, id, 409, DG_STR("daglet is about to end\n"));
		return;
	}
	dg_draining_set(m, false);
	dg_orders_done(m, id, 200, DG_STR("work is taken\n"));
}

static void
reload(struct dg_master *m, uint64_t id)
{
	dg_reload_begin(m, id);
}

static void
restart(struct dg_master *m, uint64_t id)
{
	if (m->ending.under_way) {
		dg_orders_done(m, id, 409, DG_STR("daglet is about to end\n"));
		return;
	}
	if (!m->reloading.load) {
		dg_orders_done(m, id, 409,
			DG_STR("this agent was started without a dagster.yaml and "
			       "remembers nothing: stop it and start another\n"));
		return;
	}
	dg_orders_done(m, id, 200, DG_STR("restarting; code servers and runs go on\n"));
	dg_ending_begin(m, DG_STOP_RESTART);
}

void
dg_orders_take(struct dg_child *status, uint64_t id, const struct dg_msg_command *o)
{
	static const struct {
		const char *op;
		void (*obey)(struct dg_master *m, uint64_t id);
	} rows[] = {
		{"drain", drain},
		{"undrain", undrain},
		{"reload", reload},
		{"restart", restart},
	};
	struct dg_master *m = status->master;

	for (size_t i = 0; i < DG_N(rows); i++)
		if (dg_str_is(o->op, rows[i].op)) {
			dg_log(LOG_NOTICE, "%s: asked for by %.*s", rows[i].op,
				DG_FMT(o->args));
			rows[i].obey(m, id);
			return;
		}
	dg_orders_done(m, id, 404, DG_STR("the master knows no such command\n"));
}
