/* SPDX-License-Identifier: Apache-2.0 */
/* err.c - the names and sentences of the error codes: one table, indexed by code. */
#include "mcsec/err.h"

static const struct {
	const char *name, *text;
} table[MCSEC_ERR_COUNT] = {
	[MCSEC_OK] = { "ok", "no error" },
	[MCSEC_E_TRUNCATED] = { "truncated", "a field runs past the end" },
	[MCSEC_E_TRAILING] = { "trailing", "octets are left over after the last field" },
	[MCSEC_E_NO_SPACE] = { "no-space", "the buffer is too small" },
	[MCSEC_E_ENCODING] = { "encoding", "the text is not valid hex, base64 or UTF-8" },
	[MCSEC_E_LENGTH] = { "length", "a length is not allowed here" },
	[MCSEC_E_VALUE] = { "value", "a value is not allowed here" },
	[MCSEC_E_ARGUMENT] = { "argument", "the call breaks the contract of the header" },
	[MCSEC_E_MEMORY] = { "memory", "no memory" },
	[MCSEC_E_RANDOM] = { "random", "the random source failed" },
	[MCSEC_E_CRYPTO] = { "crypto", "the cryptographic library refused an operation" },
	[MCSEC_E_POINT] = { "point", "not a point of the curve with the right order" },
	[MCSEC_E_SCALAR] = { "scalar", "a scalar is out of range" },
	[MCSEC_E_KEY_SET] = { "key-set", "the keys do not belong to this identity and KMS" },
	[MCSEC_E_SIGNATURE] = { "signature", "the signature does not verify" },
	[MCSEC_E_DECRYPT] = { "decrypt", "the encapsulated value does not open" },
	[MCSEC_E_SELF_TEST] = { "self-test", "a self-test or fault check failed" },
	[MCSEC_E_MALFORMED] = { "malformed", "the I_MESSAGE is malformed" },
	[MCSEC_E_WRONG_TAG] = { "wrong-tag", "the key's purpose tag is not expected here" },
	[MCSEC_E_NOT_FOR_US] = { "not-for-us", "the responder is none of our identities" },
	[MCSEC_E_KMS_REFUSED] = { "kms-refused", "a KMS named in the message is not accepted here" },
	[MCSEC_E_BAD_TIME] = { "bad-time", "the timestamp is outside the window" },
	[MCSEC_E_REPLAY] = { "replay", "the message was seen before" },
	[MCSEC_E_BAD_IDENTITY] = { "bad-identity", "the initiator is not the expected peer" },
	[MCSEC_E_BAD_SIGNATURE] = { "bad-signature", "the signature of the I_MESSAGE does not verify" },
	[MCSEC_E_UNDECRYPTABLE] = { "undecryptable", "the encapsulated key does not open" },
	[MCSEC_E_BAD_PARAMS] = { "bad-params", "the key parameters are wrong" },
	[MCSEC_E_REVOKED] = { "revoked", "the key is revoked by its parameters" },
	[MCSEC_E_NO_KEYS] = { "no-keys", "there is no key set for the period of the message" },
	[MCSEC_E_UNSUPPORTED] = { "unsupported", "well formed, but not supported" },
};

const char *mcsec_err_name(enum mcsec_err code)
{
	return (unsigned)code < MCSEC_ERR_COUNT ? table[code].name : "unknown";
}

const char *mcsec_err_text(enum mcsec_err code)
{
	return (unsigned)code < MCSEC_ERR_COUNT ? table[code].text : "unknown error code";
}
