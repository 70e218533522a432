/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_storm.c - how fast a whole MC server authorises its clients again, and what that costs those it serves.
 *
 * A server in a process of its own, on one core; this program on another one, as the SIP core that hands on the
 * clients' REGISTERs (each with an I_MESSAGE of its own signer, a fresh token, documents) over one TLS connection.
 * Three rows:
 *
 *   register_csk    so many at a time that the server is never idle, against what the same core does when it only opens
 *                   I_MESSAGEs (verify and decapsulate); must: 60 %
 *   restart_storm   all clients at once; who hears 503 comes again as a client does: after Retry-After or after a wait
 *                   that doubles from 1 s to 60 s less up to half, whichever is longer (flows 0.3). us: the longest
 * wait storm_control   meanwhile, in a call that is up, a message on the control line every 20 ms, which the server
 * opens and answers under the CSK; us: 99 of 100 answers came within
 *
 * usage: bench_storm [--quick] [CLIENTS]
 */
#include <fcntl.h>
#include <math.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/wait.h>

#include "e2e/server_crowd.h"

enum {
	CLIENTS = 20000,
	STEADY = 2000, /* for the first row */
	WINDOW = 32,
	RAW = 400,
	GROUP = 256,   /* key sets at a time */
	IN_A_CALL = 2, /* members of the crowd, who are served meanwhile: the first names are theirs */
	PROBE_MS = 20,
	LOST_MS = 1000,
	PROBES = 100000
};

struct client {
	char *text;
	size_t len, mikey_at, mikey_len;
	double next_s, done_s; /* when it speaks next; when it was authorised; 0: neither */
	int refused;
};

struct wire {
	SSL *ssl;
	uint8_t in[1 << 17];
	size_t have;
};

static struct client *clients;
static size_t n_clients;
static SSL_CTX *tls;

static void on_core(size_t cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof set, &set);
}

static double draw(void)
{
	return (double)random() / (double)RAND_MAX;
}

/* ---- what the clients say ---- */

static struct mcsec_keyset *made[GROUP];
static size_t group_at;

static void name_of(size_t i, char out[64])
{
	snprintf(out, 64, "sip:u%05zu@mcptt." ZONE, IN_A_CALL + i);
}

static void *make_keys(void *arg)
{
	size_t odd = (size_t)(uintptr_t)arg;
	for (size_t i = odd; i < GROUP && group_at + i < n_clients; i += 2) {
		char name[64];
		name_of(group_at + i, name);
		made[i] = bed_signer(name);
	}
	return NULL;
}

static void prepare(size_t i, struct mcsec_keyset *keys)
{
	static uint8_t body[32768];
	static char inner[40000];
	struct ua u = {.name = "u", .keys = keys};
	name_of(i, u.mcptt_id);
	snprintf(u.impu, sizeof u.impu, "sip:u%05zu@" ZONE, IN_A_CALL + i);
	snprintf(u.client_id, sizeof u.client_id, "urn:uuid:00000000-0000-4000-8000-%012zx", IN_A_CALL + i);
	/* ahead of its time, so that it is still good when its turn comes */
	size_t len = ua_register_body(&u, &(struct reg){.expires = -1, .age = -200}, body, sizeof body);
	size_t all = crowd_message(&u, body, len, inner, sizeof inner);
	struct client *c = &clients[i];
	c->text = malloc(all + 1024);
	int outer =
	    snprintf(c->text, 1024,
		     "REGISTER sip:sip." ZONE ":%u;transport=tls SIP/2.0\r\n"
		     "Via: SIP/2.0/TLS 127.0.0.1:9;rport;branch=z9hG4bK%05zu-00000\r\nMax-Forwards: 68\r\n"
		     "From: <sip:" CROWD_CORE ">;tag=%zu\r\nTo: <%s>\r\nCall-ID: s%05zu@core\r\nCSeq: 1 REGISTER\r\n"
		     "Contact: <sip:" CROWD_CORE ":5061;transport=tls>\r\nExpires: 3600\r\n"
		     "Content-Type: message/sip\r\nContent-Length: %zu\r\n\r\n",
		     bed.server->sips_number, i, i, u.impu, i, all);
	memcpy(c->text + outer, inner, all);
	c->len = (size_t)outer + all;
	const uint8_t *at = memmem(c->text, c->len, last_mikey, last_mikey_len);
	assert_non_null(at);
	c->mikey_at = (size_t)(at - (const uint8_t *)c->text);
	c->mikey_len = last_mikey_len;
}

