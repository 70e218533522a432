/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port_bed.h - two agents on one loop over real loopback sockets, for the tests of the SIP port: ends that answer what
 * comes in and remember what they saw, a domain's authority and a stranger's, a name server that answers 127.0.0.1.
 * bed_set_up and bed_tear_down are a group's.
 */
#ifndef TEST_PORT_BED_H
#define TEST_PORT_BED_H

#include "unit/test.h"

#include "net/sip_port.h"

struct end {
	struct sip_port *port;
	int requests, cancelled, acked, byes, hold;
	struct sip_server_tx *held;
	struct sip_dialog *dialog;
	struct sip_flow *flow;
	int status; /* final status of the last request this end sent */
	int provisional, warning;
	char error[128], subjects[256], method[32], echoed[4096], header[512];
	int reply_status;
	size_t body_len;
};

extern struct sip_loop *loop;
/* Folders with a certificate: of the server and a client; of a client of another authority; of one that trusts only it.
 */
extern char dir_server[128], dir_alice[128], dir_stranger[128], dir_naive[128];
/* Those whose certificates have but a common name, of whom they would be: the library counts it where there is no
 * other. */
extern char dir_as_bob[128], dir_as_server[128];
extern const struct sip_dialog_events bed_events; /* for dialogs with an end as their ctx */

int bed_set_up(void **state);
int bed_tear_down(void **state);

/* host NULL: 127.0.0.1. tls_dir NULL without TLS. */
void end_open(struct end *e, enum sip_transport t, const char *host, const char *tls_dir);
void end_close(struct end *e);
/* Until *value is not 0, some seconds at most. */
void wait_for(const int *value);
/* Where the end is reached as `host`; until the next call. */
const char *uri_of(const struct end *e, enum sip_transport t, const char *host);
/* One request outside dialogs; its final status. */
int ask(struct end *from, const char *method, const char *uri, struct octets body);
sip_response_handler on_response;
/* A request and its response with bodies of all octets. */
void carries_binary_bodies(enum sip_transport t, const char *host, const char *sdir, const char *cdir);

#endif
