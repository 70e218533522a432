/* SPDX-License-Identifier: Apache-2.0 */
/*
 * payloads.h - the payloads of an I_MESSAGE as structs, each with a read and a write.
 *
 * A reader is called where its payload begins and returns the next-payload code; after a fault it returns MIKEY_LAST
 * and what it read is meaningless. Slices point into the message.
 */
#ifndef SEC_MIKEY_PAYLOADS_H
#define SEC_MIKEY_PAYLOADS_H

#include "mcsec/ibc.h"
#include "mcsec/mikey.h"
#include "sec/mikey/wire/wire.h"

/* ---- HDR (hdr.c) */
enum { MIKEY_VERSION = 1, MIKEY_DATA_SAKKE = 26, MIKEY_DATA_ERROR = 6, MIKEY_PRF_HMAC_SHA_256 = 1 };
enum mikey_map { MIKEY_MAP_SRTP_ID = 0, MIKEY_MAP_EMPTY = 1, MIKEY_MAP_GENERIC_ID = 2 };

struct mikey_cs {
	uint8_t cs_id;
	int has_policy;
	uint8_t policy; /* the first policy number: the one used */
	struct octets spi;
	size_t at; /* offset of the entry */
};

struct mikey_hdr {
	int v;
	uint32_t csb_id;
	uint8_t map;  /* enum mikey_map */
	uint8_t n_cs; /* entries below; 0 for the other maps */
	struct mikey_cs cs[MCSEC_CS_MAX];
};

uint8_t mikey_hdr_read(struct mikey_in *in, struct mikey_hdr *hdr);
void mikey_hdr_write(struct mikey_out *out, const struct mikey_hdr *hdr);

/* ---- T (t.c): NTP-UTC */
uint8_t mikey_t_read(struct mikey_in *in, uint64_t *ntp);
void mikey_t_write(struct mikey_out *out, uint64_t ntp);

/* ---- RAND (rand.c) */
uint8_t mikey_rand_read(struct mikey_in *in, struct octets *rand);
void mikey_rand_write(struct mikey_out *out, struct octets rand);

/* ---- IDR (idr.c) */
enum mikey_role {
	MIKEY_IDRI = 1,
	MIKEY_IDRR = 2,
	MIKEY_IDRKMSI = 6,
	MIKEY_IDRKMSR = 7,
	MIKEY_IDRUIDI = 8,
	MIKEY_IDRUIDR = 9,
};
enum { MIKEY_ID_URI = 1, MIKEY_ID_BYTES = 2 };

struct mikey_idr {
	uint8_t role;
	struct octets id; /* without the NUL some peers append   */
	int nul;          /* such a NUL stood at id.p[id.len]     */
};

uint8_t mikey_idr_read(struct mikey_in *in, struct mikey_idr *idr);
void mikey_idr_write(struct mikey_out *out, enum mikey_role role, struct octets id);

/* ---- SP (sp.c): SRTP policy */
enum { MIKEY_SP_TYPES = 21 };

struct mikey_sp {
	uint8_t policy, prot_type;
	uint32_t present; /* bit n: type n */
	uint32_t value[MIKEY_SP_TYPES];
	size_t at; /* offset of the policy number */
};

uint8_t mikey_sp_read(struct mikey_in *in, struct mikey_sp *sp);
void mikey_sp_write(struct mikey_out *out, const struct mikey_sp *sp);

/* ---- SAKKE (sakke.c) */
enum { MIKEY_SAKKE_SET_1 = 1, MIKEY_SCHEME_TEL_URI = 1, MIKEY_SCHEME_HASHED_UID = 2 };

struct mikey_sakke {
	uint8_t scheme;
	struct octets sed; /* 273 octets, or 272 */
	size_t scheme_at;
};

uint8_t mikey_sakke_read(struct mikey_in *in, struct mikey_sakke *sakke);
void mikey_sakke_write(struct mikey_out *out, const uint8_t sed[MCSEC_SED_LEN]);

/* ---- GEN (gen.c) */
enum mikey_gen_type { MIKEY_GEN_TO_SELF = 6, MIKEY_GEN_PARAMS = 7, MIKEY_GEN_ALGS = 241 };

struct mikey_gen {
	uint8_t type;
	struct octets octets; /* the data: read already, untold to a tracer */
	struct mikey_in data; /* a reader of them: give it back with mikey_leave, or leave it unread */
};

uint8_t mikey_gen_read(struct mikey_in *in, struct mikey_gen *gen);
/* Begins a GEN; the data follow; mikey_gen_end fills its length in. */
uint8_t *mikey_gen_begin(struct mikey_out *out, enum mikey_gen_type type);
void mikey_gen_end(struct mikey_out *out, uint8_t *length);

/* ---- the algorithm list inside GEN 241 (algs.c); reads nothing when the data are not ours */
void mikey_algs_read(struct mikey_in *in, struct mcsec_alg_list *algs);
void mikey_algs_write(struct mikey_out *out, const struct mcsec_alg_list *algs);
int mikey_algs_valid(const struct mcsec_alg_list *algs);

/* ---- SIGN (sign.c): the last, without a next-payload octet */
struct mikey_sign {
	struct octets sig; /* MCSEC_SIG_LEN */
	size_t signed_len; /* octets of the message that are signed: up to and with the octets 20 81 */
};

void mikey_sign_read(struct mikey_in *in, struct mikey_sign *sign);
/* Room for the signature, to be made over out->w.start up to it; NULL if there is none. */
uint8_t *mikey_sign_write(struct mikey_out *out);

#endif
