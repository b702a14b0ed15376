/* A launcher in miniature, for the tests of the process backend: commands come
 * on stdin, one a line with tabs between words, events go out as lines of JSON.
 *
 *   process-backend STATE_DIR RUNTIME_DIR
 *   env KEY=VALUE                      for the next server or run
 *   server ID ARGV... | stop ID MSEC | kill ID | adopt_server ID HANDLE
 *   run ID ARGV... | release ID | run_stop ID MSEC | adopt_run ID HANDLE
 *   logs ID server|run N TICKET | tag ID | tags ID | limits | child_exit PID STATUS
 *   validate IMAGE|- PEX|- | quit
 */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "backend/backend.h"
#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"
#include "json/write.h"

#define WORDS_MAX 64

static const struct dg_backend_ops *const ops = &dg_backend_process;
static struct dg_backend *backend;
static sd_event *loop;
static const char *env[WORDS_MAX];
static size_t nenv;
static struct dg_buf input;

static const char *const event_names[] = {
	[DG_EV_SERVER_PHASE] = "SERVER_PHASE",
	[DG_EV_SERVER_HANDLE] = "SERVER_HANDLE",
	[DG_EV_SERVER_UP] = "SERVER_UP",
	[DG_EV_SERVER_FAILED] = "SERVER_FAILED",
	[DG_EV_SERVER_EXIT] = "SERVER_EXIT",
	[DG_EV_RUN_HANDLE] = "RUN_HANDLE",
	[DG_EV_RUN_STARTED] = "RUN_STARTED",
	[DG_EV_RUN_FAILED] = "RUN_FAILED",
	[DG_EV_RUN_EXIT] = "RUN_EXIT",
	[DG_EV_LOGS] = "LOGS",
};

static void
print(struct dg_buf *line)
{
	dg_buf_addc(line, '\n');
	if (dg_write_all(STDOUT_FILENO, line->p, line->n, NULL) < 0)
		_exit(1);
}

static void
say_event(const struct dg_backend_event *ev)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&b);
	char text[1200];

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "event", event_names[ev->type]);
	dg_jw_kstr(&w, "id", ev->id);
	if (ev->handle.n) {
		dg_jw_key(&w, "handle");
		dg_jw_strn(&w, ev->handle);
	}
	if (ev->type == DG_EV_LOGS) {
		dg_jw_key(&w, "text");
		dg_jw_strn(&w, ev->text);
		dg_jw_kint(&w, "ticket", (int64_t)ev->ticket);
	}
	if (ev->endpoint)
		dg_jw_kstr(&w, "endpoint", ev->endpoint);
	if (ev->err) {
		dg_jw_kstr(&w, "class", dg_class_name(ev->err->cls));
		dg_jw_kstr(&w, "error", dg_err_text(ev->err, text, sizeof text));
	}
	if (ev->type == DG_EV_SERVER_EXIT || ev->type == DG_EV_RUN_EXIT) {
		dg_jw_kbool(&w, "known", ev->exit.known);
		dg_jw_kint(&w, "code", ev->exit.code);
		dg_jw_kint(&w, "signal", ev->exit.signal);
		dg_jw_kbool(&w, "oom", ev->exit.oom);
		dg_jw_key(&w, "tail");
		dg_jw_strn(&w, ev->exit.tail);
	}
	dg_jw_close_object(&w);
	print(&b);
}

static void
answer(const char *command, const char *id, int r, const char *text)
{
	auto_buf b = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&b);

	dg_jw_open_object(&w);
	dg_jw_kstr(&w, "answer", command);
	dg_jw_kstr(&w, "id", id);
	dg_jw_kint(&w, "result", r);
	dg_jw_kstr(&w, "text", text);
	dg_jw_close_object(&w);
	print(&b);
}

static void
on_backend(void *arg, const struct dg_backend_event *ev)
{
	auto_buf b = DG_BUF_INIT;

	(void)arg;
	say_event(ev);
	if (ev->type == DG_EV_RUN_STARTED || ev->type == DG_EV_RUN_EXIT) {
		ops->run_tags(backend, ev->id, &b); /* also of one that has ended since */
		answer("tags_now", ev->id, 0, b.n ? b.p : "");
	}
}

static void
start(char **words, bool run)
{
	char text[1200] = "";
	struct dg_err e = {0};
	int r;

	env[nenv] = NULL;
	if (run)
		r = ops->run_start(backend,
			&(struct dg_run_spec){
				.run_id = words[1],
				.deployment = "prod",
				.nonce = "n",
				.argv = (const char *const *)words + 2,
				.env = env,
			},
			&e);
	else
		r = ops->server_start(backend,
			&(struct dg_server_spec){
				.id = words[1],
				.deployment = "prod",
				.location = "loc",
				.argv = (const char *const *)words + 2,
				.env = env,
			},
			&e);
	while (nenv)
		free((void *)(uintptr_t)env[--nenv]);
	answer(words[0], words[1], r, r < 0 ? dg_err_text(&e, text, sizeof text) : "");
}

