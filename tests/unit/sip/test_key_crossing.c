/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key download with everything that can go wrong, at every step: both machines (key_download.c, key_receive.c) in a
 * small world with a clock, two stores and a network. A run goes on until nothing is left to do; then there is one CSK
 * at both ends, the same (flows 0.4 and 2).
 *
 * A step is one action of a machine, one store write, or one message delivered. Each run injects one fault, or two, at
 * steps of its choice: kill of either side, loss, delay, an upload that crosses. What is durable survives a kill.
 */
#include "unit/test.h"

#include "mcx/flow/key_download.h"
#include "mcx/flow/key_receive.h"
#include "mcx/flow/server_auth.h"

enum { GRACE_S = 32, QUEUE = 64, MAX_STEPS = 4000, KEYS = 4096, SKEW_S = 200 };

struct csk {
	uint32_t id; /* names the key too: two CSKs of one id do not exist here */
	uint64_t t;
};

enum task_kind {
	NOTHING,
	/* at the server */
	S_EVENT,  /* kd event `arg` */
	S_SAVE,   /* write pending, then SAVED */
	S_SETTLE, /* write the change, then SETTLED */
	S_ERASE,
	S_SEND,
	S_CHECK, /* an upload: which wins */
	S_STORE, /* an upload that won */
	/* at the client */
	C_CHECKED,
	C_STORE,
	C_UPLOAD,
	/* on the way */
	N_DOWNLOAD,
	N_ANSWER,
	N_UPLOAD,
	N_UPLOADED,
	N_REQUEST,
	N_REFUSED,
};

struct task {
	enum task_kind kind;
	struct csk csk;
	unsigned life; /* of the side it belongs to, or of the transaction it answers */
	int arg;
	unsigned run; /* of the machine that waits for it: a result of an earlier one is ignored */
};

enum fault_kind { KILL_SERVER, KILL_CLIENT, LOSE, DELAY, CROSS, FAULTS };
struct fault {
	enum fault_kind kind;
	int step;
};

static struct world {
	int64_t now; /* seconds */
	int64_t skew;
	struct task queue[QUEUE];
	int n, step;
	uint32_t next_id;
	uint8_t held[KEYS]; /* the client had this CSK once */
	int refused;        /* requests of the client that met an unknown key */

	/* server, durable */
	struct csk s_csk, s_pending;
	int s_has_pending, s_reason, s_attempt, s_bound;
	/* server, memory */
	struct kd kd;
	unsigned s_life;
	struct csk s_previous;
	int64_t s_grace_until;
	unsigned run, job_run;
	int out; /* a MESSAGE is out: answers to others are of the past */
	unsigned tx;
	int64_t s_timer; /* 0: none */
	int64_t tx_until;

	/* client, durable */
	struct csk c_last;
	/* client, memory */
	struct csk c_csk, c_new;
	int c_has, c_uploading;
	unsigned c_life;
	int64_t c_timer;

	struct fault faults[2];
	int n_faults;
} w;

static void put(struct task t)
{
	assert_true(w.n < QUEUE);
	w.queue[w.n++] = t;
}

static void put_server(enum task_kind k, int arg, struct csk csk)
{
	put((struct task){k, csk, w.s_life, arg, k == S_EVENT ? w.job_run : w.run});
}

static void put_client(enum task_kind k, int arg, struct csk csk)
{
	put((struct task){k, csk, w.c_life, arg, 0});
}

static struct csk fresh(int64_t clock, struct csk last)
{
	struct csk c = {++w.next_id, kd_time((uint64_t)clock, last.t)};
	assert_true(w.next_id < KEYS);
	return c;
}

/* ---- server ---- */

static void server_event(enum kd_event_kind kind, int reason);

