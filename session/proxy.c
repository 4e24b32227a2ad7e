/* See proxy.h. Version 1 is read octet by octet at its end, for it tells no length. */
#include "session/proxy.h"

#include <string.h>

#include "base/num.h"

#define V1_MAX 107 /* with CRLF */

static const char v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* One word up to the next blank, copied out; false when there is none. */
static bool
next_word(const char **s, char *out, size_t cap)
{
	size_t len = strcspn(*s, " ");
	struct text t;

	text_init(&t, out, cap);
	text_addn(&t, *s, len);
	*s += len + ((*s)[len] == ' ');
	return len > 0 && text_ok(&t);
}

/* "TCP4 192.0.2.1 192.0.2.2 5000 25" behind "PROXY ", or "UNKNOWN" and anything. */
static bool
parse_v1_line(const char *s, struct ip *ip)
{
	char family[8], source[64], target[64], port[8];
	struct ip other;
	uint64_t n;

	if (strncmp(s, "UNKNOWN", 7) == 0)
		return s[7] == '\0' || s[7] == ' ';
	if (!next_word(&s, family, sizeof family) || !next_word(&s, source, sizeof source) ||
	    !next_word(&s, target, sizeof target))
		return false;
	for (unsigned i = 0; i < 2; i++)
		if (!next_word(&s, port, sizeof port) || !parse_u64(port, 65535, &n))
			return false;
	if (*s != '\0' || !parse_ip(target, &other) || !parse_ip(source, ip))
		return false;
	if (strcmp(family, "TCP4") == 0)
		return strchr(source, ':') == NULL && strchr(target, ':') == NULL;
	return strcmp(family, "TCP6") == 0 && strchr(source, ':') != NULL &&
	       strchr(target, ':') != NULL;
}

static enum proxy_result
parse_v1(const char *buf, size_t len, size_t *need, struct ip *ip)
{
	char line[V1_MAX + 1];

	if (buf[len - 1] != '\n') {
		*need = len + 1;
		return len < V1_MAX ? PROXY_MORE : PROXY_BAD;
	}
	if (buf[len - 2] != '\r' || memchr(buf, '\0', len) != NULL)
		return PROXY_BAD;
	memcpy(line, buf, len - 2);
	line[len - 2] = '\0';
	return parse_v1_line(line + strlen("PROXY "), ip) ? PROXY_OK : PROXY_BAD;
}

/* The addresses of version 2: source first. */
static enum proxy_result
parse_v2_body(const char *buf, size_t len, struct ip *ip)
{
	unsigned family = (unsigned char)buf[13] >> 4;
	unsigned command = (unsigned char)buf[12] & 15;

	if (command == 0)
		return PROXY_OK; /* LOCAL: the proxy's own connection */
	if (command != 1)
		return PROXY_BAD;
	if (family == 1 && len >= 16 + 12) {
		ip_from_ipv4(ip, buf + 16);
	} else if (family == 2 && len >= 16 + 36) {
		memcpy(ip->octets, buf + 16, 16);
		ip->known = true;
	} else if (family == 1 || family == 2) {
		return PROXY_BAD;
	}
	return PROXY_OK; /* AF_UNSPEC, AF_UNIX: nothing we could use */
}

enum proxy_result
proxy_parse(const char *buf, size_t len, size_t *need, struct ip *ip)
{
	size_t total;

	memset(ip, 0, sizeof *ip);
	*need = sizeof v2_signature;
	if (len < sizeof v2_signature)
		return PROXY_MORE;
	if (memcmp(buf, "PROXY ", 6) == 0)
		return parse_v1(buf, len, need, ip);
	if (memcmp(buf, v2_signature, sizeof v2_signature) != 0)
		return PROXY_BAD;
	*need = 16;
	if (len < 16)
		return PROXY_MORE;
	total = 16 + ((size_t)(unsigned char)buf[14] << 8 | (unsigned char)buf[15]);
	if ((unsigned char)buf[12] >> 4 != 2 || total > PROXY_MAX)
		return PROXY_BAD;
	*need = total;
	return len < total ? PROXY_MORE : parse_v2_body(buf, len, ip);
}
