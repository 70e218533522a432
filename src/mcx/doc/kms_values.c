/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_values.c - dateTime both ways, and the simple values of KMS documents written (kms.md 7.9).
 */
#include <stdio.h>
#include <time.h>

#include "mcsec/secret.h"
#include "mcx/doc/kms_xml.h"
#include "sec/base/text.h"

/* ---- dateTime ---- */

/* n decimal digits at *t, which moves on; -1 if they are not there. */
static int digits(const char **t, int n)
{
	int v = 0;
	for (int i = 0; i < n; i++) {
		char c = (*t)[i];
		if (c < '0' || c > '9')
			return -1;
		v = v * 10 + (c - '0');
	}
	*t += n;
	return v;
}

static int take(const char **t, char c)
{
	if (**t != c)
		return 0;
	(*t)++;
	return 1;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

/* Seconds east of UTC; 0 for Z or no zone. 0 if the text goes wrong or does not end here. */
static int zone(const char *t, int *seconds)
{
	*seconds = 0;
	if (!*t)
		return 1;
	if (take(&t, 'Z'))
		return !*t;
	int sign = take(&t, '-') ? -1 : 1;
	if (sign == 1 && !take(&t, '+'))
		return 0;
	int h = digits(&t, 2), colon = take(&t, ':'), m = colon ? digits(&t, 2) : -1;
	if (h < 0 || h > 14 || m < 0 || m > 59 || *t)
		return 0;
	*seconds = sign * (h * 3600 + m * 60);
	return 1;
}

enum mcsec_err kms_time_read(const char *t, int64_t *out)
{
	int part[6]; /* year month day hour minute second */
	for (int i = 0; i < 6; i++) {
		part[i] = digits(&t, i ? 2 : 4);
		if (part[i] < 0 || (i < 5 && !take(&t, "--T::"[i])))
			return MCSEC_E_VALUE;
	}
	if (take(&t, '.')) {
		if (digits(&t, 1) < 0)
			return MCSEC_E_VALUE;
		while (digits(&t, 1) >= 0)
			;
	}
	int east;
	if (part[0] < 1 || part[1] < 1 || part[1] > 12 || part[2] < 1 || part[2] > days_in_month(part[0], part[1]) ||
	    part[3] > 23 || part[4] > 59 || part[5] > 59 || !zone(t, &east))
		return MCSEC_E_VALUE;
	struct tm tm = {.tm_year = part[0] - 1900,
			.tm_mon = part[1] - 1,
			.tm_mday = part[2],
			.tm_hour = part[3],
			.tm_min = part[4],
			.tm_sec = part[5]};
	*out = (int64_t)timegm(&tm) - east;
	return MCSEC_OK;
}

void kms_put_time(struct writer *w, const char *name, int64_t unix_s)
{
	time_t t = (time_t)unix_s;
	struct tm tm;
	char text[32] = "";
	if (unix_s == KMS_NO_TIME)
		return;
	int four_digits = gmtime_r(&t, &tm) && tm.tm_year >= 0 && tm.tm_year <= 9999 - 1900;
	if (four_digits)
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	else if (!w->err)
		w->err = MCSEC_E_VALUE;
	xml_put_element(w, name, text);
}

/* ---- the rest ---- */

void kms_put_integer(struct writer *w, const char *name, int64_t v)
{
	char text[24];
	snprintf(text, sizeof text, "%lld", (long long)v);
	xml_put_element(w, name, text);
}

void kms_put_hex(struct writer *w, const char *name, struct octets v)
{
	wr_text(w, "<");
	wr_text(w, name);
	wr_text(w, ">");
	kms_put_hex_text(w, v);
	wr_text(w, "</");
	wr_text(w, name);
	wr_text(w, ">");
}

void kms_put_hex_text(struct writer *w, struct octets v)
{
	/* two digits an octet straight into the text, so that no copy of a secret is left elsewhere */
	for (size_t i = 0; i < v.len; i++) {
		char two[HEX_SIZE(1)];
		hex_encode_upper((struct octets){v.p + i, 1}, two);
		wr_octets(w, (struct octets){(const uint8_t *)two, 2});
		mcsec_wipe(two, sizeof two);
	}
}

void kms_put_optional(struct writer *w, const char *name, const char *text)
{
	if (text[0])
		xml_put_element(w, name, text);
}

void kms_put_attribute(struct writer *w, const char *name, const char *value)
{
	wr_text(w, " ");
	wr_text(w, name);
	wr_text(w, "=\"");
	xml_put_text(w, value);
	wr_text(w, "\"");
}

void kms_put_optional_attribute(struct writer *w, const char *name, const char *value)
{
	if (value[0])
		kms_put_attribute(w, name, value);
}

void kms_put_error(struct writer *w, const char *name, const struct kms_error *e)
{
	if (!e->code)
		return;
	wr_text(w, "<");
	wr_text(w, name);
	wr_text(w, ">");
	kms_put_integer(w, "ErrorCode", e->code);
	xml_put_element(w, "ErrorMsg", e->msg);
	wr_text(w, "</");
	wr_text(w, name);
	wr_text(w, ">");
}
