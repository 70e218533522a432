/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mikey_mutate.h - changes to a MIKEY message that keep most of it whole, so that a fuzzer gets past the first octets.
 *
 * A message is cut into its payloads by lengths alone; payloads are repeated, dropped, moved, edited or grown; then the
 * chain of next-payload octets and the length fields are made to fit again. What cannot be cut is changed octet by
 * octet.
 */
#ifndef FUZZ_MIKEY_MUTATE_H
#define FUZZ_MIKEY_MUTATE_H

#include <stddef.h>
#include <stdint.h>

/* Changes the message in place; returns its new length, at most max. The same seed makes the same change. */
size_t mikey_mutate(uint8_t *msg, size_t len, size_t max, uint64_t seed);

#endif
