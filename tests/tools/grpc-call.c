/* Calls a gRPC server with daglet's client and prints what came of it: one line of JSON
 * per call, and one with totals. For tests/integration/test_grpc.py. */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/mem.h"
#include "grpc/call.h"
#include "grpc/proto.h"
#include "json/write.h"

static struct {
	const char *address, *method;
	struct dg_buf message;
	struct dg_meta meta[16];
	size_t metas;
	struct dg_channel_limits limits;
	struct dg_call_spec spec;
	unsigned count, parallel, started, done;
	dg_usec cancel_after, probe_after;
	size_t show; /* bytes of a field to print */
	int out;     /* where the sink writes, -1: nowhere */
	uint64_t sunk;
	sd_event *event;
	struct dg_channel *ch;
	bool quiet;
	unsigned by_status[DG_GRPC_STATUS_COUNT];
} t = {.count = 1, .parallel = 1, .out = -1, .show = 4096};

struct one {
	unsigned no;
	dg_usec began;
	struct dg_call *call;
	sd_event_source *timer;
};

static void start(void);

static int
sink(void *arg, const char *p, size_t n, struct dg_err *e)
{
	(void)arg;
	t.sunk += n;
	return t.out >= 0 ? dg_write_all(t.out, p, n, e) : 0;
}

static void
next(void)
{
	if (++t.done == t.count)
		sd_event_exit(t.event, 0);
	else if (t.started < t.count)
		start();
}

static void
on_done(void *arg, struct dg_call *call, struct dg_reply *r)
{
	auto_free struct one *one = arg;
	auto_buf b = DG_BUF_INIT;
	struct dg_jw w = dg_jw(&b);

	(void)call;
	sd_event_source_disable_unref(one->timer);
	t.by_status[r->status]++;
	dg_jw_open_object(&w);
	dg_jw_kint(&w, "call", one->no);
	dg_jw_kstr(&w, "status", dg_grpc_status_name(r->status));
	dg_jw_kbool(&w, "local", r->local);
	dg_jw_kbool(&w, "sent", r->sent);
	dg_jw_kstr(&w, "class", dg_class_name(r->err.cls));
	dg_jw_kint(&w, "text_bytes", (int64_t)r->text.n);
	dg_jw_key(&w, "text");
	dg_jw_strn(&w, r->text.n > 2048 ? dg_strn(r->text.p, 2048) : r->text);
	dg_jw_kint(&w, "messages", r->messages);
	dg_jw_kint(&w, "bytes", (int64_t)r->bytes);
	dg_jw_kdouble(&w, "seconds", (double)(dg_now() - one->began) / 1e6);
	dg_jw_key(&w, "fields");
	dg_jw_open_array(&w);
	for (size_t i = 1; i < DG_REPLY_FIELDS; i++)
		dg_jw_strn(&w, dg_strn(r->field[i].p ? r->field[i].p : "",
				       r->field[i].n < t.show ? r->field[i].n : t.show));
	dg_jw_close_array(&w);
	dg_jw_close_object(&w);
	if (!t.quiet)
		puts(b.p);
	next();
}

static int
on_cancel(sd_event_source *s, uint64_t now, void *arg)
{
	auto_free struct one *one = arg;

	(void)now;
	dg_call_cancel(one->call);
	sd_event_source_disable_unref(s);
	puts("{\"cancelled\": true}");
	next();
	return 0;
}

static void
start(void)
{
	struct one *one = dg_new(struct one);
	struct dg_call_spec spec = t.spec;
	struct dg_buf m = DG_BUF_INIT;

	dg_buf_addstr(&m, dg_buf_str(&t.message));
	one->no = t.started++;
	one->began = dg_now();
	spec.method = t.method;
	spec.meta = t.meta;
	spec.metas = t.metas;
	spec.sink = sink;
	spec.done = on_done;
	spec.arg = one;
	one->call = dg_call_start(t.ch, &spec, &m);
	if (t.cancel_after)
		sd_event_add_time_relative(t.event, &one->timer, CLOCK_MONOTONIC,
			t.cancel_after, DG_MSEC, on_cancel, one);
}

static void
on_probed(void *arg, bool alive)
{
	(void)arg;
	printf("{\"alive\": %s}\n", alive ? "true" : "false");
	fflush(stdout);
}

static int
on_probe(sd_event_source *s, uint64_t now, void *arg)
{
	struct dg_err e = {0};

	(void)now, (void)arg;
	sd_event_source_disable_unref(s);
	if (dg_channel_probe(t.ch, 3 * DG_SEC, on_probed, NULL, &e) < 0)
		puts("{\"refused\": true}");
	return 0;
}

static void
add_field(const char *arg)
{
	const char *eq = strchr(arg, '=');
	auto_buf b = DG_BUF_INIT;
	struct dg_err e;

	if (!eq)
		exit(2);
	if (eq[1] == '@') {
		if (dg_read_file(AT_FDCWD, eq + 2, SIZE_MAX, &b, &e) < 0)
			exit(2);
	} else
		dg_buf_adds(&b, eq + 1);
	dg_pb_add_str(&t.message, (uint32_t)atoi(arg), dg_buf_str(&b));
}

