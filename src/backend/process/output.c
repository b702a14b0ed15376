/* backend/process/output.c: see output.h. */
#include "backend/process/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/process/lines.h"
#include "base/fd.h"
#include "base/mem.h"
#include "log/log.h"

#define FLUSH_AFTER (50 * DG_MSEC) /* lines that come together are read together */
#define LOOK_AGAIN DG_SEC          /* without inotify */
#define READ_MAX (256 << 10)       /* of one output in one turn */
#define COPY_ROUNDS 3

struct dg_output {
	struct dg_outputs *all;
	struct dg_output *next;
	int fd;
	int watch; /* inotify's number, -1: none */
	off_t at;
	bool dirty;
	char *path;
	char *kind, *id, *deployment, *location;
	struct dg_lines lines;
};

off_t
dg_output_rotate_from(off_t size, off_t max)
{
	if (size <= max)
		return -1;
	return size > 2 * max ? size - max : 0;
}

static void
log_line(void *arg, struct dg_str line)
{
	const struct dg_output *o = arg;

	dg_logkv(LOG_INFO,
		DG_KV({o->kind, o->id}, {"dep", o->deployment}, {"loc", o->location}),
		"%.*s", DG_FMT(line));
}

static off_t
size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? st.st_size : 0;
}

/* Give what is new to the log; true when there is more. */
static bool
read_new(struct dg_output *o, dg_usec now)
{
	char buf[16384];

	for (size_t total = 0; total < READ_MAX;) {
		ssize_t n = pread(o->fd, buf, sizeof buf, o->at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		dg_lines_feed(&o->lines, dg_strn(buf, (size_t)n), now, log_line, o);
		o->at += n;
		total += (size_t)n;
	}
	return true;
}

/* Copy [FROM, end) to PATH.1; where the copy ended. */
static off_t
copy_away(const struct dg_output *o, off_t from)
{
	auto_free char *old = o->path ? dg_xasprintf("%s.1", o->path) : NULL;
	auto_close int to = -1;

	if (old)
		to = open(old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (to < 0)
		return size_of(o->fd); /* nowhere to put it */
	for (int round = 0; round < COPY_ROUNDS; round++) {
		off_t end = size_of(o->fd);

		while (from < end)
			if (sendfile(to, o->fd, &from, (size_t)(end - from)) <= 0)
				return end;
	}
	return from;
}

static void
rotate(struct dg_output *o, dg_usec now)
{
	off_t from = dg_output_rotate_from(size_of(o->fd), o->all->max), end;

	if (from < 0)
		return;
	end = copy_away(o, from);
	if (o->at + READ_MAX < end)
		o->at = end - READ_MAX; /* it prints faster than anybody reads */
	while (read_new(o, now) && o->at < end)
		;
	if (ftruncate(o->fd, 0) == 0)
		o->at = 0;
}

static void
arm(struct dg_outputs *all, dg_usec after)
{
	if (all->armed)
		return;
	all->armed = true;
	(void)sd_event_source_set_time_relative(all->timer, after);
	(void)sd_event_source_set_enabled(all->timer, SD_EVENT_ONESHOT);
}

static int
on_timer(sd_event_source *s, uint64_t usec, void *arg)
{
	struct dg_outputs *all = arg;
	bool again = false, look = false;
	dg_usec now = dg_now();

	(void)s;
	(void)usec;
	all->armed = false;
	for (struct dg_output *o = all->list; o; o = o->next) {
		look = look || o->watch < 0;
		if (!o->dirty && o->watch >= 0)
			continue;
		o->dirty = read_new(o, now);
		rotate(o, now);
		again = again || o->dirty;
	}
	if (again)
		arm(all, FLUSH_AFTER);
	else if (look)
		arm(all, LOOK_AGAIN);
	return 0;
}

static int
on_change(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct dg_outputs *all = arg;
	char buf[4096] __attribute__((aligned(8)));
	ssize_t n;

	(void)s;
	(void)revents;
	while ((n = read(fd, buf, sizeof buf)) > 0)
		for (char *p = buf; p < buf + n;) {
			struct inotify_event *ev = (void *)p;

			p += sizeof *ev + ev->len;
			for (struct dg_output *o = all->list; o; o = o->next)
				if (o->watch == ev->wd || (ev->mask & IN_Q_OVERFLOW))
					o->dirty = true;
		}
	arm(all, FLUSH_AFTER);
	return 0;
}

int
dg_outputs_open(struct dg_outputs *all, sd_event *event, off_t max, struct dg_err *e)
{
	int r;

	*all = (struct dg_outputs){.event = event, .max = max};
	all->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	r = sd_event_add_time_relative(
		event, &all->timer, CLOCK_MONOTONIC, 0, 0, on_timer, all);
	if (r >= 0)
		r = sd_event_source_set_enabled(all->timer, SD_EVENT_OFF);
	if (r >= 0 && all->inotify >= 0)
		r = sd_event_add_io(
			event, &all->changed, all->inotify, EPOLLIN, on_change, all);
	if (r < 0) {
		dg_outputs_close(all);
		return dg_fail(e, DG_TRANSPORT, -r, "cannot watch output files");
	}
	return 0;
}

void
dg_outputs_close(struct dg_outputs *all)
{
	sd_event_source_disable_unref(all->timer);
	sd_event_source_disable_unref(all->changed);
	if (all->inotify >= 0)
		close(all->inotify);
	*all = (struct dg_outputs){.inotify = -1};
}

static struct dg_output *
output_take(struct dg_outputs *all, int fd, const char *path,
	const struct dg_output_names *names, off_t at)
{
	struct dg_output *o = dg_new(struct dg_output);
	char self[64];

	o->all = all;
	o->fd = fd;
	o->at = at;
	o->path = dg_dup(path);
	o->kind = dg_dup(names->kind);
	o->id = dg_dup(names->id);
	o->deployment = dg_dup(names->deployment);
	o->location = dg_dup(names->location);
	dg_lines_init(&o->lines, dg_now());
	snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
	o->watch =
		all->inotify < 0 ? -1 : inotify_add_watch(all->inotify, self, IN_MODIFY);
	o->next = all->list;
	all->list = o;
	if (o->watch < 0)
		arm(all, LOOK_AGAIN);
	return o;
}

int
dg_output_new(struct dg_outputs *all, const char *path,
	const struct dg_output_names *names, struct dg_output **ret, struct dg_err *e)
{
	int fd;

	if (path) {
		fd = open(
			path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return dg_fail(e, DG_TRANSPORT, errno,
				"cannot make the output file %s", path);
	} else {
		fd = dg_memfd("output", e);
		if (fd < 0)
			return fd;
		if (fcntl(fd, F_SETFL, O_APPEND) < 0) {
			close(fd);
			return dg_fail(e, DG_TRANSPORT, errno,
				"cannot append to an output in memory");
		}
	}
	*ret = output_take(all, fd, path, names, size_of(fd));
	return 0;
}

int
dg_output_adopt(struct dg_outputs *all, const char *path, pid_t pid,
	const struct dg_output_names *names, struct dg_output **ret, struct dg_err *e)
{
	auto_free char *stdout_path = dg_xasprintf("/proc/%d/fd/1", pid);
	int fd = open(path ? path : stdout_path, O_RDWR | O_APPEND | O_CLOEXEC);

	if (fd < 0)
		return dg_fail(e, DG_TRANSPORT, errno, "cannot open the output %s",
			path ? path : stdout_path);
	*ret = output_take(all, fd, path, names, size_of(fd));
	return 0;
}

int
dg_output_fd(const struct dg_output *o)
{
	return o->fd;
}

const char *
dg_output_path(const struct dg_output *o)
{
	return o->path;
}

/* Append the last MAX bytes of a file. */
static void
read_end(int fd, size_t max, struct dg_buf *out)
{
	off_t size = size_of(fd), at = size > (off_t)max ? size - (off_t)max : 0;
	size_t want = (size_t)(size - at);
	ssize_t n;

	dg_buf_reserve(out, want + 1);
	while (want && (n = pread(fd, out->p + out->n, want, at)) > 0) {
		out->n += (size_t)n;
		want -= (size_t)n;
		at += n;
	}
	out->p[out->n] = '\0';
}

static void
tail(int fd, const char *path, unsigned n, size_t max, struct dg_buf *out)
{
	auto_free char *old = path ? dg_xasprintf("%s.1", path) : NULL;
	auto_buf raw = DG_BUF_INIT;
	off_t size = size_of(fd);

	if (old && size < (off_t)max) {
		auto_close int before = open(old, O_RDONLY | O_CLOEXEC);

		if (before >= 0)
			read_end(before, max - (size_t)size, &raw);
	}
	read_end(fd, max, &raw);
	dg_text_clean(out, dg_last_lines(dg_buf_str(&raw), n));
}

void
dg_output_tail(const struct dg_output *o, unsigned n, size_t max, struct dg_buf *out)
{
	if (o)
		tail(o->fd, o->path, n, max, out);
}

void
dg_output_tail_file(const char *path, unsigned n, size_t max, struct dg_buf *out)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		tail(fd, path, n, max, out);
}

void
dg_output_remove(const char *path)
{
	auto_free char *old = dg_xasprintf("%s.1", path);

	unlink(path);
	unlink(old);
}

void
dg_output_free(struct dg_output *o, bool remove)
{
	struct dg_output **at;
	dg_usec now = dg_now();

	if (!o)
		return;
	(void)read_new(o, now);
	dg_lines_end(&o->lines, now, log_line, o);
	dg_lines_clear(&o->lines);
	for (at = &o->all->list; *at != o; at = &(*at)->next)
		;
	*at = o->next;
	if (o->watch >= 0)
		(void)inotify_rm_watch(o->all->inotify, o->watch);
	if (remove && o->path)
		dg_output_remove(o->path);
	close(o->fd);
	free(o->path);
	free(o->kind);
	free(o->id);
	free(o->deployment);
	free(o->location);
	free(o);
}
