/* master/token.c: the token's file is looked at every two seconds, and when the control
 * plane says 401. A new token is all that changes: code servers are not touched. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "config/token.h"
#include "log/log.h"
#include "master/master.h"

#define LOOK_EVERY (2 * DG_SEC)
#define TOKEN "dagster_cloud_api.agent_token"

/* Another file, or another content of it; 0: it cannot be seen. */
static uint64_t
signature(const struct dg_master *m, const char *file)
{
	const char *home = dg_settings_str(m->settings, "home");
	auto_free char *path =
		*file == '/' ? dg_xstrdup(file) : dg_xasprintf("%s/%s", home, file);
	struct stat st;
	uint64_t h;

	if (stat(path, &st) < 0)
		return 0;
	h = (uint64_t)st.st_ino * 1000003u ^ (uint64_t)st.st_size;
	h = h * 1000003u ^ (uint64_t)st.st_mtim.tv_sec;
	h = h * 1000003u ^ (uint64_t)st.st_mtim.tv_nsec;
	h = h * 1000003u ^ (uint64_t)st.st_ctim.tv_nsec;
	return h ? h : 1;
}

/* A token of another organisation brings other addresses with it. */
static bool
same_organization(const struct dg_master *m, const char *token)
{
	const char *ours = dg_settings_str(m->settings, "organization");
	struct dg_token t;
	struct dg_err e;
	bool same = dg_token_read(token, &t, &e) == 0 &&
		    strcmp(t.organization ? t.organization : "", ours ? ours : "") == 0;

	dg_token_clear(&t);
	return same;
}

static void
take(struct dg_master *m, const char *token)
{
	const char *old = dg_settings_str(m->settings, TOKEN);
	struct dg_settings *next;

	if (old && strcmp(old, token) == 0)
		return;
	if (!same_organization(m, token)) {
		dg_reload_begin(m, 0);
		return;
	}
	dg_log(LOG_NOTICE, "there is a new token");
	dg_buf_reset(&m->reloading.report);
	next = dg_settings_clone(m->settings);
	dg_settings_set(next, dg_settings_mask(m->settings, TOKEN), TOKEN, token);
	dg_reload_settings(m, next);
}

void
dg_token_look(struct dg_master *m)
{
	const char *file = dg_settings_str(m->settings, "daglet.token_file");
	auto_buf text = DG_BUF_INIT;
	struct dg_err e;

	if (!file || m->ending.under_way || m->reloading.missing)
		return;
	if (dg_config_token(dg_settings_str(m->settings, "home"), file, &text, &e) < 0) {
		if (!m->token.failing)
			dg_log_err(LOG_WARNING, &e, NULL);
		m->token.failing = true;
		return;
	}
	m->token.failing = false;
	m->token.signature = signature(m, file);
	take(m, text.p);
	explicit_bzero(text.p, text.n);
}

void
dg_token_tick(struct dg_master *m)
{
	const char *file = dg_settings_str(m->settings, "daglet.token_file");
	dg_usec now = dg_now();

	if (!file || now < m->token.next)
		return;
	m->token.next = now + LOOK_EVERY;
	if (signature(m, file) != m->token.signature)
		dg_token_look(m);
}
