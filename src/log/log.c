/* log/log.c: see log.h. */
#include "log/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"

#define LINE_MAX_BYTES 8192

static struct {
	char role[24], inst[128];
	enum dg_log_format format;
	int max_prio;
	unsigned long dropped;
} self = {"", "", DG_LOG_TEXT, LOG_INFO, 0};

void
dg_log_init(const char *role, const char *inst, enum dg_log_format f, int max_prio)
{
	snprintf(self.role, sizeof self.role, "%s", role);
	snprintf(self.inst, sizeof self.inst, "%s", inst ? inst : "");
	self.format = f;
	self.max_prio = max_prio;
}

enum dg_log_format
dg_log_format_auto(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long dev, ino;
	struct stat st;

	if (stream && sscanf(stream, "%lu:%lu", &dev, &ino) == 2 &&
		fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino)
		return DG_LOG_JOURNAL;
	return DG_LOG_TEXT;
}

int
dg_log_format_parse(const char *name, enum dg_log_format *ret, struct dg_err *e)
{
	if (strcmp(name, "auto") == 0)
		*ret = dg_log_format_auto();
	else if (strcmp(name, "text") == 0)
		*ret = DG_LOG_TEXT;
	else if (strcmp(name, "json") == 0)
		*ret = DG_LOG_JSON;
	else if (strcmp(name, "journal") == 0)
		*ret = DG_LOG_JOURNAL;
	else
		return dg_fail(e, DG_CONFIG, 0,
			"'%s' is no log format (auto, text, json, journal)", name);
	return 0;
}

int
dg_log_level_parse(const char *name, int *ret, struct dg_err *e)
{
	static const struct {
		const char *name;
		int prio;
	} rows[] = {
		{"critical", LOG_CRIT},
		{"crit", LOG_CRIT},
		{"fatal", LOG_CRIT},
		{"error", LOG_ERR},
		{"err", LOG_ERR},
		{"warning", LOG_WARNING},
		{"warn", LOG_WARNING},
		{"notice", LOG_NOTICE},
		{"info", LOG_INFO},
		{"debug", LOG_DEBUG},
		{"notset", LOG_DEBUG},
	};

	for (size_t i = 0; i < DG_N(rows); i++)
		if (strcasecmp(name, rows[i].name) == 0) {
			*ret = rows[i].prio;
			return 0;
		}
	return dg_fail(e, DG_CONFIG, 0,
		"'%s' is no log level (debug, info, warning, error)", name);
}

bool
dg_log_on(int prio)
{
	return prio <= self.max_prio;
}

static const char *
prio_name(int prio)
{
	static const char *const names[] = {
		"EMERG", "ALERT", "CRIT", "ERROR", "WARN", "NOTICE", "INFO", "DEBUG"};

	return names[prio & 7];
}

/* Control characters never reach the terminal or split a line. */
static void
add_plain(struct dg_buf *b, const char *s)
{
	for (; *s; s++)
		dg_buf_addc(b, (unsigned char)*s < 0x20 || *s == 0x7f ? ' ' : *s);
}

/* "key": "value", of which at most CAP bytes; what is no UTF-8 becomes '?'. */
static void
add_json(struct dg_buf *b, const char *key, const char *value, size_t cap)
{
	struct dg_str s = dg_strn(value, strnlen(value, cap));

	dg_buf_addf(b, "%s\"%s\": \"", b->n > 1 ? ", " : "", key);
	while (s.n) {
		uint32_t cp;
		size_t n = dg_utf8_decode(s, &cp);

		if (n == 0)
			dg_buf_addc(b, '?');
		else if (cp == '"' || cp == '\\')
			dg_buf_addf(b, "\\%c", (char)cp);
		else if (cp < 0x20 || cp == 0x7f)
			dg_buf_addf(b, "\\u%04x", (unsigned)cp);
		else
			dg_buf_add(b, s.p, n);
		n += n == 0;
		s = dg_strn(s.p + n, s.n - n);
	}
	dg_buf_addc(b, '"');
}

static void
stamp(char *buf, size_t size)
{
	int64_t wall = dg_wall_usec();
	time_t sec = (time_t)(wall / 1000000);
	struct tm tm;
	size_t n;

	gmtime_r(&sec, &tm);
	n = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, size - n, ".%03dZ", (int)(wall / 1000 % 1000));
}

/* A pipe that nobody reads must not stop a role; O_NONBLOCK is not ours to set on a
 * descriptor that is shared with whoever started us, so we ask first. */
