/*
 * See account.h. The order is the same for every account, and for none: find, admit (count
 * and wait), check, settle.
 */
#include "auth/account.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth/foreign.h"
#include "auth/md5.h"
#include "auth/saslprep.h"
#include "auth/slots.h"
#include "auth/store.h"
#include "auth/throttle.h"
#include "base/log.h"

/* The content of the login's file. 0; 1: there is none; -1 with errno. */
static int
read_file(const struct attempt *a, char content[VERIFIER_MAX])
{
	int domain = store_open(a->auth->dir, a->login.domain);
	ssize_t n;

	if (domain == -1)
		return errno == ENOENT ? 1 : -1;
	n = store_read(domain, a->login.mailbox, content, VERIFIER_MAX);
	if (n == -1) {
		int err = errno;

		(void)close(domain); /* only read */
		errno = err;
		return err == ENOENT ? 1 : -1;
	}
	(void)close(domain); /* only read */
	return 0;
}

static enum outcome
broken(const struct attempt *a, const char *problem, int err)
{
	struct log_line l;

	log_start(&l, "error");
	log_field(&l, "what", problem);
	log_field(&l, "login", a->login.name);
	if (err != 0)
		log_field(&l, "error", strerror(err));
	log_send(&l, LOG_LEVEL_ERROR);
	return OUTCOME_LATER;
}

/* What the file lacks is filled with what nothing proves. */
static void
fill_gaps(struct verifier *v, const struct verifier *decoy)
{
	if (v->argon2id[0] == '\0')
		memcpy(v->argon2id, decoy->argon2id, sizeof v->argon2id);
	if (v->scram.iterations == 0)
		v->scram = decoy->scram;
}

enum outcome
account_find(struct attempt *a, const char *typed)
{
	char content[VERIFIER_MAX];
	const char *problem = NULL;
	struct verifier decoy;
	bool is_name = login_read(&a->login, typed, a->auth->conf.hostname);
	int r = 1;

	a->found = false;
	if (a->auth->conf.auth[0] != '\0')
		return OUTCOME_YES; /* the program knows */
	verifier_decoy(&decoy, a->auth->key, is_name ? a->login.name : typed);
	if (is_name)
		r = read_file(a, content);
	if (r == -1)
		return attempt_fail(a, broken(a, "reading a verifier", errno), "error");
	if (r == 0)
		problem = verifier_parse(&a->v, content);
	else
		a->v = decoy;
	sodium_memzero(content, sizeof content);
	if (problem != NULL)
		return attempt_fail(a, broken(a, problem, 0), "error");
	a->found = r == 0;
	fill_gaps(&a->v, &decoy);
	return OUTCOME_YES;
}

static void
wait_ms(int64_t ms)
{
	struct timespec left = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&left, &left) == -1 && errno == EINTR)
		;
}

enum outcome
account_admit(struct attempt *a)
{
	int64_t wait = throttle_enter(a->login.name, a->client, &a->known);

	if (wait < 0)
		return attempt_fail(a, OUTCOME_LATER, "throttled");
	wait_ms(wait);
	return OUTCOME_YES;
}

enum outcome
account_settle(struct attempt *a, bool proved, const char *reason)
{
	if (proved && a->v.disabled) {
		proved = false;
		reason = "disabled";
	}
	if (proved) {
		throttle_good(a->login.name, a->client, a->known);
		return OUTCOME_YES;
	}
	if (a->known)
		wait_ms(throttle_bad(a->login.name, a->client));
	if (a->login.name[0] == '\0')
		reason = "no-address";
	else if (!a->found && a->auth->conf.auth[0] == '\0')
		reason = "unknown";
	return attempt_fail(a, OUTCOME_NO, reason);
}

bool
account_may_act_as(const struct attempt *a, const char *id)
{
	struct login l;

	return id[0] == '\0' || (login_read(&l, id, a->auth->conf.hostname) &&
	                         strcmp(l.name, a->login.name) == 0);
}

/* root is no login of mail, whatever a program of the system says. */
static bool
is_root(const char *typed)
{
	return strcasecmp(typed, "root") == 0;
}

static enum outcome
ask_foreign(struct attempt *a, const char *typed, const char *second, const char *third,
            const char *authorize)
{
	enum outcome o = account_find(a, typed);

	if (o == OUTCOME_YES)
		o = account_admit(a);
	if (o != OUTCOME_YES)
		return o;
	switch (foreign_ask(a->auth->foreign, a->client, typed, second, third)) {
	case FOREIGN_LATER:
		return attempt_fail(a, OUTCOME_LATER, "error");
	case FOREIGN_NO:
		return account_settle(a, false, "password");
	case FOREIGN_YES:
		break;
	}
	if (is_root(typed))
		return account_settle(a, false, "root");
	if (!account_may_act_as(a, authorize))
		return account_settle(a, false, "authorization");
	return account_settle(a, a->login.name[0] != '\0', "no-address");
}

