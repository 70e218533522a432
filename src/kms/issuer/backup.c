/* SPDX-License-Identifier: Apache-2.0 */
/* backup.c - see backup.h. */
#include <openssl/evp.h>

#include "kms/issuer/backup.h"
#include "mcsec/secret.h"
#include "sec/base/text.h"

enum { VERSION = 1, CERTIFICATE_MAX = 48 * 1024 };

void backup_write_header(struct writer *w, const struct backup *b)
{
	wr_text(w, "mcxb");
	wr_u8(w, VERSION);
	wr_u64(w, (uint64_t)b->made);
	wr_u64(w, b->next_number);
	wr_octets(w, OCTETS(b->control_uid));
	wr_octets(w, OCTETS(b->rsk_digest));
	wr_u32(w, (uint32_t)b->certificate.len);
	wr_octets(w, b->certificate);
}

void backup_name(struct octets header, char name[BACKUP_NAME])
{
	uint8_t digest[32];
	EVP_Digest(header.p, header.len, digest, NULL, EVP_sha256(), NULL);
	/* NOLINTNEXTLINE(bugprone-not-null-terminated-result): hex_encode ends it */
	memcpy(name, "backup:", 7);
	hex_encode(OCTETS(digest), name + 7);
}

enum mcsec_err backup_read(struct backup *b, struct octets file)
{
	struct reader r = rd_init(file);
	rd_require(&r, octets_equal(rd_take(&r, 4), octets_of("mcxb")), MCSEC_E_VALUE, 4);
	rd_require(&r, rd_u8(&r) == VERSION, MCSEC_E_UNSUPPORTED, 1);
	b->made = (int64_t)rd_u64(&r);
	b->next_number = rd_u64(&r);
	struct octets uid = rd_take(&r, sizeof b->control_uid), digest = rd_take(&r, sizeof b->rsk_digest);
	size_t n = rd_u32(&r);
	rd_require(&r, n > 0 && n <= CERTIFICATE_MAX, MCSEC_E_LENGTH, 4);
	b->certificate = rd_take(&r, n);
	b->header = (struct octets){file.p, rd_at(&r)};
	n = rd_left(&r);
	rd_require(&r, n > 0 && n <= CUSTODY_BLOB_MAX, MCSEC_E_LENGTH, 0);
	b->sealed = rd_take(&r, n);
	enum mcsec_err e = rd_done(&r);
	if (!e) {
		memcpy(b->control_uid, uid.p, uid.len);
		memcpy(b->rsk_digest, digest.p, digest.len);
	}
	return e;
}

enum mcsec_err backup_control(const struct mcsec_master *master, const uint8_t uid[MCSEC_UID_LEN], uint8_t digest[32])
{
	struct mcsec_issued *k = mcsec_secret_alloc(sizeof *k);
	/* Only the RSK is looked at; SSK and PVT go nowhere, so their issue counter may be 0, which no user's set has.
	 */
	enum mcsec_err e = k ? mcsec_master_issue(master, &mcsec_rng_system, 0, uid, MCSEC_UID_LEN, k) : MCSEC_E_MEMORY;
	if (!e && EVP_Digest(k->rsk, sizeof k->rsk, digest, NULL, EVP_sha256(), NULL) != 1)
		e = MCSEC_E_CRYPTO;
	mcsec_secret_free(k);
	return e;
}
