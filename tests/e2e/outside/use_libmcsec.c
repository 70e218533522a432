/* SPDX-License-Identifier: Apache-2.0 */
/*
 * use_libmcsec.c - a vendor's program: sees the installed headers and the shared library, nothing else of the tree.
 * A KMS issues keys to a client and to a server; the client uploads a CSK; the server opens it.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <mcsec/ibc.h>
#include <mcsec/kdf.h>
#include <mcsec/mikey.h>
#include <mcsec/secret.h>
#include <mcsec/uid.h>

#define CHECK(call)                                                                                                    \
	do {                                                                                                           \
		enum mcsec_err err_ = (call);                                                                          \
		if (err_) {                                                                                            \
			printf("%s: %s\n", #call, mcsec_err_text(err_));                                               \
			return 1;                                                                                      \
		}                                                                                                      \
	} while (0)

static int issue(struct mcsec_keyset **keys, const struct mcsec_master *master, const struct mcsec_im_kms *kms,
		 const char *uri, uint64_t period, uint64_t counter)
{
	uint8_t uid[MCSEC_UID_LEN];
	struct mcsec_issued *set = mcsec_secret_alloc(sizeof *set);
	if (!set)
		return 1;
	CHECK(mcsec_uid(uri, kms->uri, &kms->periods, period, uid));
	CHECK(mcsec_master_issue(master, &mcsec_rng_system, counter, uid, sizeof uid, set));
	CHECK(mcsec_keyset_new(keys, kms->kms, uid, sizeof uid, set->ssk, set->pvt, set->rsk));
	mcsec_secret_free(set);
	return 0;
}

int main(void)
{
	static const char client[] = "sip:alice@vendor.example", server[] = "mdsi.vendor.example";
	struct mcsec_im_kms kms = {.uri = "kms.vendor.example", .periods = {2592000, 0}};
	struct mcsec_master *master;
	struct mcsec_keyset *keys[2];
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN], key[MCSEC_KEY_LEN], msg[MCSEC_IM_MAX];
	uint64_t now = (uint64_t)time(NULL) + MCSEC_NTP_UNIX, period;
	uint32_t csk_id;
	size_t len;

	CHECK(mcsec_ibc_self_test());
	CHECK(mcsec_master_generate(&master, &mcsec_rng_system));
	mcsec_master_public(master, kpak, z_pub);
	CHECK(mcsec_kms_new(&kms.kms, kpak, z_pub));
	CHECK(mcsec_period_number(&kms.periods, now, &period));
	if (issue(&keys[0], master, &kms, client, period, 1) || issue(&keys[1], master, &kms, server, period, 2))
		return 1;
	struct mcsec_im_own own[] = {{client, kms.uri, period, keys[0]}, {server, kms.uri, period, keys[1]}};
	struct mcsec_im_book at_client = {.kms = &kms, .n_kms = 1, .own = &own[0], .n_own = 1};
	struct mcsec_im_book at_server = {.kms = &kms, .n_kms = 1, .own = &own[1], .n_own = 1};

	CHECK(mcsec_rng_system.fill(mcsec_rng_system.ctx, key, sizeof key));
	CHECK(mcsec_kid_new(MCSEC_CSK, &mcsec_rng_system, NULL, NULL, &csk_id));
	struct mcsec_im_make what = {.kind = MCSEC_CSK,
				     .k_id = csk_id,
				     .key = key,
				     .time = now,
				     .initiator = client,
				     .initiator_kms = kms.uri,
				     .responder = server,
				     .responder_kms = kms.uri};
	CHECK(mcsec_im_make(&at_client, &what, &mcsec_rng_system, msg, sizeof msg, &len));

	struct mcsec_im_expect expect = {.now = now, .tags = MCSEC_TAG_BIT(MCSEC_CSK)};
	struct mcsec_fault fault;
	struct mcsec_im *im;
	CHECK(mcsec_im_open(&at_server, &expect, msg, len, &im, &fault));
	if (im->k_id != csk_id || !mcsec_equal(im->key, key, sizeof key) || strcmp(im->initiator, client) != 0)
		return 1;
	mcsec_im_free(im);
	msg[len - 1] ^= 1;
	if (mcsec_im_open(&at_server, &expect, msg, len, &im, &fault) != MCSEC_E_BAD_SIGNATURE)
		return 1;
	mcsec_keyset_free(keys[0]);
	mcsec_keyset_free(keys[1]);
	mcsec_kms_free(kms.kms);
	mcsec_master_free(master);
	puts("opened");
	return 0;
}
