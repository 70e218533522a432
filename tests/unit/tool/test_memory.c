/* SPDX-License-Identifier: Apache-2.0 */
/* The search of another process' memory: it finds what is there, also in secret memory, and nothing else. */
#include "unit/test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "mcsec/secret.h"
#include "tool/demo/memory.h"

enum { NEEDLE = 16, BIG = 3 << 20 };

/* The child builds its values from masked ones, so that only what it plants on purpose holds them. */
static void child(const uint8_t *masked, int plant, int ready)
{
	uint8_t *secret = mcsec_secret_alloc(NEEDLE), *heap = malloc(BIG);
	memset(heap, 0, BIG);
	for (size_t i = 0; secret && plant && i < NEEDLE; i++) {
		secret[i] = masked[i] ^ 0x5a;
		/* Across the edge of two chunks, whatever their size below 2 MiB. */
		heap[BIG / 2 + i] = masked[NEEDLE + i] ^ 0x5a;
		heap[(1 << 20) - 4096 + 8 + i] = masked[NEEDLE + i] ^ 0x5a;
	}
	if (write(ready, "x", 1) == 1)
		pause();
	free(heap);
	mcsec_secret_free(secret);
	_exit(0);
}

static struct memory_result searched(int plant)
{
	uint8_t masked[3 * NEEDLE], clear[3 * NEEDLE];
	int ready[2];
	char c;
	struct memory_result r;
	assert_int_equal(RAND_bytes(masked, sizeof masked), 1);
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0)
		child(masked, plant, ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	for (size_t i = 0; i < sizeof clear; i++)
		clear[i] = masked[i] ^ 0x5a;
	const struct octets needles[] = {{clear, NEEDLE}, {clear + NEEDLE, NEEDLE}, {clear + 2 * NEEDLE, NEEDLE}};
	int rc = memory_search(pid, needles, 3, &r);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(ready[0]), close(ready[1]);
	assert_int_equal(rc, 0);
	return r;
}

static void a_value_in_secret_memory_and_one_on_the_heap_are_found(void **state)
{
	(void)state;
	struct memory_result r = searched(1);
	assert_int_equal(r.hits[0], 1);
	assert_int_equal(r.hits[1], 2);
	assert_int_equal(r.hits[2], 0);
	assert_true(r.octets > BIG && r.regions > 5);
	assert_int_equal(r.unreadable, 0);
}

static void a_value_that_is_not_there_is_not_found(void **state)
{
	(void)state;
	struct memory_result r = searched(0);
	assert_int_equal(r.hits[0] + r.hits[1] + r.hits[2], 0);
}

static void a_process_that_does_not_exist_is_a_failure_not_a_clean_result(void **state)
{
	(void)state;
	struct memory_result r;
	const struct octets needle = octets_of("sixteen octets..");
	assert_int_equal(memory_search(0x3ffffff, &needle, 1, &r), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_value_in_secret_memory_and_one_on_the_heap_are_found),
	    cmocka_unit_test(a_value_that_is_not_there_is_not_found),
	    cmocka_unit_test(a_process_that_does_not_exist_is_a_failure_not_a_clean_result),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
