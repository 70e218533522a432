/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kms_client.h - the client side of the KMS interface: init, keyprov and cert over HTTPS (kms.md 4, 5, 8).
 *
 * Used by user clients with a bearer token and by servers with a TLS client certificate (token NULL). Every answer is
 * read, checked by kms.md 8.4 and 8.5 and only then handed out; what fails is never partly used, and the next request
 * reports it as ClientError. No retries here: the outcome says what the caller shall do (8.2).
 * Blocking; one object a thread.
 */
#ifndef MCX_NET_KMS_CLIENT_H
#define MCX_NET_KMS_CLIENT_H

#include "mcx/doc/krr.h"

/*
 * TrK and InK of a client (kms.md 10). Secret memory of the caller, who keeps it sealed. A new key takes the place of
 * the current one, which stays as the previous one until the next change.
 */
struct kms_transport_key {
	char id[KMS_KEY_ID_MAX]; /* "" none */
	uint8_t key[KMS_TRK_LEN];
};
struct kms_transport {
	struct kms_transport_key trk, ink, prev_trk, prev_ink;
};

struct kms_client_options {
	const char *base_url; /* "https://kms.example.org:8443"; the interface's root path is added */
	const char *kms_uri;  /* KmsUri of the configured home KMS, octet for octet */
	const char *ca_file;
	const char *cert_file, *key_file;  /* mutual TLS; NULL without */
	const char *resolve, *proxy;       /* as http_client_options */
	const char *client_id, *device_id; /* NULL without */
	unsigned timeout_ms;               /* 0: 30 s */
	/*
	 * The security extension: NULL off. Requests are signed with InK, else TrK, and name them; a success that is
	 * not signed is no answer. store makes changed keys durable before anything else happens: 0, or not 0.
	 */
	struct kms_transport *transport;
	int (*store)(void *ctx, const struct kms_transport *t);
	void *store_ctx;
	int rel13; /* answers of Rel-13 servers are read too */
};

enum kms_outcome {
	KMS_DONE,
	KMS_UNREACHABLE, /* no answer: connection, TLS, time: another address, back-off        */
	KMS_LATER,       /* 429, 5xx: wait retry_after_s, else back-off                         */
	KMS_TOKEN,       /* 401: refresh the token once, try once                               */
	KMS_REFUSED,     /* 403: stop and report; nothing changes before a new token            */
	KMS_NOT_THERE,   /* 404: no such certificate                                            */
	KMS_REJECTED,    /* 400, 409 and other 4xx: no retry                                    */
	KMS_BAD_ANSWER,  /* 200, but the document or the keys in it do not pass the checks      */
	KMS_REVOKED,     /* 200: our certificate or our key set is revoked: wipe                */
};
const char *kms_outcome_name(enum kms_outcome o);

struct kms_result {
	enum kms_outcome outcome;
	int status; /* HTTP, 0 without an answer */
	unsigned retry_after_s;
	int64_t error_code; /* KmsError/ErrorCode, 0 without */
	int64_t kms_time;   /* Time of the answer, Unix seconds; KMS_NO_TIME without */
	char detail[256];   /* for the log and the person: no key, no token */
};

/*
 * A security domain: its certificate as received and the KMS made of it. Of the home domain also its algorithm suites,
 * as kms_response has them (kms.md 7.3): most wanted first, and the weakest allowed; "" means 0101 only.
 */
struct kms_domain {
	struct kms_certificate cert;
	struct mcsec_kms *kms;
	char suites[sizeof((struct kms_response *)0)->suites];
	char suites_minimum[sizeof((struct kms_response *)0)->suites_minimum];
};
void kms_domain_free(struct kms_domain *d);

/* A checked key set: the document's values (for sealed storage) and the keys ready for use. */
struct kms_keys {
	struct kms_key_set set;
	struct mcsec_keyset *keyset;
};
void kms_keys_free(struct kms_keys *k, size_t n); /* the entries, not the array */

struct kms_client;

struct kms_client *kms_client_new(const struct kms_client_options *o);
void kms_client_free(struct kms_client *c);

/*
 * user_uri: who asks (KmsRequest/UserUri). now: Unix seconds. Each returns 1 when r->outcome is KMS_DONE, else 0; only
 * after 1 the output is filled in, and the caller frees it.
 */
int kms_client_init(struct kms_client *c, const char *token, const char *user_uri, int64_t now, struct kms_domain *home,
		    struct kms_result *r);
/*
 * for_uri NULL: all identities of the token. at: Unix seconds of the wanted period, KMS_NO_TIME: the current one (and
 * the next, when its window is open); needs for_uri. mine[0..n_mine) are the identities we accept key sets for.
 * *n: in the room of out[], out the number of sets.
 */
int kms_client_keyprov(struct kms_client *c, const char *token, const char *user_uri, const char *for_uri, int64_t at,
		       int64_t now, const struct kms_domain *home, const char *const *mine, size_t n_mine,
		       struct kms_keys *out, size_t *n, struct kms_result *r);
/* Certificate of another domain, from our home KMS. */
int kms_client_cert(struct kms_client *c, const char *token, const char *user_uri, const char *kms_uri, int64_t now,
		    struct kms_domain *external, struct kms_result *r);
/*
 * The other domains we may talk to. known: the number of the set we hold, -1: none; *num: the KMS's number. Equal: what
 * we hold is current, and *n is 0. Otherwise out[0..*n) is the whole set and takes the place of the old one: what is
 * not in it any more must not be used. *n: in the room of out[]. A certificate that fails its checks is left out and
 * reported with the next request; a revoked one comes with kms NULL.
 */
int kms_client_certcache(struct kms_client *c, const char *token, const char *user_uri, int64_t known, int64_t now,
			 struct kms_domain *out, size_t *n, int64_t *num, struct kms_result *r);
/* Which KMSs serve this target, preferred first; none: unknown or not permitted. *n: in the room of out[]. */
int kms_client_lookup(struct kms_client *c, const char *token, const char *user_uri, const char *target, int64_t now,
		      char (*out)[KMS_URI_MAX], size_t *n, struct kms_result *r);
/*
 * Reports a redirect response that was met (kms.md 11.4): krr as read, received its document (may be empty), trouble
 * what its signature suffered from (NULL: nothing).
 */
int kms_client_redirect(struct kms_client *c, const char *token, const char *user_uri, struct krr *krr,
			struct octets received, const char *trouble, int64_t now, struct kms_result *r);

#endif
