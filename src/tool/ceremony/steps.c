/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps.c - the steps of a ceremony (see ceremony.h). Each reads as its procedure in docs/operations.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "mcsec/secret.h"
#include "sec/base/text.h"
#include "tool/ceremony/ceremony.h"

/* A restored KMS goes on far beyond any number the old one may have used after its backup. */
static const uint64_t number_gap = UINT64_C(1) << 40;

static int store_failed(struct ceremony *c)
{
	return ceremony_refuse(c, TOOL_FAILED, NULL, "the database: %s", store_error_text(c->db->store));
}

static int no_domain_yet(struct ceremony *c)
{
	return !c->row.sealed_len ? -1
				  : ceremony_refuse(c, TOOL_REFUSED, "nothing is ever overwritten",
						    "this KMS has a domain already: %s", c->row.cert.cert_uri);
}

/* The domain and its record, whole or not at all; shares are out by now. */
static int store_domain(struct ceremony *c, enum custody_kind kind, struct octets blob)
{
	memcpy(c->row.sealed, blob.p, blob.len);
	c->row.sealed_len = blob.len;
	if (store_begin(c->db->store) || kms_db_domain_create(c->db, &c->row))
		return store_failed(c);
	return ceremony_commit(c, custody_kind_name(kind));
}

/* ---- init ---- */

int ceremony_init(struct ceremony *c)
{
	struct custody_place place;
	uint8_t blob[CUSTODY_BLOB_MAX];
	size_t len = 0;
	enum custody_kind kind = ceremony_kind(c, custody_kind_of(c->config->custody), &place);
	int rc = kind == CUSTODY_KINDS ? TOOL_USAGE : no_domain_yet(c);
	if (rc >= 0)
		return rc;
	if (mcsec_master_generate(&c->master, &mcsec_rng_system))
		return ceremony_refuse(c, TOOL_FAILED, NULL, "no master secrets can be made");
	mcsec_master_export(c->master, c->secrets, c->secrets + MCSEC_KSAK_LEN);
	kms_describe(c->config, time(NULL), &c->row.cert);
	mcsec_master_public(c->master, c->row.cert.pub_auth_key, c->row.cert.pub_enc_key);
	rc = ceremony_control(c, &c->row.cert);
	if (rc < 0)
		rc = ceremony_seal(c, kind, &place, VAULT_SECRET_NAME, blob, &len);
	if (rc < 0)
		rc = store_domain(c, kind, (struct octets){blob, len});
	return rc < 0 ? ceremony_report(c, custody_kind_name(kind)) : rc;
}

/* ---- backup ---- */

/* New, 0600, on the disk before the record says so. */
static int write_file(struct ceremony *c, const char *path, struct octets text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return ceremony_refuse(c, TOOL_FAILED, "nothing is ever overwritten", "%s: %s", path, strerror(errno));
	int ok = write(fd, text.p, text.len) == (ssize_t)text.len && fsync(fd) == 0;
	close(fd);
	if (ok)
		return -1;
	unlink(path);
	return ceremony_refuse(c, TOOL_FAILED, NULL, "%s cannot be written", path);
}

/* A backup is sealed under a passphrase of its own or by officers: not under what may be lost with the host. */
static enum custody_kind backup_kind(struct ceremony *c, struct custody_place *place)
{
	enum custody_kind kind =
	    ceremony_kind(c, c->o->passphrase_file ? CUSTODY_BY_PASSPHRASE : CUSTODY_BY_OFFICERS, place);
	place->passphrase = c->o->passphrase_file ? c->o->passphrase_file : "";
	if (kind == CUSTODY_BY_PASSPHRASE ? !!c->o->passphrase_file : kind == CUSTODY_BY_OFFICERS)
		return kind;
	if (kind != CUSTODY_KINDS)
		ceremony_refuse(c, TOOL_USAGE, NULL,
				"a backup is sealed by officers, or with --passphrase-file by a passphrase of its own");
	return CUSTODY_KINDS;
}

static int make_backup(struct ceremony *c, enum custody_kind kind, const struct custody_place *place, uint8_t *file,
		       size_t *len)
{
	struct writer w = wr_init(file, BACKUP_MAX), doc = wr_init(file + BACKUP_MAX / 2, BACKUP_MAX / 2);
	struct backup b = {.made = time(NULL)};
	char name[BACKUP_NAME];
	uint8_t blob[CUSTODY_BLOB_MAX];
	size_t n = 0;
	kms_certificate_write(&doc, &c->row.cert);
	b.certificate = wr_result(&doc);
	memcpy(b.control_uid, c->control_uid, sizeof b.control_uid);
	memcpy(b.rsk_digest, c->rsk_digest, sizeof b.rsk_digest);
	if (doc.err || kms_db_take_numbers(c->db, 0, &b.next_number))
		return store_failed(c);
	backup_write_header(&w, &b);
	backup_name(wr_result(&w), name);
	int rc = ceremony_seal(c, kind, place, name, blob, &n);
	wr_octets(&w, (struct octets){blob, n});
	*len = wr_len(&w);
	return rc < 0 && w.err ? ceremony_refuse(c, TOOL_FAILED, NULL, "the certificate is too long") : rc;
}

