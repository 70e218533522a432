/* SPDX-License-Identifier: Apache-2.0 */
/* ue_lab_in.h - what the files of the lab share; tests need ue_lab.h only. */
#ifndef MCX_UE_LAB_IN_H
#define MCX_UE_LAB_IN_H

#include "ue_lab.h"

#include <pthread.h>
#include <semaphore.h>

#include "unit/test.h"

#include "mcx/doc/kms_doc.h"
#include "net/sip_port.h"

enum { MAX_OWN = 8, TEXT = 16384, IDENTITIES = 5 };

struct registered {
	char impu[256], contact[512];
	struct sip_flow *flow;
};

struct lab {
	char dir[64];
	struct mcsec_master *masters[2];    /* of LAB_KMS, LAB_OTHER */
	struct kms_certificate cert, other; /* other: of LAB_OTHER */
	const struct kms_certificate *planted;
	int hold_other;
	struct kms_key_set sets[MAX_OWN];
	struct mcsec_im_own own[MAX_OWN];
	size_t n_own;
	struct mcsec_im_kms kms[2]; /* ours, LAB_OTHER */
	struct mcsec_im_book book;
	struct mcsec_im_kms false_kms[2]; /* of the impostor */
	struct mcsec_im_own false_own;
	struct mcsec_im_book false_book;

	pthread_t thread;
	sem_t ready, answered;
	struct sip_loop *loop;
	struct sip_port *port;
	uint16_t number;
	struct lab_hooks hooks;
	struct registered clients[IDENTITIES];
	size_t n_clients;
	struct lab_register last;
	int byes;
	struct refusal {
		const char *method;
		int n, status;
		char warning[128];
		lab_redirect *redirect; /* NULL: no body */
		void *ctx;
	} refusals[4];
	_Atomic unsigned registers, publishes, options;
	struct lab_message *outgoing;
	const char *suites, *minimum; /* suites NULL: the KMS says nothing */

	/* the call between two clients */
	struct sip_dialog *a, *b;
	struct sip_server_tx *invite;
	struct sip_client_tx *forwarded;
	/* an INVITE of the server's own */
	const char *to, *calling, *offer, *second;
	enum mcx_service service; /* of that INVITE */
	struct sip_dialog *own_dialog;
	struct lab_answer answer;
};

struct registered *lab_find(struct lab *l, const char *impu); /* NULL: not registered */
/* REGISTER or PUBLISH; what it carried is in l->last. */
void lab_on_register(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq);
void lab_on_options(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq);
void lab_on_publish(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq);
/* 1: answered as lab_refuse said. */
int lab_refused(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq);

/* A call between two clients. */
extern const struct sip_dialog_events lab_dialog_events;
void lab_on_invite(struct lab *l, struct sip_server_tx *tx, const struct sip_message *rq);
/* The forwarded INVITE's body: description, and who calls. */
size_t lab_invite_body(enum mcx_service service, const char *sdp, size_t sdp_len, const char *calling,
		       const char *called, uint8_t *out, size_t size);
struct sip_request lab_invite_to(enum mcx_service service, const struct registered *c, const char *from,
				 struct octets body);
void lab_send_bye(struct lab *l, struct sip_dialog **d);

#endif