static void server_act(enum kd_action a)
{
	switch (a) {
	case KD_DO_MAKE:
		put_server(S_SAVE, (int)w.s_csk.id, fresh(w.now, w.s_csk));
		break;
	case KD_DO_REMAKE: {
		struct csk again = {w.s_pending.id, kd_time((uint64_t)w.now, w.s_pending.t)};
		put_server(S_SAVE, (int)w.s_csk.id, again);
		break;
	}
	case KD_DO_SEND:
		put_server(S_SEND, 0, w.s_pending);
		break;
	case KD_DO_RECALL:
		w.out = 0;
		break;
	case KD_DO_SETTLE:
		w.out = 0;
		put_server(S_SETTLE, 0, w.s_pending);
		break;
	case KD_DO_SWITCH:
		assert_true(w.held[w.s_csk.id]); /* never before the client has it */
		break;
	case KD_DO_TIMER:
		w.s_timer = (w.kd.due_ms + 999) / 1000;
		break;
	case KD_DO_ERASE:
		put_server(S_ERASE, 0, w.s_pending);
		break;
	case KD_DO_DROP:
		w.s_bound = 0;
		break;
	default:
		break;
	}
}

static void server_event(enum kd_event_kind kind, int reason)
{
	struct kd_actions out;
	struct kd_event ev = {.kind = kind,
			      .now_ms = w.now * 1000,
			      .jitter = 128,
			      .retry_after_s = kind == KD_EV_BUSY ? 2 : 0,
			      .what = KD_CSK,
			      .reason = (enum kd_reason)reason,
			      .protected = 1,
			      .has_csk = w.s_bound,
			      .attempt = (uint8_t)w.s_attempt};
	if (kind != KD_EV_SEEN)
		w.s_timer = 0;
	if (kind == KD_EV_START || kind == KD_EV_RESTART)
		w.run++;
	kd_step(&w.kd, &ev, &out);
	for (size_t i = 0; i < out.n; i++)
		server_act(out.do_[i]);
}

/* Retry timers live in the machine; a step that means nothing must not lose them. */
static void server_event_keeping_timer(enum kd_event_kind kind, int reason)
{
	int64_t timer = w.s_timer;
	enum kd_state before = w.kd.state;
	server_event(kind, reason);
	if (w.kd.state == before && w.kd.state == KD_WAIT)
		w.s_timer = timer;
}

/* On condition that the CSK is still the one it is to follow. */
static void server_save(struct csk csk, int follows)
{
	if (!w.s_bound || (int)w.s_csk.id != follows) {
		put_server(S_EVENT, KD_EV_SUPERSEDED, csk);
		return;
	}
	w.s_has_pending = 1;
	w.s_pending = csk;
	w.s_reason = w.kd.reason;
	w.s_attempt = w.kd.attempt;
	put_server(S_EVENT, KD_EV_SAVED, csk);
}

static void server_settle(struct csk csk)
{
	if (!w.s_has_pending || w.s_pending.id != csk.id) {
		put_server(S_EVENT, KD_EV_SUPERSEDED, csk);
		return;
	}
	w.s_previous = w.s_csk;
	w.s_grace_until = w.now + GRACE_S;
	w.s_csk = w.s_pending;
	w.s_has_pending = 0;
	put_server(S_EVENT, KD_EV_SETTLED, csk);
}

/* As the server's shell does it: compared with the key that would be in use next. */
static void server_check_upload(const struct task *t)
{
	struct csk rival = w.s_has_pending ? w.s_pending : w.s_csk;
	if (!w.s_bound || sa_csk_wins(t->csk.t, t->csk.id, 1, rival.t, rival.id)) {
		put_server(S_STORE, t->arg, t->csk);
		return;
	}
	put((struct task){N_UPLOADED, t->csk, (unsigned)t->arg, 0, 0});
	server_event_keeping_timer(w.kd.state == KD_IDLE ? KD_EV_START : KD_EV_UPLOAD_LOST, KD_CROSSED);
}

static void server_store_upload(const struct task *t)
{
	int overtaken = w.s_has_pending && !sa_csk_wins(t->csk.t, t->csk.id, 1, w.s_pending.t, w.s_pending.id);
	w.s_previous = w.s_csk;
	w.s_grace_until = w.now + GRACE_S;
	w.s_csk = t->csk;
	w.s_bound = 1;
	w.s_has_pending = 0;
	put((struct task){N_UPLOADED, t->csk, (unsigned)t->arg, 0, 0});
	server_event(KD_EV_SUPERSEDED, 0);
	if (overtaken)
		server_event(KD_EV_START, KD_CROSSED);
}

