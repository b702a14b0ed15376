/* A pop's answer is split wherever it is cut, and one bad request hurts no other. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "dagster/popped.h"

struct seen {
	int n;
	struct {
		char id[32], api[64], deployment[32], location[32], error[256];
		enum dg_request_kind kind;
		uint64_t expire;
		bool branch;
		size_t body;
	} item[16];
};

static void
note(void *arg, const struct dg_popped *it)
{
	struct seen *s = arg;

	cr_assert_lt(s->n, 16);
	snprintf(s->item[s->n].id, 32, "%.*s", DG_FMT(it->request_id));
	snprintf(s->item[s->n].api, 64, "%.*s", DG_FMT(it->api));
	snprintf(s->item[s->n].deployment, 32, "%.*s", DG_FMT(it->deployment));
	snprintf(s->item[s->n].location, 32, "%.*s", DG_FMT(it->location));
	snprintf(s->item[s->n].error, 256, "%.*s", DG_FMT(it->error));
	s->item[s->n].kind = it->kind;
	s->item[s->n].expire = it->expire;
	s->item[s->n].branch = it->branch;
	s->item[s->n].body = it->body.n;
	s->n++;
}

#define PING                                                                             \
	"{\"requestId\": \"r-1\", \"requestApi\": \"PING_LOCATION\", "                   \
	"\"deploymentName\": "                                                           \
	"\"prod\", \"isBranchDeployment\": true, \"requestBody\": "                      \
	"\"{\\\"__class__\\\": "                                                         \
	"\\\"DagsterCloudApiRequest\\\", \\\"expire_at\\\": 1700000600.5, "              \
	"\\\"request_api\\\": {\\\"__enum__\\\": "                                       \
	"\\\"DagsterCloudApi.PING_LOCATION\\\"}, "                                       \
	"\\\"request_args\\\": {\\\"__class__\\\": \\\"PingLocationArgs\\\", "           \
	"\\\"location_name\\\": \\\"etl \\\\u00e9\\\"}}\"}"
#define BAD                                                                              \
	"{\"requestId\": \"r-2\", \"requestApi\": \"LAUNCH_RUN\", \"deploymentName\": "  \
	"\"prod\", \"isBranchDeployment\": false, \"requestBody\": \"{{{ ]\"}"
#define UNKNOWN                                                                          \
	"{\"requestId\": \"r-3\", \"requestApi\": \"MAKE_COFFEE\", \"deploymentName\": " \
	"\"prod\", \"isBranchDeployment\": false, \"requestBody\": \"anything\"}"

static const char answer[] =
	"{\"note\": \"{\\\"popUserCloudAgentRequests\\\": [1]\", \"data\": "
	"{\"userCloudAgent\": {\"popUserCloudAgentRequests\" : [" PING ", " BAD
	"," UNKNOWN "]}}}";

Test(popped, is_split_the_same_wherever_the_pieces_end)
{
	for (size_t piece = 1; piece < sizeof answer; piece += piece < 8 ? 1 : 37) {
		struct seen s = {0};
		struct dg_popped_split *split = dg_popped_split_new(note, &s);

		for (size_t at = 0; at < sizeof answer - 1; at += piece) {
			size_t n = sizeof answer - 1 - at;

			cr_assert_eq(dg_popped_split_feed(split,
					     dg_strn(answer + at, n < piece ? n : piece),
					     NULL),
				0);
		}
		cr_assert(dg_popped_split_closed(split));
		cr_assert_eq(s.n, 3);
		cr_assert_str_eq(s.item[0].id, "r-1");
		cr_assert_eq(s.item[0].kind, DG_REQ_PING_LOCATION);
		cr_assert_str_eq(s.item[0].location, "etl \xc3\xa9");
		cr_assert_eq(s.item[0].expire, 1700000600500000);
		cr_assert(s.item[0].branch);
		cr_assert_str_eq(s.item[0].error, "");
		cr_assert_str_eq(s.item[1].id, "r-2");
		cr_assert_eq(s.item[1].kind, DG_REQ_LAUNCH_RUN);
		cr_assert(strlen(s.item[1].error) > 0);
		cr_assert_eq(s.item[2].kind, DG_REQ_UNKNOWN);
		cr_assert_str_eq(s.item[2].api, "MAKE_COFFEE");
		cr_assert_str_eq(s.item[2].error, "");
		dg_popped_split_free(split);
	}
}

Test(popped, what_arrived_whole_of_a_cut_answer_is_there)
{
	struct seen s = {0};
	struct dg_popped_split *split = dg_popped_split_new(note, &s);
	const char *cut = strstr(answer, "\"r-3\"");

	dg_popped_split_feed(split, dg_strn(answer, (size_t)(cut - answer)), NULL);
	cr_assert_eq(s.n, 2);
	cr_assert_not(dg_popped_split_closed(split));
	dg_popped_split_reset(split);
	dg_popped_split_feed(split,
		DG_STR("{\"data\": {\"userCloudAgent\": "
		       "{\"popUserCloudAgentRequests\": []}}}"),
		NULL);
	cr_assert(dg_popped_split_closed(split));
	cr_assert_eq(s.n, 2);
	dg_popped_split_free(split);
}

Test(popped, answers_of_another_shape_hold_nothing)
{
	static const char *const rows[] = {"", "null", "[]",
		"{\"errors\": [{\"message\": \"x\"}]}",
		"{\"data\": {\"userCloudAgent\": {\"popUserCloudAgentRequests\": null}}}",
		"{\"data\": {\"popUserCloudAgentRequests\": {\"a\": [" PING "]}}}",
		"<html>", "\"popUserCloudAgentRequests\": [" PING "]"};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct seen s = {0};
		struct dg_popped_split *split = dg_popped_split_new(note, &s);

		cr_assert_eq(dg_popped_split_feed(split, dg_str(rows[i]), NULL), 0);
		cr_assert_eq(s.n, 0, "row %zu", i);
		dg_popped_split_free(split);
	}
}

Test(popped, each_lack_is_named_and_only_that_request_suffers)
{
#define ENV(id, api, dep, body)                                                          \
	"{" id api dep "\"isBranchDeployment\": false, \"requestBody\": \"" body "\"}"
#define ID "\"requestId\": \"r\", "
#define API "\"requestApi\": \"GET_EXTERNAL_PARTITION_NAMES\", "
#define DEP "\"deploymentName\": \"prod\", "
#define REQ(x)                                                                           \
	"{\\\"request_api\\\": {\\\"__enum__\\\": "                                      \
	"\\\"DagsterCloudApi.GET_EXTERNAL_PARTITION_NAMES\\\"}" x "}"
	static const struct {
		const char *element, *error;
		bool has_id;
	} rows[] = {
		{"17", "requestId", false},
		{"{}", "requestId", false},
		{ENV("", API, DEP, REQ("")), "requestId", false},
		{ENV(ID, "", DEP, REQ("")), "requestApi", true},
		{ENV(ID, API, "", REQ("")), "deploymentName", true},
		{"{" ID API DEP "\"requestBody\": null}", "requestBody", true},
		{ENV(ID, API, DEP, "[]"), "no object", true},
		{ENV(ID, API, DEP, "{}"), "request_api", true},
		{ENV(ID, API, DEP, REQ("")), "request_args", true},
		{ENV(ID, API, DEP, REQ(", \\\"request_args\\\": {}")), "code location",
			true},
		{ENV(ID, API, DEP,
			 REQ(", \\\"request_args\\\": {\\\"repository_origin\\\": "
			     "{\\\"repository_location_origin\\\": "
			     "{\\\"location_name\\\": "
			     "7}}}")),
			"code location", true},
		{ENV(ID, API, DEP,
			 REQ(", \\\"request_args\\\": {\\\"repository_origin\\\": "
			     "{\\\"repository_location_origin\\\": "
			     "{\\\"location_name\\\": "
			     "\\\"etl\\\"}}}")),
			"", true},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct seen s = {0};

		dg_popped_decode(dg_str(rows[i].element), note, &s);
		cr_assert_eq(s.n, 1);
		cr_assert_eq(s.item[0].id[0] != '\0', rows[i].has_id, "row %zu", i);
		if (rows[i].error[0])
			cr_assert(strstr(s.item[0].error, rows[i].error), "row %zu: %s",
				i, s.item[0].error);
		else
			cr_assert_str_eq(s.item[0].error, "");
	}
}
