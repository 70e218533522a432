/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mcptt_info.h - application/vnd.3gpp.mcptt-info+xml (TS 24.379 F.1; sip.md 9.1, 9.2), and with the same content
 * mcvideo-info (TS 24.281 F.1) and mcdata-info (TS 24.282 D.1), whose names have another prefix (sip.md 9.3, 9.4).
 *
 * Namespace urn:3gpp:ns:mcpttInfo:1.0, elements qualified, children of mcptt-Params in the order of the schema. A
 * content element holds mcpttURI, mcpttString or mcpttBoolean, or is encrypted: then only that fact is reported here
 * and the value is the XML protection's business. Unknown elements are ignored on reading. What a service's document
 * has no element for stays empty on reading and is not written.
 */
#ifndef MCX_DOC_MCPTT_INFO_H
#define MCX_DOC_MCPTT_INFO_H

#include "mcx/doc/service.h"
#include "sec/base/bytes.h"

enum { MCPTT_INFO_MAX = 64 * 1024, MCPTT_TOKEN_MAX = 8192, MCPTT_URI_MAX = 512 };

enum mcptt_form { MCPTT_ABSENT = 0, MCPTT_PLAIN, MCPTT_ENCRYPTED };

struct mcptt_uri {
	enum mcptt_form form;
	char value[MCPTT_URI_MAX];
};

struct mcptt_info {
	struct {
		enum mcptt_form form;
		char value[MCPTT_TOKEN_MAX];
	} access_token;
	char session_type[32]; /* "" when absent, as for all plain text fields */
	struct mcptt_uri request_uri, calling_user_id, called_party_id, calling_group_id;
	struct mcptt_uri client_id; /* a string: urn:uuid:... */
	char mc_org[128];
	char release_reason[96];                  /* anyExt */
	char request_type[64], response_type[64]; /* anyExt; MCData: the former in mcdata-Params */
	char private_call_kms_uri[MCPTT_URI_MAX]; /* anyExt PrivateCallKMSURI > PrivateCallKMSURI > uri-entry */
};

/*
 * MCSEC_E_LENGTH document or a value too long; MCSEC_E_MALFORMED not well-formed, a DOCTYPE, another root or namespace;
 * MCSEC_E_VALUE an element twice, or a content element without a value. *at (may be NULL) is then the offset of the
 * element at fault, of the one around it where it stands twice.
 */
enum mcsec_err mcptt_info_read(struct octets xml, struct mcptt_info *out, size_t *at);
enum mcsec_err mcx_info_read(enum mcx_service service, struct octets xml, struct mcptt_info *out, size_t *at);
/* The fields that are there, in the order of the schema. Encrypted fields: MCSEC_E_UNSUPPORTED. */
enum mcsec_err mcptt_info_write(struct writer *w, const struct mcptt_info *info);
enum mcsec_err mcx_info_write(struct writer *w, enum mcx_service service, const struct mcptt_info *info);

#endif
