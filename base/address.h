/*
 * Mailboxes of RFC 5321 4.1.2 and RFC 6531 3.3. Pure functions, used where an
 * address comes from a client, a forward file, a configuration or a command line.
 */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/limits.h"
#include "base/text.h"

struct address {
	char local[LIMIT_LOCAL + 1];   /* unquoted, as given; any octet but NUL, CR, LF */
	char domain[LIMIT_DOMAIN + 3]; /* as given; a literal keeps its brackets;
	                                * "" means no domain: null sender, postmaster */
};

/*
 * Reads one Mailbox (Dot-string or Quoted-string, "@", domain or literal) from the
 * start of s, up to s + len. Returns the octets read, or 0 where there is none.
 */
size_t address_read(struct address *a, const char *s, size_t len);

/* A whole string that is one Mailbox. */
bool parse_address(const char *s, struct address *a);

/* A Domain of RFC 5321, U-labels allowed; "no trailing dot, no underscore". */
bool is_domain(const char *s, size_t len);

/*
 * What a client may call itself in HELO: RFC 5321 4.1.4 forbids to refuse a name
 * that does not check out, so this asks only for one that is safe in a header:
 * 1 to LIMIT_DOMAIN printable ASCII octets, none of them special there.
 */
bool is_greeting_name(const char *s);

/* True when an octet is not ASCII. */
bool has_utf8(const char *s);

/* The local-part as RFC 5321 writes it: quoted where it is no Dot-string. */
void address_text(struct text *t, const struct address *a);

/*
 * What a process that was sent an address may rely on before it writes the
 * address into a header: sane lengths, valid UTF-8, no control octet, and a
 * domain of letters, digits, "-", "." and non-ASCII, or a bracketed literal.
 */
bool is_address_safe(const char *local, const char *domain);

#endif
