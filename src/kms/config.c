/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.c - the table of the configuration file of mcx-kms, and the rules that tie keys to each other.
 */
#include <stdio.h>
#include <string.h>

#include "kms/config.h"

#define AT(member) CONFIG_FIELD(struct kms_config, member)
#define NO_RANGE   0, 0

const struct config_option kms_options[] = {
    {"uri", CONFIG_TEXT, AT(uri), NULL, NO_RANGE},
    {"node", CONFIG_TEXT, AT(node), "kms-a-01", NO_RANGE},
    {"operator", CONFIG_TEXT, AT(operator_), "", NO_RANGE},
    {"address", CONFIG_TEXT, AT(address), "127.0.0.1", NO_RANGE},
    {"port", CONFIG_INT, AT(port), "8443", 0, 65535},
    {"admin_port", CONFIG_INT, AT(admin_port), "8444", 0, 65535},
    {"tls", CONFIG_PATH, AT(tls), NULL, NO_RANGE},
    {"tls_key", CONFIG_PATH, AT(tls_key), "", NO_RANGE},
    {"client_ca", CONFIG_PATH, AT(client_ca), "", NO_RANGE},
    {"admin_ca", CONFIG_PATH, AT(admin_ca), NULL, NO_RANGE},
    {"database", CONFIG_PATH, AT(database), NULL, NO_RANGE},
    {"custody", CONFIG_TEXT, AT(custody), "passphrase", NO_RANGE},
    {"passphrase", CONFIG_PATH, AT(passphrase), "", NO_RANGE},
    {"credential", CONFIG_TEXT, AT(credential), "", NO_RANGE},
    {"pkcs11_module", CONFIG_PATH, AT(pkcs11_module), "", NO_RANGE},
    {"pkcs11_token", CONFIG_TEXT, AT(pkcs11_token), "", NO_RANGE},
    {"pkcs11_key", CONFIG_TEXT, AT(pkcs11_key), "mcx-kms", NO_RANGE},
    {"pkcs11_pin", CONFIG_PATH, AT(pkcs11_pin), "", NO_RANGE},
    {"user", CONFIG_TEXT, AT(user), "", NO_RANGE},
    {"issuer_user", CONFIG_TEXT, AT(issuer_user), "", NO_RANGE},
    {"issuer_restart", CONFIG_BOOL, AT(issuer_restart), "true", NO_RANGE},
    {"memory_lock", CONFIG_TEXT, AT(memory_lock), "warn", NO_RANGE},
    {"issuer", CONFIG_TEXT, AT(issuer), NULL, NO_RANGE},
    {"audience", CONFIG_TEXT, AT(audience), NULL, NO_RANGE},
    {"realm", CONFIG_TEXT, AT(realm), "", NO_RANGE},
    {"jwks", CONFIG_TEXT, AT(jwks), "", NO_RANGE},
    {"jwks_file", CONFIG_PATH, AT(jwks_file), "", NO_RANGE},
    {"ca", CONFIG_PATH, AT(ca), "", NO_RANGE},
    {"resolve", CONFIG_TEXT, AT(resolve), "", NO_RANGE},
    {"rel13_scopes", CONFIG_BOOL, AT(rel13_scopes), "false", NO_RANGE},
    {"no_token_status", CONFIG_INT, AT(no_token_status), "403", 401, 403},
    {"servers", CONFIG_LIST, AT(servers), NULL, NO_RANGE},
    {"provisioners", CONFIG_LIST, AT(provisioners), NULL, NO_RANGE},
    {"proxies", CONFIG_LIST, AT(proxies), NULL, NO_RANGE},
    {"aliases", CONFIG_LIST, AT(aliases), NULL, NO_RANGE},
    {"directory", CONFIG_LIST, AT(directory), NULL, NO_RANGE},
    {"domains", CONFIG_LIST, AT(domains), NULL, NO_RANGE},
    {"period", CONFIG_INT, AT(period), "2592000", 1, INT64_C(3153600000)},
    {"offset", CONFIG_INT, AT(offset), "0", 0, INT64_C(3153600000)},
    {"preprovision", CONFIG_INT, AT(preprovision), "604800", 0, INT64_C(3153600000)},
    {"max_past", CONFIG_INT, AT(max_past), "1", 0, 1000},
    {"max_future", CONFIG_INT, AT(max_future), "1", 0, 1000},
    {"validity_days", CONFIG_INT, AT(validity_days), "1095", 1, 36500},
    {"suites", CONFIG_TEXT, AT(suites), "", NO_RANGE},
    {"suites_minimum", CONFIG_TEXT, AT(suites_minimum), "", NO_RANGE},
    {"enrolment", CONFIG_TEXT, AT(enrolment), "token", NO_RANGE},
    {"enforce_time", CONFIG_BOOL, AT(enforce_time), "false", NO_RANGE},
    {"lenient_client_req_url", CONFIG_BOOL, AT(lenient_url), "true", NO_RANGE},
    {"time_tolerance", CONFIG_INT, AT(time_tolerance), "30", 1, 86400},
    {"protect", CONFIG_TEXT, AT(protect), "off", NO_RANGE},
    {"transport_key", CONFIG_PATH, AT(transport_key), "", NO_RANGE},
    {"wrap_keys", CONFIG_TEXT, AT(wrap_keys), "auto", NO_RANGE},
    {"sign_responses", CONFIG_TEXT, AT(sign_responses), "auto", NO_RANGE},
    {"require_signed_request", CONFIG_BOOL, AT(require_signed_request), "false", NO_RANGE},
    {"wrap_uri", CONFIG_TEXT, AT(wrap_uri), "3gpp", NO_RANGE},
    {"wrap_always_padded", CONFIG_BOOL, AT(wrap_always_padded), "false", NO_RANGE},
    {"rel13_hmac128", CONFIG_BOOL, AT(rel13_hmac128), "false", NO_RANGE},
    {"transport_roll_days", CONFIG_INT, AT(transport_roll_days), "0", 0, 36500},
    {"compat_rel13", CONFIG_BOOL, AT(compat_rel13), "false", NO_RANGE},
    {"schema", CONFIG_TEXT, AT(schema), "rel15", NO_RANGE},
    {"response_media_type", CONFIG_TEXT, AT(response_media_type), "application/xml", NO_RANGE},
    {"krr_ca", CONFIG_PATH, AT(krr_ca), "", NO_RANGE},
    {"krr_day", CONFIG_INT, AT(krr_day), "200", 1, 1000000},
    {"limit_hour", CONFIG_INT, AT(limit_hour), "20", 0, 1000000},
    {"limit_period", CONFIG_INT, AT(limit_period), "60", 0, 1000000},
    {"limit_source", CONFIG_INT, AT(limit_source), "50", 0, 1000000},
    {"max_connections", CONFIG_INT, AT(max_connections), "1000", 16, 65536},
    {"max_per_peer", CONFIG_INT, AT(max_per_peer), "256", 1, 65536},
    {"new_per_peer", CONFIG_INT, AT(new_per_peer), "100", 1, 65536},
    {"threads", CONFIG_INT, AT(threads), "4", 1, 256},
    {"audit_key", CONFIG_PATH, AT(audit_key), "audit.key", NO_RANGE},
    {"audit_checkpoints", CONFIG_PATH, AT(audit_checkpoints), "audit.checkpoints", NO_RANGE},
    {"revocations", CONFIG_TEXT, AT(revocations), "", NO_RANGE},
    {"revocations_cert", CONFIG_PATH, AT(revocations_cert), "", NO_RANGE},
    {"revocations_every", CONFIG_INT, AT(revocations_every), "10", 1, 60},
    {"busy_ms", CONFIG_INT, AT(busy_ms), "2000", 1, 60000},
};
const size_t kms_n_options = sizeof kms_options / sizeof *kms_options;

