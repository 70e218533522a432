/* SPDX-License-Identifier: Apache-2.0 */
/* server_bed_parts.h - what the files of the bed share; tests need server_bed.h only. */
#ifndef TEST_SERVER_BED_PARTS_H
#define TEST_SERVER_BED_PARTS_H

#include "e2e/server_bed.h"

/* Text that must fit. */
void bed_text(char *out, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
uint64_t bed_now_ntp(void);
uint64_t bed_period_now(void);
/* Keys of this identity for the current period. */
struct mcsec_keyset *bed_issue(const char *uri);
struct mcsec_im_kms bed_kms(void);
struct mcsec_im_kms bed_other_kms(void);
/* A user's keys, and the two KMSs, ours first; k has room for both. */
struct mcsec_im_book bed_book_of(const struct ua *u, struct mcsec_im_kms k[2], struct mcsec_im_own *own);

#endif
