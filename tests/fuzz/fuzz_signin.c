/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_signin.c - what a headless client takes from an identity server it does not trust: the sign-in page, and the
 * Location that ends the sign-in.
 *
 * Invariants: a form has a field for the password and texts that end; a code is taken only from our own redirect URI
 * with our state in it, and an authorization error likewise; all else is foreign and leaves no code behind.
 */
#include "fuzz/fuzz.h"
#include "ue/signin_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct signin_form f;
	static const char redirect[] = "http://127.0.0.1/cb", state[] = "9tKx0b7m", issuer[] = "https://idms.a.example";
	struct signin_callback cb;
	if (signin_form_parse((struct octets){data, size}, &f) == 0) {
		HOLDS(f.has_password && f.n <= SIGNIN_FORM_FIELDS && memchr(f.action, 0, sizeof f.action));
		for (size_t i = 0; i < f.n; i++)
			HOLDS(memchr(f.hidden[i].name, 0, sizeof f.hidden[i].name) &&
			      memchr(f.hidden[i].value, 0, sizeof f.hidden[i].value));
	}
	char *text = malloc(size + 1);
	HOLDS(text);
	memcpy(text, data, size);
	text[size] = 0;
	enum signin_callback_verdict v = signin_callback_read(text, redirect, state, issuer, &cb);
	HOLDS(v == CALLBACK_CODE || v == CALLBACK_ERROR || v == CALLBACK_FOREIGN);
	if (v != CALLBACK_FOREIGN)
		HOLDS(!strncmp(text, redirect, sizeof redirect - 1) && strstr(text, "state="));
	HOLDS((v == CALLBACK_CODE) == (cb.code[0] != 0) || v == CALLBACK_FOREIGN);
	free(text);
	return 0;
}
