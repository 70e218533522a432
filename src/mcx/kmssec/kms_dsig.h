/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_dsig.h - XML signatures in documents of the KMS, the part that HMAC and ECDSA signatures share (kms.md 10.3,
 * 11.2): one profile, nothing else is accepted. Built on libxml2's canonicalisation and libcrypto.
 *
 * Against signature wrapping: the caller names the node it will read, and the one Reference must cover exactly that
 * node; its Id must be carried by no other element; the Signature is a child of the root; no element but the known ones
 * stands in SignedInfo, and no transform but "enveloped" and canonicalisation.
 */
#ifndef MCX_KMSSEC_KMS_DSIG_H
#define MCX_KMSSEC_KMS_DSIG_H

#include <libxml/tree.h>

#include "mcx/doc/kms_doc.h"

#define DSIG_C14N   "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
#define DSIG_HMAC   "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
#define DSIG_ECDSA  "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
#define DSIG_SHA256 "http://www.w3.org/2001/04/xmlenc#sha256"

enum { DSIG_VALUE_MAX = 64, DSIG_HASH = 32 };

struct dsig {
	const xmlNode *root, *signature, *signed_info, *key_info;
	const xmlNode *target; /* what the Reference covers */
	int enveloped;
	int with_comments; /* of SignedInfo's canonical form */
	long hmac_bits;    /* HMACOutputLength; 256 when absent */
	uint8_t digest[DSIG_HASH];
	size_t value_len;
	uint8_t value[DSIG_VALUE_MAX];
};

/*
 * Reads the one Signature that is a child of the root. inner: the element that may be referenced by its Id (NULL:
 * none); the root may be with the transform "enveloped". method: DSIG_HMAC or DSIG_ECDSA.
 */
enum mcsec_err dsig_read(struct dsig *d, const xmlNode *root, const xmlNode *inner, const char *method,
			 struct kms_fault *f);
/* The digest of the target is the one in SignedInfo: MCSEC_OK or MCSEC_E_SIGNATURE. */
enum mcsec_err dsig_check_digest(const struct dsig *d);
/* Canonical octets of SignedInfo; freed with xmlFree. NULL: no memory. */
uint8_t *dsig_signed_info(const struct dsig *d, size_t *len);

/* How many elements carry this Id, in any spelling of the name: one that two carry names neither. */
unsigned dsig_carriers(const xmlNode *root, const char *id);

/* SHA-256 of the canonical form of `target` without `hidden` (NULL: whole). */
enum mcsec_err dsig_digest(const xmlNode *target, const xmlNode *hidden, uint8_t out[DSIG_HASH]);

/*
 * Writing. SignedInfo in its canonical form, whose start tag carries `namespaces` (those in scope, in canonical order,
 * or "" for the form inside the document).
 */
void dsig_put_signed_info(struct writer *w, const char *namespaces, const char *method, const char *uri, int enveloped,
			  const uint8_t digest[DSIG_HASH]);
void dsig_put_base64(struct writer *w, const char *name, struct octets v);

#endif