static void
validate(char **words)
{
	char text[1200] = "";
	struct dg_err e = {0};
	int r = ops->validate(backend,
		&(struct dg_server_spec){
			.image = strcmp(words[1], "-") != 0 ? words[1] : NULL,
			.pex = strcmp(words[2], "-") != 0,
		},
		&e);

	answer(words[0], NULL, r, r < 0 ? dg_err_text(&e, text, sizeof text) : "");
}

static void
obey(char **words, size_t n)
{
	const char *what = words[0], *id = n > 1 ? words[1] : "";
	dg_usec grace = n > 2 ? (dg_usec)atoll(words[2]) * DG_MSEC : 0;
	auto_buf b = DG_BUF_INIT;
	char tag[32] = "";
	int r;

	if (strcmp(what, "env") == 0)
		env[nenv++] = dg_xstrdup(id);
	else if (strcmp(what, "server") == 0 || strcmp(what, "run") == 0)
		start(words, what[0] == 'r');
	else if (strcmp(what, "stop") == 0)
		ops->server_stop(backend, id, grace);
	else if (strcmp(what, "kill") == 0)
		ops->server_kill(backend, id);
	else if (strcmp(what, "release") == 0)
		ops->run_release(backend, id);
	else if (strcmp(what, "run_stop") == 0)
		ops->run_stop(backend, id, grace);
	else if (strcmp(what, "adopt_server") == 0)
		answer(what, id, ops->adopt_server(backend, id, dg_str(words[2])), "");
	else if (strcmp(what, "adopt_run") == 0)
		answer(what, id, ops->adopt_run(backend, id, dg_str(words[2])), "");
	else if (strcmp(what, "logs") == 0)
		ops->logs(backend, id, words[2][0] == 'r', (unsigned)atoi(words[3]),
			(uint64_t)atoll(words[4]));
	else if (strcmp(what, "tag") == 0) {
		r = ops->handle_tag(backend, id, tag, sizeof tag);
		answer(what, id, r, tag);
	} else if (strcmp(what, "tags") == 0) {
		ops->run_tags(backend, id, &b);
		answer(what, id, 0, b.n ? b.p : "");
	} else if (strcmp(what, "limits") == 0) {
		ops->resource_limits(backend, &b);
		answer(what, NULL, 0, b.p);
	} else if (strcmp(what, "child_exit") == 0)
		ops->child_exit(backend, atoi(id), atoi(words[2]));
	else if (strcmp(what, "validate") == 0)
		validate(words);
	else if (strcmp(what, "quit") == 0)
		(void)sd_event_exit(loop, 0);
}

static int
on_input(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	char buf[65536], *end;
	ssize_t n = read(fd, buf, sizeof buf);

	(void)s;
	(void)revents;
	(void)arg;
	if (n <= 0)
		return sd_event_exit(loop, 0);
	dg_buf_add(&input, buf, (size_t)n);
	while (input.n && (end = memchr(input.p, '\n', input.n))) {
		size_t len = (size_t)(end + 1 - input.p), count = 0;
		char *words[WORDS_MAX + 1], *save = NULL;

		*end = '\0';
		for (char *w = strtok_r(input.p, "\t", &save); w && count < WORDS_MAX;
			w = strtok_r(NULL, "\t", &save))
			words[count++] = w;
		words[count] = NULL;
		if (count)
			obey(words, count);
		memmove(input.p, input.p + len, input.n - len);
		input.n -= len;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct dg_backend_host host = {.emit = on_backend};
	char text[1200];
	struct dg_err e = {0};
	int r;

	if (argc != 3)
		return 2;
	dg_log_init("launcher", "", DG_LOG_TEXT, LOG_INFO);
	if (sd_event_default(&loop) < 0 ||
		sd_event_add_io(loop, NULL, STDIN_FILENO, EPOLLIN, on_input, NULL) < 0)
		return 1;
	host.event = loop;
	host.state_dir = argv[1];
	host.runtime_dir = argv[2];
	r = ops->open(&backend, &host, &e);
	answer("open", NULL, r, r < 0 ? dg_err_text(&e, text, sizeof text) : "");
	if (r < 0)
		return 78;
	r = sd_event_loop(loop);
	ops->close(backend);
	dg_buf_clear(&input);
	sd_event_unref(loop);
	return r;
}