static enum outcome
ask_foreign_password(struct attempt *a, const char *typed, const char *password,
                     const char *authorize)
{
	char timestamp[32];
	struct text t;

	text_init(&t, timestamp, sizeof timestamp);
	text_addu(&t, (uint64_t)time(NULL));
	return ask_foreign(a, typed, password, timestamp, authorize);
}

/* Runs argon2id. YES, NO, or LATER: no slot, no memory. */
static enum outcome
prove(struct attempt *a, const char *password)
{
	int slot = slots_take(throttle_fd());
	int r, err;

	if (slot == -1)
		return attempt_fail(a, OUTCOME_LATER, "busy");
	errno = 0;
	r = crypto_pwhash_argon2id_str_verify(a->v.argon2id, password, strlen(password));
	err = errno;
	slots_give(throttle_fd(), slot);
	if (r == -1 && err == ENOMEM)
		return attempt_fail(a, broken(a, "argon2id", err), "error");
	return r == 0 ? OUTCOME_YES : OUTCOME_NO;
}

enum outcome
account_password(struct attempt *a, const char *typed, const char *password,
                 const char *authorize)
{
	enum outcome o, proved;
	bool prepared;

	if (a->auth->conf.auth[0] != '\0')
		return ask_foreign_password(a, typed, password, authorize);
	o = account_find(a, typed);
	if (o == OUTCOME_YES)
		o = account_admit(a);
	if (o != OUTCOME_YES)
		return o;
	/* RFC 4616 2: what can't be prepared is wrong. It takes the same time. */
	prepared = saslprep(a->password, sizeof a->password, password);
	proved = prove(a, a->password);
	if (proved == OUTCOME_LATER)
		return proved;
	if (!prepared || !a->found || proved != OUTCOME_YES)
		return account_settle(a, false, "password");
	if (!account_may_act_as(a, authorize))
		return account_settle(a, false, "authorization");
	a->proved = !a->v.disabled;
	return account_settle(a, true, "password");
}

enum outcome
account_response(struct attempt *a, const char *typed, const char *challenge,
                 const char *response)
{
	unsigned char secret[VERIFIER_SECRET];
	char wanted[MD5_HEX];
	enum outcome o;
	bool good;

	if (a->auth->conf.auth[0] != '\0')
		return a->auth->conf.response_first ?
		       ask_foreign(a, typed, response, challenge, "") :
		       ask_foreign(a, typed, challenge, response, "");
	o = account_find(a, typed);
	if (o == OUTCOME_YES)
		o = account_admit(a);
	if (o != OUTCOME_YES)
		return o;
	good = verifier_open(secret, a->v.cram_md5, a->auth->key, "cram-md5");
	if (!good)
		randombytes_buf(secret, sizeof secret);
	md5_cram_response(wanted, secret, challenge);
	good &= sodium_memcmp(wanted, response, MD5_HEX - 1) == 0;
	sodium_memzero(secret, sizeof secret);
	sodium_memzero(wanted, sizeof wanted);
	return account_settle(a, good && a->found, "password");
}

/* The file as it is now, still proved by what this attempt proved. */
static bool
read_again(const struct attempt *a, int domain, struct verifier *v)
{
	char content[VERIFIER_MAX];
	bool good = store_read(domain, a->login.mailbox, content, sizeof content) != -1 &&
	            verifier_parse(v, content) == NULL &&
	            strcmp(v->argon2id, a->v.argon2id) == 0;

	sodium_memzero(content, sizeof content);
	return good;
}

static bool
renew(const struct attempt *a, struct verifier *v)
{
	int slot;
	bool good;

	if (v->scram.iterations == 0)
		verifier_set_scram(v, a->password);
	if (!verifier_is_weak(v))
		return true;
	slot = slots_take(throttle_fd());
	if (slot == -1)
		return false; /* at the next log-in, then */
	good = verifier_set_argon2id(v, a->password);
	slots_give(throttle_fd(), slot);
	return good;
}

/* Under the lock, so that a password just changed is not changed back. */
static bool
upgrade(const struct attempt *a, int domain)
{
	char content[VERIFIER_MAX];
	struct verifier v;
	struct text t;
	bool good = true;

	if (!read_again(a, domain, &v) || (v.scram.iterations > 0 && !verifier_is_weak(&v)))
		return true;
	text_init(&t, content, sizeof content);
	if (!renew(a, &v))
		return false;
	verifier_print(&t, &v);
	if (text_ok(&t))
		good = store_write(domain, a->login.mailbox, content, true) == 0;
	sodium_memzero(content, sizeof content);
	sodium_memzero(&v, sizeof v);
	return good;
}

void
account_upgrade(struct attempt *a)
{
	int domain;

	if (!a->proved)
		return;
	domain = store_open(a->auth->dir, a->login.domain);
	if (domain == -1 || store_lock(domain) == -1 || !upgrade(a, domain))
		(void)broken(a, "bringing a verifier up to date", errno);
	if (domain != -1)
		(void)close(domain); /* what was written is synced */
}
