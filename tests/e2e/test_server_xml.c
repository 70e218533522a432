/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The XML protection at a whole server (xml-protection 7 to 9, flows 0.1 V-XML): what is accepted under the CSK, and
 * each thing that is refused, with its exact answer. User agents over real TLS; their bodies are protected, or spoiled,
 * here.
 */
#include "e2e/server_bed.h"

#include "mcsec/secret.h"
#include "mcx/xmlsec/xmlsec.h"

static struct ua alice, bob;

/* How the next bodies are made; GOOD: as a client of ours makes them. */
static enum {
	GOOD,
	CLEAR,
	ENCRYPTED_ONLY,
	SIGNED_ONLY,
	CHANGED,    /* an octet of a signed body */
	OTHER_KEY,  /* a key that nobody knows, under the right name */
	OTHER_NAME, /* a key of a name that is bound to nobody */
	OTHER_USER, /* derived for another MC service ID */
	PEERS_KEY,  /* the CSK of the other client */
	SPOILED,    /* signed rightly, but a ciphertext does not open */
	AGAIN,      /* the very octets of the message before */
} how;

static uint8_t memory[XML_ARENA_MIN];
static struct body_out kept[8];
static uint8_t kept_memory[XML_ARENA_MIN];
static size_t n_kept;

static void keep_copy(const struct body_out *parts, size_t n)
{
	struct writer w = wr_init(kept_memory, sizeof kept_memory);
	n_kept = n;
	for (size_t i = 0; i < n; i++) {
		kept[i] = parts[i];
		kept[i].body.p = w.at;
		wr_octets(&w, parts[i].body);
		if (!parts[i].id)
			continue;
		kept[i].id = (const char *)w.at;
		wr_text(&w, parts[i].id);
		wr_u8(&w, 0);
	}
	assert_int_equal(w.err, MCSEC_OK);
}

/* A changed copy of the part of that type: the first `from` becomes `to`, of equal length. */
static void change(struct body_out *parts, size_t n, const char *type, const char *from, const char *to,
		   struct writer *arena)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(parts[i].type, type) != 0)
			continue;
		uint8_t *copy = arena->at;
		wr_octets(arena, parts[i].body);
		uint8_t *at = memmem(copy, parts[i].body.len, from, strlen(from));
		assert_non_null(at);
		memcpy(at, to, strlen(to));
		parts[i].body.p = copy;
	}
}

static void protect(struct ua *u, struct body_out *parts, size_t *n, size_t max)
{
	struct writer arena = wr_init(memory, sizeof memory);
	struct xml_policy policy = xml_policy_default, hide = {.confidentiality = 1}, sign = {.integrity = 1};
	struct ua *other = u == &alice ? &bob : &alice;
	struct xml_key key;
	uint8_t csk[16];
	memcpy(csk, how == PEERS_KEY ? other->csk : u->csk, sizeof csk);
	csk[0] ^= how == OTHER_KEY || how == OTHER_NAME;
	uint32_t id = how == PEERS_KEY ? other->csk_id : how == OTHER_NAME ? u->csk_id ^ 1 : u->csk_id;
	const char *who = how == OTHER_USER || how == PEERS_KEY ? other->mcptt_id : u->mcptt_id;
	assert_int_equal(xml_key_derive(&key, csk, id, who), MCSEC_OK);
	if (how == AGAIN) {
		/* The I_MESSAGE or description is new, the protected documents are the old ones. */
		size_t k = 0;
		for (size_t i = 0; i < *n; i++)
			if (!xml_part_covered(parts[i].type))
				parts[k++] = parts[i];
		for (size_t i = 0; i < n_kept; i++)
			if (xml_part_covered(kept[i].type) || xml_part_is_signatures(kept[i].type))
				parts[k++] = kept[i];
		*n = k;
		return;
	}
	if (how == CLEAR)
		return;
	policy = how == ENCRYPTED_ONLY || how == SPOILED ? hide : how == SIGNED_ONLY ? sign : policy;
	assert_int_equal(xml_protect(&policy, &key, &mcsec_rng_system, "ua.test", parts, n, max, &arena), MCSEC_OK);
	if (how == SPOILED) {
		change(parts, *n, TYPE_MCPTT_INFO, "<xenc:CipherValue>", "<xenc:CipherValue>", &arena);
		for (size_t i = 0; i < *n; i++)
			if (strcmp(parts[i].type, TYPE_MCPTT_INFO) == 0) {
				char *value = strstr((char *)(uintptr_t)parts[i].body.p, "CipherValue>") + 12;
				value[20] = value[20] == 'A' ? 'B' : 'A';
			}
		assert_int_equal(xml_protect(&sign, &key, &mcsec_rng_system, "ua.test", parts, n, max, &arena),
				 MCSEC_OK);
	}
	if (how == CHANGED)
		change(parts, *n, TYPE_MCPTT_INFO, "type=\"Encrypted\"", "type=\"EncrypteD\"", &arena);
	keep_copy(parts, *n);
}

