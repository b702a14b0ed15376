/* Response objects, their envelope, and replies escaped in pieces. (That the bytes are
 * the Python agent's is asserted against its own classes in tests/integration.) */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "base/rand.h"
#include "dagster/answer.h"
#include "dagster/escape.h"
#include "json/json.h"
#include "json/write.h"

static const struct dg_telemetry t = {
	1700000000100000, 1700000000200000, 1700000000000000};

#define TELEMETRY                                                                        \
	"\"thread_telemetry\": {\"__class__\": \"DagsterCloudApiThreadTelemetry\", "     \
	"\"submitted_to_executor_timestamp\": 1700000000.1, "                            \
	"\"thread_end_handle_api_request_timestamp\": 1700000000.0, "                    \
	"\"thread_start_run_timestamp\": 1700000000.2}}"

Test(answer, responses)
{
	auto_buf b = DG_BUF_INIT;

	dg_answer_success(&b, &t);
	cr_assert_str_eq(b.p, "{\"__class__\": \"DagsterCloudApiSuccess\", " TELEMETRY);
	dg_buf_reset(&b);
	dg_answer_error(&b, DG_STR("{\"e\": 1}"), &t);
	cr_assert_str_eq(b.p, "{\"__class__\": \"DagsterCloudApiErrorResponse\", "
			      "\"error_infos\": [{\"e\": 1}], " TELEMETRY);
	dg_buf_reset(&b);
	dg_answer_unknown(&b, DG_STR("X"), &t);
	cr_assert(strstr(b.p, "\"X\""));
	dg_buf_reset(&b);
	dg_answer_grpc_begin(&b);
	dg_json_add_inner(&b, DG_STR("{\"a\": \"é\"}"));
	dg_answer_grpc_end(&b, &t);
	cr_assert_str_eq(b.p, "{\"__class__\": \"DagsterCloudApiGrpcResponse\", "
			      "\"serialized_response_or_error\": \"{\\\"a\\\": "
			      "\\\"\\u00e9\\\"}\", " TELEMETRY);
}

Test(answer, the_envelope_goes_around_a_response)
{
	auto_buf b = DG_BUF_INIT;

	dg_answer_envelope_begin(&b, DG_STR("PING_LOCATION"), DG_STR("r \"1\""));
	dg_buf_adds(&b, "{}" DG_ANSWER_ENVELOPE_END);
	cr_assert_str_eq(b.p,
		"{\"__class__\": \"DagsterCloudUploadApiResponse\", \"request_api\": "
		"\"PING_LOCATION\", \"request_id\": \"r \\\"1\\\"\", \"response\": {}}");
}

/* As one piece or in any number: the same text as json.dumps. */
Test(escape, pieces_may_end_anywhere)
{
	static const char text[] =
		"plain \" \\ \n\r\t\b\f\x01\x7f é ☃ 😀 \xf4\x8f\xbf\xbf";

	for (int round = 0; round < 2000; round++) {
		struct dg_escape s = DG_ESCAPE_INIT;
		auto_buf out = DG_BUF_INIT;
		auto_buf want = DG_BUF_INIT;
		struct dg_err e;

		for (size_t i = 0; i < sizeof text - 1;) {
			size_t n = 1 + (size_t)dg_random_below(6);

			if (n > sizeof text - 1 - i)
				n = sizeof text - 1 - i;
			cr_assert_eq(
				dg_escape_feed(&s, dg_strn(text + i, n), &out, &e), 0);
			i += n;
		}
		cr_assert_eq(dg_escape_end(&s, &e), 0);
		cr_assert_eq(s.bytes, sizeof text - 1);
		dg_json_add_inner(&want, dg_str(text));
		cr_assert_str_eq(out.p, want.p);
	}
}

Test(escape, what_is_no_utf8_is_told_in_pythons_words)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"ab\xff", "byte 0xff in position 2: invalid start byte"},
		{"\x80", "byte 0x80 in position 0: invalid start byte"},
		{"a\xc3(", "byte 0xc3 in position 1: invalid continuation byte"},
		{"\xed\xa0\x80", "byte 0xed in position 0: invalid continuation byte"},
		{"é\xe2\x98", "byte 0xe2 in position 2: unexpected end of data"},
		{"\xf0\x9f", "byte 0xf0 in position 0: unexpected end of data"},
	};

	for (size_t i = 0; i < DG_N(rows); i++)
		for (size_t piece = 1; piece < 5; piece++) {
			struct dg_escape s = DG_ESCAPE_INIT;
			auto_buf out = DG_BUF_INIT;
			struct dg_err e = {0};
			struct dg_str text = dg_str(rows[i].text);
			int r = 0;

			for (size_t k = 0; k < text.n && r == 0; k += piece)
				r = dg_escape_feed(&s,
					dg_strn(text.p + k,
						text.n - k < piece ? text.n - k : piece),
					&out, &e);
			if (r == 0)
				r = dg_escape_end(&s, &e);
			cr_assert_eq(r, -DG_USER);
			cr_assert(strstr(e.what, rows[i].want), "row %zu: %s", i, e.what);
		}
}

Test(escape, random_bytes_do_no_harm)
{
	for (int round = 0; round < 20000; round++) {
		unsigned char bytes[16];
		struct dg_escape s = DG_ESCAPE_INIT;
		auto_buf out = DG_BUF_INIT;
		size_t n = (size_t)dg_random_below(sizeof bytes + 1), cut;
		bool good;

		dg_random(bytes, sizeof bytes);
		for (size_t i = 0; i < n; i++) /* often nearly good */
			if (dg_random_below(3))
				bytes[i] &= 0x7f;
		cut = (size_t)dg_random_below(n + 1);
		good = dg_escape_feed(&s, dg_strn((char *)bytes, cut), &out, NULL) == 0 &&
		       dg_escape_feed(&s, dg_strn((char *)bytes + cut, n - cut), &out,
			       NULL) == 0 &&
		       dg_escape_end(&s, NULL) == 0;
		cr_assert_eq(good, dg_str_utf8(dg_strn((char *)bytes, n)));
	}
}
