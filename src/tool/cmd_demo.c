/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd_demo.c - `mcx demo`: the main job from nothing to its verdict, and an orderly end of everything it started.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/daemon.h"
#include "mcsec/secret.h"
#include "tool/commands.h"
#include "tool/demo/demo.h"
#include "tool/domain/client.h"
#include "tool/domain/core.h"
#include "tool/domain/privacy.h"
#include "tool/domain/show.h"

static const struct tool_command *self;

static int find_speech(struct demo *d, const char *given)
{
	snprintf(d->speech, sizeof d->speech, "%s", given ? given : client_speech());
	return access(d->speech, R_OK);
}

static int make_reference(struct demo *d)
{
	char err[300];
	domain_path(&d->d, d->heard, "ue/bob/heard.wav");
	domain_path(&d->d, d->reference, "ue/alice/reference.wav");
	if (ue_audio_reference(d->speech, d->reference, err, sizeof err) == UE_OK)
		return 0;
	snprintf(d->err, sizeof d->err, "%.400s: %s", d->speech, err);
	return -1;
}

/* The job itself: 0 when it came to its verdict, whatever that is. */
static int work(struct demo *d)
{
	narrate_title(&d->say, "The domain");
	if (demo_raise(d))
		return -1;
	narrate_title(&d->say, "Two users");
	if (demo_enrol(d) || make_reference(d) || demo_prepare(d, &d->alice) || demo_prepare(d, &d->bob) ||
	    demo_new_keys(d))
		return -1;
	narrate_title(&d->say, "A private call: Alice's recorded speech, end to end to Bob");
	if (demo_call(d) || demo_bad_call(d))
		return -1;
	narrate_title(&d->say, "A private call with video: MCVideo");
	if (demo_video(d))
		return -1;
	demo_log_off(d);
	narrate_title(&d->say, "What was promised, and whether it is so");
	demo_judge(d);
	return 0;
}

static struct demo *demo_new(int json)
{
	struct demo *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->keys = mcsec_secret_alloc(sizeof *d->keys);
	narrate_begin(&d->say, json);
	struct demo_end *ends[] = {&d->alice, &d->bob};
	static const char *const who[] = {"Alice", "Bob"}, *const names[] = {"alice", "bob"};
	for (size_t i = 0; i < 2; i++) {
		ends[i]->demo = d;
		ends[i]->who = who[i];
		snprintf(ends[i]->user.name, sizeof ends[i]->user.name, "%s", names[i]);
		pthread_mutex_init(&ends[i]->lock, NULL);
	}
	return d;
}

/* Ctrl-C at any moment: nothing that this command started is left behind. */
static void *wait_for_interrupt(void *arg)
{
	struct demo *d = arg;
	sigset_t set;
	int got, was_up;
	char err[300];
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	while (sigwait(&set, &got) != 0)
		;
	if (!d->start.already)
		domain_down(&d->d, &was_up, err, sizeof err);
	fprintf(stderr, "\nmcx demo: ended by signal; %s\n",
		d->start.already ? "the domain stays up" : "the domain is down");
	_exit(128 + got);
}

static void watch_signals(struct demo *d)
{
	sigset_t set;
	pthread_t t;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	if (pthread_create(&t, NULL, wait_for_interrupt, d) == 0)
		pthread_detach(t);
}

static void stay_up(struct demo *d)
{
	if (!d->say.json) {
		printf("\nThe domain stays up:\n");
		show_addresses(&d->d);
		printf("\nTry, in another terminal: mcx user list --dir %s\nCtrl-C ends it.\n", d->d.dir);
	}
	for (;;)
		pause(); /* the other thread ends the process */
}

static int end(struct demo *d, int once, int failed)
{
	int was_up, good = !failed && narrate_verdict(&d->say);
	char err[300];
	if (failed)
		tool_fail(self, TOOL_FAILED, "the daemons' logs are DIR/idms/log, DIR/kms/log and DIR/server/log", "%s",
			  d->err);
	demo_free(d);
	if (!once && !failed)
		stay_up(d);
	if (!d->start.already && domain_down(&d->d, &was_up, err, sizeof err))
		return tool_fail(self, TOOL_FAILED, NULL, "%s", err);
	return good ? TOOL_OK : TOOL_FAILED;
}

int cmd_demo(const struct tool_command *c, int argc, char **argv)
{
	const char *dir = "run", *wav = NULL, *core = NULL, *hiding = NULL, *to_self = NULL;
	int once = 0, json = 0;
	const struct tool_option table[] = {
	    {"dir", "DIR", NULL, &dir, "the domain's folder; made if there is none (default ./run)"},
	    {"wav", "FILE", NULL, &wav, "what Alice says, 10 seconds or more (default: a recorded announcement)"},
	    {"core", "KIND", NULL, &core, "a SIP core before the MC server: kamailio, or none (default: as it was)"},
	    {"identity-hiding", "WORD", NULL, &hiding,
	     "on: UIDs in place of MC IDs in key messages; off (default: as it was, at first off)"},
	    {"sakke-to-self", "WORD", NULL, &to_self,
	     "on: key messages carry the key for their sender's other devices; off (default: as it was, at first off)"},
	    {"once", NULL, &once, NULL, "end after the verdict; else the domain stays up until Ctrl-C"},
	    {"json", NULL, &json, NULL, "one JSON object a line"},
	};
	char err[600];
	self = c;
	int rc = tool_parse(c, table, sizeof table / sizeof *table, &argc, argv, 0, 0);
	if (rc >= 0)
		return rc;
	struct demo *d = demo_new(json);
	if (!d || !d->keys)
		return tool_fail(c, TOOL_FAILED, NULL, "no memory");
	if (find_speech(d, wav))
		return tool_fail(c, TOOL_USAGE, "--wav FILE names one", "there is no recorded speech to read");
	if (domain_open(&d->d, dir, 1, err, sizeof err) || core_choose(&d->d, core, err, sizeof err) ||
	    privacy_choose(&d->d, hiding, to_self, err, sizeof err))
		return tool_fail(c, TOOL_CONFIG, NULL, "%s", err);
	watch_signals(d);
	rc = end(d, once, work(d));
	free(d);
	return rc;
}