int ceremony_backup(struct ceremony *c)
{
	struct custody_place place;
	size_t len = 0;
	uint8_t *file = malloc(BACKUP_MAX);
	if (!file || !c->o->file) {
		free(file);
		return ceremony_refuse(c, TOOL_USAGE, NULL, "--file names the backup to write");
	}
	enum custody_kind kind = backup_kind(c, &place);
	int rc = kind == CUSTODY_KINDS ? TOOL_USAGE : ceremony_open_kms(c);
	if (rc < 0)
		rc = ceremony_control(c, &c->row.cert);
	if (rc < 0)
		rc = make_backup(c, kind, &place, file, &len);
	if (rc < 0)
		rc = write_file(c, c->o->file, (struct octets){file, len});
	free(file);
	if (rc < 0 && store_begin(c->db->store))
		rc = store_failed(c);
	if (rc < 0)
		rc = ceremony_commit(c, custody_kind_name(kind));
	return rc < 0 ? ceremony_report(c, custody_kind_name(kind)) : rc;
}

/* ---- restore ---- */

static int read_file(struct ceremony *c, uint8_t *file, size_t *len)
{
	struct stat st;
	int fd = c->o->file ? open(c->o->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (fd < 0)
		return ceremony_refuse(c, c->o->file ? TOOL_FAILED : TOOL_USAGE, NULL, "--file names the backup: %s",
				       c->o->file ? strerror(errno) : "it is missing");
	int narrow = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && !(st.st_mode & 077);
	ssize_t n = narrow ? read(fd, file, BACKUP_MAX) : -1;
	close(fd);
	if (!narrow)
		return ceremony_refuse(c, TOOL_REFUSED, "chmod 600", "%s may be read by others, or is no file",
				       c->o->file);
	*len = n > 0 ? (size_t)n : 0;
	return -1;
}

static int is_control(struct ceremony *c, const struct backup *b)
{
	memcpy(c->control_uid, b->control_uid, sizeof c->control_uid);
	if (backup_control(c->master, b->control_uid, c->rsk_digest))
		return ceremony_refuse(c, TOOL_FAILED, NULL, "the control key cannot be computed");
	if (memcmp(c->rsk_digest, b->rsk_digest, sizeof c->rsk_digest) != 0)
		return ceremony_refuse(c, TOOL_REFUSED, NULL, "the control UID gives another RSK than the backup says");
	return -1;
}

/* The secrets of a backup, proven by its certificate and its control UID. */
static int open_backup(struct ceremony *c, struct octets file, struct backup *b, struct kms_certificate *cert)
{
	const struct custody_place place = {.passphrase = c->o->passphrase_file ? c->o->passphrase_file : ""};
	char name[BACKUP_NAME], why[512];
	if (backup_read(b, file) || kms_db_certificate(b->certificate, cert) != STORE_ROW)
		return ceremony_refuse(c, TOOL_REFUSED, NULL, "%s is no backup of a KMS", c->o->file);
	if (kms_domain_fits(c->config, cert, why, sizeof why))
		return ceremony_refuse(c, TOOL_REFUSED, "a backup is restored under the uri, period and offset it had",
				       "%s", why);
	backup_name(b->header, name);
	int rc = ceremony_open_blob(c, &place, name, b->sealed);
	if (rc < 0)
		rc = ceremony_load(c, cert);
	return rc < 0 ? is_control(c, b) : rc;
}

static int restore_from(struct ceremony *c, struct octets file)
{
	struct custody_place place;
	struct backup b;
	uint8_t blob[CUSTODY_BLOB_MAX];
	size_t len = 0;
	uint64_t first;
	enum custody_kind kind = ceremony_kind(c, custody_kind_of(c->config->custody), &place);
	int rc = kind == CUSTODY_KINDS ? TOOL_USAGE : open_backup(c, file, &b, &c->row.cert);
	if (rc < 0)
		rc = ceremony_seal(c, kind, &place, VAULT_SECRET_NAME, blob, &len);
	if (rc < 0 && kms_db_take_numbers(c->db, b.next_number + number_gap, &first))
		rc = store_failed(c);
	if (rc < 0)
		rc = store_domain(c, kind, (struct octets){blob, len});
	return rc < 0 ? ceremony_report(c, custody_kind_name(kind)) : rc;
}

int ceremony_restore(struct ceremony *c)
{
	size_t len = 0;
	uint8_t *file = malloc(BACKUP_MAX);
	int rc = file ? no_domain_yet(c) : TOOL_FAILED;
	if (rc < 0)
		rc = read_file(c, file, &len);
	if (rc < 0)
		rc = restore_from(c, (struct octets){file, len});
	free(file);
	return rc;
}

/* ---- verify ---- */

static int verify_backup(struct ceremony *c)
{
	struct backup b;
	struct kms_certificate cert;
	size_t len = 0;
	uint8_t *file = malloc(BACKUP_MAX);
	int rc = file ? read_file(c, file, &len) : TOOL_FAILED;
	if (rc < 0)
		rc = open_backup(c, (struct octets){file, len}, &b, &cert);
	if (rc < 0 && c->row.sealed_len && !kms_certificate_same_domain(&cert, &c->row.cert))
		rc = ceremony_refuse(c, TOOL_REFUSED, NULL, "the backup is of another domain than this KMS has");
	if (rc < 0)
		c->row.cert = cert;
	free(file);
	return rc;
}

/* With --file the backup, else the KMS itself. */
int ceremony_verify(struct ceremony *c)
{
	int rc = c->o->file ? verify_backup(c) : ceremony_open_kms(c);
	if (rc < 0 && !c->o->file)
		rc = ceremony_control(c, &c->row.cert);
	if (rc < 0 && store_begin(c->db->store))
		rc = store_failed(c);
	const char *custody =
	    c->o->file ? "backup"
		       : custody_kind_name(custody_kind_of_blob((struct octets){c->row.sealed, c->row.sealed_len}));
	if (rc < 0)
		rc = ceremony_commit(c, custody);
	return rc < 0 ? ceremony_report(c, custody) : rc;
}

/* ---- change ---- */

int ceremony_change(struct ceremony *c)
{
	struct custody_place place;
	uint8_t blob[CUSTODY_BLOB_MAX];
	size_t len = 0;
	if (!c->o->custody)
		return ceremony_refuse(c, TOOL_USAGE, NULL, "--custody names the new one");
	enum custody_kind kind = ceremony_kind(c, CUSTODY_KINDS, &place);
	int rc = kind == CUSTODY_KINDS ? TOOL_USAGE : ceremony_open_kms(c);
	if (rc < 0)
		rc = ceremony_control(c, &c->row.cert);
	if (rc < 0)
		rc = ceremony_seal(c, kind, &place, VAULT_SECRET_NAME, blob, &len);
	if (rc < 0 && (store_begin(c->db->store) || kms_db_domain_reseal(c->db, (struct octets){blob, len})))
		rc = store_failed(c);
	if (rc < 0)
		rc = ceremony_commit(c, custody_kind_name(kind));
	return rc < 0 ? ceremony_report(c, custody_kind_name(kind)) : rc;
}

/* ---- certificate ---- */

/* What the partner's officers import and compare: public, so nothing is opened and nobody has to be there. */
int ceremony_certificate(struct ceremony *c)
{
	uint8_t text[KMS_CERTIFICATE_BOUND], digest[KMS_FINGERPRINT];
	char hex[HEX_SIZE(KMS_FINGERPRINT)];
	struct writer w = wr_init(text, sizeof text);
	if (!c->row.sealed_len)
		return ceremony_refuse(c, TOOL_REFUSED, "mcx kms ceremony init makes one", "this KMS has no domain");
	if (!c->o->file)
		return ceremony_refuse(c, TOOL_USAGE, NULL, "--file names the file to write");
	kms_certificate_write(&w, &c->row.cert);
	if (w.err || kms_fingerprint(&c->row.cert, digest))
		return ceremony_refuse(c, TOOL_FAILED, NULL, "the certificate cannot be written");
	int rc = write_file(c, c->o->file, wr_result(&w));
	if (rc >= 0)
		return rc;
	hex_encode(OCTETS(digest), hex);
	if (!c->o->json) {
		tool_print_groups("Its fingerprint, to be told by another way:", hex);
		return TOOL_OK;
	}
	json_t *j = json_pack("{s:s, s:s}", "file", c->o->file, "fingerprint", hex);
	json_dumpf(j, stdout, JSON_COMPACT), putchar('\n');
	json_decref(j);
	return TOOL_OK;
}
