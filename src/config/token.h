/* config/token.h: what an agent token says: organisation, region, base URL. Pure. */
#ifndef DG_CONFIG_TOKEN_H
#define DG_CONFIG_TOKEN_H

#include "base/err.h"

struct dg_token {
	char *organization; /* NULL: an old token that does not say it */
	char *region;       /* NULL: none */
};

void dg_token_clear(struct dg_token *t);

/* Read "agent:ORGANISATION:UUID" or an old token without colons. A UUID of version 8 has
 * the region in its first two bytes. User tokens and other forms are -DG_CONFIG. The text
 * of an error never has the token in it. */
int dg_token_read(const char *text, struct dg_token *ret, struct dg_err *e);

/* "https://ORGANISATION.agent[.REGION].dagster.cloud"; NULL for an old token. */
char *dg_token_url(const struct dg_token *t);

#endif
