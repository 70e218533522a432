/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uid.h - key periods and the UID (TS 33.180 F.2.1).
 *
 * TIME is seconds since 1 January 1900 00:00 UTC, never wrapped at 32 bits: Unix seconds + MCSEC_NTP_UNIX.
 * Identifiers are hashed octet for octet: no case folding, no percent-decoding, no default port removal.
 */
#ifndef MCSEC_UID_H
#define MCSEC_UID_H

#include "err.h"

#define MCSEC_UID_LEN  32
#define MCSEC_NTP_UNIX UINT64_C(2208988800)

/* What a KMS certificate says about periods. period > 0; the KMS's configuration keeps offset < period. */
struct mcsec_periods {
	uint64_t period; /* UserKeyPeriod, seconds */
	uint64_t offset; /* UserKeyOffset, seconds */
};

/* floor((time - offset) / period). MCSEC_E_VALUE if time < offset or period is 0. */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_period_number(const struct mcsec_periods *p, uint64_t ntp_time,
							      uint64_t *number);
/* First second of period `number`; the period ends before the first second of the next. */
MCSEC_API uint64_t mcsec_period_start(const struct mcsec_periods *p, uint64_t number);

/*
 * UID of `uri` (MC service user ID, GMS URI, MDSI ... with its scheme if it has one) under the KMS `kms_uri`
 * (exactly as in KmsUri). Both are UTF-8 without NUL, at most 65535 octets. MCSEC_E_LENGTH, MCSEC_E_VALUE.
 */
MCSEC_API MCSEC_MUST_CHECK enum mcsec_err mcsec_uid(const char *uri, const char *kms_uri,
						    const struct mcsec_periods *p, uint64_t period_number,
						    uint8_t uid[MCSEC_UID_LEN]);

/*
 * The 64-bit NTP timestamp of a T payload, unfolded: its era is the one that puts it nearest to `now` (both in TIME
 * seconds). Returns TIME seconds.
 */
MCSEC_API uint64_t mcsec_ntp_unfold(uint64_t ntp64, uint64_t now);
/* The reverse: TIME seconds, and a fraction, to the wire's 64 bits (the era is lost, as on the wire). */
MCSEC_API uint64_t mcsec_ntp_fold(uint64_t ntp_time, uint32_t fraction);

#endif
