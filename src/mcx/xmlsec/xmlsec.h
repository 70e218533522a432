/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xmlsec.h - the XML protection of whole SIP bodies (TS 33.180 9.3; TS 24.379 6.6; xml-protection 7 to 9).
 *
 * Sending: encrypt, then sign, then nothing touches the octets any more. Receiving: verify every signature, then
 * decrypt; nothing of the message may be acted on before all passes. Pure: randomness comes in, verdicts go out.
 * Memory is what the caller gives (an arena of XML_ARENA_MIN octets suffices for any body that is accepted).
 */
#ifndef MCX_XMLSEC_XMLSEC_H
#define MCX_XMLSEC_XMLSEC_H

#include "body_crypt.h"
#include "mcx/doc/multipart.h"

#define TYPE_SIGNED "application/vnd.3gpp.mcptt-signed+xml" /* for all services */

enum { XML_ARENA_MIN = 512 * 1024 };

/* Deployment settings; all 1 by default (xml_policy_default): absent means on. */
struct xml_policy {
	int confidentiality;
	int integrity;
	int sign_binary_parts;       /* of an SDS: mcdata-signalling, mcdata-payload, mikey */
	int require_confidentiality; /* refuse a sensitive value in clear, instead of counting it; 0 by default */
};
extern const struct xml_policy xml_policy_default;

enum xml_verdict {
	XML_PASSED = 0,
	XML_BAD_INTEGRITY, /* 403, Warning 139 */
	XML_UNDECRYPTABLE, /* 403, Warning 140; also a replay */
};

/* Why, for the log and the audit alone: the peer sees the verdict. Static text, never NULL. */
struct xml_opened {
	enum xml_verdict verdict;
	const char *why;
	int protected;   /* something was signed or encrypted */
	uint32_t key_id; /* of the XPK that opened it, if protected */
	struct xml_seen seen;
};

/* An XML part that this protection covers: every +xml but the signatures and those that are signed by themselves. */
int xml_part_covered(const char *type);
int xml_part_is_signatures(const char *type);

/*
 * Protects parts[0..*n) in place and, with integrity on, adds the signatures part: room for one more is needed. Parts
 * without Content-ID get one, made of unique (a text never used before, such as the multipart boundary) and host. The
 * octets of the result live in the arena. Errors of xml_body_protect.
 */
enum mcsec_err xml_protect(const struct xml_policy *policy, const struct xml_key *key, const struct mcsec_rng *rng,
			   const char *host, struct body_out *parts, size_t *n, size_t max, struct writer *arena);
/*
 * Opens the parts of a message in place: on XML_PASSED they are clear and their octets live in the arena; on any other
 * verdict they are untouched. keys: those bound to the sender, current and previous; none at all: a protected message
 * is XML_UNDECRYPTABLE (no CSK bound). MCSEC_E_NO_SPACE, MCSEC_E_MEMORY: no verdict.
 */
enum mcsec_err xml_open(const struct xml_policy *policy, const struct xml_keys *keys, struct multipart *m,
			struct xml_opened *out, struct writer *arena);

#endif
