/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err.h - the one error type of libmcsec.
 *
 * A code is stable and documented: mcsec_err_name() gives its greppable name. A fault adds where and why: the offset
 * of the first octet of the field at fault and the clause that was broken. Security failures tell a peer little; what
 * a fault says is for the log, and it never contains key material.
 */
#ifndef MCSEC_ERR_H
#define MCSEC_ERR_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define MCSEC_API __attribute__((visibility("default")))
#define MCSEC_MUST_CHECK __attribute__((warn_unused_result))
#else
#define MCSEC_API
#define MCSEC_MUST_CHECK
#endif

enum mcsec_err {
	MCSEC_OK = 0,

	/* octets and text */
	MCSEC_E_TRUNCATED, /* a field runs past the end of its container           */
	MCSEC_E_TRAILING,  /* octets left over after the last field                */
	MCSEC_E_NO_SPACE,  /* the caller's buffer is too small                     */
	MCSEC_E_ENCODING,  /* hex, base64 or UTF-8 text that is none               */
	MCSEC_E_LENGTH,    /* a length the specification does not allow            */
	MCSEC_E_VALUE,     /* a value the specification does not allow             */

	/* the environment */
	MCSEC_E_ARGUMENT, /* the caller broke the contract of the header           */
	MCSEC_E_MEMORY,   /* no memory                                             */
	MCSEC_E_RANDOM,   /* the random source failed                              */
	MCSEC_E_CRYPTO,   /* libcrypto refused an operation that cannot fail       */

	/* identity-based cryptography (RFC 6507, RFC 6508; TS 33.180 5.2) */
	MCSEC_E_POINT,     /* not a point of the curve, or not of the wanted order */
	MCSEC_E_SCALAR,    /* scalar out of range                                  */
	MCSEC_E_KEY_SET,   /* SSK, PVT or RSK does not belong to this identity     */
	MCSEC_E_SIGNATURE, /* the signature does not verify                        */
	MCSEC_E_DECRYPT,   /* the encapsulated value does not open                 */
	MCSEC_E_SELF_TEST, /* a start-up or fault check failed: hand nothing out   */

	/* I_MESSAGE (mikey 10); names of the refusal as the procedures use them */
	MCSEC_E_MALFORMED,     /* MIKEY syntax, or a payload that must not be here */
	MCSEC_E_WRONG_TAG,     /* purpose tag not expected in this context         */
	MCSEC_E_NOT_FOR_US,    /* IDRr is none of our identities                   */
	MCSEC_E_KMS_REFUSED,   /* IDRkmsr or IDRkmsi not acceptable here           */
	MCSEC_E_BAD_TIME,      /* T outside the window                             */
	MCSEC_E_REPLAY,        /* the same message again                           */
	MCSEC_E_BAD_IDENTITY,  /* IDRi is not the expected peer                    */
	MCSEC_E_BAD_SIGNATURE, /* SIGN does not verify                             */
	MCSEC_E_UNDECRYPTABLE, /* SAKKE does not open                              */
	MCSEC_E_BAD_PARAMS,    /* key parameters missing, wrong or contradictory   */
	MCSEC_E_REVOKED,       /* key parameters say: delete this key              */
	MCSEC_E_NO_KEYS,       /* we hold no key set for the period of T           */
	MCSEC_E_UNSUPPORTED,   /* well formed, but not something we carry out      */

	MCSEC_ERR_COUNT
};

#define MCSEC_NO_OFFSET SIZE_MAX

struct mcsec_fault {
	enum mcsec_err code;
	size_t offset;      /* first octet of the field at fault, or MCSEC_NO_OFFSET */
	const char *clause; /* e.g. "RFC 6508 6.2.2"; static, never NULL             */
	const char *detail; /* one short sentence; static, never NULL                */
};

/* "MCSEC_E_TRUNCATED" -> "truncated"; stable; never NULL. */
MCSEC_API const char *mcsec_err_name(enum mcsec_err code);
/* One plain sentence for a person; never NULL. */
MCSEC_API const char *mcsec_err_text(enum mcsec_err code);

#endif
