/* tests/fuzz/fuzz.h: a fuzz target: libFuzzer calls it with what it thinks of, and
 * replay.c with the files of its corpus and simple mutations of them, in "make check". */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Folders below tests/, NULL-terminated. */
extern const char *const fuzz_corpus[];

#endif
