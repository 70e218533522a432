/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing recordings, and a stranger's try to hear a call: both must be able to say yes and no. */
#include "unit/test.h"

#include <math.h>
#include <openssl/rand.h>

#include "tool/demo/hear.h"
#include "tool/demo/wire.h"

static struct sound speech; /* the announcement at 48 kHz */

static int load_speech(void **state)
{
	(void)state;
	struct sound s;
	char err[256];
	if (hear_load(MCX_SPEECH, &s, err, sizeof err) || s.rate != 8000)
		return -1;
	speech = (struct sound){.n = s.n * 6, .rate = 48000, .samples = calloc(s.n * 6, sizeof *speech.samples)};
	for (size_t i = 0; i + 6 < speech.n; i++) {
		float part = (float)(i % 6) / 6;
		speech.samples[i] = s.samples[i / 6] * (1 - part) + s.samples[i / 6 + 1] * part;
	}
	hear_free(&s);
	return 0;
}

static int free_speech(void **state)
{
	(void)state;
	hear_free(&speech);
	return 0;
}

static struct sound shifted(size_t delay, float gain, float noise)
{
	struct sound s = {.n = speech.n + delay, .rate = 48000};
	s.samples = calloc(s.n, sizeof *s.samples);
	uint32_t x = 1;
	for (size_t i = 0; i < s.n; i++) {
		x = x * 1664525u + 1013904223u;
		float hiss = noise * ((float)(x >> 8) / (float)(1 << 23) - 1);
		s.samples[i] = (i >= delay ? gain * speech.samples[i - delay] : 0) + hiss;
	}
	return s;
}

static void the_recorded_speech_lasts_ten_seconds_or_more(void **state)
{
	(void)state;
	assert_true(speech.n >= 10 * 48000);
}

static void a_delayed_quieter_copy_correlates_at_its_delay(void **state)
{
	(void)state;
	struct hear_verdict v;
	struct sound s = shifted(9607, 0.3f, 0);
	hear_compare(&speech, &s, 1000, &v);
	assert_true(v.correlation > 0.999);
	assert_true(fabs(v.delay_ms - 9607 / 48.0) < 0.03);
	assert_true(fabs(v.length_difference_ms - 9607 / 48.0) < 0.03);
	hear_compare(&s, &speech, 1000, &v);
	assert_true(v.correlation > 0.999 && v.delay_ms < -200);
	hear_free(&s);
}

static void noise_lowers_the_correlation_and_noise_alone_has_none(void **state)
{
	(void)state;
	struct hear_verdict v;
	struct sound s = shifted(100, 1, 0.2f);
	hear_compare(&speech, &s, 1000, &v);
	assert_true(v.correlation > 0.5 && v.correlation < 0.9);
	hear_free(&s);
	s = shifted(0, 0, 0.2f);
	hear_compare(&speech, &s, 1000, &v);
	assert_true(v.correlation < 0.05);
	hear_free(&s);
}

static void the_other_half_of_the_speech_is_not_the_speech(void **state)
{
	(void)state;
	struct hear_verdict v;
	struct sound first = {speech.samples, speech.n / 2, 48000};
	struct sound second = {speech.samples + speech.n / 2, speech.n / 2, 48000};
	hear_compare(&first, &second, 1000, &v);
	assert_true(v.correlation < 0.4);
}

static void silence_and_other_rates_never_correlate(void **state)
{
	(void)state;
	struct hear_verdict v;
	struct sound s = shifted(0, 0, 0);
	hear_compare(&speech, &s, 1000, &v);
	assert_true(v.correlation == 0);
	s.rate = 8000;
	hear_compare(&speech, &s, 1000, &v);
	assert_true(v.correlation == 0);
	hear_free(&s);
}

static void speech_sent_in_clear_is_heard_by_a_stranger(void **state)
{
	(void)state;
	struct wire_verdict v;
	struct wire *w = wire_encode(&speech);
	assert_non_null(w);
	wire_listen(w, &speech, &v);
	assert_int_equal(v.streams, 1);
	assert_int_equal(v.packets, speech.n / 960);
	assert_true(v.correlation > 0.9);
	wire_free(w);
}

static void scramble(void *ctx, struct octets packet)
{
	uint8_t p[WIRE_MAX_PACKET];
	memcpy(p, packet.p, packet.len);
	assert_int_equal(RAND_bytes(p + 12, (int)packet.len - 12), 1);
	wire_add(ctx, (struct octets){p, packet.len});
}

static void random_payloads_are_not_heard_and_have_full_entropy(void **state)
{
	(void)state;
	struct wire_verdict v;
	struct wire *clear = wire_encode(&speech), *w = wire_new();
	wire_each(clear, scramble, w);
	wire_listen(w, &speech, &v);
	assert_int_equal(v.packets, speech.n / 960);
	assert_true(v.correlation < 0.3);
	assert_true(v.entropy > 7.95);
	wire_free(clear);
	wire_free(w);
}

static void what_is_no_rtp_is_not_counted(void **state)
{
	(void)state;
	struct wire_verdict v;
	struct wire *w = wire_new();
	wire_add(w, octets_of("hello"));
	wire_add(
	    w, (struct octets){(const uint8_t[]){0x80, 200, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4}, 16}); /* RTCP */
	wire_add(w, (struct octets){(const uint8_t[]){0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1}, 12}); /* no payload */
	wire_listen(w, &speech, &v);
	assert_int_equal(v.packets, 0);
	assert_int_equal(v.streams, 0);
	wire_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_recorded_speech_lasts_ten_seconds_or_more),
	    cmocka_unit_test(a_delayed_quieter_copy_correlates_at_its_delay),
	    cmocka_unit_test(noise_lowers_the_correlation_and_noise_alone_has_none),
	    cmocka_unit_test(the_other_half_of_the_speech_is_not_the_speech),
	    cmocka_unit_test(silence_and_other_rates_never_correlate),
	    cmocka_unit_test(speech_sent_in_clear_is_heard_by_a_stranger),
	    cmocka_unit_test(random_payloads_are_not_heard_and_have_full_entropy),
	    cmocka_unit_test(what_is_no_rtp_is_not_counted),
	};
	return cmocka_run_group_tests(tests, load_speech, free_speech);
}
