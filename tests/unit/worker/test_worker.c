/* What every worker does first and last, seen by a master and a ledger that the test
 * plays: each worker is a process of its own, forked from the test. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"
#include "worker/worker.h"

#define LIMIT (10 * DG_SEC)

/* What the worker's ops saw; shared between worker and test. */
struct seen {
	int setup_error; /* class that setup() fails with */
	bool refuse;     /* check() says no */
	unsigned setups, checks, applies, links, messages, batches, teardowns, controls;
	bool quiesced, remove;
	char url[64];
	uint64_t id;
};

/* One end of a channel as the test holds it. */
struct end {
	struct dg_link *link;
	unsigned got[DG_MSG_COUNT];
	bool closed;
	uint64_t generation, epoch, role, success_age, trouble_age, version, pid;
	char text[512], trouble[256], inst[128];
};

struct rig {
	sd_event *event;
	struct seen *seen;
	pid_t pid;
	struct end master, ledger;
};

/* The worker. */

static struct seen *seen;

static int
setup(struct dg_worker *w, struct dg_err *e)
{
	const char *url = dg_settings_str(w->settings, "url");

	seen->setups++;
	snprintf(seen->url, sizeof seen->url, "%s", url ? url : "");
	if (seen->setup_error)
		return dg_fail(e, seen->setup_error, 0, "as the test wants it");
	dg_worker_say(w, "doing %s", "things");
	dg_worker_success(w);
	dg_worker_trouble(w, "no way out");
	return 0;
}

static int
check(struct dg_worker *w, const struct dg_settings *next, struct dg_err *e)
{
	(void)w;
	(void)next;
	seen->checks++;
	return seen->refuse ? dg_fail(e, DG_CONFIG, 0, "not this one") : 0;
}

static void
apply(struct dg_worker *w)
{
	seen->applies++;
	snprintf(seen->url, sizeof seen->url, "%s", dg_settings_str(w->settings, "url"));
}

static void
linked(struct dg_worker *w)
{
	seen->links++;
	dg_worker_send(w, DG_MSG_HAVE_END, 7, NULL);
}

static void
message(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	(void)w;
	(void)type;
	(void)payload;
	seen->messages++;
	seen->id = id;
}

static void
batch_end(struct dg_worker *w)
{
	(void)w;
	seen->batches++;
}

static void
control(struct dg_worker *w, enum dg_msg_type type, uint64_t id, void *payload)
{
	(void)w;
	(void)type;
	(void)id;
	(void)payload;
	seen->controls++;
}

static void
quiesce(struct dg_worker *w)
{
	seen->quiesced = w->quiescing;
	seen->remove = w->remove;
	dg_worker_done(w, 0);
}

static void
teardown(struct dg_worker *w)
{
	(void)w;
	seen->teardowns++;
}

static const struct dg_worker_ops ops_all = {.setup = setup,
	.check = check,
	.apply = apply,
	.linked = linked,
	.message = message,
	.batch_end = batch_end,
	.control = control,
	.quiesce = quiesce,
	.teardown = teardown};
static const struct dg_worker_ops ops_few = {.message = message};

/* Master and ledger. */

static void
copy(char *to, size_t size, struct dg_str s)
{
	snprintf(to, size, "%.*s", DG_FMT(s));
}

static void
on_message(
	struct dg_link *l, enum dg_msg_type type, uint64_t id, void *payload, void *arg)
{
	struct end *t = arg;

	(void)l;
	(void)id;
	t->got[type]++;
	if (type == DG_MSG_HELLO) {
		const struct dg_msg_hello *m = payload;

		t->version = m->version;
		t->pid = m->pid;
		copy(t->inst, sizeof t->inst, m->inst);
	} else if (type == DG_MSG_READY) {
		t->generation = ((struct dg_msg_ready *)payload)->generation;
	} else if (type == DG_MSG_CONFIG_OK) {
		t->generation = ((struct dg_msg_config_ok *)payload)->generation;
	} else if (type == DG_MSG_CONFIG_BAD) {
		const struct dg_msg_config_bad *m = payload;

		t->generation = m->generation;
		copy(t->text, sizeof t->text, m->text);
	} else if (type == DG_MSG_PULSE) {
		const struct dg_msg_pulse *m = payload;

		t->success_age = m->success_age;
		t->trouble_age = m->trouble_age;
		copy(t->trouble, sizeof t->trouble, m->trouble);
		copy(t->text, sizeof t->text, m->text);
	} else if (type == DG_MSG_MISBEHAVED) {
		const struct dg_msg_misbehaved *m = payload;

		t->role = m->role;
		t->epoch = m->epoch;
		copy(t->text, sizeof t->text, m->text);
	}
}

