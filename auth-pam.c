/*
 * auth-pam: a checkpassword program for the users of the system, by PAM. To be named in
 * postern.conf as `auth = /PATH/auth-pam /bin/true`. It asks PAM's service `postern` (-s
 * names another), refuses root, and runs its program as the user where it may.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include "auth/interface.h"
#include "base/log.h"
#include "base/sandbox.h"

#define USAGE "usage: auth-pam [-s SERVICE] [-d DOMAIN] PROGRAM [ARGUMENT]..."

struct options {
	const char *service;
	const char *domain; /* logins may end in "@" and this; NULL = none may */
};

static void
read_options(struct options *o, int argc, char **argv)
{
	int c;

	opterr = 0;
	while ((c = getopt(argc, argv, "+s:d:")) != -1) {
		if (c == 's')
			o->service = optarg;
		else if (c == 'd')
			o->domain = optarg;
		else
			die_misused("unknown option", USAGE);
	}
	if (optind == argc)
		die_misused("expected a program to run, such as /bin/true", USAGE);
	/* It becomes a file name in PAM. */
	if (o->service[0] == '\0' || strchr(o->service, '/') != NULL || o->service[0] == '.')
		die_misused("-s: expected the name of a PAM service", USAGE);
}

/* Modules ask for what we have: the password, without echo. Their texts are not shown. */
static int
converse(int n, const struct pam_message **messages, struct pam_response **answers, void *arg)
{
	const struct interface_input *in = arg;
	struct pam_response *r = calloc((size_t)n, sizeof *r);

	if (r == NULL)
		return PAM_BUF_ERR;
	for (int i = 0; i < n; i++) {
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF)
			r[i].resp = strdup(in->second);
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_ON ||
		    (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF && r[i].resp == NULL)) {
			while (i >= 0) {
				if (r[i].resp != NULL)
					explicit_bzero(r[i].resp, strlen(r[i].resp));
				free(r[i--].resp);
			}
			free(r);
			return PAM_CONV_ERR;
		}
	}
	*answers = r;
	return PAM_SUCCESS;
}

/* auth counts failures and delays them; PAM's own two seconds would come on top. */
static void
no_delay(int result, unsigned usec, void *arg)
{
	(void)result;
	(void)usec;
	(void)arg;
}

/* 0, 1 or 111 for what PAM says. */
static int
code_of(pam_handle_t *pam, int r)
{
	switch (r) {
	case PAM_SUCCESS:
		return INTERFACE_GOOD;
	case PAM_AUTH_ERR:
	case PAM_USER_UNKNOWN:
	case PAM_MAXTRIES:
	case PAM_PERM_DENIED:
	case PAM_ACCT_EXPIRED:
	case PAM_CRED_EXPIRED:
	case PAM_AUTHTOK_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
		return INTERFACE_WRONG;
	default:
		log_error(pam_strerror(pam, r), 0);
		return INTERFACE_LATER;
	}
}

/* The name PAM has for the user in the end: a module may have mapped it. */
static bool
copy_user(pam_handle_t *pam, char *out, size_t cap)
{
	const void *user = NULL;

	return pam_get_item(pam, PAM_USER, &user) == PAM_SUCCESS && user != NULL &&
	       text_copy(out, cap, user);
}

static int
ask_pam(const struct options *o, struct interface_input *in, const char *name, char *user,
        size_t cap)
{
	const struct pam_conv conv = { converse, in };
	const char *remote = getenv("TCPREMOTEIP");
	const int quiet = PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK;
	union {
		void (*function)(int, unsigned, void *);
		const void *item;
	} delay = { no_delay };
	pam_handle_t *pam = NULL;
	int r = pam_start(o->service, name, &conv, &pam);

	if (r == PAM_SUCCESS && remote != NULL)
		r = pam_set_item(pam, PAM_RHOST, remote);
	if (r == PAM_SUCCESS)
		r = pam_set_item(pam, PAM_FAIL_DELAY, delay.item);
	if (r == PAM_SUCCESS)
		r = pam_authenticate(pam, quiet);
	if (r == PAM_SUCCESS)
		r = pam_acct_mgmt(pam, quiet);
	if (r == PAM_SUCCESS && !copy_user(pam, user, cap))
		r = PAM_SYSTEM_ERR;
	r = code_of(pam, r);
	(void)pam_end(pam, PAM_SUCCESS); /* nothing was opened */
	return r;
}

/* As the user, in the home directory; without privilege only the environment tells. */
static int
run(const char *user, char **program)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL) {
		log_error("PAM knows the user, the system does not", errno);
		return INTERFACE_LATER;
	}
	/* Not before now: who is refused is told nothing of which name it was. */
	if (pw->pw_uid == 0) {
		log_notice("root is no login of mail: refused");
		return INTERFACE_WRONG;
	}
	if (sandbox_is_privileged() &&
	    (initgroups(pw->pw_name, pw->pw_gid) == -1 ||
	     setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	     setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1)) {
		log_error("becoming the user", errno);
		return INTERFACE_LATER;
	}
	if (chdir(pw->pw_dir) == -1 && chdir("/") == -1) {
		log_error(pw->pw_dir, errno);
		return INTERFACE_LATER;
	}
	return interface_run(pw->pw_name, pw->pw_dir, pw->pw_shell, program);
}

/* The name of a system user in a login, or NULL. */
static const char *
user_of(const struct options *o, char *login)
{
	char *at = strchr(login, '@');

	if (at == NULL)
		return login;
	if (o->domain == NULL || strcasecmp(at + 1, o->domain) != 0)
		return NULL;
	*at = '\0';
	return login;
}

int
main(int argc, char **argv)
{
	static struct interface_input in;
	struct options o = { .service = "postern" };
	struct rlimit core;
	char login[LIMIT_CHECKPASSWORD + 1], user[256] = "";
	const char *name;
	int r;

	log_open("auth-pam");
	if (fcntl(INTERFACE_FD, F_GETFD) == -1)
		die_misused("descriptor 3 is not open", USAGE);
	read_options(&o, argc, argv);
	/* The hard limit is left to the program that is run. */
	if (sandbox_no_trace() == -1 || getrlimit(RLIMIT_CORE, &core) == -1)
		die_temp("keeping the password out of cores", errno);
	core.rlim_cur = 0;
	if (setrlimit(RLIMIT_CORE, &core) == -1)
		die_temp("keeping the password out of cores", errno);
	r = interface_read(&in);
	(void)close(INTERFACE_FD); /* read to its end */
	if (r != 0)
		return r;
	(void)text_copy(login, sizeof login, in.login); /* it fits: it was in there */
	name = user_of(&o, login);
	r = name != NULL ? ask_pam(&o, &in, name, user, sizeof user) : INTERFACE_WRONG;
	explicit_bzero(&in, sizeof in);
	return r == INTERFACE_GOOD ? run(user, argv + optind) : r;
}
