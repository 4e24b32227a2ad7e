/* See sasl.h. PLAIN, LOGIN, EXTERNAL, and the table of all mechanisms. */
#include "auth/sasl.h"

#include <sodium.h>
#include <string.h>

#include "auth/account.h"
#include "base/mechanism.h"

bool
plain_read(struct plain *p, const struct message *m)
{
	const char *end = m->text + m->len;
	const char *at = m->text;
	const char **part[] = { &p->authorize, &p->user, &p->password };

	for (unsigned i = 0; i < 3; i++) {
		size_t len = strnlen(at, (size_t)(end - at));

		/* Behind the password comes the end, behind the others a NUL. */
		if (len > LIMIT_PASSWORD || (i > 0 && len == 0) || (at + len == end) != (i == 2))
			return false;
		*part[i] = at;
		at += len + 1;
	}
	return true;
}

static enum outcome
mech_plain(struct attempt *a)
{
	enum outcome o = attempt_first(a);
	struct plain p;

	if (o != OUTCOME_YES)
		return o;
	if (!plain_read(&p, &a->in))
		return attempt_fail(a, OUTCOME_MALFORMED, "syntax");
	return account_password(a, p.user, p.password, p.authorize);
}

/* One answer of LOGIN: text without NUL. */
static bool
is_login_text(const struct message *m)
{
	return m->len > 0 && m->len <= LIMIT_PASSWORD && strlen(m->text) == m->len;
}

/* Never a standard (draft-murchison-sasl-login); some clients send the name at once. */
static enum outcome
mech_login(struct attempt *a)
{
	static const char user_prompt[] = "Username:", password_prompt[] = "Password:";
	char user[LIMIT_PASSWORD + 1];
	enum outcome o = a->initial[0] != '\0' ?
	                 attempt_first(a) :
	                 attempt_ask(a, user_prompt, strlen(user_prompt));

	if (o != OUTCOME_YES)
		return o;
	if (!is_login_text(&a->in) || !text_copy(user, sizeof user, a->in.text))
		return attempt_fail(a, OUTCOME_MALFORMED, "syntax");
	o = attempt_ask(a, password_prompt, strlen(password_prompt));
	if (o != OUTCOME_YES)
		return o;
	if (!is_login_text(&a->in))
		return attempt_fail(a, OUTCOME_MALFORMED, "syntax");
	return account_password(a, user, a->in.text, "");
}

static bool
has_certificate(const struct attempt *a)
{
	for (unsigned i = 0; i < a->v.n_certificates; i++)
		if (a->fingerprint[0] != '\0' && strcmp(a->v.certificate[i], a->fingerprint) == 0)
			return true;
	return false;
}

/* Is the certificate's address this login? */
static bool
is_named(const struct attempt *a)
{
	struct login l;

	return a->verified && a->email[0] != '\0' && strchr(a->email, '@') != NULL &&
	       login_read(&l, a->email, a->auth->conf.hostname) &&
	       strcmp(l.name, a->login.name) == 0;
}

/*
 * RFC 4422 A: the client has proved itself to tls. Its certificate names the login, or
 * the login's file names the certificate.
 */
static enum outcome
mech_external(struct attempt *a)
{
	const char *typed;
	enum outcome o = attempt_first(a);

	if (o != OUTCOME_YES)
		return o;
	if (strlen(a->in.text) != a->in.len)
		return attempt_fail(a, OUTCOME_MALFORMED, "syntax");
	typed = a->in.len > 0 ? a->in.text : a->verified ? a->email : "";
	o = account_find(a, typed);
	if (o == OUTCOME_YES)
		o = account_admit(a);
	if (o != OUTCOME_YES)
		return o;
	return account_settle(a, a->found && (is_named(a) || has_certificate(a)), "certificate");
}

static enum outcome
mech_scram_plain(struct attempt *a)
{
	return mech_scram(a, false);
}

static enum outcome
mech_scram_plus(struct attempt *a)
{
	return mech_scram(a, true);
}

enum outcome
sasl_run(struct attempt *a, unsigned mechanism)
{
	static const struct {
		unsigned bit;
		enum outcome (*run)(struct attempt *a);
	} rows[] = {
		{ MECHANISM_PLAIN, mech_plain },
		{ MECHANISM_LOGIN, mech_login },
		{ MECHANISM_SCRAM_SHA_256, mech_scram_plain },
		{ MECHANISM_SCRAM_SHA_256_PLUS, mech_scram_plus },
		{ MECHANISM_EXTERNAL, mech_external },
		{ MECHANISM_CRAM_MD5, mech_cram_md5 },
		{ MECHANISM_DIGEST_MD5, mech_digest_md5 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].bit == mechanism)
			return rows[i].run(a);
	return attempt_fail(a, OUTCOME_MALFORMED, "mechanism");
}
