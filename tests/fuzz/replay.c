/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay.c - a fuzz target as a test of its own, with any compiler: each input of its checked-in corpus, in the order
 *of their names. So what the fuzzer found to reach something new stays tried, and every invariant of the target with
 *it.
 *
 * Then each input again on a failing machine (failing.h), until each call that it makes has failed once. An invariant
 * that does not hold then ends the input, not the test: what is read may be refused, what is written may be nothing.
 * What stays asked for is that nothing crashes, hangs or is given back twice; and of a daemon whose database fails,
 * that each request is answered.
 *
 *	replay_NAME FOLDER
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "failing.h"
#include "fuzz/fuzz.h"

enum { INPUT_MAX = 1 << 16, RUNS_MAX = 6000 };

int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak)); /* not every target has one */

static char path[4096];
static jmp_buf given_up;

void fuzz_broken(const char *file, int line, const char *what)
{
	if (failing_now() == FAILING_MACHINE)
		longjmp(given_up, 1);
	failing_end();
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

static void name_it(int signal_number)
{
	(void)!write(STDERR_FILENO, path, strlen(path));
	(void)!write(STDERR_FILENO, "\n", 1);
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

/* The input, in memory of its own size, so that a sanitizer sees what reads beyond its end. */
static uint8_t *load(const char *folder, const char *name, size_t *len)
{
	static uint8_t all[INPUT_MAX];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	*len = f ? fread(all, 1, sizeof all, f) : 0;
	uint8_t *input = f ? malloc(*len + !*len) : NULL;
	if (input)
		memcpy(input, all, *len);
	if (f)
		fclose(f);
	return input;
}

/* How often it ran: each time but the last one call of it failed. */
static unsigned on_a_failing_machine(const uint8_t *input, size_t len, unsigned most)
{
	volatile unsigned runs = 0;
	do {
		runs++;
		failing_begin();
		if (!setjmp(given_up))
			LLVMFuzzerTestOneInput(input, len);
	} while (failing_end() != FAILING_NONE && runs < most);
	return runs;
}

int main(int argc, char **argv)
{
	struct dirent **entry;
	int n = argc == 2 ? scandir(argv[1], &entry, NULL, alphasort) : -1;
	unsigned held = 0, runs = 0, bad = n <= 2;
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	signal(SIGABRT, name_it);
	signal(SIGSEGV, name_it);
	printf("1..2\n");
	for (int again = 0; again < 2; again++) {
		for (int i = 0; i < n; i++) {
			size_t len;
			if (entry[i]->d_name[0] == '.')
				continue;
			uint8_t *input = load(argv[1], entry[i]->d_name, &len);
			bad |= !input;
			if (input && !again)
				LLVMFuzzerTestOneInput(input, len);
			if (input && again && runs < RUNS_MAX)
				runs += on_a_failing_machine(input, len, RUNS_MAX - runs);
			free(input);
			held++;
		}
		if (!again)
			printf("%sok 1 - every_input_of_the_corpus_holds\n# %u inputs\n", bad ? "not " : "", held);
		fflush(stdout);
	}
	printf("%sok 2 - each_call_that_fails_is_survived%s\n# %u calls failed in %u runs\n", bad ? "not " : "",
	       failing_count() ? "" : " # SKIP it asks for nothing that can fail", failing_count(), runs);
	fflush(stdout);
	_exit(
	    (int)bad); /* daemons that a target started go on until here; what failed calls left is nobody's to free */
}
