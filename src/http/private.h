/* http/private.h: what client.c (the loop), site.c (peers and their queues) and call.c
 * (one exchange) share. */
#ifndef DG_HTTP_PRIVATE_H
#define DG_HTTP_PRIVATE_H

#include <curl/curl.h>
#include <sys/queue.h>

#include "http/client.h"

/* A kept connection is closed after this long without use: the memory of TLS counts. */
#define DG_HTTP_KEEP_SECS 45
/* Easy handles that nobody used for this long are freed. */
#define DG_HTTP_SWEEP (10 * DG_SEC)
/* After a busy time memory is given back to the system, and again when the kept
 * connections are closed, too. */
#define DG_HTTP_TRIMS 2
#define DG_HTTP_TRIM_EVERY (DG_HTTP_KEEP_SECS * 2 * DG_SEC)
/* libcurl's buffers per transfer; 16 KB is its least for sending. */
#define DG_HTTP_BUFFER 16384L

struct dg_http_headers {
	struct curl_slist *list;
};

/* A socket of libcurl's. Ours (from opensocket) keep their event source from call to
 * call, because we see them being closed; others (the resolver's) do not. */
struct dg_http_sock {
	struct dg_http *h;
	sd_event_source *io; /* NULL: not watched */
	uint32_t events;
	bool ours, wanted;
};

struct dg_http {
	sd_event *event;
	CURLM *multi;
	sd_event_source *timer; /* the next of curl_at, idle_at, sweep_at */
	sd_event_source *kick;  /* something is due at once */
	dg_usec curl_at, idle_at, sweep_at, armed;
	bool curl_due;
	unsigned trims;   /* still to come */
	unsigned in_curl; /* no call may be started or ended inside libcurl */
	struct dg_http_sock **socks;
	size_t socks_n;
	LIST_HEAD(, dg_http_site) sites;
	LIST_HEAD(, dg_http_call) active; /* handed to libcurl */
};

/* An easy handle with all options of its site set. */
struct dg_http_slot {
	TAILQ_ENTRY(dg_http_slot) link;
	CURL *easy;
	struct dg_http_call *call; /* NULL: idle */
	int method;                /* enum dg_http_method that is set, or -1 */
	char error[CURL_ERROR_SIZE];
};

struct dg_http_site {
	struct dg_http *h;
	LIST_ENTRY(dg_http_site) link;
	char *base, *user_agent, *ca, *netrc, *proxy;
	CURLSH *cookies; /* NULL: none are kept */
	bool ca_is_dir;
	struct dg_http_proxies proxies;
	bool no_verify, sockopts_given;
	dg_usec connect_timeout, read_timeout;
	struct dg_http_sockopt *sockopts;
	size_t sockopts_n;
	unsigned inflight, active;
	TAILQ_HEAD(, dg_http_call) waiting;
	TAILQ_HEAD(dg_http_slots, dg_http_slot) idle; /* last used first */
	size_t idle_n;
	dg_usec last_used;
};

struct dg_http_call {
	struct dg_http_site *site;
	struct dg_http_slot *slot; /* NULL: waiting */
	TAILQ_ENTRY(dg_http_call) link;
	LIST_ENTRY(dg_http_call) active;
	struct dg_http_request r;
	char *url;
	struct curl_slist head; /* r.header in front of r.headers */
	uint64_t length, sent;  /* of the body */
	size_t part, part_off;
	bool connected, cancelled, too_large, begun;
	dg_usec alive; /* last sign of life */
	dg_usec began; /* its turn came */
	int status;
	size_t received;
	struct dg_buf body;
	char *retry_after, *date, *content_type;
};

/* client.c */
dg_usec dg_http_clock(struct dg_http *h);
void dg_http_arm(struct dg_http *h);
void dg_http_kick(struct dg_http *h);
curl_socket_t dg_http_opensocket(
	void *arg, curlsocktype purpose, struct curl_sockaddr *addr);
int dg_http_closesocket(void *arg, curl_socket_t fd);

/* site.c */
void dg_http_site_next(struct dg_http_site *s);
void dg_http_site_sweep(struct dg_http_site *s, dg_usec now);
void dg_http_slot_give_back(struct dg_http_site *s, struct dg_http_slot *slot, bool keep);

/* call.c */
void dg_http_call_begin(struct dg_http_call *c, struct dg_http_slot *slot);
void dg_http_call_options(struct dg_http_slot *slot);
void dg_http_call_end(struct dg_http_call *c, enum dg_http_error error, const char *text);
void dg_http_call_finished(struct dg_http_call *c, CURLcode code);

#endif