static void server_request(const struct task *t)
{
	int current = w.s_bound && t->csk.id == w.s_csk.id;
	int pending = w.s_bound && w.s_has_pending && t->csk.id == w.s_pending.id;
	int previous = w.s_bound && t->csk.id == w.s_previous.id && w.now < w.s_grace_until;
	if (pending)
		server_event_keeping_timer(KD_EV_PROVED, 0);
	w.refused += !current && !pending && !previous;
	if (!current && !pending && !previous)
		put((struct task){N_REFUSED, t->csk, t->life, 0, 0});
}

static void kill_server(void)
{
	w.s_life++;
	w.kd = (struct kd){0};
	w.s_previous = (struct csk){0};
	w.s_timer = 0;
	w.out = 0;
	w.tx++;
	if (w.s_has_pending)
		server_event(KD_EV_RESTART, w.s_reason);
}

/* ---- client ---- */

static int64_t client_clock(void)
{
	return w.now + w.skew;
}

static void client_upload(void)
{
	w.c_new = fresh(client_clock(), w.c_last);
	w.c_last = w.c_new; /* durable before it leaves */
	w.c_uploading = 1;
	w.c_timer = w.now + 32;
	put((struct task){N_UPLOAD, w.c_new, w.c_life, 0, 0});
}

static void client_act(struct kr *m, const struct kr_actions *out, size_t i, const struct task *t)
{
	switch (out->do_[i]) {
	case KR_DO_CHECK:
		put_client(C_CHECKED, t->arg, t->csk);
		break;
	case KR_DO_STORE:
		put_client(C_STORE, t->arg | m->install << 16, t->csk);
		break;
	case KR_DO_DISCARD:
		w.c_has = 0;
		break;
	case KR_DO_INSTALL:
		assert_false(w.c_has); /* the old one went before */
		w.c_has = 1;
		w.c_csk = t->csk;
		w.held[t->csk.id] = 1;
		break;
	case KR_DO_REPLY:
		put((struct task){N_ANSWER, t->csk, (unsigned)(t->arg & 0xffff), out->status, 0});
		break;
	default:
		break;
	}
}

static void client_step(struct kr *m, const struct kr_event *ev, const struct task *t)
{
	struct kr_actions out;
	assert_true(kr_step(m, ev, &out) >= 0);
	for (size_t i = 0; i < out.n; i++)
		client_act(m, &out, i, t);
}

static void client_download(const struct task *t)
{
	struct kr m = {0};
	client_step(&m, &(struct kr_event){.kind = KR_EV_MESSAGE, .from_server = 1},
		    &(struct task){N_DOWNLOAD, t->csk, 0, (int)t->life, 0});
}

static void client_checked(const struct task *t)
{
	struct kr m = {.state = KR_CHECKING};
	int same = w.c_has && w.c_csk.id == t->csk.id;
	client_step(&m,
		    &(struct kr_event){.kind = KR_EV_CHECKED,
				       .uploading = w.c_uploading,
				       .suite_ok = 1,
				       .same_id = same,
				       .same_key = same,
				       .wins = sa_csk_wins(t->csk.t, t->csk.id, w.c_has, w.c_csk.t, w.c_csk.id)},
		    t);
}

static void client_stored(const struct task *t)
{
	struct kr m = {.state = KR_STORING, .install = t->arg >> 16};
	w.c_last = t->csk;
	if (!m.install)
		w.c_csk.t = t->csk.t;
	client_step(&m, &(struct kr_event){.kind = KR_EV_STORED}, t);
}

static void client_uploaded(const struct task *t)
{
	if (!w.c_uploading || t->csk.id != w.c_new.id)
		return;
	w.c_uploading = 0;
	w.c_timer = 0;
	w.c_has = 1;
	w.c_csk = w.c_new;
	w.held[w.c_csk.id] = 1;
}

static void kill_client(void)
{
	w.c_life++;
	w.c_has = w.c_uploading = 0;
	w.c_csk = (struct csk){0};
	client_upload(); /* it registers again, with a new CSK */
}

