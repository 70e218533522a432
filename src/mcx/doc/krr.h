/* SPDX-License-Identifier: Apache-2.0 */
/*
 * krr.h - KMS Redirect Responses (TS 33.180 5.2.8, D.4; interconnect.md 5): "not this KMS pair, one of these". Pure.
 *
 * The child names of the 3GPP schema are not public: ours stand in one table (krr.c). A processor that narrows the list
 * makes a new KRR that embeds the old one; each level's lists are a subset of those of the level inside.
 */
#ifndef MCX_DOC_KRR_H
#define MCX_DOC_KRR_H

#include "mcx/doc/kms_doc.h"

enum {
	KRR_MAX_DEPTH = 8,
	KRR_MAX_LIST = 32,
	KRR_MAX = 48 * 1024,   /* read: so that one fits into a report in base64 */
	KRR_BOUND = 256 * 1024 /* written */
};
#define KRR_MEDIA_TYPE "application/vnd.3gpp.kmsredirectresponse+xml"

struct krr_list {
	int present; /* absent: no word about it; present and empty: none is acceptable */
	size_t n;
	char uri[KRR_MAX_LIST][KMS_URI_MAX]; /* preferred first */
};

struct krr {
	char id[64];
	char initiator_uri[KMS_URI_MAX], receiver_uri[KMS_URI_MAX];
	char rejected_initiator_kms[KMS_URI_MAX], rejected_receiver_kms[KMS_URI_MAX]; /* at least one */
	char processor_uri[KMS_URI_MAX];
	int64_t time;    /* Unix seconds */
	char key_id[16]; /* CSB-ID of the refused message, 8 hex digits in lower case */
	struct krr_list initiator_kms, receiver_kms;
	struct krr *embedded; /* the KRR that this one replaces, or NULL */
	int is_signed;        /* a ds:Signature stands in it; not looked at here */
	size_t raw_len;       /* of one that was read: its element in canonical form, written so when it is embedded */
	uint8_t *raw;
};

struct krr *krr_new(void);
void krr_free(struct krr *k); /* with what is embedded */

/*
 * A whole document of its own. MCSEC_OK and *out, freed with krr_free; nesting and lists bounded, lists narrowed only.
 */
MCSEC_MUST_CHECK enum mcsec_err krr_read(struct krr **out, struct octets xml, struct kms_fault *f);
MCSEC_MUST_CHECK enum mcsec_err krr_of(struct krr **out, struct _xmlDoc *doc, struct kms_fault *f);
/* Without a signature; mcx/kmssec/kms_krr.h writes signed ones. */
void krr_write(struct writer *w, const struct krr *k);
/* The element, its namespaces declared on it; the signature goes before the end tag. */
void krr_put(struct writer *w, const struct krr *k, struct octets signature);
/* The same matter in the same words: everything but lists and embedded ones. */
int krr_same_matter(const struct krr *a, const struct krr *b);

/* Lists of *k become the part of them that permitted() allows, in the same order. 1 if anything fell away. */
int krr_narrow(struct krr *k, int (*permitted)(void *ctx, const char *kms_uri), void *ctx);

#endif