static void
write_stderr(struct dg_buf *b)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	size_t at = 0;

	if (b->n > LINE_MAX_BYTES) {
		b->n = LINE_MAX_BYTES;
		b->p[b->n - 1] = '\n';
	}
	while (at < b->n) {
		size_t part = b->n - at > 4096 ? 4096
					       : b->n - at; /* PIPE_BUF: poll's promise */
		ssize_t w;

		if (poll(&p, 1, 0) != 1 || !(p.revents & POLLOUT)) {
			self.dropped++;
			return;
		}
		w = write(STDERR_FILENO, b->p + at, part);
		if (w < 0) {
			if (errno == EINTR)
				continue;
			self.dropped++;
			return;
		}
		at += (size_t)w;
	}
	self.dropped = 0;
}

static void
to_journal(int prio, const char *text, const struct dg_kv *kv)
{
	struct iovec iov[24];
	char *own[24];
	size_t n = 0;

	own[n++] = dg_xasprintf("MESSAGE=%s", text);
	own[n++] = dg_xasprintf("PRIORITY=%d", prio);
	own[n++] = dg_xasprintf("DAGLET_ROLE=%s", self.role);
	own[n++] = dg_xasprintf("DAGLET_INST=%s", self.inst);
	own[n++] = dg_xasprintf(
		"SYSLOG_IDENTIFIER=daglet%s%s", self.role[0] ? "-" : "", self.role);
	for (; kv && kv->key && n < DG_N(own); kv++) {
		if (!kv->value)
			continue;
		own[n] = dg_xasprintf("DAGLET_%s=%s", kv->key, kv->value);
		for (char *c = own[n]; *c && *c != '='; c++)
			if (*c >= 'a' && *c <= 'z')
				*c = (char)(*c - 32);
		n++;
	}
	for (size_t i = 0; i < n; i++)
		iov[i] = (struct iovec){own[i], strlen(own[i])};
	(void)sd_journal_sendv(iov, (int)n);
	for (size_t i = 0; i < n; i++)
		free(own[i]);
}

static void
json_line(struct dg_buf *line, int prio, const char *text, const struct dg_kv *kv,
	size_t cap)
{
	char when[40], number[24];

	stamp(when, sizeof when);
	dg_buf_reset(line);
	dg_buf_addc(line, '{');
	add_json(line, "time", when, cap);
	add_json(line, "level", prio_name(prio), cap);
	add_json(line, "role", self.role, cap);
	if (self.inst[0])
		add_json(line, "inst", self.inst, cap);
	snprintf(number, sizeof number, "%d", getpid());
	add_json(line, "pid", number, cap);
	add_json(line, "message", text, cap);
	for (; kv && kv->key; kv++)
		if (kv->value)
			add_json(line, kv->key, kv->value, cap);
	if (self.dropped) {
		snprintf(number, sizeof number, "%lu", self.dropped);
		add_json(line, "lines_dropped", number, cap);
	}
	dg_buf_adds(line, "}\n");
}

static void
text_line(struct dg_buf *line, int prio, const char *text, const struct dg_kv *kv)
{
	char when[40];

	stamp(when, sizeof when);
	dg_buf_addf(line, "%s %-5s %s%s%s[%d] ", when, prio_name(prio), self.role,
		self.inst[0] ? ":" : "", self.inst, getpid());
	add_plain(line, text);
	for (; kv && kv->key; kv++)
		if (kv->value) {
			dg_buf_addf(line, " %s=", kv->key);
			add_plain(line, kv->value);
		}
	if (self.dropped)
		dg_buf_addf(line, " lines_dropped=%lu", self.dropped);
	dg_buf_addc(line, '\n');
}

void
dg_log_(int prio, const struct dg_kv *kv, const char *fmt, ...)
{
	auto_buf text = DG_BUF_INIT;
	auto_buf line = DG_BUF_INIT;
	size_t cap = LINE_MAX_BYTES;
	va_list ap;

	va_start(ap, fmt);
	dg_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	if (self.format == DG_LOG_JOURNAL) {
		to_journal(prio, dg_buf_str(&text).p, kv);
		return;
	}
	if (self.format == DG_LOG_TEXT)
		text_line(&line, prio, dg_buf_str(&text).p, kv);
	else
		do /* a line that is cut would be no JSON: shorter values instead */
			json_line(&line, prio, dg_buf_str(&text).p, kv, cap);
		while (line.n > LINE_MAX_BYTES && (cap /= 2) > 16);
	write_stderr(&line);
}

void
dg_log_err(int prio, const struct dg_err *e, const struct dg_kv *kv)
{
	char buf[1280];

	if (dg_log_on(prio))
		dg_log_(prio, kv, "%s", dg_err_text(e, buf, sizeof buf));
}
