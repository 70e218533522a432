/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jose_probe.c - our token code on a command line, for test_jose.py.
 *
 *	jose_probe sign ALG PAYLOAD     prints a token and the key set that verifies it, a line each
 *	jose_probe check FILE TOKEN     prints the verdict on the token by the key set in FILE
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "mcx/token/token.h"

static int sign(const char *alg, const char *payload)
{
	struct token_signer *s = token_signer_generate(strcmp(alg, "RS256") == 0 ? TOKEN_RS256 : TOKEN_ES256);
	const struct token_signer *one[] = {s};
	char *token = token_sign(s, "at+jwt", payload), *jwks = token_jwks(one, 1);
	printf("%s\n%s\n", token, jwks);
	free(token);
	free(jwks);
	token_signer_free(s);
	return 0;
}

static int check(const char *file, const char *token)
{
	static uint8_t text[65536];
	struct token_claims c;
	FILE *f = fopen(file, "re");
	size_t n = f ? fread(text, 1, sizeof text, f) : 0;
	if (f)
		fclose(f);
	struct token_keys *keys = token_keys_parse((struct octets){text, n});
	struct token_policy p = {
	    .keys = keys, .issuer = "https://i", .audience = "a", .now = time(NULL), .typ = "at+jwt"};
	puts(token_verdict_name(token_check(token, strlen(token), &p, &c)));
	token_keys_free(keys);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "sign") == 0)
		return sign(argv[2], argv[3]);
	if (argc == 4 && strcmp(argv[1], "check") == 0)
		return check(argv[2], argv[3]);
	return 2;
}