struct custody_place kms_custody_place(const struct kms_config *c)
{
	return (struct custody_place){
	    .passphrase = c->passphrase,
	    .credential = c->credential,
	    .token = {.module = c->pkcs11_module,
		      .token = c->pkcs11_token,
		      .key = c->pkcs11_key,
		      .pin_file = c->pkcs11_pin},
	};
}

static int refuse(char *err, size_t size, const char *sentence)
{
	snprintf(err, size, "%s", sentence);
	return -1;
}

static const struct {
	size_t at;
	const char *one, *two, *three, *sentence;
} choices[] = {
    {offsetof(struct kms_config, protect), "off", "trk", "trk+ink", "protect is \"off\", \"trk\" or \"trk+ink\""},
    {offsetof(struct kms_config, wrap_keys), "auto", "always", "never",
     "wrap_keys is \"auto\", \"always\" or \"never\""},
    {offsetof(struct kms_config, sign_responses), "auto", "never", "auto", "sign_responses is \"auto\" or \"never\""},
    {offsetof(struct kms_config, wrap_uri), "3gpp", "strict", "3gpp", "wrap_uri is \"3gpp\" or \"strict\""},
    {offsetof(struct kms_config, schema), "rel15", "rel13", "rel15", "schema is \"rel15\" or \"rel13\""},
    {offsetof(struct kms_config, response_media_type), "application/xml", "text/xml", "text/xml",
     "response_media_type is \"application/xml\" or \"text/xml\""},
};

