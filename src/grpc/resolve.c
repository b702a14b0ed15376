/* grpc/resolve.c: see resolve.h. The job is shared by the loop and the thread; whoever
 * lets go last frees it. The thread speaks by writing to an eventfd. */
#include "grpc/resolve.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/mem.h"

struct job {
	atomic_int refs;
	char *host, *port;
	int wake; /* eventfd, written once by the thread */
	struct addrinfo *ai;
	int gai, num;
};

struct dg_resolve {
	struct job *job;
	sd_event_source *source;
	dg_resolve_fn *fn;
	void *arg;
};

static atomic_int running;

static void
job_drop(struct job *j)
{
	if (atomic_fetch_sub(&j->refs, 1) != 1)
		return;
	if (j->ai)
		freeaddrinfo(j->ai);
	dg_closep(&j->wake);
	free(j->host);
	free(j->port);
	free(j);
}

static void *
look_up(void *arg)
{
	struct job *j = arg;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};

	j->gai = getaddrinfo(j->host, j->port, &hints, &j->ai);
	j->num = errno;
	if (eventfd_write(j->wake, 1) < 0)
		abort(); /* an eventfd of ours that holds 0 cannot refuse a 1 */
	job_drop(j);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static int
start_thread(struct job *j)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, &attr, look_up, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc;
}

static int
on_answer(sd_event_source *s, int fd, uint32_t revents, void *arg)
{
	struct dg_resolve *r = arg;
	struct job *j = r->job;
	struct addrinfo *ai;
	struct dg_err e = {0};

	(void)s, (void)fd, (void)revents;
	sd_event_source_set_enabled(r->source, SD_EVENT_OFF);
	if (j->gai)
		dg_fail(&e, DG_TRANSPORT, j->gai == EAI_SYSTEM ? j->num : 0,
			"cannot find the address of %s: %s", j->host,
			gai_strerror(j->gai));
	ai = TAKE_PTR(j->ai);
	r->fn(r->arg, ai, &e); /* may free r */
	return 0;
}

int
dg_resolve_start(sd_event *event, const char *host, const char *port, dg_resolve_fn *fn,
	void *arg, struct dg_resolve **ret, struct dg_err *e)
{
	struct dg_resolve *r;
	struct job *j;
	int rc;

	if (atomic_fetch_add(&running, 1) >= DG_RESOLVE_MAX) {
		atomic_fetch_sub(&running, 1);
		return dg_fail(e, DG_TRANSPORT, 0,
			"cannot find the address of %s: %d look-ups are waiting already",
			host, DG_RESOLVE_MAX);
	}
	j = dg_new(struct job);
	atomic_init(&j->refs, 2);
	j->host = dg_xstrdup(host);
	j->port = dg_xstrdup(port);
	j->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = dg_new(struct dg_resolve);
	*r = (struct dg_resolve){.job = j, .fn = fn, .arg = arg};
	rc = j->wake < 0
		     ? -errno
		     : sd_event_add_io(event, &r->source, j->wake, EPOLLIN, on_answer, r);
	if (rc >= 0)
		rc = -start_thread(j);
	if (rc < 0) {
		job_drop(j); /* the thread's share */
		atomic_fetch_sub(&running, 1);
		dg_resolve_free(r);
		return dg_fail(
			e, DG_TRANSPORT, -rc, "cannot look up the address of %s", host);
	}
	*ret = r;
	return 0;
}

void
dg_resolve_free(struct dg_resolve *r)
{
	if (!r)
		return;
	sd_event_source_disable_unref(r->source);
	job_drop(r->job);
	free(r);
}
