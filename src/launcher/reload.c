/* launcher/reload.c: other settings while servers and runs go on. See launcher.h.
 *
 * What is started from now on is started with them; what runs is not touched, unless
 * on_token_change asks for servers with the new token. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "dagster/instance_ref.h"
#include "launcher/launcher.h"
#include "log/log.h"

#define TOKEN "dagster_cloud_api.agent_token"

static int
make_ref(const struct dg_settings *s, struct dg_instance_ref **ret, struct dg_err *e)
{
	const char *yaml = dg_settings_str(s, "raw.dagster_yaml");
	const char *home = dg_settings_str(s, "home");

	return dg_instance_ref_new(
		ret, dg_str(yaml ? yaml : ""), home ? home : "/", NULL, e);
}

int
dg_reload_check(struct dg_worker *w, const struct dg_settings *next, struct dg_err *e)
{
	struct dg_instance_ref *ref = NULL;
	int r = make_ref(next, &ref, e);

	(void)w;
	dg_instance_ref_free(ref);
	return r;
}

void
dg_reload_settings(struct dg_launcher *l)
{
	const struct dg_settings *s = l->w->settings;
	const char *variable = dg_settings_str(s, "token_variable");
	const char *token = dg_settings_str(s, TOKEN);

	dg_tuning_read(l);
	/* A token that came from a file: children find it where their instance ref says. */
	if (variable && token)
		setenv(variable, token, 1);
	free(TAKE_PTR(l->token));
	l->token = dg_xstrdup(token ? token : "");
}

static void
replace_servers(struct dg_launcher *l)
{
	DG_MAP_EACH(&l->places, s)
	dg_place_event(s->value, &(struct dg_loc_event){.type = DG_LOC_RENEW});
}

void
dg_reload_apply(struct dg_worker *w)
{
	struct dg_launcher *l = w->data;
	const char *then = dg_settings_str(w->settings, "daglet.on_token_change");
	const char *token = dg_settings_str(w->settings, TOKEN);
	bool other = strcmp(token ? token : "", l->token) != 0;
	struct dg_instance_ref *ref = NULL;
	struct dg_err e;

	dg_reload_settings(l);
	dg_policy_reload(&l->policy, w->settings);
	if (make_ref(w->settings, &ref, &e) < 0) { /* it was checked */
		dg_log_err(LOG_ERR, &e, NULL);
	} else {
		dg_instance_ref_free(l->ref);
		l->ref = ref;
		DG_MAP_EACH(&l->refs, s)
		{
			dg_buf_clear(s->value);
			free(s->value);
		}
		dg_map_clear(&l->refs);
	}
	if (l->desired_seen)
		dg_desired_again(l);
	if (!other)
		return;
	dg_log(LOG_NOTICE, "there is a new token; running code servers %s",
		then && strcmp(then, "replace") == 0 ? "are replaced"
						     : "keep the one of before");
	if (then && strcmp(then, "replace") == 0)
		replace_servers(l);
}
