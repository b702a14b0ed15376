/* config/settings.c: see settings.h.
 *
 * In a memfd: entries of (mask, flags, lengths, key, name, value), host order: both ends
 * are the same build. Readers check every length.
 */
#include "config/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/map.h"
#include "base/mem.h"

#define SETTINGS_MAX (16 << 20)
#define MAGIC 0x31736764u

struct entry {
	char *name, *value;
};

struct setting {
	char *key;
	unsigned mask;
	bool list;
	char *value; /* of a scalar */
	struct entry *entries;
	size_t n;
};

struct dg_settings {
	struct dg_map by_key;
};

struct dg_settings *
dg_settings_new(void)
{
	struct dg_settings *s = dg_new(struct dg_settings);

	s->by_key = DG_MAP_INIT;
	return s;
}

/* Values may be secrets. */
static void
wipe(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

static void
free_setting(struct setting *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->entries[i].name);
		wipe(t->entries[i].value);
	}
	free(t->entries);
	wipe(t->value);
	free(t->key);
	free(t);
}

void
dg_settings_free(struct dg_settings *s)
{
	if (!s)
		return;
	DG_MAP_EACH(&s->by_key, slot)
	free_setting(slot->value);
	dg_map_clear(&s->by_key);
	free(s);
}

void
dg_settings_freep(struct dg_settings **s)
{
	dg_settings_free(*s);
	*s = NULL;
}

static const struct setting *
find(const struct dg_settings *s, const char *key)
{
	return dg_map_get(&s->by_key, dg_str(key));
}

bool
dg_settings_has(const struct dg_settings *s, const char *key)
{
	return find(s, key) != NULL;
}

const char *
dg_settings_str(const struct dg_settings *s, const char *key)
{
	const struct setting *t = find(s, key);

	return t ? t->value : NULL;
}

int64_t
dg_settings_int(const struct dg_settings *s, const char *key)
{
	const char *v = dg_settings_str(s, key);

	return v ? strtoll(v, NULL, 10) : 0;
}

double
dg_settings_float(const struct dg_settings *s, const char *key)
{
	const char *v = dg_settings_str(s, key);

	return v ? strtod(v, NULL) : 0.0;
}

bool
dg_settings_bool(const struct dg_settings *s, const char *key)
{
	const char *v = dg_settings_str(s, key);

	return v && strcmp(v, "true") == 0;
}

size_t
dg_settings_count(const struct dg_settings *s, const char *key)
{
	const struct setting *t = find(s, key);

	return t ? t->n : 0;
}

const char *
dg_settings_item(const struct dg_settings *s, const char *key, size_t i)
{
	const struct setting *t = find(s, key);

	return t && i < t->n ? t->entries[i].value : NULL;
}

const char *
dg_settings_name(const struct dg_settings *s, const char *key, size_t i)
{
	const struct setting *t = find(s, key);

	return t && i < t->n ? t->entries[i].name : NULL;
}

const char *
dg_settings_key(const struct dg_settings *s, size_t i)
{
	DG_MAP_EACH(&s->by_key, slot)
	if (i-- == 0)
		return slot->key;
	return NULL;
}

static struct setting *
get(struct dg_settings *s, unsigned mask, const char *key)
{
	struct setting *t = dg_map_get(&s->by_key, dg_str(key));

	if (!t) {
		t = dg_new(struct setting);
		t->key = dg_xstrdup(key);
		dg_map_put(&s->by_key, dg_str(key), t);
	}
	t->mask |= mask;
	return t;
}

void
dg_settings_set(struct dg_settings *s, unsigned mask, const char *key, const char *value)
{
	struct setting *t = get(s, mask, key);
	char *copy = value ? dg_xstrdup(value) : NULL;

	wipe(t->value);
	t->value = copy;
}

void
dg_settings_list(struct dg_settings *s, unsigned mask, const char *key)
{
	get(s, mask, key)->list = true;
}

void
dg_settings_add(struct dg_settings *s, unsigned mask, const char *key, const char *name,
	const char *value)
{
	struct setting *t = get(s, mask, key);

	t->list = true;
	t->entries = dg_xrealloc(t->entries, t->n + 1, sizeof *t->entries);
	t->entries[t->n++] = (struct entry){
		.name = name ? dg_xstrdup(name) : NULL,
		.value = value ? dg_xstrdup(value) : NULL,
	};
}

unsigned
dg_settings_mask(const struct dg_settings *s, const char *key)
{
	const struct setting *t = find(s, key);

	return t ? t->mask : 0;
}

