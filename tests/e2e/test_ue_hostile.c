/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile peer at a client engine, whole: every row of im_rows.h and body_rows.h in key downloads and in the offers
 * of calls, lengths that lie and floods (wire_rows.h), key downloads that come again or too late. After each the keys
 * that the client holds are what they were, it has not rung, and a good key download of the CSK in use is answered 200.
 */
#include "e2e/body_rows.h"
#include "e2e/hostile_peer.h"
#include "e2e/im_rows.h"
#include "e2e/ue_lab.h"
#include "e2e/wire_rows.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "mcx/doc/mcptt_info.h"

#define FAR     "sip:carol@far.test"
#define FAR_KMS "kms.far.test"

static struct peer peer;
static atomic_int rings;

static void on_event(void *ctx, const struct ue_event *ev)
{
	(void)ctx;
	rings += ev->kind == UE_EV_KEY_OPENED || ev->kind == UE_EV_CALL_UP;
}

static void client(void)
{
	struct ue_report r;
	if (peer.fd)
		peer_close(&peer);
	ue_free(lab_alice);
	lab_alice = lab_client(lab, LAB_ALICE, &(struct ue_config){.on_event = on_event});
	if (ue_register(lab_alice, &r))
		fail_msg("register: %s", r.text);
	ue_answer(lab_alice, &(struct ue_audio_files){0});
}

/* ---- who plays what ---- */

static struct mcsec_im_book book, forger;
static struct mcsec_im_kms kmss[2], forged_kms;
static struct mcsec_im_own owns[16], forged_owns[3];

static struct mcsec_im_own own_of(struct mcsec_master *master, const struct mcsec_im_kms *kms, const char *uri)
{
	uint8_t uid[MCSEC_UID_LEN];
	struct mcsec_issued got;
	struct mcsec_keyset *keys;
	uint64_t period;
	assert_int_equal(mcsec_period_number(&kms->periods, (uint64_t)time(NULL) + MCSEC_NTP_UNIX, &period), MCSEC_OK);
	assert_int_equal(mcsec_uid(uri, kms->uri, &kms->periods, period, uid), MCSEC_OK);
	assert_int_equal(mcsec_master_issue(master, &mcsec_rng_system, 1, uid, sizeof uid, &got), MCSEC_OK);
	assert_int_equal(mcsec_keyset_new(&keys, kms->kms, uid, sizeof uid, got.ssk, got.pvt, got.rsk), MCSEC_OK);
	return (struct mcsec_im_own){uri, kms->uri, period, keys};
}

static struct mcsec_master *another_kms(struct mcsec_im_kms *out, const char *uri)
{
	uint8_t kpak[MCSEC_KPAK_LEN], z_pub[MCSEC_ZPUB_LEN];
	struct mcsec_master *m;
	assert_int_equal(mcsec_master_generate(&m, &mcsec_rng_system), MCSEC_OK);
	mcsec_master_public(m, kpak, z_pub);
	*out = (struct mcsec_im_kms){.uri = uri, .periods = kmss[0].periods};
	assert_int_equal(mcsec_kms_new(&out->kms, kpak, z_pub), MCSEC_OK);
	return m;
}

static void make_cast(void)
{
	static const char *const ours[] = {LAB_BOB, LAB_PSI, LAB_MALLORY};
	const struct mcsec_im_book *b = lab_book(lab);
	size_t n = b->n_own;
	kmss[0] = b->kms[0];
	memcpy(owns, b->own, n * sizeof *owns);
	struct mcsec_master *far = another_kms(&kmss[1], FAR_KMS), *liar = another_kms(&forged_kms, LAB_KMS);
	owns[n++] = own_of(far, &kmss[1], FAR);
	owns[n++] = own_of(far, &kmss[1], LAB_BOB);
	owns[n++] = own_of(far, &kmss[1], LAB_PSI);
	for (size_t i = 0; i < 3; i++)
		forged_owns[i] = own_of(liar, &forged_kms, ours[i]);
	book = (struct mcsec_im_book){.kms = kmss, .n_kms = 2, .own = owns, .n_own = n};
	forger = (struct mcsec_im_book){.kms = &forged_kms, .n_kms = 1, .own = forged_owns, .n_own = 3};
	mcsec_master_free(far);
	mcsec_master_free(liar);
}

static void drop_cast(void)
{
	for (size_t i = book.n_own - 3; i < book.n_own; i++)
		mcsec_keyset_free((struct mcsec_keyset *)(uintptr_t)owns[i].keys);
	for (size_t i = 0; i < 3; i++)
		mcsec_keyset_free((struct mcsec_keyset *)(uintptr_t)forged_owns[i].keys);
	mcsec_kms_free(kmss[1].kms);
	mcsec_kms_free(forged_kms.kms);
}

