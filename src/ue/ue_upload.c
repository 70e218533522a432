/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ue_upload.c - what service authorisation brings to the MC server: the bodies of a REGISTER or PUBLISH, and the
 * PUBLISH itself (TS 24.379 7.2.1, 7.2.1A, 7.2.2; sip.md 2.2, 2.3).
 *
 * A PUBLISH is answered by the MC server and by nobody else: its 200 is the proof that a SIP core's 200 to REGISTER is
 * not. So it is also how an authorisation that the server has lost is repaired behind a core (flows 1.1).
 */
#include <stdio.h>

#include "mcsec/secret.h"
#include "mcx/doc/mcptt_info.h"
#include "mcx/doc/poc_settings.h"
#include "mcx/doc/service.h"
#include "ue/engine.h"
#include "ue/ue_xml.h"

/* How calls are answered, for the PUBLISH that says so. */
static enum mcsec_err write_settings(struct ue *u, struct writer *w)
{
	pthread_mutex_lock(&u->lock);
	int automatic = u->answering;
	pthread_mutex_unlock(&u->lock);
	return poc_settings_write(w, "do1", automatic ? POC_ANSWER_AUTOMATIC : POC_ANSWER_MANUAL);
}

static enum mcsec_err write_info(struct ue *u, enum mcx_service service, struct writer *w)
{
	struct mcptt_info *info = mcsec_secret_alloc(sizeof *info);
	if (!info)
		return MCSEC_E_MEMORY;
	pthread_mutex_lock(&u->lock);
	snprintf(info->access_token.value, sizeof info->access_token.value, "%s", u->tokens->access);
	pthread_mutex_unlock(&u->lock);
	info->access_token.form = info->client_id.form = MCPTT_PLAIN;
	snprintf(info->client_id.value, sizeof info->client_id.value, "%s", u->client_uuid);
	enum mcsec_err e = mcx_info_write(w, service, info);
	mcsec_secret_free(info);
	return e;
}

/* One I_MESSAGE, and a document for each service. */
enum mcsec_err ue_upload_body(struct ue *u, const struct ue_csk *csk, int settings, struct writer *w, char *type,
			      size_t type_size)
{
	uint8_t *xml = mcsec_secret_alloc(UE_BODY), published[512];
	struct writer s = wr_init(published, sizeof published);
	struct body_out parts[MCX_SERVICES + 2] = {{TYPE_MIKEY, NULL, {csk->message, csk->message_len}, 0}};
	size_t n = 1, used = 0;
	enum mcsec_err e = xml ? write_settings(u, &s) : MCSEC_E_MEMORY;
	for (int i = 0; i < MCX_SERVICES && !e; i++) {
		if (!(u->c.services >> i & 1))
			continue;
		struct writer x = wr_init(xml + used, UE_BODY - used);
		e = write_info(u, (enum mcx_service)i, &x);
		parts[n++] = (struct body_out){mcx_services[i].info_type, NULL, wr_result(&x), 0};
		used += wr_len(&x);
	}
	if (settings)
		parts[n++] = (struct body_out){TYPE_POC_SETTINGS, NULL, wr_result(&s), 0};
	e = e ? e : ue_body_write(u, csk, parts, n, w, type, type_size);
	mcsec_secret_free(xml);
	return e;
}

/* ---- PUBLISH --------------------------------------------------------------------------------------------------- */

static void on_publish_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	(void)tx;
	if (rs->status >= 200)
		ue_auth_answer(ctx, rs, UE_BY_PUBLISH);
}

static void on_repair_answer(void *ctx, struct sip_client_tx *tx, const struct sip_message *rs)
{
	(void)tx;
	if (rs->status >= 200)
		ue_auth_answer(ctx, rs, UE_BY_PUBLISH_ALONE);
}

/* One for all services, which one server serves. Its life is that of the registration, whatever Expires says. */
int ue_publish_send(struct ue *u, enum ue_upload_way way)
{
	const struct mcx_service_names *service = &mcx_services[ue_first_service(u)];
	char type[128], accept[64];
	uint8_t *body = mcsec_secret_alloc(UE_BODY);
	struct writer w = wr_init(body, body ? UE_BODY : 0);
	snprintf(accept, sizeof accept, "*;%s;require;explicit", service->feature_tag);
	const struct sip_header headers[] = {{"Event", "poc-settings"},
					     {"Expires", "4294967295"},
					     {"P-Preferred-Service", service->icsi},
					     {"Accept-Contact", accept},
					     {"Route", ue_core_route(u)}};
	int ok = body && u->csk_new && !ue_upload_body(u, u->csk_new, 1, &w, type, sizeof type);
	struct sip_request rq = {.method = "PUBLISH",
				 .uri = u->c.sip_psi,
				 .from = u->impu,
				 .to = u->c.sip_psi,
				 .route = u->c.sip_route,
				 .timeout_ms = UE_ANSWER_MS,
				 .with = {.n_headers = sizeof headers / sizeof *headers - !ue_core_route(u),
					  .headers = headers,
					  .contact = ue_core_is(u) ? u->contact : NULL,
					  .content_type = type,
					  .body = wr_result(&w)}};
	ok = ok && sip_send(u->port, &rq, way == UE_BY_PUBLISH ? on_publish_answer : on_repair_answer, u);
	mcsec_secret_free(body);
	return ok ? 0 : -1;
}
