/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token.c - see token.h. One session, logged in once. Modules differ in the code for a tag that does not fit: any error
 * of decryption is CUSTODY_WRONG.
 */
#include <dlfcn.h>
#include <stdlib.h>

#define CRYPTOKI_GNU 1
#include <p11-kit/pkcs11.h>

#include "custody/gcm.h"
#include "custody/place.h"
#include "custody/token.h"
#include "mcsec/secret.h"

enum { VERSION = 1, SLOTS_MAX = 64, LABEL = 32 };

struct token {
	void *module;
	struct ck_function_list *f;
	int initialised;
	ck_session_handle_t session;
	int open;
	ck_object_handle_t key;
	char label[TOKEN_LABEL_MAX];
};

/* ---- finding the token ---- */

static enum custody_err load_module(struct token *t, const char *path)
{
	ck_rv_t (*get)(struct ck_function_list **);
	struct ck_c_initialize_args args = {.flags = CKF_OS_LOCKING_OK};
	t->module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	*(void **)&get = t->module ? dlsym(t->module, "C_GetFunctionList") : NULL;
	if (!get || get(&t->f) != CKR_OK || !t->f)
		return CUSTODY_TOKEN;
	ck_rv_t rv = t->f->C_Initialize(&args);
	t->initialised = rv == CKR_OK;
	return rv == CKR_OK || rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CUSTODY_OK : CUSTODY_TOKEN;
}

/* Labels are padded with blanks. */
static int label_is(const unsigned char label[LABEL], const char *want)
{
	size_t n = strlen(want);
	if (n > LABEL || memcmp(label, want, n) != 0)
		return 0;
	while (n < LABEL && label[n] == ' ')
		n++;
	return n == LABEL;
}

static enum custody_err open_session(struct token *t, const char *name)
{
	ck_slot_id_t slot[SLOTS_MAX];
	unsigned long n = SLOTS_MAX;
	if (t->f->C_GetSlotList(1, slot, &n) != CKR_OK)
		return CUSTODY_TOKEN;
	for (unsigned long i = 0; i < n; i++) {
		struct ck_token_info info;
		if (t->f->C_GetTokenInfo(slot[i], &info) != CKR_OK || !label_is(info.label, name))
			continue;
		ck_rv_t rv = t->f->C_OpenSession(slot[i], CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, &t->session);
		t->open = rv == CKR_OK;
		return t->open ? CUSTODY_OK : CUSTODY_TOKEN;
	}
	return CUSTODY_ABSENT;
}

static enum custody_err log_in(struct token *t, const char *pin_file)
{
	struct custody_passphrase *pin;
	enum custody_err e = custody_passphrase_read(pin_file, &pin);
	if (e)
		return e;
	ck_rv_t rv = t->f->C_Login(t->session, CKU_USER, pin->octets, pin->len);
	custody_passphrase_free(pin);
	if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
		return CUSTODY_OK;
	return rv == CKR_PIN_INCORRECT || rv == CKR_PIN_LOCKED || rv == CKR_PIN_LEN_RANGE ? CUSTODY_WRONG
											  : CUSTODY_TOKEN;
}

/* ---- the key ---- */

static enum custody_err find_key(struct token *t)
{
	ck_object_class_t class = CKO_SECRET_KEY;
	ck_key_type_t type = CKK_AES;
	struct ck_attribute wanted[] = {{CKA_CLASS, &class, sizeof class},
					{CKA_KEY_TYPE, &type, sizeof type},
					{CKA_LABEL, t->label, strlen(t->label)}};
	ck_object_handle_t found[2];
	unsigned long n = 0;
	if (t->f->C_FindObjectsInit(t->session, wanted, 3) != CKR_OK)
		return CUSTODY_TOKEN;
	ck_rv_t rv = t->f->C_FindObjects(t->session, found, 2, &n);
	t->f->C_FindObjectsFinal(t->session);
	if (rv != CKR_OK || n > 1) /* two of one name: which is meant? */
		return CUSTODY_TOKEN;
	t->key = found[0];
	return n ? CUSTODY_OK : CUSTODY_ABSENT;
}

static enum custody_err make_key(struct token *t)
{
	unsigned char yes = 1, no = 0;
	unsigned long len = CUSTODY_KEK;
	struct ck_mechanism gen = {CKM_AES_KEY_GEN, NULL, 0};
	struct ck_attribute key[] = {{CKA_TOKEN, &yes, 1},
				     {CKA_PRIVATE, &yes, 1},
				     {CKA_SENSITIVE, &yes, 1},
				     {CKA_EXTRACTABLE, &no, 1},
				     {CKA_ENCRYPT, &yes, 1},
				     {CKA_DECRYPT, &yes, 1},
				     {CKA_VALUE_LEN, &len, sizeof len},
				     {CKA_LABEL, t->label, strlen(t->label)}};
	ck_rv_t rv = t->f->C_GenerateKey(t->session, &gen, key, sizeof key / sizeof *key, &t->key);
	return rv == CKR_OK ? CUSTODY_OK : CUSTODY_TOKEN;
}

/* Never outside: sensitive now and always, never extractable, 256 bits. */
static enum custody_err inspect_key(struct token *t)
{
	unsigned char sensitive = 0, extractable = 1, always = 0, never = 0;
	unsigned long len = 0;
	struct ck_attribute a[] = {{CKA_SENSITIVE, &sensitive, 1},
				   {CKA_EXTRACTABLE, &extractable, 1},
				   {CKA_ALWAYS_SENSITIVE, &always, 1},
				   {CKA_NEVER_EXTRACTABLE, &never, 1},
				   {CKA_VALUE_LEN, &len, sizeof len}};
	if (t->f->C_GetAttributeValue(t->session, t->key, a, sizeof a / sizeof *a) != CKR_OK)
		return CUSTODY_TOKEN;
	return sensitive && !extractable && always && never && len == CUSTODY_KEK ? CUSTODY_OK : CUSTODY_EXTRACTABLE;
}