static struct im_cast cast_of(enum im_way way)
{
	return (struct im_cast){.book = &book,
				.forger = &forger,
				.kind = way == IM_CALL ? MCSEC_PCK : MCSEC_CSK,
				.from = way == IM_CALL ? LAB_BOB : LAB_PSI,
				.to = LAB_ALICE,
				.other = LAB_MALLORY,
				.kms = LAB_KMS,
				.far = FAR,
				.far_kms = FAR_KMS};
}

/* ---- messages ---- */

static struct parts good;

static void make_documents(void)
{
	static uint8_t info[2048];
	static struct mcptt_info i;
	snprintf(i.session_type, sizeof i.session_type, "private");
	i.calling_user_id.form = i.called_party_id.form = MCPTT_PLAIN;
	snprintf(i.calling_user_id.value, sizeof i.calling_user_id.value, LAB_BOB);
	snprintf(i.called_party_id.value, sizeof i.called_party_id.value, LAB_ALICE);
	struct writer w = wr_init(info, sizeof info);
	assert_int_equal(mcptt_info_write(&w, &i), MCSEC_OK);
	good.info = wr_result(&w);
}

static struct said request_of(enum im_way way)
{
	if (way == IM_CALL)
		return (struct said){.method = "INVITE",
				     .uri = "sip:alice@127.0.0.1;transport=tcp",
				     .from = LAB_BOB,
				     .to = LAB_ALICE,
				     .contact = "<sip:lab@127.0.0.1:9;transport=tcp>",
				     .headers = ""};
	return (struct said){.method = "MESSAGE",
			     .uri = "sip:alice@127.0.0.1;transport=tcp",
			     .from = LAB_PSI,
			     .to = LAB_ALICE,
			     .headers = "P-Asserted-Identity: <" LAB_PSI ">\r\n"
					"P-Asserted-Service: urn:urn-7:3gpp-service.ims.icsi.mcptt\r\n"};
}

static int ask(enum im_way way, const char *type, const char *body)
{
	struct said s = request_of(way);
	s.type = type;
	uint8_t *octets = body_filled(body, &good, &s.body.len);
	s.body.p = octets;
	if (!peer.fd)
		peer_open(&peer, lab_port_of(lab, LAB_ALICE), NULL);
	int status = peer_ask(&peer, &s);
	free(octets);
	return status;
}

#define CALL_REST PART(TYPE_MCPTT_INFO, "$i")

static int say_key(enum im_way way, const struct im_octets *m)
{
	good.mikey = (struct octets){m->p, m->len};
	return ask(way, MIXED, way == IM_CALL ? SDP_PART CALL_REST END : KEY END);
}

static void warned(int warning)
{
	assert_string_equal(peer_header(&peer, "Warning"),
			    warning ? "399 127.0.0.1 \"136 authentication of the MIKEY-SAKKE I_MESSAGE failed\"" : "");
}

/* ---- what the client holds, and that it goes on ---- */

static struct {
	uint32_t csk, musiks[4];
	size_t n_musiks;
	uint8_t key[MCSEC_KEY_LEN];
} held;

static uint64_t last; /* T of the last key download made */

/* The next T: later than that, and than the client's own upload (flows 0.4). */
static void later(void)
{
	uint64_t uploaded = lab_last_register(lab).time;
	last = (last > uploaded ? last : uploaded) + 1;
}

/* The key of K-ID id in a new message. */
static struct im_octets key_message(enum mcsec_key_kind kind, uint32_t id, const uint8_t *key)
{
	struct im_octets m;
	struct im_cast c = cast_of(IM_DOWNLOAD);
	struct mcsec_im_make w = im_good(&c);
	w.time = last;
	w.kind = kind;
	w.k_id = id;
	w.key = key;
	assert_int_equal(mcsec_im_make(&book, &w, &mcsec_rng_system, m.p, MCSEC_IM_MAX, &m.len), MCSEC_OK);
	return m;
}

static uint32_t new_id(enum mcsec_key_kind kind)
{
	uint32_t id;
	assert_int_equal(mcsec_kid_new(kind, &mcsec_rng_system, NULL, NULL, &id), MCSEC_OK);
	return id;
}

static struct im_octets fresh_download(enum mcsec_key_kind kind, uint32_t *id)
{
	uint8_t key[MCSEC_KEY_LEN];
	assert_int_equal(mcsec_rng_system.fill(NULL, key, sizeof key), MCSEC_OK);
	*id = new_id(kind);
	later();
	return key_message(kind, *id, key);
}

static void remember(void)
{
	held.csk = ue_csk_id(lab_alice);
	held.n_musiks = ue_musik_ids(lab_alice, held.musiks, 4);
}

