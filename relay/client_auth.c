/* See client_auth.h. */
#include "relay/client_auth.h"

#include <sodium.h>
#include <string.h>

#include "base/mechanism.h"
#include "relay/client_scram.h"

struct exchange {
	struct client *c;
	struct client_reply r;
	char line[LIMIT_SASL + 16];  /* what the reply's line says: base64 */
	char text[LIMIT_SASL];       /* the same, decoded */
};

static void
keep_line(void *arg, unsigned number, const char *line, size_t len)
{
	struct exchange *x = arg;
	struct text t;

	(void)number;
	text_init(&t, x->line, sizeof x->line);
	text_addn(&t, line, len); /* too long: empty, and so no challenge */
}

/* Sends data in base64 behind verb ("": as a line of its own), and reads the reply. */
static bool
say(struct exchange *x, const char *verb, const char *data, size_t len)
{
	char base64[LIMIT_SASL + 1];
	struct client_io *io = &x->c->io;
	bool good;

	if (sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL) > sizeof base64) {
		client_verdict_local(&x->c->problem, "4.7.8", "the login is too long", "");
		return false;
	}
	sodium_bin2base64(base64, sizeof base64, (const unsigned char *)data, len,
	                  sodium_base64_VARIANT_ORIGINAL);
	client_deadline(io, x->c->reply_seconds);
	client_puts(io, verb);
	client_puts(io, base64);
	client_puts(io, "\r\n");
	(void)client_flush(io);
	good = client_reply_read(io, &x->r, keep_line, x);
	if (!good)
		client_verdict_trouble(&x->c->problem, io->trouble, "AUTH");
	client_io_wipe(io);
	explicit_bzero(base64, sizeof base64);
	return good;
}

/* The challenge of a 334, decoded into x->text. */
static bool
read_challenge(struct exchange *x)
{
	size_t len;

	if (x->r.code != 334 ||
	    sodium_base642bin((unsigned char *)x->text, sizeof x->text - 1, x->line,
	                      strlen(x->line), NULL, &len, NULL,
	                      sodium_base64_VARIANT_ORIGINAL) == -1)
		return false;
	x->text[len] = '\0';
	return strlen(x->text) == len;
}

/* The last reply was no 235. RFC 4954 6 */
static bool
refused(struct exchange *x)
{
	struct client_verdict *v = &x->c->problem;

	client_verdict_reply(v, &x->r, false);
	v->class = v->enhanced[0] = '4';
	return false;
}

static bool
login_plain(struct exchange *x, const char *login, const char *password)
{
	char message[2 * LIMIT_ADDRESS + LIMIT_PASSWORD];
	struct text t;
	bool good;

	text_init(&t, message, sizeof message); /* RFC 4616: no authorization id */
	text_addc(&t, '\0');
	text_add(&t, login);
	text_addc(&t, '\0');
	text_add(&t, password);
	good = text_ok(&t) && say(x, "AUTH PLAIN ", message, t.len);
	explicit_bzero(message, sizeof message);
	if (!text_ok(&t))
		client_verdict_local(&x->c->problem, "4.7.8", "the login is too long", "");
	return good && (x->r.code == 235 || refused(x));
}

/* Nobody has written it down; servers ask for the name, then for the password. */
static bool
login_login(struct exchange *x, const char *login, const char *password)
{
	if (!say(x, "AUTH LOGIN", "", 0))
		return false;
	if (x->r.code != 334)
		return refused(x);
	if (!say(x, "", login, strlen(login)))
		return false;
	if (x->r.code != 334)
		return refused(x);
	return say(x, "", password, strlen(password)) && (x->r.code == 235 || refused(x));
}

/* The server has to prove that it knows the password, too. */
static bool
unproved(struct exchange *x)
{
	client_verdict_local(&x->c->problem, "4.7.8",
	                     "the server's side of SCRAM-SHA-256 does not hold", "");
	return false;
}

static bool
login_scram(struct exchange *x, const char *login, const char *password)
{
	struct client_scram s = { .login = login, .password = password };
	char message[LIMIT_SASL];
	struct text t;

	client_scram_nonce(&s);
	text_init(&t, message, sizeof message);
	client_scram_first(&s, &t);
	if (!say(x, "AUTH SCRAM-SHA-256 ", message, t.len))
		return false;
	if (x->r.code != 334)
		return refused(x);
	text_init(&t, message, sizeof message);
	if (!read_challenge(x) || !client_scram_final(&s, x->text, &t))
		return unproved(x);
	if (!say(x, "", message, t.len))
		return false;
	if (x->r.code != 334) /* RFC 4954 4: 235 has no data, so the proof comes before it */
		return client_reply_class(&x->r) == 2 ? unproved(x) : refused(x);
	if (!read_challenge(x) || !client_scram_verify(&s, x->text))
		return unproved(x);
	return say(x, "", "", 0) && (x->r.code == 235 || refused(x));
}

/* SASLprep (RFC 4013) changes nothing of it. */
static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return true;
}

bool
client_login(struct client *c, const char *login, const char *password)
{
	struct exchange x = { .c = c };
	unsigned offered = c->offer.have & EXT_AUTH ? c->offer.mechanisms : 0;
	bool good = false;

	if (!c->tls) {
		client_verdict_local(&c->problem, "4.7.11", "no login without TLS", "");
		return false;
	}
	if (offered & MECHANISM_SCRAM_SHA_256 && is_ascii(login) && is_ascii(password))
		good = login_scram(&x, login, password);
	else if (offered & MECHANISM_PLAIN)
		good = login_plain(&x, login, password);
	else if (offered & MECHANISM_LOGIN)
		good = login_login(&x, login, password);
	else
		client_verdict_local(&c->problem, "4.7.4",
		                     "no way to log in that we know is offered", "");
	c->logged_in = good;
	explicit_bzero(&x, sizeof x);
	return good;
}
