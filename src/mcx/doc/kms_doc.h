/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_doc.h - the documents of the KMS interface (TS 33.180 annex D; kms.md 6, 7, 13), read and written. Pure.
 *
 * Reading is bounded, tolerant where the field needs it (any order of children, unknown elements skipped, foreign
 * namespaces ignored) and strict otherwise: a single element that stands twice, a missing one, a value that is none
 * ends in a fault that names the element. No DTD, no entity, no external reference, UTF-8 only.
 * Writing is exact: the order of the schema, no blanks between elements, hex in upper case.
 * RSK and SSK stand in secret memory only, and what libxml2 gives back is wiped; the text that holds them is the
 * caller's to wipe.
 */
#ifndef MCX_DOC_KMS_DOC_H
#define MCX_DOC_KMS_DOC_H

#include "mcsec/ibc.h"
#include "mcsec/uid.h"
#include "sec/base/bytes.h"

#define KMS_NS     "urn:3gpp:ns:mcsecKMSInterface:1.0"
#define KMS_EXT_NS "urn:x-mcxsec:kms-ext:1"
#define KMS_ROOT   "/keymanagement/identity/v1"
#define KRR_NS     "urn:3gpp:ns:mcsecKMSKRR:1.0"
#define DS_NS      "http://www.w3.org/2000/09/xmldsig#"
#define XENC_NS    "http://www.w3.org/2001/04/xmlenc#"
#define XSI_NS     "http://www.w3.org/2001/XMLSchema-instance"

enum {
	KMS_URI_MAX = 256, /* with the final NUL, as all of these */
	KMS_TEXT_MAX = 256,
	KMS_URL_MAX = 2048,
	KMS_MAX_REQUEST = 65536,
	KMS_MAX_RESPONSE = 8 * 1024 * 1024,
	KMS_MAX_DEPTH = 32,
	KMS_MAX_DOMAINS = 16,
	KMS_MAX_CERTS = 1024,
	KMS_MAX_SETS = 64,
	KMS_MAX_LOOKUP = 32,
	KMS_MAX_KRRS = 8,
};

/* Namespace of a Rel-13 writer (kms.md 14); those that a tolerant reader knows are in kms_rel13.c. */
#define KMS_REL13_NS "TOBEDEFINED"

#define KMS_NO_TIME INT64_MIN /* an optional dateTime that is not there; all times are Unix seconds */

/* Why a document was refused; for the log and for KmsError. Holds no value of the document but names of elements. */
struct kms_fault {
	enum mcsec_err code; /* _LENGTH the document's size; _UNSUPPORTED not UTF-8, or a wrapped key; else syntax */
	char element[64];    /* "" if none is known */
	unsigned line;       /* 0 if none is known */
	const char *detail;  /* static, never NULL */
};

/* ---- parts ---- */

enum kms_role { KMS_ROLE_NONE, KMS_ROLE_ROOT, KMS_ROLE_EXTERNAL };

struct kms_certificate {
	enum kms_role role;
	int security_gateway;
	char cert_uri[KMS_URI_MAX]; /* optional texts are "" when absent, here and below */
	char kms_uri[KMS_URI_MAX];
	char issuer[KMS_TEXT_MAX];
	int64_t valid_from, valid_to; /* or KMS_NO_TIME */
	int revoked;
	char user_id_format[16];
	struct mcsec_periods periods;
	uint8_t pub_enc_key[MCSEC_ZPUB_LEN];
	uint8_t pub_auth_key[MCSEC_KPAK_LEN];
	int64_t parameter_set; /* 1 when absent */
	size_t n_domains;
	char domains[KMS_MAX_DOMAINS][KMS_URI_MAX];
};
/* 1 if both are of one domain: the same KMS with the same public keys and periods. */
int kms_certificate_same_domain(const struct kms_certificate *a, const struct kms_certificate *b);

/*
 * A key wrapped under a transport key, as it stands in the document (kms.md 10.2). What is in it only the room that
 * protects documents of the KMS can tell (mcx/kmssec/kms_wrap.h).
 */
