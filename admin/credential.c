/* See credential.h. Called by the `user` commands and by init. */
#include "admin/credential.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "admin/owner.h"
#include "admin/say.h"
#include "admin/tree.h"
#include "auth/key.h"
#include "auth/md5.h"
#include "auth/store.h"
#include "auth/verifier.h"

struct job {
	const struct admin *a;
	const struct box *box;
	int auth;
	/* Changes v; DONE, an exit code, or UNCHANGED. */
	int (*edit)(struct job *j, struct verifier *v, struct rows *out);
	bool fresh;                /* a file that is there does not count */
	bool needs_file;
	const char *password;
	const char *fingerprint;
	bool on;
};

#define UNCHANGED 4

/* The verifier that is there: 0, CREDENTIAL_NONE, or told. */
static int
read_verifier(const struct job *j, int dir, struct verifier *v)
{
	char content[VERIFIER_MAX];
	const char *problem;

	memset(v, 0, sizeof *v);
	if (store_read(dir, j->box->name, content, sizeof content) == -1)
		return errno == ENOENT ? CREDENTIAL_NONE :
		       say_failed(errno, "reading auth/%s/%s", j->box->domain, j->box->name);
	problem = verifier_parse(v, content);
	sodium_memzero(content, sizeof content);
	if (problem == NULL)
		return DONE;
	memset(v, 0, sizeof *v);
	/* A new password mends it; anything else would build on sand. */
	return j->password != NULL ? DONE :
	       say_refused("auth/%s/%s: %s; `postern user password %s` sets it anew",
	                   j->box->domain, j->box->name, problem, j->box->shown);
}

static int
write_verifier(const struct job *j, int dir, const struct verifier *v)
{
	char content[VERIFIER_MAX];
	struct text t;
	int r = DONE;

	text_init(&t, content, sizeof content);
	verifier_print(&t, v);
	errno = EMSGSIZE;
	if (!text_ok(&t) || store_write(dir, j->box->name, content, true) == -1)
		r = say_failed(errno, "writing auth/%s/%s", j->box->domain, j->box->name);
	sodium_memzero(content, sizeof content);
	return r;
}

static int
edit_locked(struct job *j, int dir, struct rows *out)
{
	struct verifier v = { 0 };
	int r = DONE;

	if (!j->fresh)
		r = read_verifier(j, dir, &v);
	if (r == CREDENTIAL_NONE && !j->needs_file)
		r = DONE;
	if (r == DONE)
		r = j->edit(j, &v, out);
	if (r == DONE)
		r = write_verifier(j, dir, &v);
	sodium_memzero(&v, sizeof v);
	return r == UNCHANGED ? DONE : r;
}

static int
edit_job(int auth, void *arg, struct rows *out)
{
	struct job *j = arg;
	int dir = j->needs_file ? tree_open(auth, j->box->domain) :
	                          tree_make(auth, j->box->domain, 0700);
	int r;

	j->auth = auth;
	if (dir == -1 && errno == ENOENT && j->needs_file)
		return CREDENTIAL_NONE;
	if (dir == -1 || store_lock(dir) == -1)
		r = say_failed(errno, "auth/%s", j->box->domain);
	else
		r = edit_locked(j, dir, out);
	tree_close(dir);
	return r;
}

static int
edit(struct job *j, struct rows *out)
{
	int auth = owner_open(j->a, "auth");
	int r = auth != -1 ? owner_run(auth, edit_job, j, out) : REFUSED;

	tree_close(auth);
	return r;
}

/* The legacy verifiers that are asked for, or were there. */
static int
set_legacy(const struct job *j, struct verifier *v, bool cram, bool digest)
{
	unsigned char key[KEY_SIZE], secret[VERIFIER_SECRET];
	const char *realm = j->a->conf.hostname;

	if (!cram && !digest)
		return DONE;
	if (key_load(j->auth, key) == -1)
		return say_failed(errno, "auth/" KEY_FILE);
	if (cram) {
		md5_cram_secret(secret, j->password);
		verifier_seal(v->cram_md5, secret, key, "cram-md5");
	}
	if (digest && md5_digest_secret(secret, j->box->shown, realm, j->password) &&
	    text_copy(v->digest_realm, sizeof v->digest_realm, realm))
		verifier_seal(v->digest_md5, secret, key, "digest-md5");
	sodium_memzero(key, sizeof key);
	sodium_memzero(secret, sizeof secret);
	return DONE;
}

