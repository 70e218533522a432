/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config.h - the configuration of mcx-server: one file, one table (app/config.h). Every switch of this daemon that
 * docs/ambiguities.md names is a key here.
 */
#ifndef MCX_SERVER_CONFIG_H
#define MCX_SERVER_CONFIG_H

#include "app/config.h"
#include "mcx/flow/suite.h"

struct server_config {
	char host[256]; /* name in Contact and Warning; stands in our certificate */
	char psi[256];  /* public service identity: what clients address and upload their CSK to */
	char mdsi[256]; /* second receiver identity (TS 33.180 5.4), of all services; "" without */
	char psi_mcvideo[256], psi_mcdata[256]; /* of these services; "": psi */
	struct config_list services;            /* that are served, by name */
	char address[48];
	int64_t sip_port, sips_port, admin_port, rtp_min, rtp_max;
	struct config_list transports;    /* listeners: udp, tcp, tls */
	struct config_list register_over; /* which of them take REGISTER */
	struct config_list
	    trusted;             /* peers whose P-Asserted-Identity counts: addresses, or names in TLS certificates */
	struct config_list core; /* SIP cores we serve, named as in `trusted`; then only they register users */
	char core_route[256];    /* where requests to those users go, a SIP URI; needed with `core` */
	char tls[256], tls_dir[256], ca[256], admin_ca[256], resolv_conf[256];
	char database[256], seal_key[256], passphrase[256];
	struct config_list
	    initiator_kms;    /* KMSs whose users' uploads are taken; empty: of which we hold a certificate */
	int external_kms;     /* take the certificates of other domains that our KMS permits; else its own alone */
	int redirect_on_path; /* calls for a KMS that is not the callee's, by what we know of it, end here */
	char krr_key[256];    /* certificate and key that sign redirects to another KMS; "": `tls` */
	char kms[512], kms_uri[256], issuer[256], audience[256], jwks[512], resolve[1024];
	char revocations[512], revocations_cert[256]; /* the identity server's list of tokens taken back; "": none */
	int64_t revocations_every;
	char audit_key[256], audit_checkpoints[256]; /* "": no checkpoints */
	char protection[16];                         /* end-to-end media: required, allowed, forbidden */
	int64_t expires_min, expires_max, ring_s, silent_s, max_private_calls;
	int64_t workers, queue, busy_ms, connect_ms;
	int64_t waiting, waiting_s; /* requests behind others of their clients (server/waiting.h); how long */
	int64_t max_connections, max_per_source, new_per_source, first_request_s, idle_s; /* SIP, net/sip_port.h */
	int64_t invites_per_user;                                                         /* a second */
	int xml_confidentiality, xml_integrity; /* XML towards clients: on unless switched off by name */
	int xml_require;                        /* refuse sensitive values that come in clear */
	int64_t csk_max_age_s;                  /* an older CSK is replaced by key download; 0: never */
	int64_t musik_life_s;
	char suites[SUITE_TEXT];  /* algorithms that go with a CSK, most wanted first (mcx/flow/suite.h) */
	int identity_hiding;      /* key downloads: UIDs in place of the URIs of both ends (TS 33.180 5.2.6) */
	int sakke_to_self;        /* key downloads: the key for our own other nodes too (TS 33.180 5.2.5)    */
	int64_t csk_grace_s;      /* the previous CSK still opens what is on its way */
	int floor_control;        /* serve the media control line of an MCPTT call; else it is refused */
	int transmission_control; /* and that of an MCVideo call */
	int media_any_address;    /* relay to addresses other than the signalling peer's */
};

extern const struct config_option server_options[];
extern const size_t server_n_options;

#endif
