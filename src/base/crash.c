/* base/crash.c: the crash points of daglet/crash.h. */
#include "daglet/crash.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static const char *const who[] = {
#define X(id, name, ...) [DG_ROLE_##id] = name,
	DG_ROLE_TABLE(X)
#undef X
		[DG_CRASH_RUN] = "daglet-run",
};

static struct dg_crash_row rows[] = {{0},
#define X(sender, message, lives_)                                                       \
	{.name = #sender "_" #message,                                                   \
		.kind = "message",                                                       \
		.subject = #message,                                                     \
		.what = "the message leaves",                                            \
		.lives = lives_},
	DG_CRASH_MESSAGES(X)
#undef X
#define X(write, lives_)                                                                 \
	{.name = "WRITE_" #write,                                                        \
		.kind = "write",                                                         \
		.subject = #write,                                                       \
		.what = "it is committed",                                               \
		.lives = lives_},
		DG_CRASH_WRITES(X)
#undef X
#define X(step, who_, lives_, what_)                                                     \
	{.name = #step,                                                                  \
		.kind = "effect",                                                        \
		.subject = #step,                                                        \
		.what = what_,                                                           \
		.lives = lives_},
			DG_CRASH_EFFECTS(X)
#undef X
};

static const unsigned char roles[] = {0,
#define X(sender, ...) DG_ROLE_##sender,
	DG_CRASH_MESSAGES(X)
#undef X
#define X(...) DG_ROLE_LEDGER,
		DG_CRASH_WRITES(X)
#undef X
#define X(step, who_, ...) who_,
			DG_CRASH_EFFECTS(X)
#undef X
};

const struct dg_crash_row *
dg_crash_row(enum dg_crash_step s)
{
	if (s == DG_CRASH_NONE || (unsigned)s >= DG_CRASH_COUNT)
		return NULL;
	rows[s].who = who[roles[s]];
	return &rows[s];
}

#ifdef DAGLET_CRASHPOINTS
#define ORDER_MAX 200

static pid_t agent; /* its process group; 0: ours */

void
dg_crash_group(pid_t group)
{
	agent = group;
}

const char *
dg_crash_env(void)
{
	static char text[ORDER_MAX + 16];
	const char *at = getenv("DAGLET_AT");

	if (!at)
		return NULL;
	snprintf(text, sizeof text, "DAGLET_AT=%s", at);
	return text;
}

/* The order as it is now; where it came from a file, FILE names that. */
static bool
read_order(char *order, size_t size, const char **file)
{
	const char *at = getenv("DAGLET_AT");
	ssize_t n;
	int fd;

	*file = NULL;
	if (!at || *at != '@') {
		snprintf(order, size, "%s", at ? at : "");
		return *order;
	}
	*file = at + 1;
	fd = open(*file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, order, size - 1);
	close(fd);
	order[n > 0 ? n : 0] = '\0';
	order[strcspn(order, "\n")] = '\0';
	return *order;
}

/* Is ORDER about this point? Its NTH and ACTION then. */
static bool
is_about(const char *order, const char *name, bool after, unsigned long *nth,
	const char **action)
{
	static const char *const sides[] = {".before:", ".after:"};
	size_t n = strlen(name), m = strlen(sides[after]);
	char *end;

	if (strncmp(order, name, n) != 0 || strncmp(order + n, sides[after], m) != 0)
		return false;
	*nth = strtoul(order + n + m, &end, 10);
	*action = end + 1;
	return *end == ':';
}

/* A file is for one process only: the one that can rename it. */
static bool
is_mine(const char *file)
{
	char done[ORDER_MAX + 8];

	if (!file)
		return true;
	snprintf(done, sizeof done, "%s.done", file);
	return rename(file, done) == 0;
}

/* Passings since the order came; "" when it was obeyed: the next may be the same. */
static unsigned long
count(const char *order)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static char last[ORDER_MAX];
	static unsigned long seen;
	unsigned long n;

	pthread_mutex_lock(&lock);
	if (strcmp(order, last) != 0) {
		snprintf(last, sizeof last, "%s", order);
		seen = 0;
	}
	n = ++seen;
	pthread_mutex_unlock(&lock);
	return n;
}

bool
dg_crash_at(enum dg_crash_step s, bool after)
{
	char order[ORDER_MAX];
	const char *file, *action;
	unsigned long nth;

	if (s == DG_CRASH_NONE || !read_order(order, sizeof order, &file) ||
		!is_about(order, rows[s].name, after, &nth, &action) ||
		count(order) != nth || !is_mine(file))
		return false;
	if (file)
		(void)count("");
	if (strcmp(action, "KILL") == 0)
		kill(getpid(), SIGKILL);
	else if (strcmp(action, "STOP") == 0)
		kill(getpid(), SIGSTOP);
	else if (strcmp(action, "AGENT") == 0)
		kill(-(agent ? agent : getpgrp()), SIGKILL);
	return strcmp(action, "ERR") == 0;
}
#endif
