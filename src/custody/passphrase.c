/* SPDX-License-Identifier: Apache-2.0 */
/*
 * passphrase.c - passphrase file custody (see custody.h for the formats).
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <argon2.h>
#include "custody/custody.h"
#include "custody/gcm.h"
#include "mcsec/secret.h"

enum {
	VERSION = 1,
	SALT = 16,
	NONCE = CUSTODY_NONCE,
	TAG = CUSTODY_TAG,
	KEK = CUSTODY_KEK,
	HEADER = CUSTODY_OVERHEAD - TAG,
};
enum { MAX_M_KIB = 1024 * 1024, MAX_T = 64, MAX_P = 16 };

const struct custody_cost custody_cost_default = {64 * 1024, 3, 1};

const char *custody_err_name(enum custody_err e)
{
	static const char *const names[] = {"ok",        "absent",  "mode",  "malformed", "wrong",
					    "resources", "foreign", "twice", "token",     "extractable"};
	_Static_assert(sizeof names / sizeof *names == CUSTODY_ERR_COUNT, "a name each");
	return (unsigned)e < sizeof names / sizeof *names ? names[e] : "unknown";
}

/* ---- the passphrase file ---- */

static enum custody_err read_all(int fd, mode_t refused, struct custody_passphrase *p)
{
	struct stat st;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || (st.st_mode & refused) || st.st_size > CUSTODY_PASSPHRASE_MAX)
		return CUSTODY_MODE;
	ssize_t n;
	while (p->len < sizeof p->octets && (n = read(fd, p->octets + p->len, sizeof p->octets - p->len)) > 0)
		p->len += (size_t)n;
	if (p->len && p->octets[p->len - 1] == '\n')
		p->len--;
	return p->len ? CUSTODY_OK : CUSTODY_MODE;
}

static enum custody_err read_file(const char *path, mode_t refused, struct custody_passphrase **out)
{
	*out = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? CUSTODY_ABSENT : CUSTODY_MODE;
	struct custody_passphrase *p = mcsec_secret_alloc(sizeof *p);
	enum custody_err e = p ? read_all(fd, refused, p) : CUSTODY_RESOURCES;
	close(fd);
	if (e)
		mcsec_secret_free(p);
	else
		*out = p;
	return e;
}

enum custody_err custody_passphrase_read(const char *path, struct custody_passphrase **out)
{
	return read_file(path, 077, out);
}

enum custody_err custody_credential_read(const char *path, struct custody_passphrase **out)
{
	return read_file(path, 037, out);
}

void custody_passphrase_free(struct custody_passphrase *p)
{
	mcsec_secret_free(p);
}

/* ---- the key that seals ---- */

static int cost_is_sane(const struct custody_cost *c)
{
	return c->t >= 1 && c->t <= MAX_T && c->p >= 1 && c->p <= MAX_P && c->m_kib >= 8 * c->p &&
	       c->m_kib <= MAX_M_KIB;
}

static uint8_t *derive(const struct custody_passphrase *p, const struct custody_cost *c, const uint8_t salt[SALT])
{
	uint8_t *kek = mcsec_secret_alloc(KEK);
	if (kek && argon2id_hash_raw(c->t, c->m_kib, c->p, p->octets, p->len, salt, SALT, kek, KEK) != ARGON2_OK) {
		mcsec_secret_free(kek);
		return NULL;
	}
	return kek;
}

/* ---- seal and open ---- */

enum custody_err custody_seal(const struct custody_passphrase *p, const struct custody_cost *cost, const char *owner,
			      const char *name, struct octets secret, const struct mcsec_rng *rng, uint8_t *out)
{
	uint8_t aad_buf[CUSTODY_AAD_MAX];
	struct octets aad = custody_aad(aad_buf, (struct octets){0}, owner, name);
	if (!aad.len || !cost_is_sane(cost) || secret.len > INT32_MAX)
		return CUSTODY_MALFORMED;
	struct writer w = wr_init(out, HEADER);
	wr_text(&w, "mcxs");
	wr_u8(&w, VERSION);
	wr_u32(&w, cost->m_kib);
	wr_u32(&w, cost->t);
	wr_u32(&w, cost->p);
	uint8_t *salt = wr_reserve(&w, SALT), *nonce = wr_reserve(&w, NONCE);
	if (rng->fill(rng->ctx, salt, SALT) || rng->fill(rng->ctx, nonce, NONCE))
		return CUSTODY_RESOURCES;
	uint8_t *kek = derive(p, cost, salt), *sealed = out + HEADER;
	int ok = kek && custody_gcm(1, kek, nonce, aad, secret, sealed, sealed + secret.len);
	mcsec_secret_free(kek);
	return ok ? CUSTODY_OK : CUSTODY_RESOURCES;
}

struct blob {
	struct custody_cost cost;
	const uint8_t *salt, *nonce;
	struct octets sealed;
	uint8_t tag[TAG];
};

static enum custody_err read_blob(struct octets in, size_t secret_len, struct blob *b)
{
	struct reader r = rd_init(in);
	rd_require(&r, octets_equal(rd_take(&r, 4), octets_of("mcxs")), MCSEC_E_VALUE, 4);
	rd_require(&r, rd_u8(&r) == VERSION, MCSEC_E_VALUE, 1);
	b->cost.m_kib = rd_u32(&r);
	b->cost.t = rd_u32(&r);
	b->cost.p = rd_u32(&r);
	b->salt = rd_take(&r, SALT).p;
	b->nonce = rd_take(&r, NONCE).p;
	b->sealed = rd_take(&r, secret_len);
	struct octets tag = rd_take(&r, TAG);
	if (rd_done(&r) || !cost_is_sane(&b->cost))
		return CUSTODY_MALFORMED;
	memcpy(b->tag, tag.p, TAG);
	return CUSTODY_OK;
}

enum custody_err custody_open(const struct custody_passphrase *p, const char *owner, const char *name,
			      struct octets blob, uint8_t *secret, size_t secret_len)
{
	uint8_t aad_buf[CUSTODY_AAD_MAX];
	struct octets aad = custody_aad(aad_buf, (struct octets){0}, owner, name);
	struct blob b;
	mcsec_wipe(secret, secret_len);
	enum custody_err e = aad.len ? read_blob(blob, secret_len, &b) : CUSTODY_MALFORMED;
	if (e)
		return e;
	uint8_t *kek = derive(p, &b.cost, b.salt);
	if (!kek)
		return CUSTODY_RESOURCES;
	int ok = custody_gcm(0, kek, b.nonce, aad, b.sealed, secret, b.tag);
	mcsec_secret_free(kek);
	if (!ok)
		mcsec_wipe(secret, secret_len);
	return ok ? CUSTODY_OK : CUSTODY_WRONG;
}
