/* SPDX-License-Identifier: Apache-2.0 */
/*
 * message.h - a whole I_MESSAGE, read once, and what the making and the opening of one share.
 *
 *   HDR T RAND IDRi IDRr IDRkmsi IDRkmsr {SP} SAKKE {GEN} SIGN
 *
 * HDR is first and SIGN last; the others are read in any order. What a message must hold and may hold once is decided
 * in message.c, what the deviations of peers mean in open.c.
 */
#ifndef SEC_MIKEY_MESSAGE_H
#define SEC_MIKEY_MESSAGE_H

#include "sec/mikey/wire/payloads.h"
#include "sec/payload/protected.h"

enum { MIKEY_MAX_PAYLOADS = 32, MIKEY_ROLES = 10 };

struct mikey_message {
	struct mikey_hdr hdr;
	uint64_t ntp;
	size_t t_at; /* offset of the TS value */
	struct octets rand;
	struct mikey_idr idr[MIKEY_ROLES]; /* by role; id.p NULL: absent */
	struct mikey_sp sp[MIKEY_MAX_PAYLOADS];
	size_t n_sp;
	struct mikey_sakke sakke, to_self; /* to_self.sed.p NULL: absent */
	struct octets params_data;         /* data of GEN 7; p NULL: absent */
	int legacy_params;                 /* they are no protected payload */
	struct protected_payload params;
	struct mcsec_alg_list algs;
	struct mikey_sign sign;
};

/* Step 1 of mikey 10. MCSEC_OK, or the fault that mikey_fault(in) tells. in was made by mikey_in_of. */
enum mcsec_err mikey_message_read(struct mikey_in *in, struct mikey_message *m);
/* The identity of that role, URI or UID. */
const struct mikey_idr *mikey_initiator(const struct mikey_message *m);
const struct mikey_idr *mikey_responder(const struct mikey_message *m);

/* ---- profiles (profile.c) */

/* NULL, or why this policy is not one we carry out. */
const char *profile_from_sp(const struct mikey_sp *sp, struct mcsec_profile *out);
void profile_to_sp(const struct mcsec_profile *profile, uint8_t policy, struct mikey_sp *out);

/* ---- key parameters (params.c) */

/* Which kinds of key have group IDs in their parameters. */
int params_has_groups(enum mcsec_key_kind kind);

/* What parameters point at: strings and the list of groups, in one block. */
struct params_store {
	char *text;
	const char **groups;
};
void params_store_free(struct params_store *store);

/*
 * The plaintext of key parameters, read. `at` is the offset in the message of its first octet. On a fault *fault is set
 * and MCSEC_E_BAD_PARAMS or MCSEC_E_MEMORY returned.
 */
enum mcsec_err params_read(struct octets plain, size_t at, enum mcsec_key_kind kind, struct mcsec_key_params *params,
			   struct params_store *store, struct mcsec_fault *fault);
/* Status and times (mikey 10 step 10); all Unix seconds. MCSEC_OK, MCSEC_E_REVOKED or MCSEC_E_BAD_PARAMS. */
enum mcsec_err params_judge(const struct mcsec_key_params *params, uint64_t message_time, uint64_t now,
			    const char **detail);
/* GEN 7: the parameters encrypted under the key they belong to. */
enum mcsec_err params_write(struct mikey_out *out, enum mcsec_key_kind kind, uint32_t csb_id,
			    const uint8_t key[MCSEC_KEY_LEN], const struct mcsec_key_params *params, uint64_t created,
			    const struct mcsec_rng *rng);

/* ---- the book (book.c) */

const struct mcsec_im_kms *book_kms(const struct mcsec_im_book *book, struct octets uri);
const struct mcsec_im_own *book_own(const struct mcsec_im_book *book, const char *uri, const char *kms_uri,
				    uint64_t period);
/* 1 if its certificate is valid at `time`. */
int book_valid(const struct mcsec_im_kms *kms, uint64_t time);
/* UID of uri under this KMS in the period that contains `time`. */
enum mcsec_err book_uid(const struct mcsec_im_kms *kms, const char *uri, uint64_t time, uint8_t uid[MCSEC_UID_LEN]);
/* 1 if the identity lies in a domain that this KMS serves, or its certificate names none, and it is no other KMS's. */
int book_serves(const struct mcsec_im_book *book, const struct mcsec_im_kms *kms, const char *uri);

#endif
