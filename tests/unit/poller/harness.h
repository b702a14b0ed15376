/* A role's program under a hand-made master and ledger: real processes, real links, and
 * the scripted control plane of tests/unit/http. */
#ifndef TEST_POLLER_HARNESS_H
#define TEST_POLLER_HARNESS_H

#include "base/time.h"
#include "config/settings.h"
#include "daglet/limits.h"
#include "ipc/link.h"
#include "server.h"

struct heard {
	enum dg_msg_type type;
	uint64_t id;
	char text[2048]; /* "name=value " of every number and string, body at the end */
};

#define HEARD_MAX 1024

struct harness {
	enum dg_role role;
	const char *inst;
	sd_event *event;
	pid_t pid;
	struct dg_link *control, *data;
	uint32_t epoch;
	struct heard heard[HEARD_MAX];
	size_t n, read;
	int raw[DG_POP_SLOTS]; /* descriptors of POP_RAW, by slot */
	int exit_status;       /* of waitpid, when it ended; -1 */
	void (*on_data)(struct harness *h, enum dg_msg_type type, uint64_t id);
};

void harness_start(struct harness *h, sd_event *event, enum dg_role role,
	const char *program, const char *inst, const struct dg_settings *settings);
/* A new data link, as after a restart of the ledger. */
void harness_link(struct harness *h);
void harness_unlink(struct harness *h);
void harness_send(
	struct harness *h, enum dg_msg_type type, uint64_t id, const void *payload);
/* The next message of TYPE that was not read yet; fails the test after five seconds. */
const struct heard *harness_expect(struct harness *h, enum dg_msg_type type);
/* New settings, as at a reload: CONFIG, its answer, APPLY when that is OK. */
bool harness_reload(struct harness *h, const struct dg_settings *settings);
/* Turn the loop for so long. */
void harness_run(struct harness *h, dg_usec time);
bool harness_until(struct harness *h, bool (*done)(void *arg), void *arg);
/* End it by closing the control channel; its exit code. */
int harness_stop(struct harness *h);

#endif
