/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile peer at a whole server: every row of im_rows.h and body_rows.h on every way, and every key kind where it
 * does not belong. Alice and Bob are registered and in a call all the while; after each row nothing of the server's
 * database has changed, the call stands, and the next good requests are served.
 *
 * The peer has Alice's own certificate: what is refused here is refused for what it is, not for who sent it.
 */
#include "e2e/server_hostile_lab.h"

/* ---- the rows of I_MESSAGEs ---- */

struct run {
	enum im_way way;
	const struct im_row *im;
	const struct body_row *body;
	size_t n;
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

/* ---- the rows of bodies ---- */

static const struct body_row register_rows[] = {
    UPLOAD_ROWS(UPLOAD_REST, NO_TOKEN, BY_KEY, 200){"two_info_parts", MIXED, KEY UPLOAD_REST UPLOAD_REST END, 400}};
static const struct body_row publish_rows[] = {UPLOAD_ROWS(PUBLISH_REST, 400, BY_KEY, 200){
    "two_settings", MIXED, KEY PUBLISH_REST PART(TYPE_POC_SETTINGS, "$p") END, 400}};
static const struct body_row message_rows[] = {UPLOAD_ROWS("", 403, 403, 403)};
static const struct body_row invite_rows[] = {
    OFFER_ROWS(OFFER_REST, 404){"two_lists", MIXED, SDP_PART OFFER_REST PART(TYPE_RESOURCE_LIST, "$l") END, 400}};

static void a_body_is_refused(void **state)
{
	const struct run *r = *state;
	struct im_octets m = fresh_key(r->way);
	int answer = r->body->answer, wanted = answer < 1000 ? answer : answer / 1000;
	good.mikey = (struct octets){m.p, m.len};
	int status = ask(r->way, r->body->type, r->body->body);
	if (status != wanted)
		fail_msg("answer %d, %s", status, peer_header(&peer, "Warning"));
	warned(answer < 1000 ? 0 : answer % 1000);
	if (status == 200)
		remember();
	if (status == 413) /* the peer said no more of its body, so nothing can follow it */
		peer_close(&peer);
	nothing_came_of_it();
}

/* ---- key kinds that no MESSAGE to the server carries: it has a procedure for none ---- */

static const struct {
	const char *name;
	void (*make)(const struct im_cast *c, struct im_octets *m);
} kinds[] = {{"a_group_key", im_gmk},       {"a_private_call_key", im_pck},   {"a_client_server_key", im_csk},
	     {"a_servers_key", im_spk},     {"a_floor_control_key", im_mkfc}, {"a_bearers_key", im_mscck},
	     {"a_multicast_key", im_musik}, {"a_key_of_tag_7", im_tag_7},     {"a_key_of_tag_15", im_tag_15}};

static void a_key_in_a_message_is_403_without_warning(void **state)
{
	struct im_cast c = cast_of(IM_DOWNLOAD);
	struct im_octets m;
	kinds[((const struct run *)*state)->n].make(&c, &m);
	assert_int_equal(say_key(IM_DOWNLOAD, &m), 403);
	warned(0);
	nothing_came_of_it();
}

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

static void add_bodies(enum im_way way, const char *in, const struct body_row *rows, size_t n)
{
	char name[160];
	for (size_t i = 0; i < n; i++) {
		snprintf(name, sizeof name, "%s_in_%s_is_%d", rows[i].name, in,
			 rows[i].answer < 1000 ? rows[i].answer : rows[i].answer / 1000);
		add(name, a_body_is_refused, (struct run){.way = way, .body = &rows[i]});
	}
}

#define ADD_BODIES(way, in, rows) add_bodies(way, in, rows, sizeof(rows) / sizeof *(rows))

int main(void)
{
	char name[160];
	for (size_t i = 0; i < IM_ROWS; i++)
		for (enum im_way way = IM_REGISTER; way <= IM_OFFER; way++)
			if (im_rows[i].ways >> way & 1)
				add(im_row_name(&im_rows[i], way, name, sizeof name), an_i_message_is_refused,
				    (struct run){.way = way, .im = &im_rows[i]});
	ADD_BODIES(IM_REGISTER, "a_register", register_rows);
	ADD_BODIES(IM_PUBLISH, "a_publish", publish_rows);
	ADD_BODIES(IM_DOWNLOAD, "a_message", message_rows);
	ADD_BODIES(IM_OFFER, "an_invite", invite_rows);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		snprintf(name, sizeof name, "%s_in_a_message_is_403_without_warning", kinds[i].name);
		add(name, a_key_in_a_message_is_403_without_warning, (struct run){.n = i});
	}
	return _cmocka_run_group_tests("server_hostile", tests, n_tests, set_up, tear_down);
}
