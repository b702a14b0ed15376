/* config/sockopt.h: socket options by the names that Python's socket module has. */
#ifndef DG_CONFIG_SOCKOPT_H
#define DG_CONFIG_SOCKOPT_H

#include <stdbool.h>

/* The number of "SOL_SOCKET", "TCP_KEEPIDLE", ...; false when the name is unknown. */
bool dg_sockopt_number(const char *name, int *ret);

#endif
