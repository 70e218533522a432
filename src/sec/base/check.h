/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.h - a check that refuses what a peer sent, under a name, so that a test can show that it is this check that
 *bites.
 *
 *	if (MCX_FAULT(im.time_past, now - t > window))    the fault is there: refuse
 *	if (!MCX_CHECK(tok.issuer, issuer_is(...)))       what must hold does not: refuse
 *
 * Both are their plain condition: the product's object code does not know the name. In a build with `-Dbite=true`,
 *which only tests use and which installs nothing, MCX_BITE=NAME in the environment waives the check of that name: the
 *condition is still evaluated, its refusal ignored. MCX_BITE=NAME+NAME waives several. MCX_BITE_SEEN=FILE appends the
 *name of each check that refused (or would have), which shows what a test reaches. A check whose sentence goes to the
 *log may use the sentence as its name (mikey_require in wire.c does).
 *
 * A new check: write it with one of these, give it a line in tests/bite/checks.tsv with its clause and the negative
 *tests that must fail without it, and name it in tests/bite/flows.tsv if it carries out a demand of flows 0.1 or 0.2.
 * scripts/bite.py runs each of them with its check waived and fails where one still passes, where a name of the source
 * has no line, a line no name, or a demand no check. Names are group.what, lower case: im (V-IM), tok (V-TOK), bind
 * (V-BIND), xml (V-XML), alg (V-ALG), perm (V-PERM), size (V-SIZE), sa, sc, cc, kr (the rows of the machines), kms (the
 * KMS and its documents), krr (redirects), doc (certificates and key sets at a client), floor (floor control and its
 * protection), tx (transmission control), h264 (video), msg (which message it is), part (of a body), sip (what the SIP
 * library itself refuses: net/sip_waived.c).
 */
#ifndef SEC_BASE_CHECK_H
#define SEC_BASE_CHECK_H

#ifdef MCX_BITE
/* 1 if the check of this name is waived. Called when it is about to refuse, and only then. */
int mcx_check_waived(const char *name);
#define MCX_CHECK_NAMED(name, holds) ((holds) || mcx_check_waived(name))
#define MCX_FAULT_NAMED(name, wrong) ((wrong) && !mcx_check_waived(name))
#define MCX_CHECK(name, holds)       MCX_CHECK_NAMED("bite:" #name, holds)
#define MCX_FAULT(name, wrong)       MCX_FAULT_NAMED("bite:" #name, wrong)
#else
#define MCX_CHECK_NAMED(name, holds) (holds)
#define MCX_FAULT_NAMED(name, wrong) (wrong)
#define MCX_CHECK(name, holds)       (holds)
#define MCX_FAULT(name, wrong)       (wrong)
#endif

#endif
