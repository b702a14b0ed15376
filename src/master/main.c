/* master/main.c: argv -> command -> hand over. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "daglet/crash.h"
#include "daglet/limits.h"
#include "log/log.h"
#include "master/cli.h"
#include "master/logging.h"
#include "master/master.h"
#include "master/startup.h"

#define EXIT_CONFIG 78

void
dg_master_find_libexec(char *buf, size_t size)
{
	const char *given = getenv("DAGLET_LIBEXEC");
	char self[PATH_MAX], probe[PATH_MAX + 32];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	char *slash;

	snprintf(buf, size, "%s", given ? given : DAGLET_LIBEXECDIR);
	if (given || n <= 0)
		return;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return;
	*slash = '\0';
	snprintf(probe, sizeof probe, "%s/daglet-ledger", self);
	if (access(probe, X_OK) == 0)
		snprintf(buf, size, "%s", self);
}

static void
say_warnings(const struct dg_config *c)
{
	const char *p = dg_buf_str(&c->warnings).p;

	while (*p) {
		size_t n = strcspn(p, "\n");

		if (n)
			dg_log(LOG_WARNING, "%.*s", (int)n, p);
		p += n + (p[n] != '\0');
	}
}

/* For a reload: everything is read again; what is only settled at the start stays. */
static int
load_again(struct dg_master *m, struct dg_settings **ret, struct dg_buf *errors)
{
	struct dg_config *c = NULL;
	struct dg_err e;
	char line[DG_ERR_TEXT];
	int r = dg_startup_config(m->reloading.arg, &c, errors);

	if (r == 0) {
		say_warnings(c);
		dg_reload_keep(m, c->settings);
		r = dg_logging_apply(m->reloading.arg, c->settings, &e);
		if (r < 0)
			dg_buf_addf(errors, "%s\n", dg_err_text(&e, line, sizeof line));
	}
	if (r == 0)
		*ret = TAKE_PTR(c->settings);
	dg_config_free(c);
	return r;
}

/* The temporary DAGSTER_HOME of ephemeral mode. */
static void
remove_home(const char *home)
{
	static const char *const files[] = {"dagster.yaml", ".daglet", NULL};

	for (size_t i = 0; home && files[i]; i++) {
		auto_free char *path = dg_xasprintf("%s/%s", home, files[i]);

		(void)remove(path);
	}
	if (home && rmdir(home) < 0 && errno != ENOENT)
		dg_log(LOG_WARNING, "%s stays: %s", home, strerror(errno));
}

/* The same program as it is installed now, in this process: to systemd, and to a container
 * whose PID 1 we are, nothing has ended. */
static int
again(char **argv)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	static const char deleted[] = " (deleted)";

	if (n > 0) {
		self[n] = '\0';
		if ((size_t)n > sizeof deleted &&
			strcmp(self + n - (sizeof deleted - 1), deleted) == 0)
			self[(size_t)n - (sizeof deleted - 1)] = '\0';
		execv(self, argv);
	}
	dg_log(LOG_ERR, "cannot start anew: %s", strerror(errno));
	return 1;
}

static void
list_crash_points(void)
{
	static const char *const lives[] = {"request", "location", "run"};
	const struct dg_crash_row *row;

	for (int i = 1; (row = dg_crash_row((enum dg_crash_step)i)); i++) {
		printf("%s\t%s\t%s\t%s\t", row->name, row->who, row->kind, row->subject);
		for (unsigned k = 0, n = 0; k < DG_N(lives); k++)
			if (row->lives & 1u << k)
				printf("%s%s", n++ ? "," : "", lives[k]);
		printf("\t%s\n", row->what);
	}
}

static int
run(struct dg_cli *cli, char **argv)
{
	struct dg_master m = {.reloading = {.load = load_again, .arg = cli}};
	struct dg_config *c = NULL;
	auto_buf errors = DG_BUF_INIT;
	auto_free char *home = NULL;
	struct dg_err e = {0};
	const char *temporary;
	int r;

	if (dg_startup_config(cli, &c, &errors) < 0) {
		fputs(dg_buf_str(&errors).p, stderr);
		dg_config_free(c);
		return EXIT_CONFIG;
	}
	r = dg_logging_apply(cli, c->settings, &e);
	say_warnings(c);
	dg_reload_remember(&m, c->settings);
	if (r == 0)
		r = dg_startup_folders(&m, c->settings, &e);
	temporary = dg_settings_str(c->settings, "ephemeral_home");
	home = temporary ? dg_xstrdup(temporary) : NULL;
	if (home)
		m.reloading.load = NULL;
	if (r == 0) {
		dg_log(LOG_NOTICE,
			"daglet " PACKAGE_VERSION " (protocol " DG_PROTOCOL_RELEASE
			") serves %s, state in %s",
			dg_settings_str(c->settings, "url"),
			dg_settings_str(c->settings, "daglet.state_dir")[0]
				? dg_settings_str(c->settings, "daglet.state_dir")
				: "memory");
		r = dg_master_init(&m, TAKE_PTR(c->settings), &e);
	}
	dg_config_free(c);
	if (r < 0) {
		dg_log_err(LOG_ERR, &e, NULL);
		r = e.cls == DG_CONFIG ? EXIT_CONFIG : 1;
	} else {
		r = dg_master_run(&m);
	}
	dg_master_clear(&m);
	if (r == DG_EXIT_AGAIN)
		return again(argv);
	if (m.runtime_dir[0]) /* stays while kept servers have their sockets in it */
		(void)rmdir(m.runtime_dir);
	remove_home(home);
	return r;
}

static int
check_config(const struct dg_cli *cli)
{
	struct dg_config *c = NULL;
	auto_buf errors = DG_BUF_INIT;
	int r = dg_startup_config(cli, &c, &errors);

	if (r < 0) {
		fputs(dg_buf_str(&errors).p, stderr);
	} else {
		fputs(dg_buf_str(&c->warnings).p, stderr);
		puts("configuration OK");
	}
	dg_config_free(c);
	return r < 0 ? EXIT_CONFIG : 0;
}

int
main(int argc, char **argv)
{
	struct dg_cli cli;
	struct dg_err e = {0};
	char line[1280];
	auto_buf sample = DG_BUF_INIT;

	dg_log_init("master", "", dg_log_format_auto(), LOG_INFO);
	if (dg_cli_parse(argc, argv, &cli, &e) < 0) {
		fprintf(stderr, "daglet: %s\n", dg_err_text(&e, line, sizeof line));
		return 2;
	}
	switch (cli.command) {
	case DG_CMD_RUN:
		return run(&cli, argv);
	case DG_CMD_CHECK_CONFIG:
		return check_config(&cli);
	case DG_CMD_SAMPLE_CONFIG:
		dg_config_sample(&sample);
		fputs(dg_buf_str(&sample).p, stdout);
		return 0;
	case DG_CMD_CRASHPOINTS:
		list_crash_points();
		return 0;
	case DG_CMD_VERSION:
		puts("daglet " PACKAGE_VERSION " (protocol " DG_PROTOCOL_RELEASE ")");
		return 0;
	case DG_CMD_HELP:
		break;
	}
	fputs(dg_cli_help, stdout);
	return 0;
}
