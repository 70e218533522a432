/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_keys.c - key downloads on an officer's word (admin.md): POST csk-renew?id=IDENTITY&reason=operator|compromise
 * gives each client of that identity a new CSK; with reason=suite&suite=XXXX one for that algorithm suite; POST musik
 * gives every client a new MuSiK.
 */
#include <jansson.h>
#include <stdlib.h>

#include "app/admin.h"
#include "app/log.h"
#include "net/http.h"
#include "server/download.h"

#define ROOT "/admin/v1/"

struct renewal {
	struct server *s;
	const char *id;
	enum kd_reason reason;
	uint16_t suite; /* with KD_SUITE */
	size_t found, begun;
	const char *wrong; /* of the last that could not */
};

static int renew_one(void *ctx, struct binding *b)
{
	struct renewal *r = ctx;
	if (strcmp(r->id, b->row.mcptt_id) != 0 && strcmp(r->id, b->row.impu) != 0)
		return 0;
	const char *wrong =
	    r->reason == KD_SUITE ? download_force(r->s, b, r->suite) : download_start(r->s, b, KD_CSK, r->reason);
	r->found++;
	r->begun += !wrong;
	r->wrong = wrong ? wrong : r->wrong;
	return 0;
}

static void visit_renew(void *arg)
{
	struct renewal *r = arg;
	bindings_each(r->s->bindings, renew_one, r);
}

struct musik_visit {
	struct server *s;
	struct musik_order order;
};

static void visit_musik(void *arg)
{
	struct musik_visit *v = arg;
	download_musik(v->s, &v->order);
}

static void reply_count(struct http_response *rs, size_t n)
{
	char text[64];
	snprintf(text, sizeof text, "{\"clients\":%zu}", n);
	http_response_text(rs, 202, "application/json", text);
}

/* NULL, or what is wrong with it. */
static const char *read_reason(const struct http_request *rq, struct renewal *r)
{
	char reason[16], suite[16] = "";
	struct suite_list one;
	size_t len = strlen(rq->query);
	int absent = http_form_value(rq->query, len, "reason", reason, sizeof reason) > 0;
	if (absent || strcmp(reason, "operator") == 0)
		return NULL;
	r->reason = strcmp(reason, "compromise") == 0 ? KD_COMPROMISE : KD_SUITE;
	if (r->reason == KD_COMPROMISE)
		return NULL;
	if (strcmp(reason, "suite") != 0)
		return "reason is operator, compromise or suite";
	if (http_form_value(rq->query, len, "suite", suite, sizeof suite) != 0 ||
	    suite_list_read(suite, &one) != MCSEC_OK || one.n != 1)
		return "suite is four hexadecimal digits, as 0101";
	r->suite = one.at[0];
	return NULL;
}

static void handle_renew(struct server *s, const struct http_request *rq, struct http_response *rs)
{
	char id[DB_URI];
	size_t len = strlen(rq->query);
	struct renewal r = {.s = s, .id = id, .reason = KD_OPERATOR};
	if (http_form_value(rq->query, len, "id", id, sizeof id) != 0) {
		admin_error(rs, 400, "id", "csk-renew?id=IDENTITY");
		return;
	}
	const char *wrong = read_reason(rq, &r);
	if (wrong) {
		admin_error(rs, 400, "reason", wrong);
		return;
	}
	server_on_loop(s, visit_renew, &r);
	log_info("admin.csk-renew", log_text("officer", rq->cert->subject), log_text("id", id),
		 log_text("reason", kd_reason_name(r.reason)), log_int("suite", r.suite),
		 log_int("clients", (int64_t)r.begun));
	if (r.found == 0)
		admin_error(rs, 404, "unknown", "no client of that identity is bound");
	else if (r.begun == 0)
		admin_error(rs, 409, "refused", r.wrong);
	else
		reply_count(rs, r.begun);
}

int admin_keys(struct server *s, const struct http_request *rq, struct http_response *rs)
{
	int renew = strcmp(rq->path, ROOT "csk-renew") == 0, musik = strcmp(rq->path, ROOT "musik") == 0;
	if (strcmp(rq->method, "POST") != 0 || (!renew && !musik))
		return 0;
	if (!admin_allow(rq, ADMIN_OFFICER, rs))
		return 1;
	if (renew) {
		handle_renew(s, rq, rs);
		return 1;
	}
	struct musik_visit v = {s, {.anew = 1, .officer = rq->cert->subject}};
	server_on_loop(s, visit_musik, &v);
	if (v.order.wrong)
		admin_error(rs, 503, "busy", v.order.wrong);
	else
		reply_count(rs, v.order.clients);
	return 1;
}
