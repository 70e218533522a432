/* SPDX-License-Identifier: Apache-2.0 */
/*
 * backup.h - the file a KMS comes back from (kms.md 15A row 11): its certificate, its master secrets sealed for the
 * backup, and the means to prove a restored KMS: a control UID and the SHA-256 of the RSK it must give for it.
 *
 *	"mcxb" | version u8 = 1 | made u64, Unix seconds | next issue number u64 | control UID 32 | SHA-256(RSK) 32 |
 *	length u32, certificate document | sealed blob of any custody, to the end
 * The blob is sealed under the name "backup:" and the SHA-256 of all before it: a header that was touched opens
 *nothing. Pure.
 */
#ifndef MCX_KMS_BACKUP_H
#define MCX_KMS_BACKUP_H

#include "kms/issuer/vault.h"

enum { BACKUP_MAX = 64 * 1024, BACKUP_NAME = 7 + 64 + 1 };

struct backup {
	int64_t made;
	uint64_t next_number;
	uint8_t control_uid[MCSEC_UID_LEN], rsk_digest[32];
	struct octets certificate, sealed; /* of the file */
	struct octets header;              /* all before the blob */
};

/* The file without its blob; then the name to seal the secrets under. */
void backup_write_header(struct writer *w, const struct backup *b);
void backup_name(struct octets header, char name[BACKUP_NAME]);
enum mcsec_err backup_read(struct backup *b, struct octets file);

/* SHA-256 of the RSK of this UID. MCSEC_OK. */
enum mcsec_err backup_control(const struct mcsec_master *master, const uint8_t uid[MCSEC_UID_LEN], uint8_t digest[32]);

#endif