/* ---- the world ---- */

static int of_server(enum task_kind k)
{
	return k >= S_EVENT && k <= S_STORE;
}

static int of_client(enum task_kind k)
{
	return k >= C_CHECKED && k <= C_UPLOAD;
}

static int on_the_way(enum task_kind k)
{
	return k >= N_DOWNLOAD;
}

static void run_task(const struct task *t)
{
	if ((of_server(t->kind) && t->life != w.s_life) || (of_client(t->kind) && t->life != w.c_life))
		return; /* it died with its side */
	w.job_run = t->run;
	switch (t->kind) {
	case S_EVENT:
		if (t->run == w.run)
			server_event((enum kd_event_kind)t->arg, 0);
		break;
	case S_SAVE:
		server_save(t->csk, t->arg);
		break;
	case S_SETTLE:
		server_settle(t->csk);
		break;
	case S_ERASE:
		w.s_has_pending = 0;
		put_server(S_EVENT, KD_EV_ENDED, t->csk);
		break;
	case S_SEND:
		if (w.kd.state != KD_OUT || t->csk.t != w.s_pending.t)
			break; /* superseded meanwhile: the shell does not send */
		w.out = 1;
		w.tx++;
		w.tx_until = w.now + 32;
		put((struct task){N_DOWNLOAD, t->csk, w.tx, 0, 0});
		break;
	case S_CHECK:
		server_check_upload(t);
		break;
	case S_STORE:
		server_store_upload(t);
		break;
	case C_CHECKED:
		client_checked(t);
		break;
	case C_STORE:
		client_stored(t);
		break;
	case N_DOWNLOAD:
		client_download(t);
		break;
	case N_ANSWER:
		if (w.out && t->life == w.tx) {
			w.out = 0;
			server_event(kd_answer(t->arg), 0);
		}
		break;
	case N_UPLOAD:
		put_server(S_CHECK, (int)t->life, t->csk);
		break;
	case N_UPLOADED:
		if (t->life == w.c_life)
			client_uploaded(t);
		break;
	case N_REQUEST:
		server_request(t);
		break;
	case N_REFUSED:
		if (t->life == w.c_life && w.c_has && !w.c_uploading && t->csk.id == w.c_csk.id)
			client_upload();
		break;
	default:
		break;
	}
}

/* Takes the first task; a fault of this step strikes before it. */
static void one_step(void)
{
	struct task t = w.queue[0];
	memmove(w.queue, w.queue + 1, (size_t)--w.n * sizeof t);
	w.step++;
	for (int i = 0; i < w.n_faults; i++) {
		if (w.faults[i].step != w.step)
			continue;
		switch (w.faults[i].kind) {
		case KILL_SERVER:
			kill_server();
			break;
		case KILL_CLIENT:
			kill_client();
			break;
		case LOSE:
			if (on_the_way(t.kind))
				t.kind = NOTHING;
			break;
		case DELAY:
			put(t);
			t.kind = NOTHING;
			break;
		case CROSS:
			if (!w.c_uploading)
				client_upload();
			break;
		default:
			break;
		}
	}
	run_task(&t);
}

/* The earliest of what is due; 0 if nothing is. */
static int64_t next_time(void)
{
	int64_t best = 0, all[] = {w.s_timer, w.out ? w.tx_until : 0, w.c_uploading ? w.c_timer : 0};
	for (size_t i = 0; i < 3; i++)
		if (all[i] && (!best || all[i] < best))
			best = all[i];
	return best;
}

static void let_time_pass(int64_t until)
{
	w.now = until > w.now ? until : w.now;
	if (w.out && w.now >= w.tx_until) {
		w.out = 0;
		server_event(KD_EV_LATER, 0);
	} else if (w.s_timer && w.now >= w.s_timer) {
		w.s_timer = 0;
		server_event(KD_EV_TIMER, 0);
	}
	if (w.c_uploading && w.now >= w.c_timer)
		client_upload();
}

