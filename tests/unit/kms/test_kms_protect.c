/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_kms_protect.c - protection of KMS documents (kms.md 10, 14, 16.2 to 16.4): the vectors octet for octet in both
 * directions, the forms of wrapped keys, the forms of Rel-13.
 */
#include "mcsec/secret.h"
#include "mcx/kmssec/kms_wrap.h"
#include "unit/kms/kms_protected.h"

static uint8_t buf[256 * 1024];

/* ---- wrapping, 16.2 and 10.2 ---- */

static void the_wrap_vectors_are_made_octet_for_octet(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		unsigned flags;
	} want[] = {
	    {"b48f9caa7686f37c5c128bfe22da2688fd040d7657d3e6052f02813614844e44e410a5c77b4c5e7c", 0},
	    {"bb4e2f78cf9e1aef2ec18d94f33fe9f7bdd99ab1ba7c558c7252575a26c0c0261f02d43e9bc8ff65", KMS_WRAP_PADDED},
	    {"842a5d6e6477b7b61e43be11ae4b86b4e6be573b40cc6e9bec06220e5989d2be"
	     "d4d63841e805e03590949d4c8f97ef6d8bac313859075e4d896219161caaaf44"
	     "05023c20a81f95dd9fb73f94eddb4dc3",
	     0},
	    {"04f8a3c3c302d3b0b7e94b14dcf85ad1da69cd74056ed7907d3cb49fb27799a4104db058f2901adb", 0},
	    {"bd2a276ae8c7464c7e8b396674ac6e0e9558c84c6009b3fa413cf06a67a200823e4d720df2419fa9", 0},
	};
	const struct octets keys[] = {OCTETS(v.set.secret->ssk), OCTETS(v.set.secret->ssk), OCTETS(v.set.pvt),
				      OCTETS(new_trk), OCTETS(ink)};
	for (size_t i = 0; i < 5; i++) {
		struct kms_enc_key k = {0};
		uint8_t octets[KMS_ENC_MAX], back[128];
		size_t n = unhex(want[i].hex, octets, sizeof octets);
		assert_int_equal(kms_wrap(trk, want[i].flags, keys[i], &k), MCSEC_OK);
		assert_int_equal(k.len, n);
		assert_memory_equal(k.octets, octets, n);
		assert_int_equal(kms_unwrap(trk, &k, back, keys[i].len), MCSEC_OK);
		assert_memory_equal(back, keys[i].p, keys[i].len);
	}
}

