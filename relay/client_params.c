/* See client_params.h. */
#include "relay/client_params.h"

#include <string.h>
#include <strings.h>

#include "base/xtext.h"
#include "relay/client_timed.h"

static void
add_path(struct text *t, const struct address *a)
{
	text_addc(t, '<');
	address_text(t, a);
	text_addc(t, '>');
}

static void
add_number(struct text *t, const char *name, uint64_t n)
{
	text_add(t, name);
	text_addu(t, n);
}

static void
add_xtext(struct text *t, const char *name, const char *value)
{
	text_add(t, name);
	xtext_encode(t, value);
}

/*
 * RFC 4954 5: a server that we have logged in at is trusted with the name; to others that
 * offer AUTH it is said that there is one, and not which.
 */
static void
add_auth(struct text *t, const struct client *c, const struct client_message *m)
{
	bool known = m->auth[0] != '\0' && !has_utf8(m->auth);

	if (c->logged_in && known)
		add_xtext(t, " AUTH=", m->auth);
	else if (c->logged_in || (m->auth[0] != '\0' && c->offer.have & EXT_AUTH))
		text_add(t, " AUTH=<>");
}

/* RFC 8689 2, RFC 6531 3.4, RFC 3461 4.3, 4.4, RFC 4954 5 */
static void
add_wishes(struct text *t, const struct client *c, const struct client_message *m)
{
	if (m->utf8)
		text_add(t, " SMTPUTF8");
	if (m->require_tls)
		text_add(t, " REQUIRETLS");
	if (c->offer.have & EXT_DSN) {
		/* RFC 8689 5: what must travel safely does not come back whole. */
		if (m->ret != RET_UNSAID)
			text_add(t, m->ret == RET_FULL && !m->require_tls ? " RET=FULL" : " RET=HDRS");
		if (m->envid[0] != '\0')
			add_xtext(t, " ENVID=", m->envid);
	}
	add_auth(t, c, m);
	client_timed_add(t, c, m);
}

void
client_add_mail(struct text *t, const struct client *c, const struct client_message *m,
                const struct content *content)
{
	text_add(t, "MAIL FROM:");
	add_path(t, &m->sender);
	if (c->offer.have & EXT_SIZE)
		add_number(t, " SIZE=", content->size);
	if (content->form == CONTENT_BINARY)
		text_add(t, " BODY=BINARYMIME");
	else if (content->high && c->offer.have & EXT_8BITMIME)
		text_add(t, " BODY=8BITMIME");
	add_wishes(t, c, m);
	if (m->transid[0] != '\0') { /* RFC 1845 2 */
		text_add(t, " TRANSID=");
		text_add(t, m->transid);
	}
}

/* The character at p, up to 4 octets of valid UTF-8; its octets in *len. */
static uint32_t
next_character(const char *p, size_t *len)
{
	const unsigned char *s = (const unsigned char *)p;
	uint32_t c = *s < 0x80 ? *s : *s < 0xE0 ? *s & 0x1FU : *s < 0xF0 ? *s & 0x0FU : *s & 7U;

	for (*len = 1; (s[*len] & 0xC0) == 0x80; ++*len)
		c = c << 6 | (s[*len] & 0x3FU);
	return c;
}

/* RFC 6533 3: "\\x{E9}" */
static void
add_embedded(struct text *t, uint32_t c)
{
	unsigned shift = 20;

	while (shift > 0 && c >> shift == 0)
		shift -= 4;
	text_add(t, "\\x{");
	for (;; shift -= 4) {
		text_addc(t, "0123456789ABCDEF"[c >> shift & 15]);
		if (shift == 0)
			break;
	}
	text_addc(t, '}');
}

/* RFC 6533 3: utf-8-addr-xtext. */
static void
add_utf8_xtext(struct text *t, const char *s)
{
	while (*s != '\0') {
		char one[2] = { *s, '\0' };
		size_t len = 1;

		if ((unsigned char)*s < 0x80)
			xtext_encode(t, one);
		else
			add_embedded(t, next_character(s, &len));
		s += len;
	}
}

static void
add_orcpt(struct text *t, const char *orcpt)
{
	size_t type = strcspn(orcpt, ";") + 1;

	if (strlen(orcpt) < type)
		return; /* it has no type, so it is none */
	text_add(t, " ORCPT=");
	text_addn(t, orcpt, type);
	if (strncasecmp(orcpt, "utf-8;", 6) == 0)
		add_utf8_xtext(t, orcpt + type);
	else
		xtext_encode(t, orcpt + type);
}

void
client_add_rcpt(struct text *t, const struct client *c, const struct client_message *m,
                const struct client_to *to)
{
	unsigned notify = to->notify;

	text_add(t, "RCPT TO:");
	add_path(t, &to->address);
	if (!(c->offer.have & EXT_DSN))
		return;
	/* RFC 2852 4.1.4.2: who does not watch the time shall at least tell of delays. */
	if (client_timed_is_lost(c, m) && !(notify & NOTIFY_NEVER))
		notify = notify == 0 ? NOTIFY_FAILURE | NOTIFY_DELAY : notify | NOTIFY_DELAY;
	if (notify != 0) {
		text_add(t, " NOTIFY=");
		envelope_notify_text(t, notify);
	}
	if (to->orcpt[0] != '\0')
		add_orcpt(t, to->orcpt);
}
