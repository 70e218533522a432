/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uid.c - key periods and the UID (TS 33.180 F.2.1), and the era of an NTP timestamp.
 *
 * A timestamp on the wire holds 32 bits of seconds; its era is the one that brings it nearest to now, so that the
 * wrap of 7 February 2036 passes unnoticed. Everything behind it counts in 64 bits.
 */
#include "mcsec/uid.h"
#include "sec/keys/hash.h"

enum mcsec_err mcsec_period_number(const struct mcsec_periods *p, uint64_t ntp_time, uint64_t *number)
{
	*number = 0;
	if (p->period == 0 || ntp_time < p->offset)
		return MCSEC_E_VALUE;
	*number = (ntp_time - p->offset) / p->period;
	return MCSEC_OK;
}

uint64_t mcsec_period_start(const struct mcsec_periods *p, uint64_t number)
{
	return number * p->period + p->offset;
}

enum mcsec_err mcsec_uid(const char *uri, const char *kms_uri, const struct mcsec_periods *p, uint64_t period_number,
			 uint8_t uid[MCSEC_UID_LEN])
{
	struct s_string s;
	s_begin(&s, 0x00);
	s_text(&s, "MIKEY-SAKKE-UID");
	s_text(&s, uri);
	s_text(&s, kms_uri);
	s_integer(&s, p->period);
	s_integer(&s, p->offset);
	s_integer(&s, period_number);
	enum mcsec_err err = s_sha256(&s, uid);
	if (err)
		memset(uid, 0, MCSEC_UID_LEN);
	return err;
}

uint64_t mcsec_ntp_unfold(uint64_t ntp64, uint64_t now)
{
	const uint64_t era = UINT64_C(1) << 32, half = era / 2;
	uint64_t t = (now & ~(era - 1)) | ntp64 >> 32;
	if (t > now && t - now > half && t >= era)
		return t - era;
	if (t < now && now - t > half)
		return t + era;
	return t;
}

uint64_t mcsec_ntp_fold(uint64_t ntp_time, uint32_t fraction)
{
	return ntp_time << 32 | fraction;
}
