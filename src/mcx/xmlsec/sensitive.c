/* SPDX-License-Identifier: Apache-2.0 */
/* sensitive.c - the one table of confidential elements and attributes (see sensitive.h). */
#include "sensitive.h"

#include <stddef.h>
#include <string.h>

#define INFO     "urn:3gpp:ns:mcpttInfo:1.0"
#define VIDEO    "urn:3gpp:ns:mcvideoInfo:1.0"
#define DATA     "urn:3gpp:ns:mcdataInfo:1.0"
#define LOCATION "urn:3gpp:ns:mcpttLocationInfo:1.0"
#define COMMAND  "urn:3gpp:ns:affiliationCommand:1.0"
#define REGROUP  "urn:3gpp:ns:preconfiguredRegroup:1.0"
#define PRESENCE "urn:3gpp:ns:mcpttPresInfo:1.0"
#define LISTS    "urn:ietf:params:xml:ns:resource-lists"
#define PIDF     "urn:ietf:params:xml:ns:pidf"
#define CONF     "urn:ietf:params:xml:ns:conference-info"

#define CONTENT(ns, element, bare)                                                                                     \
	{                                                                                                              \
		ns, element, NULL, SENSITIVE_CONTENT, bare                                                             \
	}
#define TEXT(ns, element)                                                                                              \
	{                                                                                                              \
		ns, element, NULL, SENSITIVE_TEXT, NULL                                                                \
	}
#define ATTRIBUTE(ns, element, name)                                                                                   \
	{                                                                                                              \
		ns, element, name, SENSITIVE_ATTRIBUTE, NULL                                                           \
	}