/* A CSK whose key the tests know, so that a good key download can follow each row and change nothing. */
static void begin(void)
{
	client();
	assert_int_equal(mcsec_rng_system.fill(NULL, held.key, sizeof held.key), MCSEC_OK);
	held.csk = new_id(MCSEC_CSK);
	later();
	struct im_octets m = key_message(MCSEC_CSK, held.csk, held.key);
	assert_int_equal(say_key(IM_DOWNLOAD, &m), 200);
	assert_int_equal(ue_csk_id(lab_alice), held.csk);
	remember();
}

static void nothing_came_of_it(void)
{
	uint32_t musiks[4];
	assert_int_equal(ue_csk_id(lab_alice), held.csk);
	assert_int_equal(ue_musik_ids(lab_alice, musiks, 4), held.n_musiks);
	assert_int_equal(rings, 0);
	struct im_octets again = key_message(MCSEC_CSK, held.csk, held.key);
	assert_int_equal(say_key(IM_DOWNLOAD, &again), 200);
	assert_int_equal(ue_csk_id(lab_alice), held.csk);
}

/* ---- rows ---- */

struct run {
	enum im_way way;
	const struct im_row *im;
	const struct body_row *body;
	const struct wire_row *wire;
};

static void an_i_message_is_refused(void **state)
{
	const struct run *r = *state;
	struct im_cast c = cast_of(r->way);
	struct im_octets m;
	r->im->make(&c, &m);
	int status = say_key(r->way, &m);
	if (status != r->im->answer.status)
		fail_msg("answer %d, %s", status, peer_header(&peer, "Warning"));
	warned(r->im->answer.warning);
	nothing_came_of_it();
}

static const struct body_row message_rows[] = {UPLOAD_ROWS("", BY_KEY, 403, 200)};
/* The key in them is none: the last row shows that what stands around it was read. */
static const struct body_row invite_rows[] = {OFFER_ROWS(CALL_REST, BY_KEY)};

static void a_body_is_refused(void **state)
{
	const struct run *r = *state;
	struct im_octets m = key_message(MCSEC_CSK, held.csk, held.key);
	int answer = r->body->answer, wanted = answer < 1000 ? answer : answer / 1000;
	good.mikey = (struct octets){m.p, r->way == IM_CALL ? m.len / 2 : m.len};
	int status = ask(r->way, r->body->type, r->body->body);
	if (status != wanted)
		fail_msg("answer %d, %s", status, peer_header(&peer, "Warning"));
	warned(answer < 1000 ? 0 : answer % 1000);
	if (status == 413)
		peer_close(&peer);
	nothing_came_of_it();
}

static void octets_are_answered(void **state)
{
	const struct run *r = *state;
	struct im_octets m = key_message(MCSEC_CSK, held.csk, held.key);
	struct said s = request_of(IM_DOWNLOAD);
	struct peer p;
	good.mikey = (struct octets){m.p, m.len};
	uint8_t *body = body_filled(KEY PART("text/a", LETTERS_512 LETTERS_512 LETTERS_512) END, &good, &s.body.len);
	s.body.p = body;
	s.type = MIXED;
	peer_open(&p, lab_port_of(lab, LAB_ALICE), NULL);
	int status = wire_say(&p, &s, r->wire);
	peer_close(&p);
	free(body);
	assert_int_equal(status, r->wire->answer);
	nothing_came_of_it();
}

/* ---- what was accepted once, and what comes too late ---- */

static void accepted_once(enum mcsec_key_kind kind, struct im_octets *m)
{
	uint32_t id;
	*m = fresh_download(kind, &id);
	assert_int_equal(say_key(IM_DOWNLOAD, m), 200);
	if (kind == MCSEC_CSK)
		assert_int_equal(ue_csk_id(lab_alice), id);
}

static void is_488_136(const struct im_octets *m)
{
	uint32_t csk = ue_csk_id(lab_alice);
	size_t n = ue_musik_ids(lab_alice, NULL, 0);
	assert_int_equal(say_key(IM_DOWNLOAD, m), 488);
	warned(136);
	assert_int_equal(ue_csk_id(lab_alice), csk);
	assert_int_equal(ue_musik_ids(lab_alice, NULL, 0), n);
}

static void replay_of_a_key_download_is_488_136_also_after_another_and_after_a_restart(void **state)
{
	(void)state;
	struct im_octets first, second;
	accepted_once(MCSEC_CSK, &first);
	is_488_136(&first);
	accepted_once(MCSEC_CSK, &second);
	is_488_136(&first);
	is_488_136(&second);
	client();
	is_488_136(&first);
	is_488_136(&second);
}