static const char *wrong_choice(const struct kms_config *c)
{
	for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
		const char *v = (const char *)c + choices[i].at;
		if (strcmp(v, choices[i].one) != 0 && strcmp(v, choices[i].two) != 0 &&
		    strcmp(v, choices[i].three) != 0)
			return choices[i].sentence;
	}
	if (strcmp(c->protect, "off") == 0 && (c->require_signed_request || strcmp(c->wrap_keys, "always") == 0))
		return "require_signed_request and wrap_keys = \"always\" need protect";
	return NULL;
}

int kms_config_complete(struct kms_config *c, char *err, size_t err_size)
{
	if (c->offset >= c->period)
		return refuse(err, err_size, "offset must be below period");
	if (strcmp(c->enrolment, "token") != 0 && strcmp(c->enrolment, "listed") != 0)
		return refuse(err, err_size, "enrolment is \"token\" or \"listed\"");
	if (custody_kind_of(c->custody) == CUSTODY_KINDS)
		return refuse(err, err_size, "custody is \"passphrase\", \"credential\", \"pkcs11\" or \"officers\"");
	if (strcmp(c->memory_lock, "warn") != 0 && strcmp(c->memory_lock, "required") != 0)
		return refuse(err, err_size, "memory_lock is \"warn\" or \"required\"");
	if (c->revocations[0] && !c->revocations_cert[0])
		return refuse(err, err_size, "revocations needs revocations_cert, which the identity server accepts");
	if (wrong_choice(c))
		return refuse(err, err_size, wrong_choice(c));
	if (!c->transport_key[0] &&
	    snprintf(c->transport_key, sizeof c->transport_key, "%.4000s.transport-key", c->database) < 0)
		return refuse(err, err_size, "database is too long");
	if (c->no_token_status == 402)
		return refuse(err, err_size, "no_token_status is 401 or 403");
	for (size_t i = 0; i < c->servers.n; i++)
		if (!strchr(c->servers.item[i], '=') || c->servers.item[i][0] == '=')
			return refuse(err, err_size, "an entry of servers is \"name in the certificate=identity URI\"");
	for (size_t i = 0; i < c->directory.n; i++)
		if (!strchr(c->directory.item[i], '=') || c->directory.item[i][0] == '=')
			return refuse(err, err_size, "an entry of directory is \"pattern=KMS URIs\"");
	if (!c->tls_key[0])
		memcpy(c->tls_key, c->tls, sizeof c->tls_key);
	if (!c->ca[0])
		memcpy(c->ca, c->client_ca, sizeof c->ca);
	if (!c->realm[0])
		memcpy(c->realm, c->uri, sizeof c->realm);
	if (!c->jwks[0] && !c->jwks_file[0]) {
		int n = snprintf(c->jwks, sizeof c->jwks, "%s/jwks", c->issuer);
		if (n < 0 || (size_t)n >= sizeof c->jwks)
			return refuse(err, err_size, "issuer is too long");
	}
	return 0;
}