enum { KMS_ENC_MAX = 272, KMS_KEY_ID_MAX = 256, KMS_MAX_NEW_KEYS = 4 };

struct kms_enc_key {
	size_t len; /* 0: no key stands here */
	uint8_t octets[KMS_ENC_MAX];
	int pad_uri;                   /* EncryptionMethod kw-aes-256-pad, else kw-aes256; not looked at when reading */
	char key_name[KMS_KEY_ID_MAX]; /* ID of the TrK */
	char carried[KMS_KEY_ID_MAX];  /* CarriedKeyName: ID of a new key; "" without */
};

enum { KMS_SET_RSK, KMS_SET_SSK, KMS_SET_PVT, KMS_SET_KEYS };

enum { KMS_TRK_LEN = 32 }; /* TrK and InK */

struct kms_new_key {
	int is_ink; /* NewIntegrityKey, else NewTransportKey */
	struct kms_enc_key key;
};

struct kms_key_secret {
	uint8_t rsk[MCSEC_RSK_LEN];
	uint8_t ssk[MCSEC_SSK_LEN];
};

struct kms_key_set {
	char kms_uri[KMS_URI_MAX];
	char cert_uri[KMS_URI_MAX];
	char issuer[KMS_TEXT_MAX];
	char user_uri[KMS_URI_MAX];
	uint8_t uid[MCSEC_UID_LEN];
	int64_t valid_from, valid_to; /* valid_to: first second of the next period; or KMS_NO_TIME */
	uint64_t period_no;
	int revoked;
	uint8_t pvt[MCSEC_PVT_LEN];
	struct kms_key_secret *secret; /* secret memory */
	struct kms_enc_key *wrapped;   /* KMS_SET_KEYS of them while any key is wrapped, from malloc; else NULL */
};

struct kms_error {
	int64_t code; /* 0: no error stands in the document */
	char msg[KMS_TEXT_MAX];
};

/* ---- KmsRequest ---- */

struct krr; /* krr.h */

struct kms_request {
	int is_signed; /* root was SignedKmsRequest; the signature is not looked at here */
	char id[64];
	char user_uri[KMS_URI_MAX];
	char kms_uri[KMS_URI_MAX];
	int64_t time;
	char client_id[KMS_TEXT_MAX];
	char device_id[KMS_TEXT_MAX];
	char client_req_url[KMS_URL_MAX];
	struct kms_error client_error;
	char trk_id[KMS_TEXT_MAX];
	char signature_id[KMS_TEXT_MAX];
	size_t n_krrs; /* reports of redirect responses (kms.md 11.4) */
	struct krr *krrs[KMS_MAX_KRRS];
	size_t received_len; /* KRR as received, for its signature: an element of ours beside KrrList; NULL without */
	uint8_t *received;
	unsigned skipped; /* unknown elements of the interface's namespace */
};

/*
 * A document that stays in memory, so that what was verified is what is read. NULL and the fault; freed with
 * kms_parsed_free. flags: KMS_REL13.
 */
/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): libxml2's name for it */
struct _xmlDoc;
struct _xmlDoc *kms_parse(struct octets xml, size_t max, struct kms_fault *f);
void kms_parsed_free(struct _xmlDoc *doc);

/* A request with n_krrs or received holds memory: kms_request_free. */
MCSEC_MUST_CHECK enum mcsec_err kms_request_of(struct kms_request *out, unsigned flags, struct _xmlDoc *doc,
					       struct kms_fault *f);
MCSEC_MUST_CHECK enum mcsec_err kms_request_read(struct kms_request *out, struct octets xml, struct kms_fault *f);
void kms_request_free(struct kms_request *r);
void kms_request_write(struct writer *w, const struct kms_request *r);
/* The element alone, inheriting the namespaces of a Signed element around it. */
void kms_request_put(struct writer *w, const struct kms_request *r);

/* ---- KmsResponse ---- */

enum kms_message { KMS_MSG_NONE, KMS_MSG_INIT, KMS_MSG_KEYPROV, KMS_MSG_CERTCACHE, KMS_MSG_LOOKUP };