static const struct sensitive rows[] = {
    /* access token */
    CONTENT(INFO, "mcptt-access-token", "mcpttString"),
    CONTENT(VIDEO, "mcvideo-access-token", "mcvideoString"),
    CONTENT(DATA, "mcdata-access-token", "mcdataString"),
    /* MC service ID */
    CONTENT(INFO, "mcptt-request-uri", "mcpttURI"),
    CONTENT(INFO, "mcptt-calling-user-id", "mcpttURI"),
    CONTENT(INFO, "mcptt-called-party-id", "mcpttURI"),
    CONTENT(INFO, "originated-by", "mcpttURI"),
    CONTENT(INFO, "partner-mcptt-id", "mcpttURI"),
    CONTENT(INFO, "primary-mcptt-id", "mcpttURI"),
    CONTENT(INFO, "non-acknowledged-user", "mcpttURI"),
    TEXT(INFO, "forwarded-by-mcptt-id"),
    TEXT(INFO, "forwarding-target-id"),
    TEXT(INFO, "forwarding-target-orig-id"),
    CONTENT(VIDEO, "mcvideo-request-uri", "mcvideoURI"),
    CONTENT(VIDEO, "mcvideo-calling-user-id", "mcvideoURI"),
    CONTENT(VIDEO, "mcvideo-called-party-id", "mcvideoURI"),
    CONTENT(VIDEO, "originated-by", "mcvideoURI"),
    CONTENT(VIDEO, "partner-mcvideo-id", "mcvideoURI"),
    CONTENT(VIDEO, "primary-mcvideo-id", "mcvideoURI"),
    CONTENT(DATA, "mcdata-request-uri", "mcdataURI"),
    CONTENT(DATA, "mcdata-calling-user-id", "mcdataURI"),
    CONTENT(DATA, "mcdata-called-party-id", "mcdataURI"),
    CONTENT(DATA, "originated-by", "mcdataURI"),
    TEXT(LOCATION, "mcptt-reporting-uri"),
    ATTRIBUTE(LISTS, "entry", "uri"),
    ATTRIBUTE(PIDF, "presence", "entity"),
    ATTRIBUTE(CONF, "user", "entity"),
    /* MC client ID */
    CONTENT(INFO, "mcptt-client-id", "mcpttString"),
    CONTENT(VIDEO, "mcvideo-client-id", "mcvideoString"),
    CONTENT(DATA, "mcdata-client-id", "mcdataString"),
    ATTRIBUTE(PIDF, "tuple", "id"),
    /* MC group ID; in MCVideo associated-group-id is a string, so it is encrypted as a URI */
    CONTENT(INFO, "mcptt-calling-group-id", "mcpttURI"),
    CONTENT(INFO, "associated-group-id", "mcpttURI"),
    CONTENT(VIDEO, "mcvideo-calling-group-id", "mcvideoURI"),
    TEXT(VIDEO, "associated-group-id"),
    CONTENT(DATA, "mcdata-calling-group-id", "mcdataURI"),
    TEXT(INFO, "preconfigured-group-id"),
    TEXT(VIDEO, "preconfigured-group-id"),
    TEXT(COMMAND, "group"),
    TEXT(REGROUP, "preconfigured-group"),
    TEXT(REGROUP, "mcptt-regroup-uri"),
    ATTRIBUTE(PRESENCE, "affiliation", "group"),
    /* functional alias */
    CONTENT(INFO, "functional-alias-URI", "mcpttURI"),
    CONTENT(INFO, "called-functional-alias-URI", "mcpttURI"),
    CONTENT(INFO, "location-of-functional-alias-URI", "mcpttURI"),
    TEXT(INFO, "forwarded-by-functional-alias"),
    TEXT(INFO, "binding-fa-uri"),
    TEXT(INFO, "unbinding-fa-uri"),
    CONTENT(VIDEO, "functional-alias-URI", "mcvideoURI"),
    CONTENT(VIDEO, "location-of-functional-alias-URI", "mcvideoURI"),
    TEXT(VIDEO, "binding-fa-uri"),
    TEXT(VIDEO, "unbinding-fa-uri"),
    TEXT(LOCATION, "FunctionalAlias"),
    CONTENT(DATA, "functional-alias-URI", "mcdataURI"),
    /* emergency, alert, imminent peril */
    CONTENT(INFO, "emergency-ind", "mcpttBoolean"),
    CONTENT(INFO, "alert-ind", "mcpttBoolean"),
    CONTENT(INFO, "imminentperil-ind", "mcpttBoolean"),
    CONTENT(INFO, "alert-ind-rcvd", "mcpttBoolean"),
    CONTENT(INFO, "emergency-ind-rcvd", "mcpttBoolean"),
    CONTENT(INFO, "multiple-devices-ind", "mcpttBoolean"),
    CONTENT(VIDEO, "emergency-ind", "mcvideoBoolean"),
    CONTENT(VIDEO, "alert-ind", "mcvideoBoolean"),
    CONTENT(VIDEO, "imminentperil-ind", "mcvideoBoolean"),
    CONTENT(VIDEO, "alert-ind-rcvd", "mcvideoBoolean"),
    CONTENT(VIDEO, "multiple-devices-ind", "mcvideoBoolean"),
    CONTENT(DATA, "alert-ind", "mcdataBoolean"),
    /* location: CurrentLocation of a report; a value takes several forms, so no child stands for a bare text */
    CONTENT(LOCATION, "CurrentServingEcgi", NULL),
    CONTENT(LOCATION, "NeighbouringEcgi", NULL),
    CONTENT(LOCATION, "CurrentServingNcgi", NULL),
    CONTENT(LOCATION, "CL_NeighbouringNcgi", NULL),
    CONTENT(LOCATION, "CL_5GMbsfsaArea", NULL),
    CONTENT(LOCATION, "MbmsSaId", NULL),
    CONTENT(LOCATION, "MbsfnArea", NULL),
    CONTENT(LOCATION, "longitude", NULL),
    CONTENT(LOCATION, "latitude", NULL),
    CONTENT(LOCATION, "altitude", NULL),
    CONTENT(LOCATION, "horizontalaccuracy", NULL),
    CONTENT(LOCATION, "verticalaccuracy", NULL),
};

enum { ROWS = sizeof rows / sizeof *rows };

/* Neither, or both and equal. */
static int same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : !a && !b;
}

const struct sensitive *sensitive_find(const char *ns, const char *element, const char *attribute)
{
	for (size_t i = 0; i < ROWS; i++) {
		const struct sensitive *r = &rows[i];
		if (r->element[0] == element[0] && strcmp(r->element, element) == 0 && strcmp(r->ns, ns) == 0 && same(r->attribute, attribute))
			return r;
	}
	return NULL;
}

const struct sensitive *sensitive_row(unsigned i)
{
	return i < ROWS ? &rows[i] : NULL;
}