static void mcx_sec_121_a_flipped_bit_anywhere_or_another_length_or_key_opens_nothing(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags <= KMS_WRAP_PADDED; flags += KMS_WRAP_PADDED) {
		struct kms_enc_key k = {0};
		uint8_t out[64];
		assert_int_equal(kms_wrap(trk, flags, OCTETS(v.set.secret->ssk), &k), MCSEC_OK);
		for (size_t bit = 0; bit < 8 * k.len; bit++) {
			k.octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(kms_unwrap(trk, &k, out, 32), MCSEC_E_DECRYPT);
			k.octets[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(kms_unwrap(trk, &k, out, 31), MCSEC_E_DECRYPT);
		assert_int_equal(kms_unwrap(trk, &k, out, 33), MCSEC_E_DECRYPT);
		assert_int_equal(kms_unwrap(ink, &k, out, 32), MCSEC_E_DECRYPT);
		k.len -= 8;
		assert_int_equal(kms_unwrap(trk, &k, out, 32), MCSEC_E_DECRYPT);
	}
}

/* ---- documents, 16.3 and 16.4 ---- */

static struct kms_response vector_response(void)
{
	struct kms_response r = {.id = "rsp-0001",
				 .user_uri = VECTOR_USER,
				 .kms_uri = VECTOR_KMS,
				 .time = INT64_C(1390730753),
				 .kms_id = "kms-a-01",
				 .client_req_url = "https://kms.example.org/keymanagement/identity/v1/keyprov",
				 .message = KMS_MSG_KEYPROV,
				 .cache_num = -1,
				 .n_sets = 1,
				 .sets = &v.set,
				 .n_new_keys = 1};
	if (!v.set.wrapped)
		assert_int_equal(kms_key_set_wrap(&v.set, trk, "tk.12.user@example.org", 0), MCSEC_OK);
	assert_int_equal(kms_wrap(trk, 0, OCTETS(new_trk), &r.new_keys[0].key), MCSEC_OK);
	strcpy(r.new_keys[0].key.key_name, "tk.12.user@example.org");
	strcpy(r.new_keys[0].key.carried, "tk.13.user@example.org");
	return r;
}

static void response_done(void)
{
	free(v.set.wrapped);
	v.set.wrapped = NULL;
}

static void the_signed_request_of_the_vector_is_made_octet_for_octet(void **state)
{
	(void)state;
	char *want = kms_vector_text("kms_signed_request.xml");
	struct writer w = wr_init(buf, sizeof buf);
	const struct kms_request rq = vector_request();
	kms_request_sign(&w, &rq, "ink.1.user@example.org", ink);
	assert_int_equal(w.err, MCSEC_OK);
	assert_int_equal(wr_len(&w), strlen(want));
	assert_memory_equal(buf, want, strlen(want));
	free(want);
}

static void the_signed_wrapped_response_of_the_vector_is_made_octet_for_octet(void **state)
{
	(void)state;
	char *want = kms_vector_text("kms_signed_response.xml");
	struct kms_response r = vector_response();
	struct writer w = wr_init(buf, sizeof buf);
	kms_response_sign(&w, &r, "ink.1.user@example.org", ink);
	assert_int_equal(w.err, MCSEC_OK);
	assert_int_equal(wr_len(&w), strlen(want));
	assert_memory_equal(buf, want, strlen(want));
	response_done();
	free(want);
}

static const uint8_t *find_trk(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "tk.12.user@example.org") == 0 ? trk : NULL;
}

static void the_vectors_verify_unwrap_and_give_the_keys(void **state)
{
	(void)state;
	char *text = kms_vector_text("kms_signed_request.xml");
	assert_int_equal(verify(text), MCSEC_OK);
	free(text);
	text = kms_vector_text("kms_signed_response.xml");
	assert_int_equal(verify(text), MCSEC_OK);
	struct kms_response r;
	assert_int_equal(kms_response_read(&r, KMS_ROOT_RESPONSE | KMS_WRAPPED, octets_of(text), &fault), MCSEC_OK);
	assert_int_equal(r.n_sets, 1);
	assert_non_null(r.sets[0].wrapped);
	assert_int_equal(kms_key_set_unwrap(&r.sets[0], find_trk, NULL), MCSEC_OK);
	assert_memory_equal(r.sets[0].secret->rsk, v.set.secret->rsk, MCSEC_RSK_LEN);
	assert_memory_equal(r.sets[0].secret->ssk, v.set.secret->ssk, MCSEC_SSK_LEN);
	assert_memory_equal(r.sets[0].pvt, v.set.pvt, MCSEC_PVT_LEN);
	uint8_t key[32];
	assert_int_equal(r.n_new_keys, 1);
	assert_false(r.new_keys[0].is_ink);
	assert_string_equal(r.new_keys[0].key.carried, "tk.13.user@example.org");
	assert_int_equal(kms_unwrap(trk, &r.new_keys[0].key, key, 32), MCSEC_OK);
	assert_memory_equal(key, new_trk, 32);
	kms_response_free(&r);
	free(text);
}

static void a_wrapped_set_without_its_transport_key_stays_shut(void **state)
{
	(void)state;
	struct kms_key_set s = v.set;
	s.secret = mcsec_secret_alloc(sizeof *s.secret);
	s.wrapped = NULL;
	memcpy(s.secret, v.set.secret, sizeof *s.secret);
	assert_int_equal(kms_key_set_wrap(&s, trk, "tk.99.user@example.org", 0), MCSEC_OK);
	assert_int_equal(kms_key_set_unwrap(&s, find_trk, NULL), MCSEC_E_NO_KEYS);
	struct mcsec_kms *kms = NULL;
	struct mcsec_keyset *keys = NULL;
	assert_int_equal(
	    kms_certificate_check(&v.cert, KMS_ROLE_ROOT, VECTOR_KMS, VECTOR_KMS, VECTOR_NOW, &kms, &fault), MCSEC_OK);
	assert_int_equal(kms_key_set_check(&s, &v.cert, kms, VECTOR_USER, &keys, &fault), MCSEC_E_UNSUPPORTED);
	mcsec_kms_free(kms);
	free(s.wrapped);
	mcsec_secret_free(s.secret);
}

