/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hostile_peer.h - a peer that says what it likes: octets over TCP or TLS as no SIP stack would send them, and what is
 * answered. For servers and clients alike; nothing here is believed of what the other side sends.
 */
#ifndef TEST_HOSTILE_PEER_H
#define TEST_HOSTILE_PEER_H

#include <openssl/ssl.h>

#include "sec/base/bytes.h"

struct peer {
	int fd;
	SSL_CTX *ctx;
	SSL *tls;
	uint16_t port; /* our own */
	char heard[16384];
	size_t n;
	int status; /* of the last response; its head is in `head`, NUL-terminated */
	char head[8192];
};

/* tls_dir: with agent.pem and cafile.pem of whom we are; NULL: TCP. The calling test fails if nobody listens. */
void peer_open(struct peer *p, uint16_t port, const char *tls_dir);
void peer_close(struct peer *p);
/* 0, or -1 if the other side takes no more. */
int peer_say(struct peer *p, const void *octets, size_t n);
/* The next final response: its status; 0: none came within that time; -1: the connection ended. */
int peer_hear(struct peer *p, unsigned ms);
/* The value of that header in it; "" if it has none. */
const char *peer_header(const struct peer *p, const char *name);

/* ---- what it says ---- */

/* One request. NULLs are what they should be. */
struct said {
	const char *method, *uri, *from, *to, *contact;
	const char *to_tag;  /* of a dialog; NULL: none */
	const char *headers; /* more of them, each with its CRLF */
	const char *type, *length;
	struct octets body;
};
/* Its octets, malloc'ed, in a transaction of its own. */
uint8_t *peer_request(const struct peer *p, const struct said *s, size_t *len);
/* Sent, and the final status as peer_hear tells it. */
int peer_ask(struct peer *p, const struct said *s);

/* A body's template with its marks filled in, malloc'ed: $M, $6 the I_MESSAGE as octets and in base64; $1, $2 its
 * halves;
 * $* its base64 with an asterisk in it, $- without the last character; $i, $l, $p the other documents; $B a MiB. */
struct parts {
	struct octets mikey, info, lists, settings;
};
uint8_t *body_filled(const char *text, const struct parts *parts, size_t *len);

#endif
