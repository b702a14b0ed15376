/* ctl/dagletctl.c: looks at a running agent: status, locations, requests, runs, logs,
 * check.
 *
 * Everything comes from the status role over its socket; this program knows the shapes in
 * daglet/state.h and changes nothing. Exit codes: 0 fine, 1 unhealthy or not found,
 * 2 usage, 3 nobody can be reached.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/time.h"
#include "ctl/client.h"
#include "ctl/tail.h"
#include "ctl/view.h"
#include "daglet/limits.h"
#include "json/json.h"

enum { EXIT_FINE, EXIT_UNWELL, EXIT_USAGE, EXIT_UNREACHABLE };

#define LINES_DEFAULT 100
#define LINES_FOLLOWED 2000 /* what may come between two looks */

struct ctl {
	const char *socket, *home;
	bool json, follow;
	long lines;
	struct dg_buf path;
	struct dg_style style;
};

static const struct command {
	const char *name, *target;
	dg_view *view;
	const char *help;
} commands[] = {
	{"status", "status.json", dg_view_status, "everything at a glance"},
	{"locations", "locations", dg_view_locations, "code locations and their servers"},
	{"requests", "requests", dg_view_requests, "requests under way"},
	{"runs", "runs", dg_view_runs, "runs on this agent"},
	{"logs", NULL, NULL, "last lines of a code server or run"},
	{"check", "health.json", dg_view_check, "ready or not, and why"},
};

static void
help(FILE *f)
{
	fputs("usage: dagletctl [OPTION ...] COMMAND\n\n", f);
	for (size_t i = 0; i < DG_N(commands); i++)
		fprintf(f, "  %-9s %-4s %s\n", commands[i].name,
			commands[i].target ? "" : "ID", commands[i].help);
	fputs("\nID is a server's or run's id, or the name of a code location.\n\n"
	      "  -s, --socket PATH  the agent's status socket\n"
	      "  -H, --home DIR     its DAGSTER_HOME (default: $DAGSTER_HOME, then the "
	      "service)\n"
	      "  -j, --json         the answer as it is, for programs\n"
	      "  -n, --lines N      logs: so many lines (default 100)\n"
	      "  -f, --follow       logs: go on as they come\n"
	      "  -h, --help         this text\n"
	      "  -V, --version      version\n\n"
	      "Exit codes: 0 fine, 1 unhealthy or not found, 2 usage, 3 not reachable.\n",
		f);
}

static int
complain(const struct dg_err *e)
{
	char text[1280];

	fprintf(stderr, "dagletctl: %s\n", dg_err_text(e, text, sizeof text));
	return e->cls == DG_CONFIG ? EXIT_USAGE : EXIT_UNREACHABLE;
}

static void
print(struct dg_str s)
{
	fwrite(s.p, 1, s.n, stdout);
	fflush(stdout);
}

/* An answer that is no 200 says why in words. */
static int
refused(const struct dg_answer *a)
{
	auto_buf clean = DG_BUF_INIT;

	dg_tone_add(&clean, &(struct dg_style){0}, DG_PLAIN,
		dg_json_trim(dg_buf_str(&a->body)));
	fprintf(stderr, "dagletctl: %s (%ld)\n", dg_buf_str(&clean).p, a->code);
	return EXIT_UNWELL;
}

static int
show(struct ctl *c, const struct command *cmd)
{
	struct dg_answer a = {.body = DG_BUF_INIT};
	auto_buf out = DG_BUF_INIT;
	struct dg_err e;
	int r = dg_client_get(c->path.p, cmd->target, &a, &e);

	if (r < 0) {
		r = complain(&e);
	} else if (dg_json_check(dg_buf_str(&a.body), 64, &e) < 0 ||
		   (a.code != 200 && cmd->view != dg_view_check)) {
		r = refused(&a);
	} else {
		r = cmd->view(dg_buf_str(&a.body), &c->style,
			(double)dg_wall_usec() / 1e6, &out);
		print(dg_buf_str(c->json ? &a.body : &out));
	}
	dg_buf_clear(&a.body);
	return r;
}

/* Logs. */

