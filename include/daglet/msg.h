/* daglet/msg.h: every message that crosses a process border, as one table.
 *
 *                control (fd 3)                       data (fd 4)
 *      master <------------------> every worker   every worker <-------> ledger
 *
 *   poller  --POP_RAW REQUEST POP_END SCOPE WORKSPACE UNCHANGED-->  ledger
 *           <--RECORDED CREDIT SCOPE TTL_DEPLOYMENTS--
 *   ledger  --DO DESIRED UNCHANGED KNOWN INTENT_OK HANDLE_OK CALL_DONE ANSWERED COMMAND-->  launcher
 *           <--ANSWER INTENT HANDLE STATE CALL TTL_DEPLOYMENTS TROUBLE HAVE HAVE_END RESULT--
 *   ledger  --DELIVER CALL STATE TROUBLE-->  reporter
 *           <--DELIVERED REFUSED CALL_DONE HAVE HAVE_END STATE--
 *   status  --COMMAND-->  ledger, master  --STATE RESULT-->  status
 *
 * A message is one datagram: header (type, flags, epoch, id), the fixed fields as 64-bit
 * numbers, the strings by length, the body. A field is one of
 *   U  a number (uint64_t)
 *   S  a string (struct dg_str), at most DG_MSG_STRING_MAX bytes
 *   B  a body (struct dg_body): inline up to DG_INLINE_MAX bytes, above in a sealed memfd
 *   F  a descriptor (int), exactly one
 * A message has at most one B or F, and it stands last. Every message is idempotent by
 * (type, id). Numbers and pointers in a received payload live until the handler returns;
 * take bodies with dg_body_take() and descriptors with TAKE_FD.
 */
#ifndef DAGLET_MSG_H
#define DAGLET_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "daglet/role.h"

/* Two builds that differ here do not talk to each other. */
#define DG_MSG_VERSION 2

struct dg_body {
	const char *p;
	size_t n;
	int fd; /* -1, or the sealed memfd behind p */
};

#define DG_BODY(p_, n_) ((struct dg_body){(p_), (n_), -1})
#define DG_BODY_STR(s) ((struct dg_body){(s).p, (s).n, -1})
#define DG_BODY_NONE ((struct dg_body){"", 0, -1})

/* What STATE speaks of; the key names one of them, the body is a JSON object, and
 * daglet/state.h says what is in it. */
enum dg_state_kind {
	DG_STATE_DEPLOYMENT, /* key: deployment */
	DG_STATE_LOCATION,   /* key: deployment \n location */
	DG_STATE_SERVER,     /* key: server id */
	DG_STATE_RUN,        /* key: run id */
	DG_STATE_ROLE,       /* key: role:inst; for status only */
	DG_STATE_COUNT
};

/* HAVE: how far the sender had come with what it holds. */
enum dg_have_stage { DG_HAVE_WORKING, DG_HAVE_DONE };

/* HANDLE and KNOWN: what a handle belongs to, and how far it came. */
enum dg_handle_what { DG_HANDLE_SERVER, DG_HANDLE_RUN };
enum dg_handle_stage { DG_STAGE_INTENT, DG_STAGE_STARTED, DG_STAGE_ENDED, DG_STAGE_GONE };

/* clang-format off */
#define DG_F_HELLO(U, S, B, F)      U(version) U(pid) S(inst)
#define DG_F_CONFIG(U, S, B, F)     U(generation) F(settings)
#define DG_F_CONFIG_OK(U, S, B, F)  U(generation)
#define DG_F_CONFIG_BAD(U, S, B, F) U(generation) S(text)
#define DG_F_APPLY(U, S, B, F)      U(generation)
#define DG_F_PEER(U, S, B, F)       U(role) U(epoch) S(inst) F(link)
#define DG_F_READY(U, S, B, F)      U(generation)
/* ages in microseconds, DG_USEC_NEVER: none; trouble: what keeps the role from its work
 * outside, or nothing; text: one line for dagletctl and STATUS= */