struct kms_response {
	char id[64];
	char user_uri[KMS_URI_MAX];
	char kms_uri[KMS_URI_MAX];
	int64_t time;
	char kms_id[KMS_TEXT_MAX];
	char client_req_url[KMS_URL_MAX];
	enum kms_message message;
	struct kms_error error;
	char trk_id[KMS_TEXT_MAX];
	char signature_id[KMS_TEXT_MAX];

	size_t n_certs; /* KMS_MSG_INIT: exactly 1; KMS_MSG_CERTCACHE */
	struct kms_certificate *certs;
	int64_t cache_num;                   /* -1: absent */
	char suites[256], suites_minimum[8]; /* AlgorithmSuites; "" when absent */
	size_t n_sets;                       /* KMS_MSG_KEYPROV */
	struct kms_key_set *sets;
	char lookup_uri[KMS_URI_MAX]; /* KMS_MSG_LOOKUP */
	size_t n_lookup;
	char (*lookup)[KMS_URI_MAX];
	size_t n_new_keys; /* KMS_MSG_INIT, KMS_MSG_KEYPROV */
	struct kms_new_key new_keys[KMS_MAX_NEW_KEYS];
	int rel13; /* written in the order and namespace of Rel-13 */
	unsigned skipped;
};

/* Any of them: a document from a file may be a part only, as a tool's user saves it. */
enum kms_roots {
	KMS_ROOT_RESPONSE = 1, /* KmsResponse, SignedKmsResponse */
	KMS_ROOT_PART = 2,     /* (Signed)KmsCertificate, KmsInit, KmsCertCache, KmsKeySet, KmsKeyProv */
	KMS_WRAPPED = 4,       /* not a root: keys may be wrapped; without it a wrapped key is refused by name */
	KMS_REL13 = 8,         /* not a root: the forms of Rel-13 are read too */
};

/* On success the caller frees with kms_response_free; on failure there is nothing to free. */
MCSEC_MUST_CHECK enum mcsec_err kms_response_read(struct kms_response *out, unsigned roots, struct octets xml,
						  struct kms_fault *f);
MCSEC_MUST_CHECK enum mcsec_err kms_response_of(struct kms_response *out, unsigned roots, struct _xmlDoc *doc,
						struct kms_fault *f);
void kms_response_free(struct kms_response *r); /* wipes */

/* The whole document, declaration first. Its arrays are the caller's. */
void kms_response_write(struct writer *w, const struct kms_response *r);
/* The element alone, inheriting the namespaces of a Signed element around it. */
void kms_response_put(struct writer *w, const struct kms_response *r);
/* Octets that kms_response_write needs at most. */
size_t kms_response_bound(const struct kms_response *r);
/* Documents of their own, as a client stores them. */
void kms_certificate_write(struct writer *w, const struct kms_certificate *c);
void kms_key_set_write(struct writer *w, const struct kms_key_set *s);
enum { KMS_CERTIFICATE_BOUND = 32 * 1024, KMS_KEY_SET_BOUND = 12 * 1024 };

/* ---- what must hold before keys are used (kms.md 8.4, 8.5) ---- */

/*
 * The certificate's own rules, its role and its place: kms_uri is the KMS it must be of; for KMS_ROLE_EXTERNAL it must
 * not be home_uri. On MCSEC_OK *out is the KMS made of its public keys. out may be NULL: only check.
 */
MCSEC_MUST_CHECK enum mcsec_err kms_certificate_check(const struct kms_certificate *c, enum kms_role role,
						      const char *kms_uri, const char *home_uri, int64_t now,
						      struct mcsec_kms **out, struct kms_fault *f);
/*
 * The set belongs to this certificate, this identity and its period, the UID is right, and the keys are what this KMS
 * issued to it. On MCSEC_OK *out is ready for use. MCSEC_E_KEY_SET otherwise; MCSEC_E_REVOKED: wipe what you hold.
 */
MCSEC_MUST_CHECK enum mcsec_err kms_key_set_check(const struct kms_key_set *s, const struct kms_certificate *c,
						  struct mcsec_kms *kms, const char *user_uri,
						  struct mcsec_keyset **out, struct kms_fault *f);

#endif
