/* SPDX-License-Identifier: Apache-2.0 */
/*
 * register.h - one REGISTER on its way to its answer, or the end of a binding: shared by handle_register.c (jobs,
 * actions and the machine), register_facts.c (what the request says and proves) and register_plan.c (what it changes).
 * It may be about several services, under one CSK; what is not right for one of them is right for none (sip 2.8).
 * Loop thread only, but for the jobs.
 */
#ifndef MCX_SERVER_REGISTER_H
#define MCX_SERVER_REGISTER_H

#include "server/body.h"
#include "server/server.h"
#include "server/third_party.h"

struct attempt {
	struct work work; /* first: jobs come back as this */
	struct attempt *next, **back;
	struct sa machine;
	struct sip_server_tx *tx; /* NULL: nobody waits */
	int by_core;
	struct third_party third; /* by_core: the client's own message */
	struct db_binding row;    /* who, where, until when */
	char contact_params[512];
	unsigned services, tags; /* sets of 1 << service: those it brings a document of; those its Contact offers */
	struct db_binding uploads[MCX_SERVICES]; /* of `services`, once checked */
	unsigned wins;                           /* of `services`: against the CSK there is */
	struct db_change change;                 /* what is stored */
	int publish;                             /* it came as PUBLISH */
	struct db_user settings;                 /* with the answer mode it publishes */
	int has_settings;
	struct body body;
	enum sa_action storing; /* SA_DO_STORE, _REFRESH, _CONTACT or _REMOVE */
	int64_t ids[DB_MAX_REMOVE];
	size_t n_ids;
	const char *end_reason;
	int revoked;
	struct server_book *book;
	struct mcsec_im_job *job;
	struct mcsec_im *im;
	enum mcsec_err im_err;
	struct mcsec_fault fault;
	enum body_verdict xml;
	struct xml_opened opened;
	struct token_claims claims[MCX_SERVICES];
	enum token_verdict token[MCX_SERVICES];
	enum sa_stored stored;
	int force;              /* the suite that was selected is not to be used */
	const char *detail;     /* for the log */
	char refused_kmss[180]; /* those of a message that is refused for them, "" else */
};

/* ---- handle_register.c ---- */
/* Moves the machine on, and does what it says. */
void attempt_step(struct attempt *a, const struct sa_event *ev);
/* Its client is one that another attempt is about: it waits for that one, and is read anew then. */
void attempt_wait(struct attempt *a);
/* Another one of the same client; NULL: none. */
struct attempt *attempt_at_work(const struct server *s, const struct attempt *but, const struct db_binding *who);

/* ---- register_check.c ---- */
/* SA_DO_CHECK: ends in SA_EV_CHECKED, or SA_EV_BUSY. */
void attempt_check(struct attempt *a);

/* ---- register_facts.c ---- */
/* From the client itself, or handed on by a SIP core: fills row, body and ids of the attempt, and the event. */
void facts_by_client(struct attempt *a, const struct sip_message *rq, struct sa_event *ev);
void facts_by_core(struct attempt *a, const struct sip_message *rq, struct sa_event *ev);
/* From a PUBLISH; who it is and where is in the row already. */
void facts_by_publish(struct attempt *a, const struct sip_message *rq, struct sa_event *ev);
/* Once the token says who it is: the answer mode that a PUBLISH brings. */
void facts_settings(struct attempt *a);
/* What the client offers and selects, into the row; what becomes of it: *force. 1 if there is a suite to go on with. */
int facts_suite(struct attempt *a, const struct mcsec_im *im, int *force);
int same_contact(const char *a, const char *b);
int same_client(const struct db_binding *a, const struct db_binding *b);

/* ---- register_plan.c ---- */
/* SA_DO_STORE, _REFRESH or _CONTACT: fills in a->change, from the bindings as they are now. */
void plan_change(struct attempt *a, enum sa_action what);
void plan_move(const struct attempt *a, struct db_binding *row);

/* ---- handle_publish.c ---- */
/* 200 with Expires and SIP-ETag. */
void publish_granted(const struct attempt *a, struct sip_server_tx *tx);

#endif