static void replay_of_a_musik_is_488_136_also_after_a_restart_and_a_log_off(void **state)
{
	(void)state;
	struct im_octets m;
	struct ue_report r;
	accepted_once(MCSEC_MUSIK, &m);
	is_488_136(&m);
	client();
	is_488_136(&m);
	assert_int_equal(ue_log_off(lab_alice, &r), UE_OK);
	assert_int_equal(ue_musik_ids(lab_alice, NULL, 0), 0);
	client();
	is_488_136(&m);
	assert_int_equal(ue_musik_ids(lab_alice, NULL, 0), 0);
}

static void a_download_delayed_past_a_newer_one_is_200_and_replaces_nothing(void **state)
{
	(void)state;
	uint32_t late_id, id;
	begin();
	struct im_octets late = fresh_download(MCSEC_CSK, &late_id), next = fresh_download(MCSEC_CSK, &id);
	assert_int_equal(say_key(IM_DOWNLOAD, &next), 200);
	assert_int_equal(say_key(IM_DOWNLOAD, &late), 200);
	assert_int_equal(ue_csk_id(lab_alice), id);
	is_488_136(&late); /* once is enough */
}

static void a_download_delayed_past_the_log_off_is_403_and_past_the_next_registration_replaces_nothing(void **state)
{
	(void)state;
	struct ue_report r;
	uint32_t id, back;
	begin();
	struct im_octets late = fresh_download(MCSEC_CSK, &id), next;
	accepted_once(MCSEC_CSK, &next);
	assert_int_equal(ue_log_off(lab_alice, &r), UE_OK);
	assert_int_equal(say_key(IM_DOWNLOAD, &late), 403);
	warned(0);
	assert_int_equal(ue_csk_id(lab_alice), 0);
	client();
	back = ue_csk_id(lab_alice);
	assert_int_equal(lab_last_register(lab).csk_id, back);
	assert_int_equal(say_key(IM_DOWNLOAD, &late), 200);
	assert_int_equal(ue_csk_id(lab_alice), back);
}

/* ---- all of them ---- */

enum { MAX_TESTS = 400 };
static struct CMUnitTest tests[MAX_TESTS];
static struct run runs[MAX_TESTS];
static char names[MAX_TESTS][160];
static size_t n_tests;

static void add(const char *name, CMUnitTestFunction fn, struct run r)
{
	assert_true(n_tests < MAX_TESTS);
	runs[n_tests] = r;
	snprintf(names[n_tests], sizeof names[0], "%s", name);
	tests[n_tests] = (struct CMUnitTest){.name = names[n_tests], .test_func = fn, .initial_state = &runs[n_tests]};
	n_tests++;
}
#define ADD(test) add(#test, test, (struct run){0})

static void add_bodies(enum im_way way, const char *in, const struct body_row *rows, size_t n)
{
	char name[160];
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof name, "%s_in_%s_is_%d", rows[i].name, in,
			 rows[i].answer < 1000 ? rows[i].answer : rows[i].answer / 1000);
		add(name, a_body_is_refused, (struct run){.way = way, .body = &rows[i]});
	}
}

static int set_up(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	lab_set_up(state);
	make_cast();
	make_documents();
	begin();
	return 0;
}

static int tear_down(void **state)
{
	if (peer.fd)
		peer_close(&peer);
	drop_cast();
	return lab_tear_down(state);
}

int main(void)
{
	char name[160];
	for (size_t i = 0; i < IM_ROWS; i++)
		for (enum im_way way = IM_CALL; way <= IM_DOWNLOAD; way++)
			if (im_rows[i].ways >> way & 1)
				add(im_row_name(&im_rows[i], way, name, sizeof name), an_i_message_is_refused,
				    (struct run){.way = way, .im = &im_rows[i]});
	add_bodies(IM_DOWNLOAD, "a_message", message_rows, sizeof message_rows / sizeof *message_rows);
	add_bodies(IM_CALL, "an_invite", invite_rows, sizeof invite_rows / sizeof *invite_rows);
	for (size_t i = 0; i < WIRE_ROWS; i++)
		if (!wire_rows[i].of_register)
			add(wire_name(&wire_rows[i], "_message", name, sizeof name), octets_are_answered,
			    (struct run){.wire = &wire_rows[i]});
	ADD(replay_of_a_key_download_is_488_136_also_after_another_and_after_a_restart);
	ADD(replay_of_a_musik_is_488_136_also_after_a_restart_and_a_log_off);
	ADD(a_download_delayed_past_a_newer_one_is_200_and_replaces_nothing);
	ADD(a_download_delayed_past_the_log_off_is_403_and_past_the_next_registration_replaces_nothing);
	return _cmocka_run_group_tests("ue_hostile", tests, n_tests, set_up, tear_down);
}
