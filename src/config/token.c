/* config/token.c: see token.h. */
#include "config/token.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

void
dg_token_clear(struct dg_token *t)
{
	free(t->organization);
	free(t->region);
	*t = (struct dg_token){0};
}

static int
hex_digit(char c)
{
	if (!isxdigit((unsigned char)c))
		return -1;
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* The 16 bytes of a UUID as Python's uuid.UUID() takes it: hyphens, braces and
 * "urn:uuid:" do not matter. */
static bool
uuid_bytes(const char *s, unsigned char out[16])
{
	size_t digits = 0;

	if (strncmp(s, "urn:", 4) == 0)
		s += 4;
	if (strncmp(s, "uuid:", 5) == 0)
		s += 5;
	for (; *s; s++) {
		int d = hex_digit(*s);

		if (d < 0 && strchr("-{}", *s))
			continue;
		if (d < 0 || digits == 32)
			return false;
		out[digits / 2] =
			(unsigned char)(digits % 2 ? out[digits / 2] | d : d << 4);
		digits++;
	}
	return digits == 32;
}

static int
read_region(const char *uuid, struct dg_token *ret, struct dg_err *e)
{
	unsigned char b[16];

	if (!uuid_bytes(uuid, b) || b[6] >> 4 != 8 || b[8] >> 6 != 2)
		return 0;
	if (!isalnum(b[0]) || !isalnum(b[1]))
		return dg_fail(e, DG_CONFIG, 0,
			"the agent token names a region that is no name");
	ret->region = dg_xasprintf("%c%c", b[0], b[1]);
	return 0;
}

int
dg_token_read(const char *text, struct dg_token *ret, struct dg_err *e)
{
	const char *organization = strchr(text, ':'), *uuid;

	*ret = (struct dg_token){0};
	if (!organization)
		return 0;
	if (strncmp(text, "user:", 5) == 0) {
		dg_fail(e, DG_CONFIG, 0,
			"this is a user token, and an agent can only use an agent token");
		return dg_err_next(e, "make an agent token in Dagster+");
	}
	organization++;
	uuid = strchr(organization, ':');
	if (!uuid || strchr(uuid + 1, ':'))
		return dg_fail(e, DG_CONFIG, 0,
			"an agent token has the form agent:ORGANISATION:UUID");
	ret->organization = dg_xstrndup(organization, (size_t)(uuid - organization));
	return read_region(uuid + 1, ret, e);
}

char *
dg_token_url(const struct dg_token *t)
{
	if (!t->organization || !*t->organization)
		return NULL;
	return dg_xasprintf("https://%s.agent%s%s.dagster.cloud", t->organization,
		t->region ? "." : "", t->region ? t->region : "");
}