static void prepare_all(void)
{
	clients = calloc(n_clients, sizeof *clients);
	for (group_at = 0; group_at < n_clients; group_at += GROUP) {
		pthread_t other;
		assert_int_equal(pthread_create(&other, NULL, make_keys, (void *)1), 0);
		make_keys(NULL);
		pthread_join(other, NULL);
		for (size_t i = 0; i < GROUP && group_at + i < n_clients; i++) {
			prepare(group_at + i, made[i]);
			mcsec_keyset_free(made[i]);
		}
		if (isatty(2))
			fprintf(stderr, "\rbench_storm: %zu of %zu clients have their keys", group_at + GROUP,
				n_clients);
	}
	if (isatty(2))
		fprintf(stderr, "\n");
}

/* Each attempt is a transaction of its own. */
static void new_branch(struct client *c)
{
	char number[6];
	char *at = memmem(c->text, 400, "z9hG4bK", 7);
	snprintf(number, sizeof number, "%05u", (unsigned)(++c->refused) % 100000);
	memcpy(at + 13, number, 5);
}

/* ---- what the engine alone does ---- */

static double raw_per_s(size_t n)
{
	struct server_keys *keys = server_keys_start(&bed.cfg);
	struct server_book *book = server_keys_book(keys);
	double begun = crowd_now();
	for (size_t i = 0; i < n; i++) {
		const char *self = PSI;
		struct mcsec_im_expect expect = {.now = (uint64_t)time(NULL) + MCSEC_NTP_UNIX,
						 .tags = MCSEC_TAG_BIT(MCSEC_CSK),
						 .selves = &self,
						 .n_selves = 1};
		struct mcsec_im *im;
		struct client *c = &clients[i];
		assert_int_equal(mcsec_im_open(server_book_tables(book), &expect, (uint8_t *)c->text + c->mikey_at,
					       c->mikey_len, &im, NULL),
				 MCSEC_OK);
		mcsec_im_free(im);
	}
	double rate = (double)n / (crowd_now() - begun);
	server_keys_stop(keys);
	return rate;
}

/* ---- the wire ---- */

static struct wire *wire_open(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_port = htons(bed.server->sips_number),
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct wire *w = calloc(1, sizeof *w);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
	w->ssl = SSL_new(tls);
	SSL_set_fd(w->ssl, fd);
	assert_int_equal(SSL_connect(w->ssl), 1);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return w;
}

static void wire_close(struct wire *w)
{
	close(SSL_get_fd(w->ssl));
	SSL_free(w->ssl);
	free(w);
}

/* Calls `each` with every whole answer that is there. */
static void wire_read(struct wire *w, void (*each)(char *head))
{
	int n;
	while ((n = SSL_read(w->ssl, w->in + w->have, (int)(sizeof w->in - w->have - 1))) > 0) {
		w->have += (size_t)n;
		size_t from = 0;
		uint8_t *end;
		while ((end = memmem(w->in + from, w->have - from, "\r\n\r\n", 4))) {
			*end = 0;
			each((char *)w->in + from);
			from = (size_t)(end - w->in) + 4; /* no answer has a body */
		}
		memmove(w->in, w->in + from, w->have - from);
		w->have -= from;
	}
	int e = SSL_get_error(w->ssl, n);
	assert_true(e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE);
}

/* ---- many clients ---- */

static size_t waiting, authorised, refusals;
static double began;

static void answered(char *head)
{
	size_t i;
	int status = atoi(head + 8);
	char *id = strstr(head, "Call-ID: s"), *after = strcasestr(head, "\nRetry-After: ");
	if (status < 200 || !id)
		return;
	i = strtoul(id + 10, NULL, 10);
	struct client *c = &clients[i];
	waiting--;
	if (status == 200) {
		c->done_s = crowd_now() - began;
		authorised++;
		return;
	}
	assert_true(status == 503 || status == 500);
	refusals++;
	double wait = fmin(60, (double)(1 << (c->refused < 6 ? c->refused : 6))) * (1 - draw() / 2);
	c->next_s = crowd_now() + fmax(wait, after ? atof(after + 14) + draw() : 0);
	new_branch(c);
}