static void begin(void)
{
	if (bed.server)
		bed_stop();
	bed_fresh();
	bed.cfg.xml_confidentiality = bed.cfg.xml_integrity = 1;
	bed.cfg.xml_require = 0;
	bed.cfg.csk_grace_s = 32;
	how = GOOD;
	bed_start();
	struct ua *all[] = {&alice, &bob};
	for (int i = 0; i < 2; i++) {
		sip_dialog_free(all[i]->dialog);
		all[i]->dialog = NULL;
		all[i]->answer = 200;
		all[i]->invites = all[i]->byes = 0;
	}
}

static void begin_registered(void)
{
	begin();
	/* made a moment ago, so that a renewal within the same second wins over them (flows 0.4) */
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1, .age = 5}), 200);
	assert_int_equal(ua_register(&bob, &(struct reg){.expires = -1, .age = 5}), 200);
	bed_user(alice.mcptt_id, "manual", 1, 1);
	bed_user(bob.mcptt_id, "automatic", 1, 1);
}

static void register_refused(int how_it_is_made, int warning)
{
	begin();
	how = how_it_is_made;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 403);
	assert_int_equal(alice.warning, warning);
	assert_int_equal(bindings_in_db(), 0);
}

static void call_refused(int how_it_is_made, int warning)
{
	how = how_it_is_made;
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 403);
	assert_int_equal(alice.warning, warning);
	assert_int_equal(bob.invites, 0);
}

static int reveals(struct octets body, const char *text)
{
	return memmem(body.p, body.len, text, strlen(text)) != NULL;
}

static void a_register_under_its_own_csk_is_200(void **state)
{
	(void)state;
	begin_registered();
	char sql[200];
	snprintf(sql, sizeof sql, "SELECT count(*) FROM bindings WHERE mcptt_id='%s' AND client_id='%s'",
		 alice.mcptt_id, alice.client_id);
	assert_int_equal(rows_in_db(sql), 1);
	/* again: the client whose id was hidden is found to be the one there is */
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	assert_int_equal(bindings_in_db(), 2);
}

static void a_register_in_clear_is_403_139(void **state)
{
	(void)state;
	register_refused(CLEAR, 139);
}

static void a_register_that_is_encrypted_but_not_signed_is_403_139(void **state)
{
	(void)state;
	register_refused(ENCRYPTED_ONLY, 139);
}

static void a_register_changed_behind_its_signature_is_403_139(void **state)
{
	(void)state;
	register_refused(CHANGED, 139);
}

static void a_register_under_a_key_that_was_not_uploaded_is_403_139(void **state)
{
	(void)state;
	register_refused(OTHER_KEY, 139);
	register_refused(OTHER_NAME, 139);
	register_refused(OTHER_USER, 139);
}

static void a_register_whose_token_does_not_decrypt_is_403_140(void **state)
{
	(void)state;
	register_refused(SPOILED, 140);
}

static void a_register_with_the_documents_of_an_earlier_one_is_403_139(void **state)
{
	(void)state;
	begin();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	how = AGAIN; /* a new CSK beside the documents of the old one */
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 403);
	assert_int_equal(alice.warning, 139);
	assert_int_equal(bindings_in_db(), 1);
}

static void signed_values_in_clear_pass_unless_confidentiality_is_required(void **state)
{
	(void)state;
	begin();
	how = SIGNED_ONLY;
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
	bed_stop();
	bed.cfg.xml_require = 1;
	bed_start();
	assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 403);
	assert_int_equal(alice.warning, 140);
}

/* What the callee and the caller get is theirs to open, and tells nobody else who calls whom. */
static void a_call_crosses_without_a_readable_identity(void **state)
{
	(void)state;
	begin_registered();
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 200);
	assert_int_equal(bob.invites, 1);
	const struct ua *ends[] = {&bob, &alice};
	for (int i = 0; i < 2; i++) {
		assert_false(reveals(ends[i]->body, alice.mcptt_id));
		assert_false(reveals(ends[i]->body, bob.mcptt_id));
		assert_true(reveals(ends[i]->body, "EncryptedData"));
		assert_true(reveals(ends[i]->body, "mcptt-signed+xml"));
	}
	static struct multipart parts;
	static uint8_t scratch[16384];
	struct xml_key key;
	const struct xml_key *list[] = {&key};
	struct xml_keys keys = {list, 1};
	struct xml_opened opened;
	struct writer arena = wr_init(memory, sizeof memory);
	assert_int_equal(xml_key_derive(&key, bob.csk, bob.csk_id, bob.mcptt_id), MCSEC_OK);
	assert_int_equal(multipart_read(bob.body_type, bob.body, scratch, sizeof scratch, &parts, NULL), MCSEC_OK);
	assert_int_equal(xml_open(&xml_policy_default, &keys, &parts, &opened, &arena), MCSEC_OK);
	assert_int_equal(opened.verdict, XML_PASSED);
	static struct mcptt_info info;
	assert_int_equal(mcptt_info_read(multipart_find(&parts, TYPE_MCPTT_INFO, NULL)->body, &info, NULL), MCSEC_OK);
	assert_string_equal(info.calling_user_id.value, alice.mcptt_id);
	assert_int_equal(ua_bye(&alice), 200);
}