static void
on_closed(struct dg_link *l, const struct dg_err *why, void *arg)
{
	struct end *t = arg;

	(void)l;
	t->closed = true;
	copy(t->text, sizeof t->text, dg_str(why->what));
}

static const struct dg_link_ops end_ops = {.message = on_message, .closed = on_closed};

/* Turn the loop until COND or the limit is over. */
#define UNTIL(r, cond)                                                                   \
	do {                                                                             \
		dg_usec end_ = dg_now() + LIMIT;                                         \
		while (!(cond) && dg_now() < end_)                                       \
			cr_assert_geq(sd_event_run((r)->event, 100 * DG_MSEC), 0);       \
		cr_assert(cond);                                                         \
	} while (0)

static void
child(int fd, const struct dg_worker_ops *ops)
{
	static char name[] = "worker", inst[] = "gpu";
	char *argv[] = {name, inst, NULL};
	int null = open("/dev/null", O_WRONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, STDERR_FILENO); /* what it logs is not this test's */
	if (fd >= 0)
		dup2(fd, DG_FD_CONTROL);
	else
		close(DG_FD_CONTROL);
	_exit(dg_worker_main(DG_ROLE_POLLER, 2, argv, ops));
}

/* A worker; returns the master's end of its control channel. */
static int
start(struct rig *r, const struct dg_worker_ops *ops)
{
	int fds[2];

	*r = (struct rig){0};
	r->seen = seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(r->seen, MAP_FAILED);
	cr_assert_geq(sd_event_new(&r->event), 0);
	cr_assert_eq(dg_link_pair(fds, NULL), 0);
	r->pid = fork();
	cr_assert_geq(r->pid, 0);
	if (r->pid == 0) {
		/* Away from what is put into place. */
		int high = fcntl(fds[1], F_DUPFD, 50);

		close(fds[0]);
		close(fds[1]);
		child(high, ops);
	}
	close(fds[1]);
	return fds[0];
}

static void
begin(struct rig *r, const struct dg_worker_ops *ops)
{
	int fd = start(r, ops);

	cr_assert_eq(dg_link_new(&r->master.link, r->event, fd, DG_ROLE_MASTER,
			     DG_ROLE_POLLER, 0, &end_ops, &r->master, NULL),
		0);
}

static void
send_master(struct rig *r, enum dg_msg_type type, const void *payload)
{
	struct dg_err e;

	cr_assert_eq(dg_link_send(r->master.link, type, 0, payload, &e), 0, "%s", e.what);
}

static void
config(struct rig *r, uint64_t generation, const char *url)
{
	struct dg_settings *s = dg_settings_new();
	struct dg_msg_config m = {.generation = generation};

	dg_settings_set(s, ~0u, "url", url);
	m.settings = dg_settings_seal(s, ~0u, NULL);
	cr_assert_geq(m.settings, 0);
	send_master(r, DG_MSG_CONFIG, &m);
	close(m.settings);
	dg_settings_free(s);
}

/* Give it a link to the ledger; the test holds the other end. */
static void
peer(struct rig *r, uint32_t epoch)
{
	struct dg_msg_peer m = {.role = DG_ROLE_LEDGER, .epoch = epoch};
	int fds[2];

	dg_link_free(r->ledger.link);
	r->ledger = (struct end){0};
	cr_assert_eq(dg_link_pair(fds, NULL), 0);
	cr_assert_eq(dg_link_new(&r->ledger.link, r->event, fds[0], DG_ROLE_LEDGER,
			     DG_ROLE_POLLER, epoch, &end_ops, &r->ledger, NULL),
		0);
	m.link = fds[1];
	send_master(r, DG_MSG_PEER, &m);
	close(fds[1]);
}

static void
ready(struct rig *r, const struct dg_worker_ops *ops)
{
	begin(r, ops);
	config(r, 1, "one");
	UNTIL(r, r->master.got[DG_MSG_READY] == 1);
}

/* Its exit code (1000 + signal), once the channel has closed. */
static int
end(struct rig *r)
{
	dg_usec limit = dg_now() + LIMIT;
	int status, code;

	while (!r->master.closed && dg_now() < limit)
		sd_event_run(r->event, 100 * DG_MSEC);
	if (!r->master.closed)
		kill(r->pid, SIGKILL);
	cr_assert_eq(waitpid(r->pid, &status, 0), r->pid);
	code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
	dg_link_free(r->master.link);
	dg_link_free(r->ledger.link);
	sd_event_unref(r->event);
	munmap(r->seen, sizeof *r->seen);
	return code;
}