/* Clients [from, to) are authorised, `window` of them at a time at the most. Returns how long it took. */
static double storm(size_t from, size_t to, size_t window)
{
	struct wire *w = wire_open();
	size_t at = from, sending = SIZE_MAX, sent = 0;
	began = crowd_now();
	waiting = authorised = refusals = 0;
	for (size_t i = from; i < to; i++)
		clients[i].next_s = began;
	while (authorised < to - from) {
		if (sending == SIZE_MAX && waiting < window) {
			double t = crowd_now();
			for (size_t looked = 0; looked < to - from; looked++, at = at + 1 < to ? at + 1 : from)
				if (clients[at].next_s > 0 && clients[at].next_s <= t) {
					sending = at;
					clients[at].next_s = 0;
					sent = 0;
					waiting++;
					break;
				}
		}
		struct pollfd p = {SSL_get_fd(w->ssl), (short)(POLLIN | (sending != SIZE_MAX ? POLLOUT : 0)), 0};
		poll(&p, 1, 5);
		if (sending != SIZE_MAX && (p.revents & POLLOUT)) {
			struct client *c = &clients[sending];
			int n = SSL_write(w->ssl, c->text + sent, (int)(c->len - sent));
			if (n > 0 && (sent += (size_t)n) == c->len)
				sending = SIZE_MAX;
		}
		if (p.revents & (POLLIN | POLLHUP))
			wire_read(w, answered);
	}
	wire_close(w);
	return crowd_now() - began;
}

/* ---- somebody who is served ---- */

static _Atomic int storm_over;
static double probe[PROBES];
static size_t n_probes;

/* An answer that does not come within a second counts as that long. */
static double ask_once(struct member *m)
{
	double asked = crowd_now();
	crowd_ask(m);
	for (;;) {
		double left = asked + LOST_MS / 1e3 - crowd_now();
		struct pollfd p = {m->fd, POLLIN, 0};
		if (left <= 0 || poll(&p, 1, (int)(left * 1e3) + 1) < 0)
			return LOST_MS / 1e3;
		if (crowd_hear(m))
			return crowd_now() - asked;
	}
}

static void *ask(void *arg)
{
	(void)arg;
	for (; !storm_over && n_probes < PROBES; n_probes++) {
		probe[n_probes] = ask_once(&crowd[n_probes % IN_A_CALL]);
		usleep(PROBE_MS * 1000);
	}
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* ---- the rows ---- */

static double resident_kib(const char *what)
{
	char path[64], line[200];
	double kib = 0;
	snprintf(path, sizeof path, "/proc/%d/status", (int)bed.pid);
	FILE *f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, what, strlen(what)) == 0)
			kib = atof(line + strlen(what) + 1);
	if (f)
		fclose(f);
	return kib;
}

