/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain_mikey.c - a MIKEY message field by field.
 *
 * The library's own reader does the reading; it tells each field as it passes it. So what is explained is what would
 * be opened, and where the explanation ends is where opening would refuse.
 */
#include <stdio.h>
#include <string.h>

#include "mcsec/mikey.h"
#include "sec/mikey/message.h"
#include "tool/look/explain.h"
#include "tool/look/mikey_files.h"

struct telling {
	struct explanation *e;
	struct octets msg;
	const char *part;
	uint8_t sp_type; /* of the SP parameter whose value comes next */
};

struct meaning {
	const char *field;
	unsigned value;
	const char *text;
};

static const struct meaning meanings[] = {
    {"data type", MIKEY_DATA_SAKKE, "SAKKE message"},
    {"data type", MIKEY_DATA_ERROR, "error message"},
    {"next payload", MIKEY_SIGN, "SIGN"},
    {"next payload", MIKEY_T, "T"},
    {"next payload", MIKEY_SP, "SP"},
    {"next payload", MIKEY_RAND, "RAND"},
    {"next payload", MIKEY_ERR, "ERR"},
    {"next payload", MIKEY_IDR, "IDR"},
    {"next payload", MIKEY_GEN, "GEN"},
    {"next payload", MIKEY_SAKKE, "SAKKE"},
    {"next payload", MIKEY_LAST, "last"},
    {"V, PRF func", 0x01, "no response wanted, PRF-HMAC-SHA-256"},
    {"V, PRF func", 0x81, "V bit set (ignored), PRF-HMAC-SHA-256"},
    {"CS ID map type", MIKEY_MAP_SRTP_ID, "SRTP-ID"},
    {"CS ID map type", MIKEY_MAP_EMPTY, "empty map"},
    {"CS ID map type", MIKEY_MAP_GENERIC_ID, "GENERIC-ID"},
    {"prot type", 0, "SRTP"},
    {"TS type", 0, "NTP-UTC"},
    {"ID role", MIKEY_IDRI, "initiator"},
    {"ID role", MIKEY_IDRR, "responder"},
    {"ID role", MIKEY_IDRKMSI, "initiator's KMS"},
    {"ID role", MIKEY_IDRKMSR, "responder's KMS"},
    {"ID role", MIKEY_IDRUIDI, "UID of the initiator"},
    {"ID role", MIKEY_IDRUIDR, "UID of the responder"},
    {"ID type", 0, "NAI"},
    {"ID type", MIKEY_ID_URI, "URI"},
    {"ID type", MIKEY_ID_BYTES, "byte string"},
    {"SAKKE params", MIKEY_SAKKE_SET_1, "parameter set 1"},
    {"ID scheme", MIKEY_SCHEME_TEL_URI, "tel URI with month (Rel-13)"},
    {"ID scheme", MIKEY_SCHEME_HASHED_UID, "3GPP hashed UID"},
    {"extension type", MIKEY_GEN_TO_SELF, "SAKKE-to-self"},
    {"extension type", MIKEY_GEN_PARAMS, "key parameters"},
    {"extension type", MIKEY_GEN_ALGS, "algorithm list"},
    {"selected suite", MCSEC_SUITE_AES128, "AEAD_AES_128_GCM"},
    {"selected suite", MCSEC_SUITE_AES256, "AEAD_AES_256_GCM"},
    {"suite", MCSEC_SUITE_AES128, "AEAD_AES_128_GCM"},
    {"suite", MCSEC_SUITE_AES256, "AEAD_AES_256_GCM"},
    {"S type, signature length", 0x2081, "ECCSI, 129 octets"},
    {"parameter type", 0, "encryption algorithm"},
    {"parameter type", 1, "session encryption key length"},
    {"parameter type", 2, "authentication algorithm"},
    {"parameter type", 3, "session authentication key length"},
    {"parameter type", 4, "session salt length"},
    {"parameter type", 5, "SRTP PRF"},
    {"parameter type", 6, "key derivation rate"},
    {"parameter type", 7, "SRTP encryption on/off"},
    {"parameter type", 8, "SRTCP encryption on/off"},
    {"parameter type", 9, "FEC order"},
    {"parameter type", 10, "SRTP authentication on/off"},
    {"parameter type", 11, "authentication tag length"},
    {"parameter type", 12, "prefix length"},
    {"parameter type", 13, "ROC transmission rate"},
    {"parameter type", 18, "SRTP authentication tag length"},
    {"parameter type", 19, "SRTCP authentication tag length"},
    {"parameter type", 20, "AEAD authentication tag length"},
};