/* The master goes away. */
static int
leave(struct rig *r)
{
	int status;

	dg_link_free(r->master.link);
	r->master.link = NULL;
	cr_assert_eq(waitpid(r->pid, &status, 0), r->pid);
	r->master.closed = true;
	dg_link_free(r->ledger.link);
	sd_event_unref(r->event);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

Test(worker, says_hello_takes_its_settings_and_is_ready)
{
	struct rig r;

	begin(&r, &ops_all);
	UNTIL(&r, r.master.got[DG_MSG_HELLO] == 1);
	cr_assert_eq(r.master.version, DG_MSG_VERSION);
	cr_assert_eq(r.master.pid, (uint64_t)r.pid);
	cr_assert_str_eq(r.master.inst, "gpu");
	cr_assert_eq(r.seen->setups, 0, "not before the settings");
	config(&r, 42, "http://x");
	UNTIL(&r, r.master.got[DG_MSG_READY] == 1);
	cr_assert_eq(r.master.generation, 42);
	cr_assert_eq(r.seen->setups, 1);
	cr_assert_str_eq(r.seen->url, "http://x");
	cr_assert_eq(leave(&r), 0, "the end of the control channel ends it");
	cr_assert_eq(r.seen->teardowns, 1);
}

Test(worker, a_setup_that_fails_says_by_its_code_whether_a_person_must_act)
{
	static const struct {
		int cls, code;
	} rows[] = {{DG_CONFIG, DG_EXIT_CONFIG}, {DG_TRANSPORT, 1}, {DG_BUG, 1}};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct rig r;

		begin(&r, &ops_all);
		r.seen->setup_error = rows[i].cls;
		config(&r, 1, "");
		cr_assert_eq(end(&r), rows[i].code, "row %zu", i);
		cr_assert_eq(r.master.got[DG_MSG_READY], 0);
	}
}

Test(worker, damaged_settings_are_a_bug)
{
	struct rig r;
	struct dg_msg_config m = {.generation = 1};

	begin(&r, &ops_all);
	m.settings = dg_memfd_sealed("t", "nonsense", 8, NULL);
	send_master(&r, DG_MSG_CONFIG, &m);
	close(m.settings);
	cr_assert_eq(end(&r), DG_EXIT_BUG);
}

Test(worker, its_pulse_says_what_it_does_and_when_it_last_succeeded)
{
	struct rig r;

	ready(&r, &ops_all);
	UNTIL(&r, r.master.got[DG_MSG_PULSE] == 1);
	cr_assert_str_eq(r.master.text, "doing things");
	cr_assert_lt(r.master.success_age, LIMIT);
	cr_assert_str_eq(r.master.trouble, "no way out");
	cr_assert_lt(r.master.trouble_age, LIMIT);
	leave(&r);
}

Test(worker, one_that_never_succeeded_says_so)
{
	struct rig r;

	ready(&r, &ops_few);
	UNTIL(&r, r.master.got[DG_MSG_PULSE] == 1);
	cr_assert_str_eq(r.master.text, "");
	cr_assert_eq(r.master.success_age, DG_USEC_NEVER);
	cr_assert_eq(r.master.trouble_age, DG_USEC_NEVER);
	leave(&r);
}

Test(worker, a_reload_has_two_phases)
{
	struct rig r;

	ready(&r, &ops_all);
	config(&r, 2, "two");
	UNTIL(&r, r.master.got[DG_MSG_CONFIG_OK] == 1);
	cr_assert_eq(r.master.generation, 2);
	cr_assert_eq(r.seen->applies, 0);
	cr_assert_str_eq(r.seen->url, "one");
	send_master(&r, DG_MSG_APPLY, &(struct dg_msg_apply){99}); /* of another one */
	send_master(&r, DG_MSG_APPLY, &(struct dg_msg_apply){2});
	send_master(&r, DG_MSG_APPLY, &(struct dg_msg_apply){2});
	send_master(&r, DG_MSG_QUIESCE, &(struct dg_msg_quiesce){0});
	UNTIL(&r, r.master.got[DG_MSG_DRAINED] == 1);
	cr_assert_eq(r.seen->applies, 1);
	cr_assert_str_eq(r.seen->url, "two");
	leave(&r);
}

Test(worker, a_refused_reload_changes_nothing_and_says_why)
{
	struct rig r;

	ready(&r, &ops_all);
	r.seen->refuse = true;
	config(&r, 2, "two");
	UNTIL(&r, r.master.got[DG_MSG_CONFIG_BAD] == 1);
	cr_assert_eq(r.master.generation, 2);
	cr_assert_str_eq(r.master.text, "not this one");
	send_master(&r, DG_MSG_APPLY, &(struct dg_msg_apply){2});
	send_master(&r, DG_MSG_QUIESCE, &(struct dg_msg_quiesce){0});
	UNTIL(&r, r.master.got[DG_MSG_DRAINED] == 1);
	cr_assert_eq(r.seen->applies, 0);
	leave(&r);
}

