/* master/rows.h: what the status role is told about each role (STATE, kind ROLE). */
#ifndef DG_MASTER_ROWS_H
#define DG_MASTER_ROWS_H

#include "master/master.h"

/* C has changed, or (NULL) all are told: status itself has become ready. */
void dg_rows_tell(struct dg_master *m, struct dg_child *c);

/* The master itself has: it drains, it was reloaded. */
void dg_rows_tell_self(struct dg_master *m);

#endif
