/* LAUNCH_RUN and TERMINATE_RUN as machines: every order of events that the world knows.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "base/str.h"
#include "launcher/launch.h"
#include "launcher/terminate.h"

static const char *const launch_words[] = {"intent", "events", "start", "handle",
	"release", "tags", "server", "place", "call", "trouble", "look", "ask", "mark",
	"forget", "ok", "error", "maybe", "hello"};
static const char *const term_words[] = {
	"event", "ask", "server", "mark", "say", "stop", "call", "ok", "error"};

static const char *
words(const char *const *names, size_t n, unsigned bits, char *buf, size_t size)
{
	size_t at = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < n; i++)
		if (bits & (1u << i))
			at += (size_t)snprintf(
				buf + at, size - at, "%s%s", at ? " " : "", names[i]);
	return buf;
}

#define L(bits) words(launch_words, DG_N(launch_words), bits, buf, sizeof(buf))
#define T(bits) words(term_words, DG_N(term_words), bits, buf, sizeof(buf))
#define BEGIN(l, iso, known, expect)                                                     \
	cr_assert_str_eq(L(dg_launch_begin(l, iso, DG_KNOWN_##known)), expect)
#define LEV(l, ev, expect)                                                               \
	cr_assert_str_eq(L(dg_launch_event(l, DG_LAUNCH_EV_##ev)), expect)
#define TEV(t, ev, expect)                                                               \
	cr_assert_str_eq(T(dg_terminate_event(t, DG_TERM_EV_##ev)), expect)

Test(launch, isolated)
{
	struct dg_launch l;
	char buf[256];

	BEGIN(&l, true, NOTHING, "intent hello");
	LEV(&l, HANDLE, ""); /* nothing out of turn */
	LEV(&l, HANDLE_OK, "");
	LEV(&l, SERVER, "");
	LEV(&l, INTENT_OK, "");
	LEV(&l, INTENT_OK, "");
	LEV(&l, HEARD, "events start");
	LEV(&l, HEARD, "");
	LEV(&l, HANDLE, "handle");
	LEV(&l, HANDLE, "");
	LEV(&l, HANDLE_OK, "release");
	LEV(&l, STARTED, "tags ok");
	LEV(&l, STARTED, "");
	LEV(&l, FAILED, "");

	BEGIN(&l, true, NOTHING, "intent hello");
	LEV(&l, HEARD, "");
	LEV(&l, INTENT_OK, "events start");
	LEV(&l, FAILED, "forget error");

	/* the control plane knows no such run */
	BEGIN(&l, true, NOTHING, "intent hello");
	LEV(&l, STRANGER, "forget error");
	BEGIN(&l, true, NOTHING, "intent hello");
	LEV(&l, INTENT_OK, "");
	LEV(&l, STRANGER, "forget error");
	LEV(&l, HEARD, "");

	/* a launcher before us died in between: the backend looks */
	BEGIN(&l, true, INTENT, "events start hello");
	LEV(&l, HANDLE, "handle");
	LEV(&l, STARTED,
		"tags ok"); /* found running: told before the handle is committed */

	BEGIN(&l, true, STARTED, "ok");
	LEV(&l, STARTED, "");
}

Test(launch, on_the_code_server)
{
	struct dg_launch l;
	char buf[256];

	BEGIN(&l, false, NOTHING, "intent hello");
	LEV(&l, SERVER, "");
	LEV(&l, STARTED, "");
	LEV(&l, INTENT_OK, "");
	LEV(&l, INTENT_OK, "");
	LEV(&l, HEARD, "events server");
	LEV(&l, SERVER, "place call");
	LEV(&l, SERVER, "");
	LEV(&l, ACCEPTED, "mark ok");

	BEGIN(&l, false, NOTHING, "intent hello");
	LEV(&l, HEARD, "");
	LEV(&l, INTENT_OK, "events server");
	LEV(&l, NO_SERVER, "forget error");

	BEGIN(&l, false, NOTHING, "intent hello");
	LEV(&l, HEARD, "");
	LEV(&l, INTENT_OK, "events server");
	LEV(&l, SERVER, "place call");
	LEV(&l, REFUSED, "forget error");
}

