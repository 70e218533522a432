/* SPDX-License-Identifier: Apache-2.0 */
/* warning.c - the table of TS 24.379 4.4 as sip 10 gives it; texts octet for octet. */
#include "mcx/flow/warning.h"

#include <stdio.h>

static const struct {
	int code;
	const char *text;
} table[] = {
    {100, "function not allowed due to"},
    {101, "service authorisation failed"},
    {102, "too many simultaneous affiliations"},
    {103, "maximum simultaneous MCPTT group calls reached"},
    {104, "isfocus not assigned"},
    {105, "subscription not allowed in a broadcast group call"},
    {106, "user not authorised to join chat group"},
    {107, "user not authorised to make private calls"},
    {108, "user not authorised to make chat group calls"},
    {109, "user not authorised to make prearranged group calls"},
    {110, "user declined the call invitation"},
    {111, "group call proceeded without all required group members"},
    {112, "group call abandoned due to required group members not part of the group session"},
    {113, "group document does not exist"},
    {114, "unable to retrieve group document"},
    {115, "group is disabled"},
    {116, "user is not part of the MCPTT group"},
    {117, "the group identity indicated in the request is a prearranged group"},
    {118, "the group identity indicated in the request is a chat group"},
    {119, "user is not authorised to initiate the group call"},
    {120, "user is not affiliated to this group"},
    {121, "user is not authorised to join the group call"},
    {122, "too many participants"},
    {123, "MCPTT session already exists"},
    {124, "maximum number of private calls reached"},
    {125, "user not authorised to make private call with automatic commencement"},
    {126, "user not authorised to make private call with manual commencement"},
    {127, "user not authorised to be called in private call"},
    {128, "isfocus already assigned"},
    {136, "authentication of the MIKEY-SAKKE I_MESSAGE failed"},
    {137, "the indicated group call does not exist"},
    {138, "subscription of conference events not allowed"},
    {139, "integrity protection check failed"},
    {140, "unable to decrypt XML content"},
    {141, "user unknown to the participating function"},
    {142, "unable to determine the controlling function"},
    {143, "not authorised to force auto answer"},
    {144, "user not authorised to call this particular user"},
    {145, "unable to determine called party"},
    {146, "T-PF unable to determine the service settings for the called user"},
    {147, "user is authorised to initiate a temporary group call"},
    {148, "group is regrouped"},
    {149, "SIP INFO request pending"},
    {151, "user not authorised to make a private call call-back request"},
    {152, "user not authorised to make a private call call-back cancel request"},
    {163, "the group identity indicated in the request does not exist"},
    {165, "group ID for regroup already in use"},
    {169, "user not authorised to remove regroup in an emergency state"},
    {199, "expected MIME bodies not in the request"},
    {203, "message too large to send over signalling control plane"},
};

const char *mcx_warning_text(int code)
{
	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (table[i].code == code)
			return table[i].text;
	return NULL;
}

int mcx_warning_value(int code, const char *host, const char *reason, char *out, size_t size)
{
	const char *text = mcx_warning_text(code);
	int with = code == WARN_NOT_ALLOWED && reason && *reason;
	int n = text
		    ? snprintf(out, size, "399 %s \"%d %s%s%s\"", host, code, text, with ? " " : "", with ? reason : "")
		    : -1;
	return n > 0 && (size_t)n < size ? 0 : -1;
}
