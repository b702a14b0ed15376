/* master/startup.c: see startup.h. */
#include "master/startup.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"

extern char **environ;

#define ALL_ROLES                                                                        \
	(DG_ROLE_BIT(DG_ROLE_LEDGER) | DG_ROLE_BIT(DG_ROLE_STATUS) |                     \
		DG_ROLE_BIT(DG_ROLE_REPORTER) | DG_ROLE_BIT(DG_ROLE_LAUNCHER) |          \
		DG_ROLE_BIT(DG_ROLE_POLLER))

/* The folder that DAGSTER_HOME names, absolute, as the environment says it too: children
 * read it there. */
static int
find_home(const struct dg_cli *cli, char **ret, struct dg_err *e)
{
	const char *home = cli->home ? cli->home : getenv("DAGSTER_HOME");
	auto_free char *expanded = NULL;

	if (!home || !home[0]) {
		dg_fail(e, DG_CONFIG, 0, "no DAGSTER_HOME: which dagster.yaml?");
		return dg_err_next(e,
			"give the folder as argument or in the environment, or use "
			"-a TOKEN -d DEPLOYMENT");
	}
	if (home[0] == '~' && (home[1] == '/' || !home[1]) && getenv("HOME"))
		expanded = dg_xasprintf("%s%s", getenv("HOME"), home + 1);
	*ret = realpath(expanded ? expanded : home, NULL);
	if (!*ret) {
		dg_fail(e, DG_CONFIG, errno, "DAGSTER_HOME %s", home);
		return dg_err_next(
			e, "it must be an existing folder with a dagster.yaml");
	}
	setenv("DAGSTER_HOME", *ret, 1);
	return 0;
}

/* Ephemeral mode: a home of its own, which ends with the process. */
static int
make_home(char **ret, struct dg_err *e)
{
	char path[] = "/tmp/daglet-home-XXXXXX";

	if (!mkdtemp(path))
		return dg_fail(
			e, DG_TRANSPORT, errno, "cannot make a temporary DAGSTER_HOME");
	*ret = dg_xstrdup(path);
	setenv("DAGSTER_HOME", path, 1);
	return 0;
}

static int
load(const struct dg_cli *cli, struct dg_config **ret, struct dg_buf *errors,
	struct dg_err *e)
{
	auto_free char *home = NULL;
	auto_buf text = DG_BUF_INIT;
	struct dg_config_source src = {.env = (const char *const *)environ};
	int r;

	if (cli->ephemeral)
		r = dg_config_ephemeral(&cli->flags, &text, e);
	else
		r = 0;
	if (r == 0)
		r = cli->ephemeral ? make_home(&home, e) : find_home(cli, &home, e);
	if (r < 0)
		return r;
	src.home = home;
	if (cli->ephemeral) {
		src.dagster_text = text.p;
		src.dagster_name = "--config";
	}
	src.env = (const char *const *)environ; /* with the new DAGSTER_HOME */
	r = dg_config_load(&src, ret, errors);
	if (cli->ephemeral && r == 0)
		dg_settings_set((*ret)->settings, 0, "ephemeral_home", home);
	return r;
}

int
dg_startup_config(const struct dg_cli *cli, struct dg_config **ret, struct dg_buf *errors)
{
	char line[1280];
	struct dg_err e = {0};
	int r = load(cli, ret, errors, &e);

	if (r < 0 && !errors->n)
		dg_buf_addf(errors, "%s\n", dg_err_text(&e, line, sizeof line));
	if (r < 0)
		return r;
	if (cli->log_level)
		dg_settings_set(
			(*ret)->settings, ALL_ROLES, "daglet.log_level", cli->log_level);
	if (cli->log_format)
		dg_settings_set((*ret)->settings, ALL_ROLES, "daglet.log_format",
			cli->log_format);
	if (cli->state_dir)
		dg_settings_set(
			(*ret)->settings, ALL_ROLES, "daglet.state_dir", cli->state_dir);
	return 0;
}