/* Processor time the server has used, seconds. */
static double used_s(void)
{
	char path[64], line[1024] = "";
	unsigned long user = 0, system = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", (int)bed.pid);
	FILE *f = fopen(path, "r");
	if (f && fgets(line, sizeof line, f) && strrchr(line, ')'))
		sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
	if (f)
		fclose(f);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

static void row(const char *op, const char *against, size_t n, double us, double per_s, double ratio)
{
	printf("{\"op\":\"%s\",\"impl\":\"mcx-server\",\"peer\":\"%s\",\"sp_asm\":false,\"consttime\":true,\"n\":%zu,"
	       "\"median_us\":%.3f,\"per_s_core\":%.1f,\"ratio\":%.3f}\n",
	       op, against, n, us, per_s, ratio);
}

/* Which musts this run met; a noisy machine is no failure. */
static void judge(double register_share, double wait_share, double kib, double p99_s)
{
	const struct {
		const char *what;
		int met;
	} musts[] = {{"REGISTER with CSK at least 60 % of opening alone", register_share >= 0.6},
		     {"longest wait at most 1.5 times what the rate needs", wait_share <= 1},
		     {"at most 64 KiB a client", kib <= 64},
		     {"99 of 100 control round trips below 50 ms", p99_s < 0.050}};
	for (size_t i = 0; i < sizeof musts / sizeof *musts; i++)
		fprintf(stderr, "bench_storm: %s: %s\n", musts[i].met ? "met" : "NOT MET", musts[i].what);
}

static void open_bed(void)
{
	crowd_begin(IN_A_CALL, 0);
	char pem[300];
	tls = SSL_CTX_new(TLS_client_method());
	snprintf(pem, sizeof pem, "%s/agent.pem", crowd_core_tls());
	assert_int_equal(SSL_CTX_use_certificate_chain_file(tls, pem), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(tls, pem, SSL_FILETYPE_PEM), 1);
	SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	on_core(0);
	/* what it logs goes to a file, as with a real one */
	snprintf(pem, sizeof pem, "%s/log", bed.ca.dir);
	int log = open(pem, O_CREAT | O_WRONLY, 0600), err = dup(2);
	dup2(log, 2);
	bed_start(); /* which makes the database */
	for (size_t i = 0; i < IN_A_CALL; i++)
		bed_user(crowd[i].ua.mcptt_id, "automatic", 1, 1);
	bed_stop();
	bed_spawn();
	dup2(err, 2);
	close(log);
	close(err);
}

static void measure(size_t steady)
{
	on_core(0);
	double raw = raw_per_s(steady < RAW ? steady : RAW);
	on_core(1);
	(void)storm(0, 1, 1); /* the published keys of the identity server are fetched once */
	double used = used_s();
	double rate = (double)(steady - 1) / storm(1, steady, WINDOW);
	used = used_s() - used;
	on_core(0);
	raw = (raw + raw_per_s(steady < RAW ? steady : RAW)) / 2;
	on_core(1);
	row("register_csk", "verify and decapsulate alone", steady, 1e6 / rate, rate, rate / raw);

	crowd_register(0, IN_A_CALL, 0);
	crowd_call(&crowd[0], &crowd[1]);
	double before = resident_kib("VmRSS:");
	size_t n = n_clients - steady;
	pthread_t asker;
	assert_int_equal(pthread_create(&asker, NULL, ask, NULL), 0);
	double took = storm(steady, n_clients, n);
	storm_over = 1;
	pthread_join(asker, NULL);
	crowd_hang_up(&crowd[0]); /* it is still there */
	double longest = 0, bound = 1.5 * (double)n / rate;
	for (size_t i = steady; i < n_clients; i++)
		longest = fmax(longest, clients[i].done_s);
	row("restart_storm", "1.5 times what the rate alone needs", n, longest * 1e6, (double)n / took,
	    bound / longest);
	qsort(probe, n_probes, sizeof *probe, by_size);
	double p99 = probe[n_probes * 99 / 100];
	row("storm_control", "50 ms", n_probes, p99 * 1e6, 1 / p99, 0.050 / p99);
	fprintf(stderr,
		"bench_storm: raw %.0f/s, REGISTER %.0f/s (%.0f %%, %.2f ms of processor each); storm of %zu: all back "
		"after %.1f s, longest wait %.1f s "
		"of %.1f, %zu refusals; %.1f KiB a client at most, %.1f after; control median %.1f ms, 99 %% %.1f ms, "
		"worst %.1f ms of %zu\n",
		raw, rate, 100 * rate / raw, 1e3 * used / (double)(steady - 1), n, took, longest, bound, refusals,
		(resident_kib("VmHWM:") - before) / (double)n, (resident_kib("VmRSS:") - before) / (double)n,
		probe[n_probes / 2] * 1e3, p99 * 1e3, probe[n_probes - 1] * 1e3, n_probes);
	judge(rate / raw, longest / bound, (resident_kib("VmHWM:") - before) / (double)n, p99);
	assert_int_equal(bindings_in_db(), n_clients + IN_A_CALL);
}

int main(int argc, char **argv)
{
	bed_serve_if_asked(argc, argv);
	int quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	size_t steady = quick ? 40 : STEADY;
	n_clients = steady + (argc > 1 + quick ? strtoul(argv[1 + quick], NULL, 10) : quick ? 200 : CLIENTS);
	open_bed();
	prepare_all();
	measure(steady);
	bed_kill();
	crowd_end();
	return 0;
}
