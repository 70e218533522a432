/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - the table of the server's configuration keys, their defaults and bounds. */
#include "server/config.h"

#define F(member) CONFIG_FIELD(struct server_config, member)

const struct config_option server_options[] = {
    {"host", CONFIG_TEXT, F(host), NULL, 0, 0},
    {"psi", CONFIG_TEXT, F(psi), NULL, 0, 0},
    {"mdsi", CONFIG_TEXT, F(mdsi), "", 0, 0},
    {"psi_mcvideo", CONFIG_TEXT, F(psi_mcvideo), "", 0, 0},
    {"psi_mcdata", CONFIG_TEXT, F(psi_mcdata), "", 0, 0},
    {"services", CONFIG_LIST, F(services), NULL, 0, 0}, /* empty: mcptt */
    {"address", CONFIG_TEXT, F(address), "127.0.0.1", 0, 0},
    {"sip_port", CONFIG_INT, F(sip_port), "5060", 0, 65535},
    {"sips_port", CONFIG_INT, F(sips_port), "5061", 0, 65535},
    {"admin_port", CONFIG_INT, F(admin_port), "6444", 0, 65535},
    {"rtp_min", CONFIG_INT, F(rtp_min), "30000", 1024, 65534},
    {"rtp_max", CONFIG_INT, F(rtp_max), "30999", 1024, 65535},
    /* An empty list of transports means all three, of register_over TLS alone. */
    {"transports", CONFIG_LIST, F(transports), NULL, 0, 0},
    {"register_over", CONFIG_LIST, F(register_over), NULL, 0, 0},
    {"trusted", CONFIG_LIST, F(trusted), NULL, 0, 0},
    {"core", CONFIG_LIST, F(core), NULL, 0, 0},
    {"core_route", CONFIG_TEXT, F(core_route), "", 0, 0},
    {"tls", CONFIG_PATH, F(tls), NULL, 0, 0},
    {"tls_dir", CONFIG_PATH, F(tls_dir), NULL, 0, 0},
    {"ca", CONFIG_PATH, F(ca), NULL, 0, 0},
    {"admin_ca", CONFIG_PATH, F(admin_ca), NULL, 0, 0},
    {"resolv_conf", CONFIG_PATH, F(resolv_conf), "/etc/resolv.conf", 0, 0},
    {"database", CONFIG_PATH, F(database), NULL, 0, 0},
    {"seal_key", CONFIG_PATH, F(seal_key), "seal.key", 0, 0},
    {"passphrase", CONFIG_PATH, F(passphrase), "", 0, 0},
    {"kms", CONFIG_TEXT, F(kms), NULL, 0, 0},
    {"kms_uri", CONFIG_TEXT, F(kms_uri), "", 0, 0},               /* "": the host name in `kms` */
    {"initiator_kms", CONFIG_LIST, F(initiator_kms), NULL, 0, 0}, /* empty: all we hold a certificate of */
    {"external_kms", CONFIG_BOOL, F(external_kms), "true", 0, 0},
    {"redirect_on_path", CONFIG_BOOL, F(redirect_on_path), "true", 0, 0},
    {"krr_key", CONFIG_PATH, F(krr_key), "", 0, 0}, /* "": tls */
    {"issuer", CONFIG_TEXT, F(issuer), NULL, 0, 0},
    {"audience", CONFIG_TEXT, F(audience), NULL, 0, 0},
    {"jwks", CONFIG_TEXT, F(jwks), "", 0, 0}, /* "": ISSUER/jwks */
    {"resolve", CONFIG_TEXT, F(resolve), "", 0, 0},
    {"revocations", CONFIG_TEXT, F(revocations), "", 0, 0},
    {"revocations_cert", CONFIG_PATH, F(revocations_cert), "", 0, 0},
    {"revocations_every", CONFIG_INT, F(revocations_every), "5", 1, 60},
    {"audit_key", CONFIG_PATH, F(audit_key), "audit.key", 0, 0},
    {"audit_checkpoints", CONFIG_PATH, F(audit_checkpoints), "audit.checkpoints", 0, 0},
    {"protection", CONFIG_TEXT, F(protection), "required", 0, 0},
    {"xml_confidentiality", CONFIG_BOOL, F(xml_confidentiality), "true", 0, 0},
    {"xml_integrity", CONFIG_BOOL, F(xml_integrity), "true", 0, 0},
    {"xml_require", CONFIG_BOOL, F(xml_require), "false", 0, 0},
    {"suites", CONFIG_TEXT, F(suites), SUITES_KNOWN, 0, 0},
    {"identity_hiding", CONFIG_BOOL, F(identity_hiding), "false", 0, 0},
    {"sakke_to_self", CONFIG_BOOL, F(sakke_to_self), "false", 0, 0},
    {"csk_grace_s", CONFIG_INT, F(csk_grace_s), "32", 0, 3600},
    {"csk_max_age_s", CONFIG_INT, F(csk_max_age_s), "86400", 0, 31536000},
    {"musik_life_s", CONFIG_INT, F(musik_life_s), "86400", 60, 31536000},
    {"expires_min", CONFIG_INT, F(expires_min), "60", 1, 3600},
    {"expires_max", CONFIG_INT, F(expires_max), "3600", 60, 86400},
    {"ring_s", CONFIG_INT, F(ring_s), "60", 1, 600},
    {"silent_s", CONFIG_INT, F(silent_s), "60", 1, 86400},
    {"max_private_calls", CONFIG_INT, F(max_private_calls), "10", 1, 1000},
    {"workers", CONFIG_INT, F(workers), "2", 1, 64},
    {"queue", CONFIG_INT, F(queue), "256", 1, 100000},
    {"waiting", CONFIG_INT, F(waiting), "256", 0, 100000},
    {"waiting_s", CONFIG_INT, F(waiting_s), "30", 1, 32}, /* t_fin: its sender has given up */
    {"busy_ms", CONFIG_INT, F(busy_ms), "2000", 0, 60000},
    {"connect_ms", CONFIG_INT, F(connect_ms), "8000", 100, 32000},
    {"max_connections", CONFIG_INT, F(max_connections), "4096", 16, 65536},
    {"max_per_source", CONFIG_INT, F(max_per_source), "256", 1, 65536},
    {"new_per_source", CONFIG_INT, F(new_per_source), "100", 1, 65536},
    {"first_request_s", CONFIG_INT, F(first_request_s), "10", 1, 3600},
    {"idle_s", CONFIG_INT, F(idle_s), "300", 1, 86400},
    {"invites_per_user", CONFIG_INT, F(invites_per_user), "5", 1, 1000},
    {"floor_control", CONFIG_BOOL, F(floor_control), "true", 0, 0},
    {"transmission_control", CONFIG_BOOL, F(transmission_control), "true", 0, 0},
    {"media_any_address", CONFIG_BOOL, F(media_any_address), "false", 0, 0},
};
const size_t server_n_options = sizeof server_options / sizeof *server_options;
