/*
 * See name.h. Called by the keeper for every recipient and by the administrator's
 * command; so both always mean the same directory.
 */
#include "base/name.h"

#include <idn2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/address.h"
#include "base/text.h"

static char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool
is_kept(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '=' ||
	       c == '.' || c == '-';
}

static const char digits[] = "0123456789ABCDEF";

static void
add_percent(struct text *t, char c)
{
	unsigned char octet = (unsigned char)c;

	text_addc(t, '%');
	text_addc(t, digits[octet >> 4]);
	text_addc(t, digits[octet & 15]);
}

bool
name_octet(char *octet, const char *s)
{
	const char *high, *low;

	if (s[0] != '%' || s[1] == '\0' || s[2] == '\0')
		return false;
	high = strchr(digits, s[1]);
	low = strchr(digits, s[2]);
	if (high == NULL || low == NULL)
		return false;
	*octet = (char)((high - digits) << 4 | (low - digits));
	return true;
}

bool
name_domain(char out[LIMIT_NAME + 1], const char *domain)
{
	bool fits;

	out[0] = '\0';
	if (!is_domain(domain, strlen(domain)))
		return false;
	if (has_utf8(domain)) {
		char *ascii;

		/* RFC 5891 5: mapped, normalized, checked; allocates. */
		if (idn2_to_ascii_8z(domain, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK)
			return false;
		fits = text_copy(out, LIMIT_NAME + 1, ascii);
		idn2_free(ascii);
	} else {
		fits = text_copy(out, LIMIT_NAME + 1, domain);
	}
	for (char *p = out; *p != '\0'; p++)
		*p = ascii_lower(*p);
	/* IDNA mapping may turn odd code points into dots: look again. */
	return fits && is_domain(out, strlen(out));
}

bool
name_queue(char out[LIMIT_NAME + 1], const char *domain)
{
	struct text t;

	if (domain[0] != '[')
		return name_domain(out, domain);
	text_init(&t, out, LIMIT_NAME + 1);
	for (const char *p = domain; *p != '\0'; p++) {
		char c = ascii_lower(*p);

		if (is_kept(c) && c != '_' && c != '=')
			text_addc(&t, c);
		else
			add_percent(&t, c);
	}
	return text_ok(&t) && is_address_safe("x", domain);
}

/* NFC into buf; false when it is no UTF-8 or grows past buf. */
static bool
normalize(char *buf, size_t cap, const char *s)
{
	uint8_t *nfc;
	size_t len = cap - 1;

	if (!has_utf8(s))
		return text_copy(buf, cap, s);
	/* u8_normalize() takes anything. */
	if (u8_check((const uint8_t *)s, strlen(s)) != NULL)
		return false;
	nfc = u8_normalize(UNINORM_NFC, (const uint8_t *)s, strlen(s), (uint8_t *)buf, &len);
	if (nfc == NULL)
		return false;
	if (nfc != (uint8_t *)buf) {
		free(nfc);
		return false;
	}
	buf[len] = '\0';
	return true;
}

bool
name_mailbox(char out[LIMIT_NAME + 1], const char *local)
{
	char nfc[LIMIT_NAME + 1];
	struct text t;

	text_init(&t, out, LIMIT_NAME + 1);
	if (!normalize(nfc, sizeof nfc, local))
		return false;
	for (const char *p = nfc; *p != '\0' && *p != '+'; p++) {
		char c = ascii_lower(*p);

		if (is_kept(c) && (c != '.' || t.len > 0))
			text_addc(&t, c);
		else
			add_percent(&t, c);
	}
	return text_ok(&t) && t.len > 0;
}

bool
name_to_local(char out[LIMIT_LOCAL + 1], const char *name)
{
	struct text t;

	text_init(&t, out, LIMIT_LOCAL + 1);
	for (; *name != '\0'; name++) {
		char octet;

		if (is_kept(*name)) {
			text_addc(&t, *name);
			continue;
		}
		if (!name_octet(&octet, name) || octet == '\0')
			return false;
		text_addc(&t, octet);
		name += 2;
	}
	return text_ok(&t) && t.len > 0;
}

bool
name_is_plain(const char *s)
{
	if (s[0] == '\0' || s[0] == '.')
		return false;
	for (; *s != '\0'; s++)
		if (!((*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
		      (*s >= 'A' && *s <= 'Z') || *s == '.' || *s == '-' || *s == '_'))
			return false;
	return true;
}