/* ---- forms of wrapped keys ---- */

static enum mcsec_err read_response(const char *text, struct kms_response *r, unsigned more)
{
	return kms_response_read(r, KMS_ROOT_RESPONSE | KMS_WRAPPED | more, octets_of(text), &fault);
}

static void mcx_sec_121_a_wrapped_key_is_read_in_base64_and_in_hex_and_under_either_identifier(void **state)
{
	(void)state;
	struct kms_response r;
	char *text = kms_vector_text("kms_signed_response.xml");
	char *hex = edited(text, "tI+cqnaG83xcEov+ItomiP0EDXZX0+YFLwKBNhSETkTkEKXHe0xefA==",
			   " b48f9caa7686f37c5c128bfe22da2688fd040d7657d3e6052f02813614844e44\ne410a5c77b4c5e7c ");
	char *other =
	    edited(hex, "http://www.w3.org/2001/04/xmlenc#kw-aes256", "http://www.w3.org/2009/xmlenc11#kw-aes-256-pad");
	assert_int_equal(read_response(other, &r, 0), MCSEC_OK);
	assert_int_equal(kms_key_set_unwrap(&r.sets[0], find_trk, NULL), MCSEC_OK);
	assert_memory_equal(r.sets[0].secret->ssk, v.set.secret->ssk, 32);
	kms_response_free(&r);
	free(other);
	free(hex);
	free(text);
}

static void a_wrapped_key_of_another_length_is_refused(void **state)
{
	(void)state;
	struct kms_response r;
	char *text = kms_vector_text("kms_signed_response.xml");
	static const char *const values[] = {
	    "", "tI+cqnaG83xcEov+ItomiP0EDXZX0+YFLwKBNhSETkTkEKXHe0xe",
	    "b48f9caa7686f37c5c128bfe22da2688fd040d7657d3e6052f02813614844e44e410a5c77b4c5e",
	    "!!+cqnaG83xcEov+ItomiP0EDXZX0+YFLwKBNhSETkTkEKXHe0xefA=="};
	for (size_t i = 0; i < 4; i++) {
		char *bad = edited(text, "tI+cqnaG83xcEov+ItomiP0EDXZX0+YFLwKBNhSETkTkEKXHe0xefA==", values[i]);
		assert_int_equal(read_response(bad, &r, 0), MCSEC_E_MALFORMED);
		free(bad);
	}
	char *unnamed = edited(text, "<xenc:CarriedKeyName>tk.13.user@example.org</xenc:CarriedKeyName>", "");
	assert_int_equal(read_response(unnamed, &r, 0), MCSEC_E_MALFORMED);
	free(unnamed);
	free(text);
}

static void the_strict_identifier_names_the_padded_wrap(void **state)
{
	(void)state;
	struct kms_response r = {.user_uri = "u",
				 .kms_uri = "k",
				 .client_req_url = "x",
				 .message = KMS_MSG_KEYPROV,
				 .n_sets = 1,
				 .sets = &v.set};
	assert_int_equal(kms_key_set_wrap(&v.set, trk, "t", KMS_WRAP_STRICT), MCSEC_OK);
	struct writer w = wr_init(buf, sizeof buf - 1);
	kms_response_write(&w, &r);
	assert_int_equal(w.err, MCSEC_OK);
	buf[wr_len(&w)] = 0;
	const char *first = strstr((char *)buf, "#kw-aes-256-pad"), *ssk = strstr((char *)buf, "SigningKey");
	assert_true(first && first < ssk);
	assert_true(strstr(ssk, "#kw-aes256") < strstr(ssk, "PubToken"));
	assert_int_equal(read_response((char *)buf, &r, 0), MCSEC_OK);
	kms_response_free(&r);
	response_done();
}

