/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_xml.h - the XML protection of a client's messages under its CSK (TS 33.180 9.3; xml-protection.md).
 *
 * What the client sends is encrypted and signed with the CSK it has uploaded (or uploads with that message); what comes
 * must verify and open under it. There is no way back to clear bodies but the configuration's.
 */
#ifndef MCX_UE_XML_H
#define MCX_UE_XML_H

#include "mcx/xmlsec/xmlsec.h"
#include "ue/engine.h"

struct xml_policy ue_xml_policy(const struct ue *u);

/* A body of parts, protected under csk, in multipart form. type receives the Content-Type. */
enum mcsec_err ue_body_write(const struct ue *u, const struct ue_csk *csk, const struct body_out *parts, size_t n,
			     struct writer *w, char *type, size_t type_size);

/* A body that came: its parts, verified and opened. */
struct ue_body {
	struct multipart parts;
	uint8_t *scratch, *arena;
	struct xml_opened opened;
};
/*
 * Protected as that service's messages are. NULL: not readable, or without memory. Else opened.verdict says whether
 * parts may be believed; parts are clear then. Keys: the CSK in use, and the one whose upload the server may already
 * have accepted. Free with ue_body_free.
 */
struct ue_body *ue_body_read(struct ue *u, enum mcx_service service, const struct sip_message *msg);
void ue_body_free(struct ue_body *b); /* NULL is allowed */
/* The part of this type if there is exactly one. */
const struct body_part *ue_body_part(const struct ue_body *b, const char *type);

#endif
