/* SPDX-License-Identifier: Apache-2.0 */
/*
 * schema.c - the tables of identity.md 14.1. Times are Unix seconds. Codes, cookies and refresh tokens stand here as
 * SHA-256 only; passwords as Argon2id; private signing keys not at all (files, signing.c).
 */
#include "idms/schema.h"

#include "audit/audit.h"

static const char tables[] =
    "CREATE TABLE user ("
    " sub TEXT PRIMARY KEY, mc_id TEXT NOT NULL, folded TEXT NOT NULL UNIQUE, display TEXT NOT NULL,"
    " enabled INTEGER NOT NULL, scopes TEXT NOT NULL, password TEXT NOT NULL, fail_count INTEGER NOT NULL DEFAULT 0,"
    " fail_since INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL, changed INTEGER NOT NULL) STRICT;"
    "CREATE TABLE user_service ("
    " sub TEXT NOT NULL REFERENCES user ON DELETE CASCADE, service TEXT NOT NULL, mc_service_id TEXT NOT NULL,"
    " PRIMARY KEY (sub, service), UNIQUE (service, mc_service_id)) STRICT;"
    "CREATE TABLE client ("
    " client_id TEXT PRIMARY KEY, record TEXT NOT NULL, secret BLOB, created INTEGER NOT NULL,"
    " changed INTEGER NOT NULL) STRICT;"
    "CREATE TABLE session ("
    " hash BLOB PRIMARY KEY, sid TEXT NOT NULL UNIQUE, sub TEXT NOT NULL REFERENCES user ON DELETE CASCADE,"
    " created INTEGER NOT NULL, last_seen INTEGER NOT NULL, auth_time INTEGER NOT NULL, acr TEXT NOT NULL,"
    " source TEXT NOT NULL) STRICT;"
    "CREATE INDEX session_sub ON session (sub);"
    "CREATE TABLE device ("
    " hash BLOB PRIMARY KEY, sub TEXT NOT NULL REFERENCES user ON DELETE CASCADE, last_seen INTEGER NOT NULL) STRICT;"
    "CREATE TABLE code ("
    " hash BLOB PRIMARY KEY, family TEXT NOT NULL, client_id TEXT NOT NULL, redirect_uri TEXT NOT NULL,"
    " challenge TEXT NOT NULL, scope TEXT NOT NULL, nonce TEXT NOT NULL,"
    " sub TEXT NOT NULL REFERENCES user ON DELETE CASCADE, sid TEXT NOT NULL, auth_time INTEGER NOT NULL,"
    " acr TEXT NOT NULL, expires INTEGER NOT NULL, keep_until INTEGER NOT NULL, taken INTEGER) STRICT;"
    "CREATE TABLE refresh ("
    " hash BLOB PRIMARY KEY, family TEXT NOT NULL, client_id TEXT NOT NULL,"
    " sub TEXT NOT NULL REFERENCES user ON DELETE CASCADE, sid TEXT NOT NULL, scope TEXT NOT NULL,"
    " auth_time INTEGER NOT NULL, acr TEXT NOT NULL, created INTEGER NOT NULL, idle_exp INTEGER NOT NULL,"
    " abs_exp INTEGER NOT NULL, state TEXT NOT NULL, rotated INTEGER) STRICT;"
    "CREATE INDEX refresh_family ON refresh (family);"
    "CREATE INDEX refresh_sub ON refresh (sub);"
    "CREATE TABLE issued ("
    " jti TEXT PRIMARY KEY, family TEXT NOT NULL, sub TEXT NOT NULL, client_id TEXT NOT NULL, sid TEXT NOT NULL,"
    " scope TEXT NOT NULL, iat INTEGER NOT NULL, exp INTEGER NOT NULL) STRICT;"
    "CREATE INDEX issued_family ON issued (family);"
    "CREATE INDEX issued_sub ON issued (sub);"
    "CREATE TABLE revoked ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL,"
    " until INTEGER NOT NULL, UNIQUE (kind, value)) STRICT;"
    "CREATE TABLE signing_key ("
    " kid TEXT PRIMARY KEY, alg TEXT NOT NULL, state TEXT NOT NULL, published INTEGER NOT NULL,"
    " changed INTEGER NOT NULL, until INTEGER NOT NULL) STRICT;";

void idms_migration_list(const char *out[IDMS_MIGRATIONS])
{
	out[0] = tables;
	out[1] = audit_migration;
}
