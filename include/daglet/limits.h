/* daglet/limits.h: sizes, counts and times, each with its reason. */
#ifndef DAGLET_LIMITS_H
#define DAGLET_LIMITS_H

/* The release whose protocol daglet speaks; said in Dagster-Cloud-Version and heartbeats.
 */
#define DG_PROTOCOL_RELEASE "1.13.27"
/* A plausible interpreter for the Python-Version header, which the protocol demands. */
#define DG_PYTHON_VERSION "3.11.9"

/* A message body goes inline up to here; above, in a sealed memfd (break-even 64 KB, but
 * a datagram of more than 16 KB leaves the default socket buffer room for four). */
#define DG_INLINE_MAX 16384
/* The largest datagram: header, fixed fields, strings and an inline body. */
#define DG_DATAGRAM_MAX 65536
/* Strings inside a message (names, ids, one-line texts); bodies are apart. */
#define DG_MSG_STRING_MAX 8192
/* Bodies above this live in spool/ and not in SQLite (10 MB there stalls it for 36 ms).
 */
#define DG_SPOOL_MIN (256 * 1024)
/* No body may be larger: what gRPC may carry, escaped, with room to spare. */
#define DG_BODY_MAX ((size_t)1 << 30)

/* An answer of the control plane (ten requests with large arguments, a workspace). */
#define DG_HTTP_BODY_MAX (64 * 1024 * 1024)
/* gRPC messages; the peer's own default, DAGSTER_GRPC_MAX_{RX,SEND}_BYTES override. */
#define DG_GRPC_MESSAGE_MAX 100000000

/* Requests that the ledger lets a launcher hold at once, in all and for one location: a
 * location that stands still must not use up the launcher. */
#define DG_LAUNCHER_CREDIT 2048
#define DG_LOCATION_CREDIT 256
/* Requests that may be popped and not yet answered; then popping stops. */
#define DG_PENDING_MAX 8192
/* ... and the bytes of their bodies. */
#define DG_PENDING_BYTES (256 * 1024 * 1024)
/* Pops in flight per queue while they come back full. */
#define DG_POPS_MAX 8
/* Slots for pops: those in flight, and those that were given up as silent but may still
 * be answered; enough for one every four seconds in the time that a call may take. */
#define DG_POP_SLOTS 24
/* A full pop: the control plane hands out ten per deployment at once. */
#define DG_POP_FULL 10
/* Names on the wire that become parts of ours: deployment, location, run id, request id.
 */
#define DG_NAME_MAX 1024

#endif