static const struct meaning sp_values[] = {
    {"", 0 << 8 | 0, "NULL"},  {"", 0 << 8 | 1, "AES-CM"},     {"", 0 << 8 | 2, "AES-F8"}, {"", 0 << 8 | 6, "AES-GCM"},
    {"", 2 << 8 | 0, "none"},  {"", 2 << 8 | 1, "HMAC-SHA-1"}, {"", 2 << 8 | 2, "RCCm1"},  {"", 2 << 8 | 3, "RCCm2"},
    {"", 2 << 8 | 4, "RCCm3"}, {"", 5 << 8 | 0, "AES-CM"},
};

static const char *meaning_of(const struct telling *t, const char *field, struct octets o)
{
	unsigned v = 0;
	for (size_t i = 0; i < o.len && i < 4; i++)
		v = v << 8 | o.p[i];
	if (strcmp(field, "parameter value") == 0 && o.len == 1) {
		for (size_t i = 0; i < sizeof sp_values / sizeof *sp_values; i++)
			if (sp_values[i].value == (unsigned)(t->sp_type << 8 | v))
				return sp_values[i].text;
		return NULL;
	}
	for (size_t i = 0; o.len <= 2 && i < sizeof meanings / sizeof *meanings; i++)
		if (strcmp(meanings[i].field, field) == 0 && meanings[i].value == v)
			return meanings[i].text;
	return NULL;
}

static void tell_id(struct telling *t, size_t at, struct octets o)
{
	char text[MCSEC_IM_MAX + 3];
	int printable = 1;
	for (size_t i = 0; i < o.len; i++)
		printable = printable && o.p[i] >= 0x20 && o.p[i] != 0x7f;
	snprintf(text, sizeof text, "%.*s", printable ? (int)o.len : 0, (const char *)o.p);
	explain_octets(t->e, at, o, t->part, "ID", printable && o.len != MCSEC_UID_LEN ? text : NULL);
}

static void tell(void *ctx, size_t at, size_t len, const char *name)
{
	struct telling *t = ctx;
	struct octets o = {t->msg.p + at, len};
	char text[96], date[TOOL_TIME_LEN];
	struct reader r = rd_init(o);
	if (len == 0) {
		t->part = name;
		return;
	}
	if (strcmp(name, "parameter type") == 0)
		t->sp_type = o.p[0];
	if (strcmp(name, "ID") == 0) {
		tell_id(t, at, o);
	} else if (strcmp(name, "CSB ID") == 0) {
		const char *kind = mcsec_key_kind_name(mcsec_kid_tag(rd_u32(&r)));
		snprintf(text, sizeof text, "%s", kind ? kind : "undefined purpose tag");
		if (kind)
			snprintf(text, sizeof text, strcmp(kind, "GMK") == 0 ? "GUK-ID of a %s" : "%s-ID", kind);
		explain_octets(t->e, at, o, t->part, name, text);
	} else if (strcmp(name, "TS value") == 0) {
		uint64_t ntp = mcsec_ntp_unfold(rd_u64(&r), UINT64_C(1) << 32);
		tool_time_text((int64_t)(ntp - MCSEC_NTP_UNIX), date);
		explain_octets(t->e, at, o, t->part, name, date);
	} else {
		explain_octets(t->e, at, o, t->part, name, meaning_of(t, name, o));
	}
}

void explain_mikey(struct explanation *e, struct octets msg)
{
	struct telling t = {.e = e, .msg = msg, .part = ""};
	struct mikey_in in = mikey_in_of(msg);
	struct mikey_message m;
	struct mcsec_fault fault;
	e->type = "mikey";
	in.field = tell;
	in.field_ctx = &t;
	if (mikey_message_read(&in, &m) == MCSEC_OK) {
		snprintf(e->note, sizeof e->note, "syntax only; `mcx mikey open` verifies and opens it");
		if (mcsec_kid_tag(m.hdr.csb_id) >= MCSEC_KEY_KINDS)
			explain_wrong(e, "wrong-tag", 4, "TS 33.180 5.2.3", "the purpose tag is not defined");
		return;
	}
	(void)mikey_fault(&in, &fault);
	explain_wrong(e, mcsec_im_refusal(fault.code), fault.offset, fault.clause, fault.detail);
}