/* ---- Rel-13, kms.md 14 ---- */

static void rel_13_documents_are_read_only_where_configured(void **state)
{
	(void)state;
	struct kms_response r = {.user_uri = VECTOR_USER,
				 .kms_uri = VECTOR_KMS,
				 .client_req_url = "https://x/",
				 .time = 5,
				 .message = KMS_MSG_KEYPROV,
				 .n_sets = 1,
				 .sets = &v.set,
				 .rel13 = 1};
	struct kms_response back;
	struct writer w = wr_init(buf, sizeof buf - 1);
	kms_response_write(&w, &r);
	assert_int_equal(w.err, MCSEC_OK);
	buf[wr_len(&w)] = 0;
	assert_non_null(strstr((char *)buf, "xmlns=\"TOBEDEFINED\""));
	assert_true(strstr((char *)buf, "<KmsUri>") < strstr((char *)buf, "<UserUri>"));
	assert_int_not_equal(read_response((char *)buf, &back, 0), MCSEC_OK);
	assert_int_equal(read_response((char *)buf, &back, KMS_REL13), MCSEC_OK);
	assert_memory_equal(back.sets[0].secret->rsk, v.set.secret->rsk, MCSEC_RSK_LEN);
	kms_response_free(&back);
	struct kms_request q;
	const char *kapsch =
	    "<k:KmsRequest xmlns:k=\"http://www.kapsch.net/mcptt/xml/KmsInterface\" Version=\"1.0.0\">"
	    "<k:KmsUri>kms</k:KmsUri><k:UserUri>sip:a@b</k:UserUri><k:Time>2016-01-01T00:00:00</k:Time>"
	    "<k:ClientReqUrl>http://x/</k:ClientReqUrl></k:KmsRequest>";
	struct _xmlDoc *doc = kms_parse(octets_of(kapsch), KMS_MAX_REQUEST, &fault);
	assert_int_equal(kms_request_of(&q, KMS_REL13, doc, &fault), MCSEC_OK);
	assert_string_equal(q.user_uri, "sip:a@b");
	kms_parsed_free(doc);
	assert_int_equal(kms_request_read(&q, octets_of(kapsch), &fault), MCSEC_E_MALFORMED);
}

static void an_encrypted_data_element_is_read_only_where_rel_13_is_configured(void **state)
{
	(void)state;
	struct kms_response r;
	char *text = kms_vector_text("kms_signed_response.xml"), *at;
	char *copy = calloc(1, 2 * strlen(text)), *to = copy;
	for (const char *from = text; *from;) {
		if (strncmp(from, "xenc:EncryptedKey", 17) == 0) {
			to += sprintf(to, "xenc:EncryptedData");
			from += 17;
		} else {
			*to++ = *from++;
		}
	}
	at = copy;
	assert_int_equal(read_response(at, &r, 0), MCSEC_E_MALFORMED);
	assert_int_equal(read_response(at, &r, KMS_REL13), MCSEC_OK);
	kms_response_free(&r);
	free(copy);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_wrap_vectors_are_made_octet_for_octet),
	    cmocka_unit_test(mcx_sec_121_a_flipped_bit_anywhere_or_another_length_or_key_opens_nothing),
	    cmocka_unit_test(the_signed_request_of_the_vector_is_made_octet_for_octet),
	    cmocka_unit_test(the_signed_wrapped_response_of_the_vector_is_made_octet_for_octet),
	    cmocka_unit_test(the_vectors_verify_unwrap_and_give_the_keys),
	    cmocka_unit_test(a_wrapped_set_without_its_transport_key_stays_shut),
	    cmocka_unit_test(mcx_sec_121_a_wrapped_key_is_read_in_base64_and_in_hex_and_under_either_identifier),
	    cmocka_unit_test(a_wrapped_key_of_another_length_is_refused),
	    cmocka_unit_test(the_strict_identifier_names_the_padded_wrap),
	    cmocka_unit_test(rel_13_documents_are_read_only_where_configured),
	    cmocka_unit_test(an_encrypted_data_element_is_read_only_where_rel_13_is_configured),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
