/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warning.h - the Warning texts of TS 24.379 4.4 (sip 10), in one table.
 *
 * On the wire: `Warning: 399 <host> "<3-digit code> <text>"`. Receivers act on the code, never on the text, and a code
 * never tells which cryptographic step failed.
 */
#ifndef MCX_FLOW_WARNING_H
#define MCX_FLOW_WARNING_H

#include <stddef.h>

enum mcx_warning {
	WARN_NONE = 0,
	WARN_NOT_ALLOWED = 100, /* its text ends in a reason */
	WARN_SERVICE_AUTHORISATION = 101,
	WARN_NO_PRIVATE_CALLS = 107,
	WARN_DECLINED = 110,
	WARN_MAX_PRIVATE_CALLS = 124,
	WARN_NOT_AUTOMATIC = 125,
	WARN_NOT_MANUAL = 126,
	WARN_NOT_CALLABLE = 127,
	WARN_MIKEY = 136,
	WARN_INTEGRITY = 139,
	WARN_DECRYPT = 140,
	WARN_UNKNOWN_USER = 141,
	WARN_NO_CONTROLLING = 142,
	WARN_NO_CALLED_PARTY = 145,
	WARN_NO_SETTINGS = 146,
};

/* "authentication of the MIKEY-SAKKE I_MESSAGE failed"; NULL for a code that is not in the table. */
const char *mcx_warning_text(int code);
/*
 * The header's value for this code: `399 host "136 authentication ..."`. reason completes the text of 100 and is
 * ignored for others. 0, or -1 if the code is unknown or out is too small.
 */
int mcx_warning_value(int code, const char *host, const char *reason, char *out, size_t size);

#endif
