/* SPDX-License-Identifier: Apache-2.0 */
/* user_profiles.h - MCPTT user profiles (TS 24.484 8.3.2) in the forms in which they name the KMS of a user. */
#ifndef TEST_USER_PROFILES_H
#define TEST_USER_PROFILES_H

#define HEAD(index)                                                                                                    \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<mcptt-user-profile xmlns=\"urn:3gpp:mcptt:user-profile:1.0\""    \
	" XUI-URI=\"sip:alice@a.test\" user-profile-index=\"" index "\"><Name>Alice</Name><Common><PrivateCall>"
#define TAIL          "</PrivateCall></Common></mcptt-user-profile>"
#define USER(at, uri) "<PrivateCallURI index=\"" at "\"><uri-entry>" uri "</uri-entry></PrivateCallURI>"
#define KMS(at, uri)                                                                                                   \
	"<PrivateCallKMSURI><PrivateCallKMSURI index=\"" at "\"><uri-entry>" uri                                       \
	"</uri-entry></PrivateCallKMSURI></PrivateCallKMSURI>"
#define EXT(x)  "<anyExt>" x "</anyExt>"
#define LIST(x) "<PrivateCallList>" x "</PrivateCallList>"
#define BOB     "sip:bob@b.test"
#define CAROL   "sip:carol@c.test"

static const char in_entry[] = HEAD("0") LIST(
    "<PrivateCallURI><uri-entry>" BOB
    "</uri-entry><display-name>Bob</display-name>" EXT(KMS("0", " kms.b ")) "</PrivateCallURI>" USER("1", CAROL)) TAIL;
static const char by_index[] = HEAD("0")
    LIST(USER("7", BOB) USER("8", CAROL) USER("9", "sip:dave@a.test") EXT(KMS("8", "kms.c") KMS("7", "kms.b"))) TAIL;
static const char only_one[] = HEAD("0") LIST("<PrivateCallURI><uri-entry>" BOB "</uri-entry></PrivateCallURI>" EXT(
    "<PrivateCallKMSURI><PrivateCallKMSURI><uri-entry>kms.b</uri-entry></PrivateCallKMSURI></PrivateCallKMSURI>")) TAIL;

#endif