static void settle_down(void)
{
	for (int i = 0; i < MAX_STEPS; i++) {
		int64_t next;
		if (w.n)
			one_step();
		else if ((next = next_time()))
			let_time_pass(next);
		else
			return;
	}
	fail_msg("the two never come to rest");
}

static void begin(int64_t skew, const struct fault *faults, int n)
{
	memset(&w, 0, sizeof w);
	w.now = 100000;
	w.skew = skew;
	w.s_bound = w.c_has = 1;
	w.next_id = 1;
	w.s_csk = w.c_csk = w.c_last = (struct csk){1, (uint64_t)(w.now - 1000)};
	w.held[1] = 1;
	w.n_faults = n;
	for (int i = 0; i < n; i++)
		w.faults[i] = faults[i];
}

/* Returns the number of steps; the verdict is in the world. */
static int run(int64_t skew, enum kd_reason reason, const struct fault *faults, int n)
{
	begin(skew, faults, n);
	server_event(KD_EV_START, (int)reason);
	settle_down();
	int steps = w.step;
	/* Requests under what the client holds: accepted, or answered so that it uploads (flows 1.1). */
	for (int i = 0; i < 3; i++) {
		put((struct task){N_REQUEST, w.c_csk, w.c_life, 0, 0});
		settle_down();
	}
	return steps;
}

static void must_agree(const char *what, int64_t skew, const struct fault *f, int n)
{
	if (w.s_bound && w.c_has && w.s_csk.id == w.c_csk.id && !w.s_has_pending && !w.c_uploading &&
	    w.kd.state == KD_IDLE)
		return;
	fail_msg("%s, skew %d, faults %d at %d, %d at %d: server %u%s, client %u%s", what, (int)skew,
		 n > 0 ? (int)f[0].kind : -1, n > 0 ? f[0].step : 0, n > 1 ? (int)f[1].kind : -1, n > 1 ? f[1].step : 0,
		 w.s_csk.id, w.s_has_pending ? " and one pending" : "", w.c_csk.id, w.c_uploading ? " uploading" : "");
}

static const int64_t skews[] = {0, -SKEW_S, SKEW_S};

static void without_a_fault_the_new_csk_is_at_both_ends(void **state)
{
	(void)state;
	for (size_t s = 0; s < 3; s++) {
		run(skews[s], KD_AGE, NULL, 0);
		must_agree("plain", skews[s], NULL, 0);
		assert_int_equal(w.s_csk.id, 2);
		assert_int_equal(w.s_previous.id, 1);
	}
}

/* MCX-SEC-177, 178, 183. */
static void one_fault_at_any_step_ends_with_one_csk_at_both_ends(void **state)
{
	(void)state;
	for (size_t s = 0; s < 3; s++)
		for (int kind = 0; kind < FAULTS; kind++)
			for (int step = 1, last = 100; step <= last + 1; step++) {
				struct fault f = {(enum fault_kind)kind, step};
				last = run(skews[s], step % 2 ? KD_AGE : KD_COMPROMISE, &f, 1);
				must_agree("one fault", skews[s], &f, 1);
				assert_int_equal(w.refused, 0); /* and the client never notices */
			}
}

static void two_faults_at_any_two_steps_end_with_one_csk_at_both_ends(void **state)
{
	(void)state;
	for (size_t s = 0; s < 3; s++)
		for (int a = 0; a < FAULTS; a++)
			for (int b = 0; b < FAULTS; b++)
				for (int i = 1, last = 100; i <= last; i++)
					for (int k = i, last2 = 100; k <= last2; k++) {
						struct fault f[2] = {{(enum fault_kind)a, i}, {(enum fault_kind)b, k}};
						int n = run(skews[s], KD_AGE, f, 2);
						must_agree("two faults", skews[s], f, 2);
						last2 = n;
						if (k == i)
							last = n;
					}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_a_fault_the_new_csk_is_at_both_ends),
	    cmocka_unit_test(one_fault_at_any_step_ends_with_one_csk_at_both_ends),
	    cmocka_unit_test(two_faults_at_any_two_steps_end_with_one_csk_at_both_ends),
	};
	return cmocka_run_group_tests_name("key_crossing", tests, NULL, NULL);
}
