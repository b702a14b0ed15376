/* base/rand.h: randomness from the kernel. */
#ifndef DG_BASE_RAND_H
#define DG_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

void dg_random(void *p, size_t n);
uint64_t dg_random_below(uint64_t bound);     /* uniform in [0, bound), bound > 0 */
void dg_random_hex(char *out, size_t digits); /* DIGITS hex digits and a NUL */
void dg_uuid4(char out[37]);                  /* "1b4e28ba-2fa1-41d2-883f-0016d3cca427" */

#endif
