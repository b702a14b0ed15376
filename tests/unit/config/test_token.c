/* Organisation, region and URL of a token; socket options. */
#include <sys/socket.h>

#include "config/sockopt.h"
#include "config/token.h"
#include "load.h"

Test(token, its_parts_are_read)
{
	static const struct {
		const char *token, *organization, *region, *url;
	} rows[] = {
		{"legacy", NULL, NULL, NULL},
		{"agent:acme:x", "acme", NULL, "https://acme.agent.dagster.cloud"},
		{"agent::x", "", NULL, NULL},
		{"agent:acme:65757fba-bf17-811b-8b4d-367ea841a3b0", "acme", "eu",
			"https://acme.agent.eu.dagster.cloud"},
		{"agent:acme:{65757FBABF17811B8B4D367EA841A3B0}", "acme", "eu",
			"https://acme.agent.eu.dagster.cloud"},
		{"agent:acme:65757fba-bf17-411b-8b4d-367ea841a3b0", "acme", NULL,
			"https://acme.agent.dagster.cloud"},
		{"agent:acme:65757fba-bf17-811b-0b4d-367ea841a3b0", "acme", NULL,
			"https://acme.agent.dagster.cloud"},
		{"agent:acme:65757fba-bf17-811b-8b4d-367ea841a3b", "acme", NULL,
			"https://acme.agent.dagster.cloud"},
		{"agent:acme:65757fba-bf17-811b-8b4d-367ea841a3b00", "acme", NULL,
			"https://acme.agent.dagster.cloud"},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_token t;
		auto_free char *url = NULL;

		cr_assert_eq(dg_token_read(rows[i].token, &t, NULL), 0, "row %zu", i);
		url = dg_token_url(&t);
		if (rows[i].organization)
			cr_assert_str_eq(
				t.organization, rows[i].organization, "row %zu", i);
		else
			cr_assert_null(t.organization);
		if (rows[i].region)
			cr_assert_str_eq(t.region, rows[i].region, "row %zu", i);
		else
			cr_assert_null(t.region, "row %zu", i);
		if (rows[i].url)
			cr_assert_str_eq(url, rows[i].url, "row %zu", i);
		else
			cr_assert_null(url, "row %zu", i);
		dg_token_clear(&t);
	}
}

Test(token, other_tokens_are_refused_without_showing_them)
{
	static const char *const rows[] = {"user:acme:s3cret", "agent:s3cret",
		"agent:acme:s3cret:more",
		"agent:acme:00017fba-bf17-811b-8b4d-367ea841a3b0"};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_token t;
		struct dg_err e = {0};

		cr_assert_eq(dg_token_read(rows[i], &t, &e), -DG_CONFIG, "row %zu", i);
		cr_assert_null(strstr(e.what, "s3cret"));
		dg_token_clear(&t);
	}
}

Test(sockopt, names_are_pythons)
{
	int n = -1;

	cr_assert(dg_sockopt_number("SOL_SOCKET", &n));
	cr_assert_eq(n, SOL_SOCKET);
	cr_assert(dg_sockopt_number("SO_KEEPALIVE", &n));
	cr_assert_eq(n, SO_KEEPALIVE);
	cr_assert_not(dg_sockopt_number("SO_KEEPALIV", &n));
}
