/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ceremony.h - acts on the master secrets of a KMS, done by people at its host and never through its network: make,
 * back up, restore, verify, change custody (kms.md 15A rows 6 to 11, 13).
 *
 * The program works on the KMS's own database, in a transaction with the audit record of the step, so that a step is
 * whole or did not happen. Shares leave before the commit that makes them count: if they cannot be given out, nothing
 * has changed. Secrets are in locked memory and go nowhere but under a custody. A running KMS is not disturbed; it uses
 * another custody from its next unseal on.
 */
#ifndef MCX_TOOL_CEREMONY_H
#define MCX_TOOL_CEREMONY_H

#include "kms/db.h"
#include "kms/domain.h"
#include "kms/issuer/backup.h"
#include "tool/tool.h"

struct ceremony_options {
	const char *dir, *config, *custody, *shares, *threshold, *out, *with, *file, *passphrase_file;
	int make_key, json, batch;
};

struct ceremony {
	const struct tool_command *command;
	const struct ceremony_options *o;
	const char *step;
	struct kms_config *config;
	struct kms_pool *pool;
	struct kms_db *db;
	struct kms_domain_row row; /* sealed_len 0: there is no domain */
	uint8_t *secrets;          /* VAULT_SECRET_LEN, secret memory */
	struct mcsec_master *master;
	char given[4096]; /* files or words that say where shares went, for the report */
	unsigned n_given;
	uint8_t control_uid[MCSEC_UID_LEN], rsk_digest[32];
};

/* ---- the steps: an exit code each ---- */
int ceremony_init(struct ceremony *c);
int ceremony_backup(struct ceremony *c);
int ceremony_restore(struct ceremony *c);
int ceremony_verify(struct ceremony *c);
int ceremony_change(struct ceremony *c);
int ceremony_certificate(struct ceremony *c);

/* ---- ceremony.c: what they share. Those that return an exit code have explained themselves and recorded it. ---- */
int ceremony_refuse(struct ceremony *c, int code, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int ceremony_custody_failed(struct ceremony *c, const char *what, enum custody_err e);
/* Kind named by --custody, or `otherwise`; the officers' numbers from --shares and --threshold. CUSTODY_KINDS:
 * explained. */
enum custody_kind ceremony_kind(struct ceremony *c, enum custody_kind otherwise, struct custody_place *place);
/* The secrets of the KMS as it is into c->secrets and c->master. */
int ceremony_open_kms(struct ceremony *c);
/* Secrets from a blob, with officers' shares or what `place` names. */
int ceremony_open_blob(struct ceremony *c, const struct custody_place *place, const char *name, struct octets blob);
/* c->secrets into c->master, which must have this certificate's public keys. */
int ceremony_load(struct ceremony *c, const struct kms_certificate *cert);
/* Seals c->secrets, opens them again as a proof, gives out the shares. */
int ceremony_seal(struct ceremony *c, enum custody_kind kind, const struct custody_place *place, const char *name,
		  uint8_t blob[CUSTODY_BLOB_MAX], size_t *len);
/* Control UID and hash of its RSK of c->master, under this certificate and now. */
int ceremony_control(struct ceremony *c, const struct kms_certificate *cert);
/* The record of the step in the open transaction, and the commit. */
int ceremony_commit(struct ceremony *c, const char *custody);
/* What was done, for people or as JSON. */
int ceremony_report(struct ceremony *c, const char *custody);

/* ---- shares.c: shares in and out ---- */
int shares_take(struct ceremony *c, struct custody *custody, struct octets blob);
int shares_give(struct ceremony *c, const struct share *shares, unsigned n);
/* One share from a file (0600) or, with path NULL, from the terminal without echo. 0, -1 and a sentence. */
int share_ask(const char *path, const char *prompt, struct share *s, char *err, size_t err_size);

#endif