static dg_usec
seconds(const char *arg)
{
	return (dg_usec)(atof(arg) * 1e6);
}

static const struct option options[] = {
	{"field", required_argument, NULL, 'f'},
	{"bool", required_argument, NULL, 'b'},
	{"raw", required_argument, NULL, 'r'},
	{"meta", required_argument, NULL, 'm'},
	{"timeout", required_argument, NULL, 't'},
	{"count", required_argument, NULL, 'n'},
	{"parallel", required_argument, NULL, 'p'},
	{"stream", no_argument, NULL, 's'},
	{"bulk", no_argument, NULL, 'B'},
	{"sink", required_argument, NULL, 'S'},
	{"out", required_argument, NULL, 'o'},
	{"send-max", required_argument, NULL, 'x'},
	{"message-max", required_argument, NULL, 'y'},
	{"total-max", required_argument, NULL, 'z'},
	{"show", required_argument, NULL, 'w'},
	{"cancel-after", required_argument, NULL, 'c'},
	{"probe-after", required_argument, NULL, 'P'},
	{"quiet", no_argument, NULL, 'q'},
	{NULL, 0, NULL, 0},
};

static void
parse(int argc, char **argv)
{
	int c;

	t.spec.timeout = 10 * DG_SEC;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (c) {
		case 'f':
			add_field(optarg);
			break;
		case 'b':
			dg_pb_add_bool(&t.message, (uint32_t)atoi(optarg), true);
			break;
		case 'r':
			dg_buf_adds(&t.message, optarg);
			break;
		case 'm':
			t.meta[t.metas].name = strtok(optarg, "=");
			t.meta[t.metas++].value = strtok(NULL, "");
			break;
		case 't':
			t.spec.timeout = seconds(optarg);
			break;
		case 'n':
			t.count = (unsigned)atoi(optarg);
			break;
		case 'p':
			t.parallel = (unsigned)atoi(optarg);
			break;
		case 's':
			t.spec.stream = true;
			break;
		case 'B':
			t.spec.bulk = true;
			break;
		case 'S':
			t.spec.sink_field = (uint32_t)atoi(optarg);
			break;
		case 'o':
			t.out = open(
				optarg, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
			break;
		case 'x':
			t.limits.send_max = strtoul(optarg, NULL, 10);
			break;
		case 'y':
			t.spec.message_max = strtoul(optarg, NULL, 10);
			break;
		case 'z':
			t.spec.total_max = strtoul(optarg, NULL, 10);
			break;
		case 'w':
			t.show = strtoul(optarg, NULL, 10);
			break;
		case 'c':
			t.cancel_after = seconds(optarg);
			break;
		case 'P':
			t.probe_after = seconds(optarg);
			break;
		case 'q':
			t.quiet = true;
			break;
		default:
			exit(2);
		}
	if (argc - optind != 2)
		exit(2);
	t.address = argv[optind];
	t.method = argv[optind + 1];
}

/* The most memory we had, in kB; 0 where it says nothing (under a sanitizer). Not what
 * getrusage() says: that counts what the parent had before it executed us. */
static long
peak(void)
{
	auto_buf b = DG_BUF_INIT;
	const char *line;

#ifdef __SANITIZE_ADDRESS__
	return 0;
#endif
	if (dg_read_file(AT_FDCWD, "/proc/self/status", 65536, &b, NULL) < 0)
		return 0;
	line = strstr(b.p, "VmHWM:");
	return line ? atol(line + 6) : 0;
}

int
main(int argc, char **argv)
{
	struct dg_err e;
	sd_event_source *probe = NULL;
	dg_usec began = dg_now();

	parse(argc, argv);
	if (sd_event_default(&t.event) < 0)
		return 1;
	if (dg_channel_new(&t.ch, t.event, t.address, &t.limits, &e) < 0) {
		fprintf(stderr, "grpc-call: %s\n", e.what);
		return 1;
	}
	for (unsigned i = 0; i < t.parallel && i < t.count; i++)
		start();
	if (t.probe_after)
		sd_event_add_time_relative(t.event, &probe, CLOCK_MONOTONIC,
			t.probe_after, DG_MSEC, on_probe, NULL);
	sd_event_loop(t.event);
	dg_channel_freep(&t.ch);
	sd_event_unref(t.event);
	dg_buf_clear(&t.message);
	printf("{\"calls\": %u, \"seconds\": %.6f, \"peak_kb\": %ld, \"sunk\": %" PRIu64
	       ", \"by_status\": {",
		t.done, (double)(dg_now() - began) / 1e6, peak(), t.sunk);
	for (int i = 0, some = 0; i < DG_GRPC_STATUS_COUNT; i++)
		if (t.by_status[i])
			printf("%s\"%s\": %u", some++ ? ", " : "", dg_grpc_status_name(i),
				t.by_status[i]);
	puts("}}");
	return 0;
}
