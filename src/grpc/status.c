/* grpc/status.c: see status.h. */
#include "grpc/status.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "base/mem.h"

static const char *const names[] = {
#define X(name) #name,
	DG_GRPC_STATUS_TABLE(X)
#undef X
};

const char *
dg_grpc_status_name(int status)
{
	return status >= 0 && status < DG_GRPC_STATUS_COUNT ? names[status]
							    : names[DG_GRPC_UNKNOWN];
}

int
dg_grpc_status_parse(struct dg_str text)
{
	int v = 0;

	if (!text.n || text.n > 2)
		return DG_GRPC_UNKNOWN;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return DG_GRPC_UNKNOWN;
		v = v * 10 + (text.p[i] - '0');
	}
	return v < DG_GRPC_STATUS_COUNT ? v : DG_GRPC_UNKNOWN;
}

int
dg_grpc_status_of_http(int http)
{
	switch (http) {
	case 400:
		return DG_GRPC_INTERNAL;
	case 401:
		return DG_GRPC_UNAUTHENTICATED;
	case 403:
		return DG_GRPC_PERMISSION_DENIED;
	case 404:
		return DG_GRPC_UNIMPLEMENTED;
	case 429:
	case 502:
	case 503:
	case 504:
		return DG_GRPC_UNAVAILABLE;
	default:
		return DG_GRPC_UNKNOWN;
	}
}

int
dg_grpc_status_class(int status)
{
	switch (status) {
	case DG_GRPC_OK:
		return 0;
	case DG_GRPC_CANCELLED:
	case DG_GRPC_DEADLINE_EXCEEDED:
	case DG_GRPC_ABORTED:
	case DG_GRPC_UNAVAILABLE:
	case DG_GRPC_DATA_LOSS:
		return DG_TRANSPORT;
	case DG_GRPC_RESOURCE_EXHAUSTED:
		return DG_LIMIT;
	case DG_GRPC_PERMISSION_DENIED:
	case DG_GRPC_UNAUTHENTICATED:
		return DG_DENIED;
	default:
		return DG_USER;
	}
}

static int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

void
dg_grpc_text_decode(struct dg_str wire, struct dg_buf *out)
{
	auto_buf raw = DG_BUF_INIT;
	struct dg_str s;
	size_t limit = out->n + DG_GRPC_TEXT_MAX;

	for (size_t i = 0; i < wire.n; i++) {
		int hi, lo;

		if (wire.p[i] == '%' && i + 2 < wire.n &&
			(hi = hex(wire.p[i + 1])) >= 0 &&
			(lo = hex(wire.p[i + 2])) >= 0) {
			dg_buf_addc(&raw, (char)(hi << 4 | lo));
			i += 2;
		} else
			dg_buf_addc(&raw, wire.p[i]);
	}
	s = dg_buf_str(&raw);
	while (s.n) {
		uint32_t cp;
		size_t n = dg_utf8_decode(s, &cp);

		if (out->n + (n ? n : 3) > limit)
			return;
		dg_buf_add_utf8(out, n ? cp : 0xfffd);
		n += !n;
		s.p += n;
		s.n -= n;
	}
}

char *
dg_grpc_timeout(dg_usec left, char *buf)
{
	uint64_t ms = left / DG_MSEC;

	if (!ms)
		ms = 1;
	if (ms <= 99999999)
		snprintf(buf, 16, "%" PRIu64 "m", ms);
	else
		snprintf(buf, 16, "%" PRIu64 "S",
			ms / 1000 > 99999999 ? 99999999 : ms / 1000);
	return buf;
}