enum custody_err token_attach(const struct token_place *place, int make, struct token **out)
{
	*out = NULL;
	if (!place->module[0])
		return CUSTODY_ABSENT;
	struct token *t = strlen(place->key) < TOKEN_LABEL_MAX ? calloc(1, sizeof *t) : NULL;
	if (!t)
		return CUSTODY_RESOURCES;
	strcpy(t->label, place->key);
	enum custody_err e = load_module(t, place->module);
	if (!e)
		e = open_session(t, place->token);
	if (!e)
		e = log_in(t, place->pin_file);
	if (!e) {
		e = find_key(t);
		if (e == CUSTODY_ABSENT && make)
			e = make_key(t);
	}
	if (!e)
		e = inspect_key(t);
	if (e)
		token_detach(t);
	else
		*out = t;
	return e;
}

void token_detach(struct token *t)
{
	if (!t)
		return;
	if (t->open) {
		t->f->C_Logout(t->session);
		t->f->C_CloseSession(t->session);
	}
	if (t->initialised)
		t->f->C_Finalize(NULL);
	if (t->module)
		dlclose(t->module);
	free(t);
}

/* ---- seal and open ---- */

static struct ck_gcm_params parameters(uint8_t *iv, struct octets aad)
{
	return (struct ck_gcm_params){.iv_ptr = iv,
				      .iv_len = CUSTODY_NONCE,
				      .iv_bits = 8 * CUSTODY_NONCE, /* the errata's field: some modules want it */
				      .aad_ptr = (unsigned char *)aad.p,
				      .aad_len = aad.len,
				      .tag_bits = 8 * CUSTODY_TAG};
}

enum custody_err token_put(struct token *t, const char *owner, const char *name, struct octets secret,
			   const struct mcsec_rng *rng, uint8_t *out, size_t *out_len)
{
	uint8_t aad[CUSTODY_AAD_MAX];
	struct writer w = wr_init(out, CUSTODY_BLOB_MAX);
	wr_text(&w, "mcxt");
	wr_u8(&w, VERSION);
	wr_u16(&w, (uint16_t)strlen(t->label));
	wr_text(&w, t->label);
	struct octets bound = custody_aad(aad, wr_result(&w), owner, name);
	uint8_t *iv = wr_reserve(&w, CUSTODY_NONCE), *sealed = wr_reserve(&w, secret.len + CUSTODY_TAG);
	if (w.err || !bound.len)
		return CUSTODY_MALFORMED;
	if (rng->fill(rng->ctx, iv, CUSTODY_NONCE))
		return CUSTODY_RESOURCES;
	struct ck_gcm_params p = parameters(iv, bound); /* a module that chooses the IV writes it there */
	struct ck_mechanism gcm = {CKM_AES_GCM, &p, sizeof p};
	unsigned long n = secret.len + CUSTODY_TAG;
	if (t->f->C_EncryptInit(t->session, &gcm, t->key) != CKR_OK ||
	    t->f->C_Encrypt(t->session, (unsigned char *)secret.p, secret.len, sealed, &n) != CKR_OK ||
	    n != secret.len + CUSTODY_TAG)
		return CUSTODY_TOKEN;
	*out_len = wr_len(&w);
	return CUSTODY_OK;
}

static enum custody_err decrypt(struct token *t, struct ck_gcm_params *p, struct octets sealed, uint8_t *secret,
				size_t secret_len)
{
	struct ck_mechanism gcm = {CKM_AES_GCM, p, sizeof *p};
	/* Modules may ask for room for the tag too. */
	unsigned long n = sealed.len;
	uint8_t *room = mcsec_secret_alloc(sealed.len);
	if (!room)
		return CUSTODY_RESOURCES;
	enum custody_err e = CUSTODY_TOKEN;
	if (t->f->C_DecryptInit(t->session, &gcm, t->key) == CKR_OK) {
		ck_rv_t rv = t->f->C_Decrypt(t->session, (unsigned char *)sealed.p, sealed.len, room, &n);
		e = rv == CKR_OK && n == secret_len ? CUSTODY_OK : CUSTODY_WRONG;
	}
	if (!e)
		memcpy(secret, room, secret_len);
	mcsec_secret_free(room);
	return e;
}

enum custody_err token_get(struct token *t, const char *owner, const char *name, struct octets blob, uint8_t *secret,
			   size_t secret_len)
{
	uint8_t aad[CUSTODY_AAD_MAX], iv[CUSTODY_NONCE];
	struct reader r = rd_init(blob);
	mcsec_wipe(secret, secret_len);
	rd_require(&r, octets_equal(rd_take(&r, 4), octets_of("mcxt")), MCSEC_E_VALUE, 4);
	rd_require(&r, rd_u8(&r) == VERSION, MCSEC_E_VALUE, 1);
	struct octets label = rd_take(&r, rd_u16(&r));
	struct octets header = {blob.p, rd_at(&r)};
	struct octets nonce = rd_take(&r, CUSTODY_NONCE), sealed = rd_take(&r, secret_len + CUSTODY_TAG);
	if (rd_done(&r))
		return CUSTODY_MALFORMED;
	if (!octets_equal(label, octets_of(t->label)))
		return CUSTODY_WRONG; /* sealed under another key */
	struct octets bound = custody_aad(aad, header, owner, name);
	memcpy(iv, nonce.p, sizeof iv);
	struct ck_gcm_params p = parameters(iv, bound);
	return bound.len ? decrypt(t, &p, sealed, secret, secret_len) : CUSTODY_MALFORMED;
}