#define DG_F_PULSE(U, S, B, F)      U(success_age) U(trouble_age) S(trouble) S(text)
#define DG_F_NONE(U, S, B, F)
/* remove: the installation ends, servers go too; else they are kept for the next start.
 * limit: microseconds that what is under way gets; 0: it is cut off. May come again, with less. */
#define DG_F_QUIESCE(U, S, B, F)    U(remove) U(limit)
/* left: requests that are not answered and delivered; they stay in the store */
#define DG_F_DRAINED(U, S, B, F)    U(left)
/* on: take no new work and say IDLE when nothing is under way any more; 0: go on as usual */
#define DG_F_DRAIN(U, S, B, F)      U(on)
/* status: as waitpid() gives it */
#define DG_F_CHILD_EXIT(U, S, B, F) U(pid) U(status)
#define DG_F_MISBEHAVED(U, S, B, F) U(role) U(epoch) S(inst) S(text)

/* slot: one of the poller's memfds, handed over once per link, rewritten by every pop */
#define DG_F_POP_RAW(U, S, B, F)    U(slot) F(raw)
/* kind: enum dg_request_kind; expire, popped: real time, microseconds; error: why the body
 * cannot be decoded, or empty; body: requestBody, unescaped. id counts up per link. */
#define DG_F_REQUEST(U, S, B, F)    U(slot) U(kind) U(branch) U(expire) U(popped) \
                                    S(request_id) S(api) S(deployment) S(location) S(error) B(body)
#define DG_F_POP_END(U, S, B, F)    U(slot) U(count) U(cut)
/* body: names of full deployments, one per line */
#define DG_F_NAMES(U, S, B, F)      B(names)
/* body: the control plane's whole answer */
#define DG_F_WORKSPACE(U, S, B, F)  U(wall) B(body)
#define DG_F_UNCHANGED(U, S, B, F)  U(wall)
/* how many requests and bytes may be sent on this link, counted from its beginning */
#define DG_F_CREDIT(U, S, B, F)     U(requests) U(bytes)
#define DG_F_IDENTITY(U, S, B, F)   U(slot) S(agent_id) S(installation)

#define DG_F_DO(U, S, B, F)         U(kind) U(branch) U(expire) U(popped) U(attempt) \
                                    S(request_id) S(api) S(deployment) S(location) S(error) B(body)
/* body: the response object (DagsterCloudApi...Response), ready to be enveloped */
#define DG_F_ANSWER(U, S, B, F)     S(outcome) B(response)
#define DG_F_INTENT(U, S, B, F)     U(request) S(run_id) S(nonce) S(deployment)
#define DG_F_HANDLE(U, S, B, F)     U(what) U(stage) U(request) S(key) S(deployment) S(location) B(handle)
#define DG_F_HAVE(U, S, B, F)       U(stage)
/* op: enum dg_call_op; subject: what calls are ordered by ("" = none); args: query string,
 * URL or nothing; key: idempotency key or nothing */
#define DG_F_CALL(U, S, B, F)       U(op) S(deployment) S(subject) S(args) S(key) B(body)
/* cls: 0 or enum dg_class; http: status or 0 */
#define DG_F_CALL_DONE(U, S, B, F)  U(cls) U(http) S(text) B(body)
#define DG_F_STATE(U, S, B, F)      U(kind) U(gone) S(key) B(body)
/* body: SerializableErrorInfo */
#define DG_F_TROUBLE(U, S, B, F)    U(wall) B(error)
#define DG_F_DELIVER(U, S, B, F)    U(expire) S(request_id) S(api) S(deployment) B(response)
#define DG_F_DELIVERED(U, S, B, F)  U(attempts)
#define DG_F_REFUSED(U, S, B, F)    U(http) S(text)
#define DG_F_COMMAND(U, S, B, F)    S(op) S(args)
/* code: an HTTP status for the one who asked */
#define DG_F_RESULT(U, S, B, F)     U(code) B(body)

#define DG_R(r) DG_ROLE_BIT(DG_ROLE_##r)
#define DG_R_WORKERS (DG_R(LEDGER) | DG_R(STATUS) | DG_R(REPORTER) | DG_R(LAUNCHER) | DG_R(POLLER))