static int
set_password(struct job *j, struct verifier *v, struct rows *out)
{
	unsigned named = j->a->conf.mechanisms;
	bool cram = j->a->cram_md5 ||
	            (v->cram_md5[0] != '\0' && (named & MECHANISM_CRAM_MD5) != 0);
	bool digest = j->a->digest_md5 ||
	              (v->digest_md5[0] != '\0' && (named & MECHANISM_DIGEST_MD5) != 0);

	(void)out;
	if (!verifier_set_password(v, j->password))
		return say_failed(errno, "hashing the password (it needs 64 MiB)");
	return set_legacy(j, v, cram, digest);
}

int
credential_set(const struct admin *a, const struct box *b, const char *password, bool fresh)
{
	struct job j = { .a = a, .box = b, .edit = set_password, .password = password,
	                 .fresh = fresh };

	return edit(&j, NULL);
}

static int
set_disabled(struct job *j, struct verifier *v, struct rows *out)
{
	(void)out;
	if (v->disabled == j->on)
		return UNCHANGED;
	v->disabled = j->on;
	return DONE;
}

int
credential_disable(const struct admin *a, const struct box *b, bool disabled)
{
	struct job j = { .a = a, .box = b, .edit = set_disabled, .needs_file = true,
	                 .on = disabled };

	return edit(&j, NULL);
}

static int
set_certificate(struct job *j, struct verifier *v, struct rows *out)
{
	unsigned i = 0;

	(void)out;
	while (i < v->n_certificates && strcmp(v->certificate[i], j->fingerprint) != 0)
		i++;
	if (j->on && i == v->n_certificates)
		return say_refused("%s has no such certificate: `postern user certificate %s` "
		                   "lists what it has", j->box->shown, j->box->shown);
	if (j->on) {
		v->n_certificates--;
		memcpy(v->certificate[i], v->certificate[v->n_certificates],
		       sizeof v->certificate[i]);
		return DONE;
	}
	if (i < v->n_certificates)
		return UNCHANGED;
	if (i == VERIFIER_CERTIFICATES)
		return say_refused("%s has %d certificates, the most there can be: take one away "
		                   "with --remove", j->box->shown, VERIFIER_CERTIFICATES);
	v->n_certificates++;
	(void)text_copy(v->certificate[i], sizeof v->certificate[i], j->fingerprint);
	return DONE;
}

int
credential_certificate(const struct admin *a, const struct box *b, const char *fingerprint,
                       bool away)
{
	struct job j = { .a = a, .box = b, .edit = set_certificate, .fingerprint = fingerprint,
	                 .on = away };

	return edit(&j, NULL);
}

static int
list_certificates(struct job *j, struct verifier *v, struct rows *out)
{
	(void)j;
	for (unsigned i = 0; i < v->n_certificates; i++)
		rows_add(out, v->certificate[i]);
	return UNCHANGED;
}

int
credential_list(const struct admin *a, const struct box *b, struct rows *out)
{
	struct job j = { .a = a, .box = b, .edit = list_certificates, .needs_file = true };
	int r = edit(&j, out);

	return r == CREDENTIAL_NONE ? DONE : r;
}

static int
remove_job(int auth, void *arg, struct rows *out)
{
	const struct box *b = ((struct job *)arg)->box;
	int dir = tree_open(auth, b->domain);
	int r = DONE;

	(void)out;
	if (dir == -1 || store_lock(dir) == -1 || tree_unlink(dir, b->name) == -1)
		r = errno == ENOENT ? CREDENTIAL_NONE :
		    say_failed(errno, "removing auth/%s/%s", b->domain, b->name);
	tree_close(dir);
	return r;
}

int
credential_remove(const struct admin *a, const struct box *b)
{
	struct job j = { .a = a, .box = b };
	int auth = owner_open(a, "auth");
	int r = auth != -1 ? owner_run(auth, remove_job, &j, NULL) : REFUSED;

	tree_close(auth);
	return r;
}

int
credential_check_options(const struct admin *a)
{
	const struct {
		bool asked;
		unsigned bit;
		const char *option, *name;
	} rows[] = {
		{ a->cram_md5, MECHANISM_CRAM_MD5, "--cram-md5", "CRAM-MD5" },
		{ a->digest_md5, MECHANISM_DIGEST_MD5, "--digest-md5", "DIGEST-MD5" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].asked && (a->conf.mechanisms & rows[i].bit) == 0)
			return say_refused("%s: nobody could log in with it, since `mechanisms` in %s "
			                   "does not name %s", rows[i].option, a->conf.file,
			                   rows[i].name);
	return DONE;
}