static int
own_folder(struct dg_master *m, const char *path, struct dg_err *e)
{
	int r = dg_mkdirs(path, 0700, e);

	if (r == 0 && m->drop && chown(path, m->uid, m->gid) < 0)
		r = dg_fail(
			e, DG_CONFIG, errno, "cannot give %s to the user daglet", path);
	return r;
}

/* Below /tmp only a folder that is ours alone will do. */
static int
check_private(const char *path, uid_t uid, struct dg_err *e)
{
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
		(st.st_uid != uid && st.st_uid != geteuid()) || st.st_mode & 022)
		return dg_fail(e, DG_DENIED, 0, "%s is not a folder of ours alone", path);
	return 0;
}

static unsigned
short_hash(const char *s)
{
	unsigned h = 2166136261u;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 16777619u;
	return h;
}

static int
state_folder(struct dg_master *m, struct dg_settings *s, struct dg_err *e)
{
	const char *given = dg_settings_str(s, "daglet.state_dir"),
		   *unit = getenv("STATE_DIRECTORY");
	auto_free char *path = NULL;
	int r;

	if (dg_settings_has(s, "ephemeral_home") && (!given || !given[0]))
		path = dg_xstrdup(
			""); /* it would not outlive the process: memory it is */
	else if (given && given[0])
		path = dg_xstrdup(given);
	else if (unit && unit[0])
		path = dg_xstrndup(unit, strcspn(unit, ":"));
	else
		path = dg_xasprintf("%s/.daglet", dg_settings_str(s, "home"));
	if (path[0]) {
		r = own_folder(m, path, e);
		if (r == 0 && access(path, W_OK) < 0)
			r = dg_fail(e, DG_CONFIG, errno, "the state folder %s", path);
		if (r < 0 && given && given[0])
			return r;
		if (r < 0) { /* nobody asked for it: go on without, and say so */
			char text[1024];

			dg_log(LOG_WARNING, "%s: requests are remembered in memory only",
				dg_err_text(e, text, sizeof text));
			path[0] = '\0';
		}
	}
	dg_settings_set(s, ALL_ROLES, "daglet.state_dir", path);
	return 0;
}

static int
runtime_folder(struct dg_master *m, struct dg_settings *s, struct dg_err *e)
{
	const char *given = dg_settings_str(s, "daglet.runtime_dir"),
		   *unit = getenv("RUNTIME_DIRECTORY"), *sock,
		   *state = dg_settings_str(s, "daglet.state_dir");
	auto_free char *path = NULL, *status = NULL;
	int r;

	if (given && given[0])
		path = dg_xstrdup(given);
	else if (unit && unit[0])
		path = dg_xstrndup(unit, strcspn(unit, ":"));
	else
		path = dg_xasprintf("/tmp/daglet-%u-%08x", (unsigned)geteuid(),
			short_hash(state[0] ? state : dg_settings_str(s, "home")));
	r = own_folder(m, path, e);
	if (r == 0)
		r = check_private(path, m->drop ? m->uid : geteuid(), e);
	if (r < 0)
		return r;
	dg_settings_set(s, ALL_ROLES, "daglet.runtime_dir", path);
	snprintf(m->runtime_dir, sizeof m->runtime_dir, "%s", given || unit ? "" : path);
	sock = dg_settings_str(s, "daglet.status_socket");
	if (sock && sock[0])
		return 0;
	/* Where dagletctl looks: the unit's folder, else beside the state. */
	status = dg_xasprintf("%s/status.sock", unit && unit[0] ? path
						: state[0]      ? state
								: path);
	dg_settings_set(s, DG_ROLE_BIT(DG_ROLE_STATUS), "daglet.status_socket", status);
	return 0;
}

int
dg_startup_folders(struct dg_master *m, struct dg_settings *s, struct dg_err *e)
{
	struct passwd *pw = geteuid() == 0 ? getpwnam("daglet") : NULL;
	int r;

	if (pw) {
		m->drop = true;
		m->uid = pw->pw_uid;
		m->gid = pw->pw_gid;
	}
	r = state_folder(m, s, e);
	return r == 0 ? runtime_folder(m, s, e) : r;
}
