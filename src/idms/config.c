/* SPDX-License-Identifier: Apache-2.0 */
/* config.c - the keys of the identity server's configuration file; docs/man/mcx-idms.8 explains them. */
#include "idms/context.h"

#define FIELD(member) CONFIG_FIELD(struct idms_config, member)

const struct config_option idms_options[] = {
    {"issuer", CONFIG_TEXT, FIELD(issuer), NULL, 0, 0},
    {"audience", CONFIG_TEXT, FIELD(audience), NULL, 0, 0},
    {"name", CONFIG_TEXT, FIELD(name), "", 0, 0},
    {"address", CONFIG_TEXT, FIELD(address), "127.0.0.1", 0, 0},
    {"port", CONFIG_INT, FIELD(port), "7443", 0, 65535},
    {"admin_port", CONFIG_INT, FIELD(admin_port), "7444", 0, 65535},
    {"tls", CONFIG_PATH, FIELD(tls), NULL, 0, 0},
    {"admin_ca", CONFIG_PATH, FIELD(admin_ca), NULL, 0, 0},
    {"client_ca", CONFIG_PATH, FIELD(client_ca), "", 0, 0},
    {"database", CONFIG_PATH, FIELD(database), NULL, 0, 0},
    {"audit_key", CONFIG_PATH, FIELD(audit_key), "audit.key", 0, 0},
    {"audit_checkpoints", CONFIG_PATH, FIELD(audit_checkpoints), "audit.checkpoints", 0, 0},
    {"keys", CONFIG_PATH, FIELD(keys), "keys", 0, 0},
    {"scopes", CONFIG_LIST, FIELD(scopes), NULL, 0, 0},
    {"threads", CONFIG_INT, FIELD(threads), "8", 1, 64},
    {"max_connections", CONFIG_INT, FIELD(max_connections), "1000", 16, 65536},
    {"max_per_peer", CONFIG_INT, FIELD(max_per_peer), "256", 1, 65536},
    {"new_per_peer", CONFIG_INT, FIELD(new_per_peer), "100", 1, 65536},
    {"access_ttl", CONFIG_INT, FIELD(access_ttl), "3600", 60, 14400},
    {"id_ttl", CONFIG_INT, FIELD(id_ttl), "3600", 60, 14400},
    {"code_ttl", CONFIG_INT, FIELD(code_ttl), "60", 10, 600},
    {"refresh_abs_ttl", CONFIG_INT, FIELD(refresh_abs_ttl), "86400", 3600, 90 * 86400},
    {"refresh_idle_ttl", CONFIG_INT, FIELD(refresh_idle_ttl), "43200", 3600, 90 * 86400},
    {"session_abs_ttl", CONFIG_INT, FIELD(session_abs_ttl), "86400", 300, 30 * 86400},
    {"session_idle_ttl", CONFIG_INT, FIELD(session_idle_ttl), "43200", 60, 30 * 86400},
    {"argon2_memory_kib", CONFIG_INT, FIELD(argon2_memory_kib), "65536", 19 * 1024, 1 << 20},
    {"argon2_passes", CONFIG_INT, FIELD(argon2_passes), "3", 2, 16},
    {"argon2_lanes", CONFIG_INT, FIELD(argon2_lanes), "4", 1, 16},
    {"argon2_threads", CONFIG_INT, FIELD(argon2_threads), "8", 1, 64},
    {"argon2_queue", CONFIG_INT, FIELD(argon2_queue), "64", 1, 4096},
    {"rotate_days", CONFIG_INT, FIELD(rotate_days), "90", 1, 3650},
    {"login_pages_per_s", CONFIG_INT, FIELD(login_pages_per_s), "10", 1, 100000},
    {"source_failures", CONFIG_INT, FIELD(source_failures), "20", 1, 100000},
    {"token_rate", CONFIG_INT, FIELD(token_rate), "20", 1, 100000},
    {"lockout_failures", CONFIG_INT, FIELD(lockout_failures), "0", 0, 100},
    {"lockout_minutes", CONFIG_INT, FIELD(lockout_minutes), "15", 1, 1440},
    {"redirect_303", CONFIG_BOOL, FIELD(redirect_303), "false", 0, 0},
    {"password_blocklist", CONFIG_PATH, FIELD(password_blocklist), "", 0, 0},
};
const size_t idms_n_options = sizeof idms_options / sizeof *idms_options;
