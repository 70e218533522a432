/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - what the operator sets (docs/man/mcx-kms.8); the table that reads it is in config.c.
 */
#ifndef MCX_KMS_CONFIG_H
#define MCX_KMS_CONFIG_H

#include "app/config.h"
#include "custody/place.h"

enum { KMS_PATH = 4096 };

struct kms_config {
	char uri[256];       /* KmsUri */
	char node[64];       /* KmsId, and the node of the audit record */
	char operator_[256]; /* Issuer */
	char address[64];
	int64_t port, admin_port;
	char tls[KMS_PATH], tls_key[KMS_PATH]; /* PEM; the key may stand in the first */
	char client_ca[KMS_PATH], admin_ca[KMS_PATH];
	char database[KMS_PATH];
	char custody[16]; /* of a domain made at the first start; afterwards the sealed secrets say it themselves */
	char passphrase[KMS_PATH], credential[64];
	char pkcs11_module[KMS_PATH], pkcs11_token[33], pkcs11_key[TOKEN_LABEL_MAX], pkcs11_pin[KMS_PATH];
	char user[64], issuer_user[64]; /* names or numbers; "": see confine.h */
	int issuer_restart;
	char memory_lock[16]; /* "warn" or "required" */
	char issuer[256], audience[256], realm[256];
	char jwks[1024], jwks_file[KMS_PATH], ca[KMS_PATH], resolve[1024];
	int rel13_scopes;
	int64_t no_token_status;
	struct config_list servers;      /* "SAN=identity": what a server's certificate may fetch keys for */
	struct config_list provisioners; /* "SAN=pattern": for which identities a gateway may fetch keys besides */
	struct config_list proxies;      /* SANs of HTTP proxies whose X-3GPP-Asserted-Identity counts */
	struct config_list aliases;      /* KmsUri values of requests that mean us */
	struct config_list directory;    /* "pattern=KMS URIs": who serves whom */
	struct config_list domains;      /* KmsDomainList */
	int64_t period, offset, preprovision, max_past, max_future, validity_days;
	char suites[256], suites_minimum[8];
	char enrolment[16]; /* "token" or "listed" */
	int enforce_time, lenient_url;
	int64_t time_tolerance;
	char protect[16];             /* "off", "trk" or "trk+ink": the security extension (kms.md 10) */
	char transport_key[KMS_PATH]; /* the file with the key that seals TrK and InK */
	char wrap_keys[16], sign_responses[16], wrap_uri[16];
	int require_signed_request, wrap_always_padded, rel13_hmac128;
	int64_t transport_roll_days; /* age at which TrK and InK are replaced; 0: never */
	int compat_rel13;            /* documents of Rel-13 are read; written: schema = "rel13" */
	char schema[16], response_media_type[32];
	char krr_ca[KMS_PATH];                               /* trust anchors for processors of redirect responses */
	int64_t krr_day;                                     /* reports a reporter may make in a day */
	int64_t limit_hour, limit_period, limit_source;      /* 0: none */
	int64_t max_connections, max_per_peer, new_per_peer; /* of the public listener (net/http.h) */
	int64_t threads, busy_ms;
	char audit_key[KMS_PATH], audit_checkpoints[KMS_PATH];
	char revocations[1024], revocations_cert[KMS_PATH]; /* the identity server's list; "": none */
	int64_t revocations_every;
};

extern const struct config_option kms_options[];
extern const size_t kms_n_options;

/* Where each kind of custody is, as this configuration names it; points into it. */
struct custody_place kms_custody_place(const struct kms_config *c);
/* What a single value cannot say; 0, or -1 and a sentence. Also fills in what follows from other keys. */
int kms_config_complete(struct kms_config *c, char *err, size_t err_size);

#endif