Test(launch, in_doubt_it_looks)
{
	struct dg_launch l;
	char buf[256];

#define LOST                                                                             \
	BEGIN(&l, false, NOTHING, "intent hello");                                       \
	LEV(&l, HEARD, "");                                                              \
	LEV(&l, INTENT_OK, "events server");                                             \
	LEV(&l, SERVER, "place call");                                                   \
	LEV(&l, NOT_CURRENT, "");                                                        \
	LEV(&l, LOST, "trouble look")
	LOST;
	LEV(&l, CURRENT, "mark ok");
	LOST;
	LEV(&l, BLIND, "maybe");
	LOST;
	LEV(&l, NOT_CURRENT, "ask");
	LEV(&l, BEGUN, "mark ok");
	LOST;
	LEV(&l, NOT_CURRENT, "ask");
	LEV(&l, NOT_BEGUN, "maybe"); /* it may wait in the server: never twice */
	LOST;
	LEV(&l, NOT_CURRENT, "ask");
	LEV(&l, BLIND, "maybe");

	/* a launcher before us may have sent it */
#define AGAIN                                                                            \
	BEGIN(&l, false, INTENT, "server");                                              \
	LEV(&l, SERVER, "look")
	AGAIN;
	LEV(&l, CURRENT, "mark ok");
	AGAIN;
	LEV(&l, NOT_CURRENT, "ask");
	LEV(&l, NOT_BEGUN, "place call");
	LEV(&l, LOST, "trouble look");
	LEV(&l, NOT_CURRENT, "ask");
	LEV(&l, NOT_BEGUN, "maybe");
	BEGIN(&l, false, INTENT, "server");
	LEV(&l, NO_SERVER, "maybe");
	BEGIN(&l, false, STARTED, "ok");
}

Test(terminate, a_worker)
{
	struct dg_terminate t;
	char buf[256];

#define WORKER                                                                           \
	cr_assert_str_eq(T(dg_terminate_begin(&t, DG_TERM_WORKER)), "event");            \
	TEV(&t, ALIVE, "");                                                              \
	TEV(&t, HEARD, "ask")
	WORKER;
	TEV(&t, SERVER, "");
	TEV(&t, ALIVE, "mark");
	TEV(&t, ALIVE, "");
	TEV(&t, MARKED, "stop ok");
	TEV(&t, MARKED, "");
	WORKER;
	TEV(&t, FINISHED, "ok");
	WORKER;
	TEV(&t, UNASKED, "mark");
	TEV(&t, UNMARKED, "say stop ok");
	WORKER;
	TEV(&t, TIMEOUT, "say stop ok");
	WORKER;
	TEV(&t, ALIVE, "mark");
	TEV(&t, TIMEOUT, "say stop ok");
}

Test(terminate, on_the_code_server)
{
	struct dg_terminate t;
	char buf[256];

#define SERVED                                                                           \
	cr_assert_str_eq(T(dg_terminate_begin(&t, DG_TERM_SERVER)), "event");            \
	TEV(&t, HEARD, "server")
	SERVED;
	TEV(&t, MARKED, "");
	TEV(&t, SERVER, "mark");
	TEV(&t, MARKED, "call");
	TEV(&t, MARKED, "");
	TEV(&t, CALLED, "ok");
	SERVED;
	TEV(&t, NO_SERVER, "error");
	SERVED;
	TEV(&t, TIMEOUT, "error");
	SERVED;
	TEV(&t, SERVER, "mark");
	TEV(&t, UNMARKED, "say call");
	TEV(&t, UNCALLED, "error");
	SERVED;
	TEV(&t, SERVER, "mark");
	TEV(&t, NO_SERVER, "error");
	SERVED;
	TEV(&t, SERVER, "mark");
	TEV(&t, TIMEOUT, "say call");
	TEV(&t, NO_SERVER, "error");
}

Test(terminate, a_stranger)
{
	struct dg_terminate t;
	char buf[256];

	for (int how = DG_TERM_MARK; how <= DG_TERM_SERVER; how++) {
		dg_terminate_begin(&t, (enum dg_terminate_how)how);
		TEV(&t, STRANGER, "error");
		dg_terminate_begin(&t, (enum dg_terminate_how)how);
		TEV(&t, TIMEOUT,
			how == DG_TERM_MARK     ? "error"
			: how == DG_TERM_WORKER ? "say stop ok"
						: "say call");
	}
}

Test(terminate, isolated_agents_only_mark)
{
	struct dg_terminate t;
	char buf[256];

#define MARK                                                                             \
	cr_assert_str_eq(T(dg_terminate_begin(&t, DG_TERM_MARK)), "event");              \
	TEV(&t, HEARD, "mark")
	MARK;
	TEV(&t, MARKED, "ok");
	MARK;
	TEV(&t, UNMARKED, "error");
	MARK;
	TEV(&t, TIMEOUT, "error");
}
