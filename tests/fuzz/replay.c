/* tests/fuzz/replay.c: every file of a target's corpus as it is, and with mutations that
 * are the same in every run. A crash, a sanitizer or an assertion fails the test. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fd.h"
#include "base/mem.h"
#include "fuzz.h"

#define MUTATIONS 60
#define FILE_MAX_SIZE (1 << 20)

static uint64_t state = 88172645463325252u;

static uint64_t
next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* In a block of exactly its size, so that every read behind it is seen. */
static void
run(const char *p, size_t n)
{
	auto_free uint8_t *exact = malloc(n ? n : 1);

	memcpy(exact, p, n);
	LLVMFuzzerTestOneInput(exact, n);
}

static void
mutate(struct dg_buf *b)
{
	static const char *const pieces[] = {"\"", "\\", "{", "}", "[", "]", ":", ",",
		"\n", " ", "\t", "- ", "&a ", "*a", "<<: ", "!!int ", "'", "|\n", "? ",
		"#", "\xff", "\\u", "null", "1", "~", "e+", "%"};
	size_t at = b->n ? next_random() % b->n : 0, cut = next_random() % 4;
	const char *piece = pieces[next_random() % DG_N(pieces)];
	auto_buf out = DG_BUF_INIT;

	if (cut > b->n - at)
		cut = b->n - at;
	dg_buf_add(&out, b->p, at);
	dg_buf_adds(&out, piece);
	dg_buf_add(&out, b->p + at + cut, b->n - at - cut);
	dg_buf_reset(b);
	dg_buf_addstr(b, dg_buf_str(&out));
}

static bool
replay_file(const char *path)
{
	auto_buf whole = DG_BUF_INIT;

	if (dg_read_file(AT_FDCWD, path, FILE_MAX_SIZE, &whole, NULL) < 0)
		return false;
	dg_buf_adds(&whole, "");
	run(whole.p, whole.n);
	for (int i = 0; i < MUTATIONS; i++) {
		auto_buf changed = DG_BUF_INIT;

		dg_buf_addstr(&changed, dg_buf_str(&whole));
		for (uint64_t k = next_random() % 3; k < 3; k++)
			mutate(&changed);
		run(changed.p, changed.n);
	}
	return true;
}

static size_t
replay_folder(const char *folder)
{
	auto_free char *dir = dg_xasprintf("%s/%s", TESTS, folder);
	DIR *d = opendir(dir);
	size_t n = 0;

	for (const struct dirent *e; d && (e = readdir(d));) {
		auto_free char *path = dg_xasprintf("%s/%s", dir, e->d_name);

		if (*e->d_name != '.')
			n += replay_file(path);
	}
	if (d)
		closedir(d);
	return n;
}

int
main(void)
{
	size_t n = 0;

	for (const char *const *folder = fuzz_corpus; *folder; folder++) {
		size_t here = replay_folder(*folder);

		if (here == 0) {
			fprintf(stderr, "%s: no corpus\n", *folder);
			return 1;
		}
		n += here;
	}
	printf("Tested: %zu files, each with %d mutations\n", n, MUTATIONS);
	return 0;
}
