/* Who is served, and who sleeps. */
#include <criterion/criterion.h>

#include "base/mem.h"
#include "launcher/policy.h"

#define C "user_code_launcher.config.server_ttl."

static struct dg_settings *
settings(const char *const *kv)
{
	struct dg_settings *s = dg_settings_new();

	for (; *kv; kv += 2)
		dg_settings_set(s, ~0u, kv[0], kv[1]);
	return s;
}

#define SETTINGS(...) settings((const char *const[]){__VA_ARGS__, NULL})

Test(policy, allowed)
{
	struct dg_settings *s = dg_settings_new();
	struct dg_policy p;

	dg_policy_init(&p, s);
	cr_assert(dg_policy_allowed(&p, DG_STR("prod"), DG_STR("a"), false));
	cr_assert(dg_policy_allowed(&p, DG_STR("pr"), DG_STR("a"), true));
	dg_policy_clear(&p);

	dg_settings_add(s, ~0u, "allowed_branch_deployment_locations", NULL, "a");
	dg_settings_add(s, ~0u, "allowed_full_deployment_locations", "prod", "");
	dg_settings_add(s, ~0u, "allowed_full_deployment_locations.prod", NULL, "b");
	dg_policy_init(&p, s);
	cr_assert(dg_policy_allowed(&p, DG_STR("pr"), DG_STR("a"), true));
	cr_assert_not(dg_policy_allowed(&p, DG_STR("pr"), DG_STR("b"), true));
	cr_assert(dg_policy_allowed(&p, DG_STR("prod"), DG_STR("b"), false));
	cr_assert_not(dg_policy_allowed(&p, DG_STR("prod"), DG_STR("a"), false));
	cr_assert(dg_policy_allowed(&p, DG_STR("staging"), DG_STR("a"), false));
	dg_policy_clear(&p);
	dg_settings_free(s);
}

Test(policy, which_have_a_ttl)
{
	static const struct {
		const char *kv[9];
		bool full;
		dg_usec full_life, branch_life;
		unsigned max;
	} rows[] = {
		{{NULL}, false, 86400, 86400, 25},
		{{C "full_deployments.enabled", "true", NULL}, true, 86400, 86400, 25},
		{{C "full_deployments.enabled", "true", C "enabled", "false", NULL},
			false, 86400, 86400, 25},
		{{C "enabled", "true", C "ttl_seconds", "5",
			 C "full_deployments.ttl_seconds", "9", C "max_servers", "3",
			 NULL},
			true, 5, 86400, 3},
		{{C "branch_deployments.ttl_seconds", "7",
			 C "full_deployments.ttl_seconds", "9", NULL},
			false, 9, 7, 25},
	};

	for (size_t i = 0; i < DG_N(rows); i++) {
		struct dg_settings *s = settings(rows[i].kv);
		struct dg_policy p;

		dg_policy_init(&p, s);
		cr_assert_eq(dg_policy_ttl(&p, false), rows[i].full, "row %zu", i);
		cr_assert(dg_policy_ttl(&p, true));
		cr_assert_eq(p.full_life, rows[i].full_life * DG_SEC, "row %zu", i);
		cr_assert_eq(p.branch_life, rows[i].branch_life * DG_SEC, "row %zu", i);
		cr_assert_eq(p.max_servers, rows[i].max, "row %zu", i);
		dg_policy_clear(&p);
		dg_settings_free(s);
	}
}

static bool
wants(const struct dg_map *m, const char *key)
{
	return dg_map_get(m, dg_str(key)) != NULL;
}

Test(policy, the_youngest_are_kept)
{
	struct dg_settings *s =
		SETTINGS(C "max_servers", "2", C "branch_deployments.ttl_seconds", "10");
	struct dg_policy p;
	struct dg_map m = DG_MAP_INIT;

	dg_policy_init(&p, s);
	cr_assert_eq(dg_policy_due(&p), DG_USEC_NEVER);
	dg_policy_use(
		&p, DG_STR("prod"), DG_STR("a"), false, 1, 0); /* no TTL: no matter */
	dg_policy_use(&p, DG_STR("pr"), DG_STR("a"), true, 0, 1 * DG_SEC);
	dg_policy_use(&p, DG_STR("pr"), DG_STR("b"), true, 0, 2 * DG_SEC);
	dg_policy_use(&p, DG_STR("pr2"), DG_STR("c"), true, 0, 3 * DG_SEC);
	cr_assert_eq(dg_policy_due(&p), 11 * DG_SEC);
	cr_assert_eq(dg_policy_wanted(&p, 4 * DG_SEC, &m), 1);
	cr_assert(wants(&m, "pr2\nc") && wants(&m, "pr\nb") && !wants(&m, "pr\na"));

	/* what is waited for comes first, whatever its age */
	dg_policy_use(&p, DG_STR("pr"), DG_STR("a"), true, 1, 1 * DG_SEC);
	cr_assert_eq(dg_policy_wanted(&p, 4 * DG_SEC, &m), 1);
	cr_assert(wants(&m, "pr2\nc") && !wants(&m, "pr\nb") && wants(&m, "pr\na"));
	dg_policy_use(&p, DG_STR("pr"), DG_STR("b"), true, 1, 4 * DG_SEC);
	dg_policy_use(&p, DG_STR("pr2"), DG_STR("c"), true, 1, 4 * DG_SEC);
	cr_assert_eq(dg_policy_wanted(&p, 4 * DG_SEC, &m), 0);
	cr_assert_eq(dg_map_count(&m), 3);
	cr_assert_eq(dg_policy_due(&p), DG_USEC_NEVER);

	/* answered: the clock runs from the last request */
	dg_policy_use(&p, DG_STR("pr"), DG_STR("a"), true, -1, 9 * DG_SEC);
	dg_policy_use(
		&p, DG_STR("pr"), DG_STR("a"), true, -1, 9 * DG_SEC); /* never below 0 */
	dg_policy_use(&p, DG_STR("pr"), DG_STR("b"), true, -1, 9 * DG_SEC);
	dg_policy_use(&p, DG_STR("pr2"), DG_STR("c"), true, -1, 9 * DG_SEC);
	cr_assert_eq(dg_policy_wanted(&p, 12 * DG_SEC, &m), 0);
	cr_assert(!wants(&m, "pr\na") && wants(&m, "pr\nb"));
	cr_assert_eq(dg_policy_wanted(&p, 14 * DG_SEC, &m), 0);
	cr_assert_eq(dg_map_count(&m), 0);
	cr_assert_eq(dg_map_count(&p.used), 0);
	dg_map_clear(&m);
	dg_policy_clear(&p);
	dg_settings_free(s);
}
