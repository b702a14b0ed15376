/* Settings: values, lists, and the way through a memfd. */
#include <unistd.h>

#include "base/fd.h"
#include "load.h"

Test(settings, values_and_lists_survive_the_memfd)
{
	DG_CLEANUP(dg_settings_freep)
	struct dg_settings *s = dg_settings_new(), *t = NULL;
	int fd;

	dg_settings_set(s, 1, "a", "5");
	dg_settings_set(s, 1, "a", "6");
	dg_settings_set(s, 3, "null", NULL);
	dg_settings_set(s, 2, "theirs", "x");
	dg_settings_set(s, 1, "f", "2.5");
	dg_settings_set(s, 1, "yes", "true");
	dg_settings_list(s, 1, "empty");
	dg_settings_add(s, 1, "list", NULL, "one");
	dg_settings_add(s, 1, "list", NULL, NULL);
	dg_settings_add(s, 1, "map", "k", "v");
	fd = dg_settings_seal(s, 1, NULL);
	cr_assert_geq(fd, 0);
	cr_assert_eq(dg_settings_load(fd, &t, NULL), 0);
	close(fd);

	cr_assert_eq(dg_settings_int(t, "a"), 6);
	cr_assert_float_eq(dg_settings_float(t, "f"), 2.5, 1e-9);
	cr_assert(dg_settings_bool(t, "yes"));
	cr_assert(dg_settings_has(t, "null"));
	cr_assert_null(dg_settings_str(t, "null"));
	cr_assert_not(dg_settings_has(t, "theirs"));
	cr_assert(dg_settings_has(t, "empty"));
	cr_assert_eq(dg_settings_count(t, "empty"), 0);
	cr_assert_eq(dg_settings_count(t, "list"), 2);
	cr_assert_str_eq(dg_settings_item(t, "list", 0), "one");
	cr_assert_null(dg_settings_item(t, "list", 1));
	cr_assert_null(dg_settings_item(t, "list", 2));
	cr_assert_str_eq(dg_settings_name(t, "map", 0), "k");
	cr_assert_eq(dg_settings_int(t, "absent"), 0);
	cr_assert_str_eq(dg_settings_key(t, 0), "a");
	cr_assert_null(dg_settings_key(t, 99));
}

Test(settings, damage_is_seen)
{
	static const char rubbish[] = "not settings at all";
	struct dg_settings *s = NULL;
	int fd = dg_memfd_sealed("x", rubbish, sizeof rubbish, NULL);

	cr_assert_eq(dg_settings_load(fd, &s, NULL), -DG_BUG);
	close(fd);
}

Test(settings, every_cut_of_a_good_text_is_damage)
{
	DG_CLEANUP(dg_settings_freep) struct dg_settings *s = dg_settings_new();
	struct dg_str whole;
	int fd;

	dg_settings_set(s, 1, "key", "value");
	dg_settings_add(s, 1, "list", "name", "item");
	fd = dg_settings_seal(s, 1, NULL);
	cr_assert_eq(dg_map(fd, 4096, &whole, NULL), 0);
	for (size_t n = 5; n < whole.n; n++) {
		struct dg_settings *t = NULL;
		int cut = dg_memfd_sealed("x", whole.p, n, NULL);

		if (dg_settings_load(cut, &t, NULL) == 0) { /* cut between two entries */
			cr_assert(dg_settings_has(t, "key"));
			cr_assert_not(dg_settings_has(t, "list"));
			dg_settings_free(t);
		}
		close(cut);
	}
	dg_unmap(whole);
	close(fd);
}
