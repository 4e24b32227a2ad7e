/* SASL mechanisms by name, as EHLO offers them (RFC 4954) and `mechanisms` lists them. */
#ifndef BASE_MECHANISM_H
#define BASE_MECHANISM_H

enum mechanism {
	MECHANISM_PLAIN = 1 << 0,              /* RFC 4616 */
	MECHANISM_LOGIN = 1 << 1,
	MECHANISM_SCRAM_SHA_256 = 1 << 2,      /* RFC 7677 */
	MECHANISM_SCRAM_SHA_256_PLUS = 1 << 3, /* the same, bound to the TLS channel */
	MECHANISM_EXTERNAL = 1 << 4,           /* RFC 4422, appendix A: by certificate */
	MECHANISM_CRAM_MD5 = 1 << 5,           /* RFC 2195 */
	MECHANISM_DIGEST_MD5 = 1 << 6,         /* RFC 2831 */
};

#define MECHANISMS_DEFAULT                                                        \
	((unsigned)MECHANISM_PLAIN | MECHANISM_LOGIN | MECHANISM_SCRAM_SHA_256 | \
	 MECHANISM_SCRAM_SHA_256_PLUS | MECHANISM_EXTERNAL)

/* What a foreign checkpassword program can answer for. */
#define MECHANISMS_FOREIGN \
	((unsigned)MECHANISM_PLAIN | MECHANISM_LOGIN | MECHANISM_CRAM_MD5)

/* 0 for a name that is none of them; case does not matter (RFC 4422 3.1). */
unsigned mechanism_by_name(const char *name);

/* The i-th name and its bit, strongest first; NULL past the last. */
const char *mechanism_name(unsigned i, unsigned *bit);

#endif