void
dg_settings_copy(struct dg_settings *to, const struct dg_settings *from, const char *key)
{
	const struct setting *t = find(from, key);
	struct setting *old = dg_map_del(&to->by_key, dg_str(key));

	if (old)
		free_setting(old);
	if (!t)
		return;
	if (!t->list) {
		dg_settings_set(to, t->mask, key, t->value);
		return;
	}
	dg_settings_list(to, t->mask, key);
	for (size_t i = 0; i < t->n; i++)
		dg_settings_add(
			to, t->mask, key, t->entries[i].name, t->entries[i].value);
}

struct dg_settings *
dg_settings_clone(const struct dg_settings *s)
{
	struct dg_settings *copy = dg_settings_new();
	const char *key;

	for (size_t i = 0; (key = dg_settings_key(s, i)); i++)
		dg_settings_copy(copy, s, key);
	return copy;
}

/* A string, or its absence, by length. */
static void
put(struct dg_buf *b, const char *s)
{
	uint32_t n = s ? (uint32_t)strlen(s) : UINT32_MAX;

	dg_buf_add(b, &n, sizeof n);
	if (s)
		dg_buf_add(b, s, n);
}

static bool
take(struct dg_str *in, char **ret)
{
	uint32_t n;

	if (in->n < sizeof n)
		return false;
	memcpy(&n, in->p, sizeof n);
	in->p += sizeof n;
	in->n -= sizeof n;
	*ret = NULL;
	if (n == UINT32_MAX)
		return true;
	if (n > in->n)
		return false;
	*ret = dg_xstrndup(in->p, n);
	in->p += n;
	in->n -= n;
	return true;
}

static bool
take_u32(struct dg_str *in, uint32_t *ret)
{
	if (in->n < sizeof *ret)
		return false;
	memcpy(ret, in->p, sizeof *ret);
	in->p += sizeof *ret;
	in->n -= sizeof *ret;
	return true;
}

int
dg_settings_seal(const struct dg_settings *s, unsigned mask, struct dg_err *e)
{
	auto_buf b = DG_BUF_INIT;
	uint32_t magic = MAGIC;
	int fd;

	dg_buf_add(&b, &magic, sizeof magic);
	DG_MAP_EACH(&s->by_key, slot)
	{
		const struct setting *t = slot->value;
		uint32_t m = t->mask, list = t->list, n = (uint32_t)t->n;

		if (!(t->mask & mask))
			continue;
		dg_buf_add(&b, &m, sizeof m);
		dg_buf_add(&b, &list, sizeof list);
		dg_buf_add(&b, &n, sizeof n);
		put(&b, t->key);
		put(&b, t->value);
		for (size_t i = 0; i < t->n; i++) {
			put(&b, t->entries[i].name);
			put(&b, t->entries[i].value);
		}
	}
	fd = dg_memfd_sealed("daglet-settings", b.p, b.n, e);
	explicit_bzero(b.p, b.n);
	return fd;
}

static bool
load_one(struct dg_settings *s, struct dg_str *in)
{
	struct setting *t = dg_new(struct setting);
	uint32_t m, list, n;
	bool ok = take_u32(in, &m) && take_u32(in, &list) && take_u32(in, &n) &&
		  take(in, &t->key) && t->key && take(in, &t->value);

	for (uint32_t i = 0; ok && i < n; i++) {
		t->entries = dg_xrealloc(t->entries, t->n + 1, sizeof *t->entries);
		t->entries[t->n++] = (struct entry){NULL, NULL};
		ok = take(in, &t->entries[i].name) && take(in, &t->entries[i].value);
	}
	if (!ok) {
		free_setting(t);
		return false;
	}
	t->mask = m;
	t->list = list != 0;
	t = dg_map_put(&s->by_key, dg_str(t->key), t);
	if (t)
		free_setting(t);
	return true;
}

int
dg_settings_load(int fd, struct dg_settings **ret, struct dg_err *e)
{
	struct dg_settings *s;
	struct dg_str map, in;
	uint32_t magic;
	bool ok;
	int r = dg_map(fd, SETTINGS_MAX, &map, e);

	if (r < 0)
		return r;
	s = dg_settings_new();
	in = map;
	ok = take_u32(&in, &magic) && magic == MAGIC;
	while (ok && in.n)
		ok = load_one(s, &in);
	dg_unmap(map);
	if (!ok) {
		dg_settings_free(s);
		return dg_fail(e, DG_BUG, 0, "the settings are damaged");
	}
	*ret = s;
	return 0;
}
