/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml.h - the XML protection between this server and its clients (TS 33.180 9.3; xml-protection.md): which keys a
 * request may stand under, and what goes out protected.
 *
 * Keys are derived from the sealed CSK of a binding for each message and wiped with it. A previous CSK opens what was
 * on its way (csk_grace_s) and protects nothing.
 */
#ifndef MCX_SERVER_XML_H
#define MCX_SERVER_XML_H

#include "mcx/xmlsec/xmlsec.h"
#include "server/server.h"

/* What the deployment wants; on unless it says otherwise. */
struct xml_policy server_xml_policy(const struct server_config *cfg);

/* The keys of clients that may have sent a request. */
struct bound_keys;
/* Secret memory; NULL without. Free with bound_keys_free. */
struct bound_keys *bound_keys_new(const struct server *s, struct binding *const *who, size_t n);
void bound_keys_free(struct bound_keys *k); /* NULL is allowed */
struct xml_keys bound_keys_list(const struct bound_keys *k);
/* Whose key this is, NULL for nobody's. */
struct binding *bound_keys_owner(const struct bound_keys *k, uint32_t key_id);
/* 1: the encrypted items of this new request were all seen before under that client's CSK. */
int binding_replayed(struct binding *b, const struct xml_opened *opened);

/*
 * Protects the parts of a message to that client; room for one more part is needed. Octets live in the arena. Clients
 * without CSK get them as they are: they are served only where protection is off. MCSEC_E_NO_KEYS otherwise.
 */
enum mcsec_err server_xml_protect(const struct server *s, const struct db_binding *to, struct body_out *parts,
				  size_t *n, size_t max, struct writer *arena);

#endif
