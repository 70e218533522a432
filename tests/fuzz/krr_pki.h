/* SPDX-License-Identifier: Apache-2.0 */
/* krr_pki.h - for fuzz_kms_signed.c: a trust anchor, and a processor's certificate and key under it, good for a
 * century. */
#ifndef FUZZ_KRR_PKI_H
#define FUZZ_KRR_PKI_H

static const char krr_ca[] = "-----BEGIN CERTIFICATE-----\n"
			     "MIIBijCCATGgAwIBAgIUEgywHNCUgLAgHY11Z1sn91Rz2BgwCgYIKoZIzj0EAwIw\n"
			     "EjEQMA4GA1UEAwwHZnV6eiBDQTAgFw0yNjExMjExODMzMzVaGA8yMTI2MTAyODE4\n"
			     "MzMzNVowEjEQMA4GA1UEAwwHZnV6eiBDQTBZMBMGByqGSM49AgEGCCqGSM49AwEH\n"
			     "A0IABFSrw5w8KIh4jrqCh+R8amNKRAeBi8mLinh4agmOjKDbh1iNGtMFFFL4enUD\n"
			     "ttORY/Xf+Kaxyk6Nr7+ZzKdDnYijYzBhMB0GA1UdDgQWBBRA7HOqKSg42kUD0FCp\n"
			     "T8DSqna6wjAfBgNVHSMEGDAWgBRA7HOqKSg42kUD0FCpT8DSqna6wjAPBgNVHRMB\n"
			     "Af8EBTADAQH/MA4GA1UdDwEB/wQEAwICBDAKBggqhkjOPQQDAgNHADBEAiAifnJv\n"
			     "bzUgHd5ZcHdUSSp8DjBKVaLGeow2l6VeAJBxYAIgG+Os5APTN+qh855fMXLBFcUU\n"
			     "WWN0WCgQ/pi/9zYoaOA=\n"
			     "-----END CERTIFICATE-----\n";

static const char krr_cert[] = "-----BEGIN CERTIFICATE-----\n"
			       "MIIBnjCCAUOgAwIBAgIUWJrFssMmH8/2n6wHOM24WE2q1wAwCgYIKoZIzj0EAwIw\n"
			       "EjEQMA4GA1UEAwwHZnV6eiBDQTAgFw0yNjExMjExODMzMzVaGA8yMTI2MTAyODE4\n"
			       "MzMzNVowFDESMBAGA1UEAwwJcHJvY2Vzc29yMFkwEwYHKoZIzj0CAQYIKoZIzj0D\n"
			       "AQcDQgAEx0+Mfjn55Y2ykt19mFiVHUtM4r8qDCXLvkrukcJf7eT1uX37tiX/fvQ3\n"
			       "bk9c39ilV2+svL2vELQW5pDdXfJ89aNzMHEwCQYDVR0TBAIwADAOBgNVHQ8BAf8E\n"
			       "BAMCB4AwFAYDVR0RBA0wC4IJcHJvYy50ZXN0MB0GA1UdDgQWBBTFa2VPh4dYJhpV\n"
			       "3JPaa2b5/WLZKDAfBgNVHSMEGDAWgBRA7HOqKSg42kUD0FCpT8DSqna6wjAKBggq\n"
			       "hkjOPQQDAgNJADBGAiEAukunexHoi96f5W9pZ8/6+YYckWq3hitvY/lITNJbibsC\n"
			       "IQDGIym5NJtNn/CjrgG/MVs7I7rtDrkf1M04p56jMv+U2g==\n"
			       "-----END CERTIFICATE-----\n";

/* A key of this test's alone; it opens nothing anywhere. */
static const char krr_key[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgTrI8s4CtptrjXwJ7\n"
			      "ws6fFoenspjOnTmzGO4nD7PlqsChRANCAATHT4x+OfnljbKS3X2YWJUdS0zivyoM\n"
			      "Jcu+Su6Rwl/t5PW5ffu2Jf9+9DduT1zf2KVXb6y8va8QtBbmkN1d8nz1\n"
			      "-----END PRIVATE KEY-----\n";

#endif