Test(worker, quiesce_is_the_roles_or_done_at_once)
{
	struct rig r;

	ready(&r, &ops_all);
	send_master(&r, DG_MSG_QUIESCE, &(struct dg_msg_quiesce){.remove = 1});
	UNTIL(&r, r.master.got[DG_MSG_DRAINED] == 1);
	cr_assert(r.seen->quiesced && r.seen->remove);
	cr_assert_eq(leave(&r), 0);
	ready(&r, &ops_few);
	send_master(&r, DG_MSG_QUIESCE, &(struct dg_msg_quiesce){0});
	UNTIL(&r, r.master.got[DG_MSG_DRAINED] == 1);
	cr_assert_eq(leave(&r), 0);
}

Test(worker, garbage_from_the_ledger_is_reported_and_survived)
{
	struct dg_msg_peer m = {.role = DG_ROLE_LEDGER, .epoch = 5};
	struct rig r;
	int fds[2];

	ready(&r, &ops_all);
	cr_assert_eq(dg_link_pair(fds, NULL), 0);
	m.link = fds[1];
	send_master(&r, DG_MSG_PEER, &m);
	close(fds[1]);
	cr_assert_eq(write(fds[0], "garbage!", 8), 8);
	UNTIL(&r, r.master.got[DG_MSG_MISBEHAVED] == 1);
	close(fds[0]);
	cr_assert_eq(r.master.role, DG_ROLE_LEDGER);
	cr_assert_eq(r.master.epoch, 5);
	cr_assert_gt(strlen(r.master.text), 0);
	peer(&r, 6);
	UNTIL(&r, r.ledger.got[DG_MSG_HAVE_END] == 1);
	cr_assert_eq(leave(&r), 0);
}

Test(worker, a_message_of_an_older_link_is_the_ledgers_bug)
{
	struct rig r;
	struct dg_msg_peer m = {.role = DG_ROLE_LEDGER, .epoch = 9};
	struct dg_link *wrong;
	int fds[2];

	ready(&r, &ops_all);
	cr_assert_eq(dg_link_pair(fds, NULL), 0);
	cr_assert_eq(dg_link_new(&wrong, r.event, fds[0], DG_ROLE_LEDGER, DG_ROLE_POLLER,
			     8, &end_ops, &r.ledger, NULL),
		0);
	m.link = fds[1];
	send_master(&r, DG_MSG_PEER, &m);
	close(fds[1]);
	cr_assert_eq(dg_link_send(wrong, DG_MSG_RECORDED, 1, NULL, NULL), 0);
	UNTIL(&r, r.master.got[DG_MSG_MISBEHAVED] == 1);
	cr_assert_eq(r.master.epoch, 9);
	cr_assert_eq(r.seen->messages, 0);
	r.ledger.link = wrong;
	cr_assert_eq(leave(&r), 0);
}

Test(worker, garbage_from_the_master_ends_it)
{
	struct rig r;
	int status, fd = start(&r, &ops_all); /* no link: a link sends no garbage */

	cr_assert_eq(write(fd, "\xff\xff garbage", 10), 10);
	cr_assert_eq(waitpid(r.pid, &status, 0), r.pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == DG_EXIT_BUG);
	close(fd);
	sd_event_unref(r.event);
}

Test(worker, outlives_its_ledger_and_takes_the_next_link)
{
	struct rig r;
	struct dg_msg_credit credit = {.requests = 1};

	ready(&r, &ops_all);
	peer(&r, 1);
	UNTIL(&r, r.ledger.got[DG_MSG_HAVE_END] == 1);
	cr_assert_eq(dg_link_send(r.ledger.link, DG_MSG_CREDIT, 11, &credit, NULL), 0);
	UNTIL(&r, *(volatile unsigned *)&r.seen->batches == 1);
	cr_assert_eq(r.seen->messages, 1);
	cr_assert_eq(r.seen->id, 11);
	peer(&r, 2); /* the first end is closed by this */
	UNTIL(&r, r.ledger.got[DG_MSG_HAVE_END] == 1);
	cr_assert_eq(r.seen->links, 2);
	cr_assert_eq(r.master.got[DG_MSG_MISBEHAVED], 0);
	cr_assert_eq(leave(&r), 0);
}

Test(worker, signals_meant_for_the_master_do_not_end_it)
{
	struct rig r;

	ready(&r, &ops_all);
	kill(r.pid, SIGINT);
	kill(r.pid, SIGTERM);
	kill(r.pid, SIGHUP);
	send_master(&r, DG_MSG_QUIESCE, &(struct dg_msg_quiesce){0});
	UNTIL(&r, r.master.got[DG_MSG_DRAINED] == 1);
	cr_assert_eq(leave(&r), 0);
}

Test(worker, is_not_started_by_hand)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		child(-1, &ops_all);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == DG_EXIT_BUG);
}