static void a_call_after_a_restart_opens_under_the_stored_csk(void **state)
{
	(void)state;
	begin_registered();
	bed_stop();
	bed_start();
	assert_int_equal(ua_options(&bob), 200);
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 200);
	assert_int_equal(ua_bye(&alice), 200);
}

static void a_call_that_is_not_signed_by_the_callers_csk_is_403_139(void **state)
{
	(void)state;
	begin_registered();
	call_refused(CLEAR, 139);
	call_refused(ENCRYPTED_ONLY, 139);
	call_refused(CHANGED, 139);
	call_refused(OTHER_KEY, 139);
	call_refused(OTHER_NAME, 139);
	call_refused(PEERS_KEY, 139); /* bound, but to somebody else */
	how = GOOD;
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 200);
	assert_int_equal(ua_bye(&alice), 200);
}

static void a_call_that_does_not_decrypt_is_403_140(void **state)
{
	(void)state;
	begin_registered();
	call_refused(SPOILED, 140);
}

static void the_same_documents_in_a_new_call_are_403_140(void **state)
{
	(void)state;
	begin_registered();
	assert_int_equal(ua_invite(&alice, &(struct inv){0}), 200);
	assert_int_equal(ua_bye(&alice), 200);
	bob.invites = 0;
	call_refused(AGAIN, 140);
	assert_true(rows_in_db("SELECT count(*) FROM audit") > 0);
}

/* csk_grace_s after the renewal the old key opens what is on its way; with 0 it never does. */
static void the_previous_csk_opens_during_the_grace_and_not_without(void **state)
{
	(void)state;
	for (int grace = 32; grace >= 0; grace -= 32) {
		begin_registered();
		bed_stop();
		bed.cfg.csk_grace_s = grace;
		bed_start();
		assert_int_equal(ua_options(&bob), 200);
		uint8_t old[16];
		memcpy(old, alice.csk, sizeof old);
		uint32_t old_id = alice.csk_id;
		assert_int_equal(ua_register(&alice, &(struct reg){.expires = -1}), 200);
		memcpy(alice.csk, old, sizeof old);
		alice.csk_id = old_id;
		assert_int_equal(ua_invite(&alice, &(struct inv){0}), grace ? 200 : 403);
		if (grace)
			assert_int_equal(ua_bye(&alice), 200);
		else
			assert_int_equal(alice.warning, 139);
	}
}

static int open_agents(void **state)
{
	(void)state;
	bed_begin();
	bed_on_body = protect;
	ua_open(&alice, "alice", "alice", "alice");
	ua_open(&bob, "bob", "bob", "bob");
	return 0;
}

static int close_agents(void **state)
{
	(void)state;
	ua_close(&alice);
	ua_close(&bob);
	if (bed.server)
		bed_stop();
	bed_end();
	return 0;
}

int main(int argc, char **argv)
{
	bed_serve_if_asked(argc, argv);
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_register_under_its_own_csk_is_200),
	    cmocka_unit_test(a_register_in_clear_is_403_139),
	    cmocka_unit_test(a_register_that_is_encrypted_but_not_signed_is_403_139),
	    cmocka_unit_test(a_register_changed_behind_its_signature_is_403_139),
	    cmocka_unit_test(a_register_under_a_key_that_was_not_uploaded_is_403_139),
	    cmocka_unit_test(a_register_whose_token_does_not_decrypt_is_403_140),
	    cmocka_unit_test(a_register_with_the_documents_of_an_earlier_one_is_403_139),
	    cmocka_unit_test(signed_values_in_clear_pass_unless_confidentiality_is_required),
	    cmocka_unit_test(a_call_crosses_without_a_readable_identity),
	    cmocka_unit_test(a_call_after_a_restart_opens_under_the_stored_csk),
	    cmocka_unit_test(a_call_that_is_not_signed_by_the_callers_csk_is_403_139),
	    cmocka_unit_test(a_call_that_does_not_decrypt_is_403_140),
	    cmocka_unit_test(the_same_documents_in_a_new_call_are_403_140),
	    cmocka_unit_test(the_previous_csk_opens_during_the_grace_and_not_without),
	};
	return cmocka_run_group_tests(tests, open_agents, close_agents);
}
