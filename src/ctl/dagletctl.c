/* ctl/dagletctl.c: looks at a running agent, and asks it for something: drain, reload,
 * restart.
 *
 * Everything goes over the status role's socket; this program knows the shapes in
 * daglet/state.h. Exit codes: 0 fine, 1 unhealthy, not found or refused, 2 usage,
 * 3 nobody can be reached.
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
	bool json, follow, undo, no_wait;
	long lines;
	struct dg_buf path;
	struct dg_style style;
};

static int drain(struct ctl *c);
static int reload(struct ctl *c);
static int restart(struct ctl *c);

static const struct command {
	const char *name, *target;
	dg_view *view;
	const char *help;
	int (*order)(struct ctl *c); /* it is to be done */
} commands[] = {
	{"status", "status.json", dg_view_status, "everything at a glance", NULL},
	{"locations", "locations", dg_view_locations, "code locations and their servers",
		NULL},
	{"requests", "requests", dg_view_requests, "requests under way", NULL},
	{"runs", "runs", dg_view_runs, "runs on this agent", NULL},
	{"logs", NULL, NULL, "last lines of a code server or run", NULL},
	{"check", "health.json", dg_view_check, "ready or not, and why", NULL},
	{"drain", "drain", NULL, "take no more work, say when nothing is under way",
		drain},
	{"reload", "reload", NULL, "read the configuration again, say what it takes",
		reload},
	{"restart", "restart", NULL, "start the agent anew; servers and runs go on",
		restart},
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
	      "  -u, --undo         drain: take work again\n"
	      "      --no-wait      drain, restart: do not wait until it is done\n"
	      "  -h, --help         this text\n"
	      "  -V, --version      version\n\n"
	      "Drain, reload and restart are for root and the user that daglet runs as.\n"
	      "Exit codes: 0 fine, 1 unhealthy, not found or refused, 2 usage, 3 not "
	      "reachable.\n",
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

/* What is to be done. */

/* 0 and its answer is shown; else it was refused. */
static int
order(struct ctl *c, const char *target)
{
	struct dg_answer a = {.body = DG_BUF_INIT};
	struct dg_err e;
	int r = EXIT_FINE;

	if (dg_client_post(c->path.p, target, &a, &e) < 0)
		r = complain(&e);
	else if (a.code == 200)
		print(dg_buf_str(&a.body));
	else if (a.code == 422) { /* every error of the configuration, with its place */
		fwrite(a.body.p, 1, a.body.n, stderr);
		r = EXIT_UNWELL;
	} else
		r = refused(&a);
	dg_buf_clear(&a.body);
	return r;
}

static int
reload(struct ctl *c)
{
	return order(c, "reload");
}

/* Look every half second until FN says that it is enough. */
static int
look_until(struct ctl *c, int (*fn)(struct ctl *c, struct dg_str status), bool patient)
{
	for (int silent = 0;;) {
		struct dg_answer a = {.body = DG_BUF_INIT};
		struct dg_err e;
		int r = -1;

		if (dg_client_get(c->path.p, "status.json", &a, &e) == 0) {
			silent = 0;
			if (a.code == 200 &&
				dg_json_check(dg_buf_str(&a.body), 64, NULL) == 0)
				r = fn(c, dg_buf_str(&a.body));
		} else if (!patient || ++silent > 240) {
			r = complain(&e);
		}
		dg_buf_clear(&a.body);
		if (r >= 0)
			return r;
		nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
	}
}

/* The master's row of /status.json. */
static struct dg_str
master_row(struct dg_str status)
{
	struct dg_str list = DG_STR_NULL, row, role;
	struct dg_json_iter it;

	dg_json_member(status, "roles", &list);
	it = dg_json_iter(list);
	while (dg_json_next_item(&it, &row))
		if (dg_json_member(row, "role", &role) && dg_json_is(role, "master"))
			return row;
	return DG_STR_NULL;
}

static int
is_drained(struct ctl *c, struct dg_str status)
{
	struct dg_str row = master_row(status), drain;
	int64_t left = 0;

	if (!dg_json_member(row, "drain", &drain))
		return -1;
	if (dg_json_is(drain, "no")) {
		fputs("dagletctl: somebody ended the drain\n", stderr);
		return EXIT_UNWELL;
	}
	if (!dg_json_is(drain, "drained"))
		return -1;
	dg_json_member_int(row, "left", &left);
	if (c->json)
		printf("{\"drain\": \"drained\", \"left\": %lld}\n", (long long)left);
	else if (left)
		printf("drained: nothing is under way; %lld requests wait for a location "
		       "that is not up\n",
			(long long)left);
	else
		puts("drained: nothing is under way");
	return EXIT_FINE;
}

static int
drain(struct ctl *c)
{
	int r = order(c, c->undo ? "undrain" : "drain");

	if (r != EXIT_FINE || c->undo || c->no_wait)
		return r;
	return look_until(c, is_drained, false);
}

static double began;

static int
is_new(struct ctl *c, struct dg_str status)
{
	struct dg_str health;
	double since = 0;
	bool alive = false;

	(void)c;
	dg_json_member_double(master_row(status), "since", &since);
	if (began == 0) { /* the first look: who is it now? */
		began = since;
		return EXIT_FINE;
	}
	if (since == began || !dg_json_member(status, "health", &health) ||
		!dg_json_member_bool(health, "alive", &alive) || !alive)
		return -1;
	puts("it is there again");
	return EXIT_FINE;
}

static int
restart(struct ctl *c)
{
	int r = c->no_wait ? EXIT_FINE : look_until(c, is_new, false);

	if (r == EXIT_FINE)
		r = order(c, "restart");
	if (r != EXIT_FINE || c->no_wait)
		return r;
	return look_until(c, is_new, true);
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
	if (argc != (cmd->target ? 1 : 2)) {
		fprintf(stderr, "dagletctl: %s takes %s\n", cmd->name,
			cmd->target ? "nothing more" : "one ID");
		return EXIT_USAGE;
	}
	r = dg_client_find(c->socket, c->home, &c->path, &e);
	if (r < 0)
		return complain(&e);
	if (cmd->order)
		return cmd->order(c);
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
		{"undo", no_argument, NULL, 'u'},
		{"no-wait", no_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	struct ctl c = {.lines = LINES_DEFAULT, .path = DG_BUF_INIT};
	int opt, r;

	while ((opt = getopt_long(argc, argv, "s:H:jn:fuhV", options, NULL)) != -1)
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
		case 'u':
			c.undo = true;
			break;
		case 'w':
			c.no_wait = true;
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