/* The part of the URL that names whose logs: "logs?server=...&lines=...". */
static int
logs_target(struct ctl *c, const char *name, struct dg_buf *target)
{
	struct dg_answer a = {.body = DG_BUF_INIT};
	auto_buf id = DG_BUF_INIT;
	const char *kind = NULL;
	struct dg_err e;

	if (dg_client_get(c->path.p, "status.json", &a, &e) < 0) {
		dg_buf_clear(&a.body);
		return complain(&e);
	}
	if (dg_json_check(dg_buf_str(&a.body), 64, NULL) == 0)
		kind = dg_view_whose_logs(dg_buf_str(&a.body), name, &id);
	dg_buf_clear(&a.body);
	if (!kind) { /* one that ended long ago may still have its output */
		kind = strlen(name) == 36 ? "run" : "server";
		dg_buf_adds(&id, name);
	}
	dg_buf_addf(target, "logs?%s=", kind);
	dg_client_escape(target, dg_buf_str(&id).p);
	dg_buf_addf(target, "&lines=%ld",
		c->follow && c->lines < LINES_FOLLOWED ? LINES_FOLLOWED : c->lines);
	return EXIT_FINE;
}

static int
logs(struct ctl *c, const char *name)
{
	auto_buf target = DG_BUF_INIT;
	auto_buf before = DG_BUF_INIT;
	int r = logs_target(c, name, &target);

	while (r == EXIT_FINE) {
		struct dg_answer a = {.body = DG_BUF_INIT};
		struct dg_err e;

		if (dg_client_get(c->path.p, target.p, &a, &e) < 0)
			r = complain(&e);
		else if (a.code != 200)
			r = refused(&a);
		else
			print(before.p ? dg_tail_new(
						 dg_buf_str(&before), dg_buf_str(&a.body))
				       : dg_tail_last(
						 dg_buf_str(&a.body), (size_t)c->lines));
		dg_buf_clear(&before);
		before = a.body;
		if (!c->follow)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
	}
	return r;
}

/* The command line. */

static bool
lines_of(const char *text, long *ret)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || n < 1 || n > 10000)
		return false;
	*ret = n;
	return true;
}

static void
style_of(struct dg_style *s)
{
	struct winsize w;
	const char *no_colour = getenv("NO_COLOR");

	if (!isatty(STDOUT_FILENO))
		return;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0)
		s->width = w.ws_col;
	s->colour = !(no_colour && *no_colour);
}

static int
run(struct ctl *c, int argc, char **argv)
{
	const struct command *cmd = NULL;
	struct dg_err e;
	int r;

	for (size_t i = 0; argc > 0 && i < DG_N(commands); i++)
		if (strcmp(commands[i].name, argv[0]) == 0)
			cmd = &commands[i];
	if (!cmd) {
		if (argc > 0)
			fprintf(stderr, "dagletctl: there is no command '%s'\n", argv[0]);
		help(stderr);
		return EXIT_USAGE;
	}
	if (argc != (cmd->view ? 1 : 2)) {
		fprintf(stderr, "dagletctl: %s takes %s\n", cmd->name,
			cmd->view ? "nothing more" : "one ID");
		return EXIT_USAGE;
	}
	r = dg_client_find(c->socket, c->home, &c->path, &e);
	if (r < 0)
		return complain(&e);
	return cmd->view ? show(c, cmd) : logs(c, argv[1]);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"home", required_argument, NULL, 'H'},
		{"json", no_argument, NULL, 'j'},
		{"lines", required_argument, NULL, 'n'},
		{"follow", no_argument, NULL, 'f'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	struct ctl c = {.lines = LINES_DEFAULT, .path = DG_BUF_INIT};
	int opt, r;

	while ((opt = getopt_long(argc, argv, "s:H:jn:fhV", options, NULL)) != -1)
		switch (opt) {
		case 's':
			c.socket = optarg;
			break;
		case 'H':
			c.home = optarg;
			break;
		case 'j':
			c.json = true;
			break;
		case 'n':
			if (!lines_of(optarg, &c.lines)) {
				fputs("dagletctl: --lines takes 1 to 10000\n", stderr);
				return EXIT_USAGE;
			}
			break;
		case 'f':
			c.follow = true;
			break;
		case 'h':
			help(stdout);
			return EXIT_FINE;
		case 'V':
			puts("dagletctl " PACKAGE_VERSION
			     " (protocol " DG_PROTOCOL_RELEASE ")");
			return EXIT_FINE;
		default:
			fputs("dagletctl --help says how\n", stderr);
			return EXIT_USAGE;
		}
	style_of(&c.style);
	r = run(&c, argc - optind, argv + optind);
	dg_buf_clear(&c.path);
	return r;
}