/*	name             struct           from                          to                                fields */
#define DG_MSG_TABLE(X) \
	X(HELLO,           hello,           DG_R_WORKERS,                 DG_R(MASTER),                     DG_F_HELLO)       \
	X(CONFIG,          config,          DG_R(MASTER),                 DG_R_WORKERS,                     DG_F_CONFIG)      \
	X(CONFIG_OK,       config_ok,       DG_R_WORKERS,                 DG_R(MASTER),                     DG_F_CONFIG_OK)   \
	X(CONFIG_BAD,      config_bad,      DG_R_WORKERS,                 DG_R(MASTER),                     DG_F_CONFIG_BAD)  \
	X(APPLY,           apply,           DG_R(MASTER),                 DG_R_WORKERS,                     DG_F_APPLY)       \
	X(PEER,            peer,            DG_R(MASTER),                 DG_R_WORKERS,                     DG_F_PEER)        \
	X(READY,           ready,           DG_R_WORKERS,                 DG_R(MASTER),                     DG_F_READY)       \
	X(PULSE,           pulse,           DG_R_WORKERS,                 DG_R(MASTER),                     DG_F_PULSE)       \
	X(QUIESCE,         quiesce,         DG_R(MASTER),                 DG_R_WORKERS,                     DG_F_QUIESCE)        \
	X(DRAINED,         drained,         DG_R_WORKERS,                 DG_R(MASTER),                     DG_F_DRAINED)     \
	X(DRAIN,           drain,           DG_R(MASTER),                 DG_R(POLLER) | DG_R(LEDGER),      DG_F_DRAIN)       \
	X(IDLE,            idle,            DG_R(POLLER) | DG_R(LEDGER),  DG_R(MASTER),                     DG_F_DRAINED)     \
	X(DENIED,          denied,          DG_R(POLLER) | DG_R(REPORTER), DG_R(MASTER),                    DG_F_NONE)        \
	X(CHILD_EXIT,      child_exit,      DG_R(MASTER),                 DG_R(LAUNCHER),                   DG_F_CHILD_EXIT)  \
	X(MISBEHAVED,      misbehaved,      DG_R_WORKERS,                 DG_R(MASTER),                     DG_F_MISBEHAVED)  \
	X(POP_RAW,         pop_raw,         DG_R(POLLER),                 DG_R(LEDGER),                     DG_F_POP_RAW)     \
	X(REQUEST,         request,         DG_R(POLLER),                 DG_R(LEDGER),                     DG_F_REQUEST)     \
	X(POP_END,         pop_end,         DG_R(POLLER),                 DG_R(LEDGER),                     DG_F_POP_END)     \
	X(SCOPE,           scope,           DG_R(POLLER) | DG_R(LEDGER),  DG_R(LEDGER) | DG_R(POLLER),      DG_F_NAMES)       \
	X(WORKSPACE,       workspace,       DG_R(POLLER),                 DG_R(LEDGER),                     DG_F_WORKSPACE)   \
	X(UNCHANGED,       unchanged,       DG_R(POLLER) | DG_R(LEDGER),  DG_R(LEDGER) | DG_R(LAUNCHER),    DG_F_UNCHANGED)   \
	X(RECORDED,        recorded,        DG_R(LEDGER),                 DG_R(POLLER),                     DG_F_NONE)        \
	X(CREDIT,          credit,          DG_R(LEDGER),                 DG_R(POLLER),                     DG_F_CREDIT)      \
	X(IDENTITY,        identity,        DG_R(LEDGER),                 DG_R_WORKERS,                     DG_F_IDENTITY)    \
	X(TTL_DEPLOYMENTS, ttl_deployments, DG_R(LAUNCHER) | DG_R(LEDGER), DG_R(LEDGER) | DG_R(POLLER),     DG_F_NAMES)       \
	X(DO,              do,              DG_R(LEDGER),                 DG_R(LAUNCHER),                   DG_F_DO)          \
	X(DESIRED,         desired,         DG_R(LEDGER),                 DG_R(LAUNCHER),                   DG_F_WORKSPACE)   \
	X(KNOWN,           known,           DG_R(LEDGER),                 DG_R(LAUNCHER),                   DG_F_HANDLE)      \
	X(KNOWN_END,       known_end,       DG_R(LEDGER),                 DG_R(LAUNCHER),                   DG_F_NONE)        \
	X(ANSWER,          answer,          DG_R(LAUNCHER),               DG_R(LEDGER),                     DG_F_ANSWER)      \
	X(ANSWERED,        answered,        DG_R(LEDGER),                 DG_R(LAUNCHER),                   DG_F_NONE)        \
	X(INTENT,          intent,          DG_R(LAUNCHER),               DG_R(LEDGER),                     DG_F_INTENT)      \
	X(INTENT_OK,       intent_ok,       DG_R(LEDGER),                 DG_R(LAUNCHER),                   DG_F_NONE)        \
	X(HANDLE,          handle,          DG_R(LAUNCHER),               DG_R(LEDGER),                     DG_F_HANDLE)      \
	X(HANDLE_OK,       handle_ok,       DG_R(LEDGER),                 DG_R(LAUNCHER),                   DG_F_NONE)        \
	X(HAVE,            have,            DG_R(LAUNCHER) | DG_R(REPORTER), DG_R(LEDGER),                  DG_F_HAVE)        \
	X(HAVE_END,        have_end,        DG_R_WORKERS,                 DG_R(LEDGER),                     DG_F_NONE)        \
	X(CALL,            call,            DG_R(LAUNCHER) | DG_R(LEDGER), DG_R(LEDGER) | DG_R(REPORTER),   DG_F_CALL)        \
	X(CALL_DONE,       call_done,       DG_R(REPORTER) | DG_R(LEDGER), DG_R(LEDGER) | DG_R(LAUNCHER),   DG_F_CALL_DONE)   \
	X(STATE,           state,           DG_R_WORKERS | DG_R(MASTER),  DG_R(LEDGER) | DG_R(REPORTER) | DG_R(STATUS), DG_F_STATE) \
	X(TROUBLE,         trouble,         DG_R_WORKERS,                 DG_R(LEDGER) | DG_R(REPORTER),    DG_F_TROUBLE)     \
	X(DELIVER,         deliver,         DG_R(LEDGER),                 DG_R(REPORTER),                   DG_F_DELIVER)     \
	X(DELIVERED,       delivered,       DG_R(REPORTER),               DG_R(LEDGER),                     DG_F_DELIVERED)   \
	X(REFUSED,         refused,         DG_R(REPORTER),               DG_R(LEDGER),                     DG_F_REFUSED)     \
	X(COMMAND,         command,         DG_R(STATUS) | DG_R(LEDGER),  DG_R(LEDGER) | DG_R(LAUNCHER) | DG_R(MASTER), DG_F_COMMAND) \
	X(RESULT,          result,          DG_R(LAUNCHER) | DG_R(LEDGER) | DG_R(MASTER), DG_R(LEDGER) | DG_R(STATUS), DG_F_RESULT)
/* clang-format on */

enum dg_msg_type {
#define X(name, ...) DG_MSG_##name,
	DG_MSG_TABLE(X)
#undef X
		DG_MSG_COUNT
};

#define DG_FIELD_U(n) uint64_t n;
#define DG_FIELD_S(n) struct dg_str n;
#define DG_FIELD_B(n) struct dg_body n;
#define DG_FIELD_F(n) int n;
#define X(name, lower, from, to, fields)                                                 \
	struct dg_msg_##lower {                                                          \
		fields(DG_FIELD_U, DG_FIELD_S, DG_FIELD_B, DG_FIELD_F)                   \
	};
DG_MSG_TABLE(X)
#undef X

/* In src/ipc/msg.c. */
const char *dg_msg_name(unsigned type);
bool dg_msg_allowed(unsigned type, enum dg_role from, enum dg_role to);

#endif
