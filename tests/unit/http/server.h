/* A scripted HTTP server on the test's own event loop: requests are recorded, each gets
 * the next step of the script. */
#ifndef TEST_HTTP_SERVER_H
#define TEST_HTTP_SERVER_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/str.h"

enum step_how {
	STEP_KEEP,  /* reply, keep the connection */
	STEP_CLOSE, /* reply, close */
	STEP_RESET, /* reply (may be empty), then a TCP reset */
	STEP_HANG,  /* reply (may be empty), then nothing more */
};

struct step {
	enum step_how how;
	const char *reply;
};

#define SERVER_STEPS_MAX 16
#define SERVER_CONNS_MAX 16

struct server;
struct server_conn {
	struct server *s;
	int fd;
	sd_event_source *io;
	struct dg_buf in;
};

struct server {
	sd_event *event;
	int fd;
	unsigned port;
	sd_event_source *io;
	const struct step *steps; /* the last one repeats */
	size_t steps_n, requests, connections;
	struct dg_buf last; /* the last whole request, as it came */
	struct dg_buf all;  /* all of them */
	struct server_conn conns[SERVER_CONNS_MAX];
};

void server_start(struct server *s, sd_event *event, const struct step *steps, size_t n);
/* Connections that are open now. */
size_t server_open(const struct server *s);
/* Close the idle connections, as a server does after its keep-alive time. */
void server_hang_up(struct server *s, bool reset);
void server_stop(struct server *s);

#endif
