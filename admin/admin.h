/*
 * What every command of `postern` works on: the configuration, held directories,
 * and what was typed. A command is a function that returns the exit code.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include <stdbool.h>

#include "base/conf.h"

/* Exit codes of all programs of Postern. */
enum { DONE = 0, REFUSED = 1, MISUSED = 2, TEMPORARY = 111 };

struct admin {
	/* As typed; NULL where an option was not given. */
	const char *file;         /* -c FILE */
	const char *hostname;     /* --hostname */
	const char *domain;       /* --domain */
	const char *user;         /* --user */
	const char *owner;        /* --owner */
	const char *session_user; /* --session-user */
	const char *auth_user;    /* --auth-user */
	const char *tls_user;     /* --tls-user */
	bool json;
	bool force;
	bool password_stdin;
	bool no_password;
	bool cram_md5;
	bool digest_md5;
	const char *fingerprint;  /* --fingerprint */
	const char *sender;       /* --sender */
	const char *recipient;    /* --recipient */
	bool all;
	bool dns;
	bool remove;
	bool help;
	char **args;              /* operands, n_args of them, then NULL */
	unsigned n_args;
	/* Opened by the table's loop for the commands that need them. */
	struct conf conf;
	int domains;              /* directory CONF/domains, or -1 */
	int state;                /* directory STATE, or -1 */
};

/* One row of the table in postern.c; the row is the rule. */
struct command {
	const char *noun;
	const char *verb;         /* NULL: the noun is the whole command */
	int (*run)(struct admin *a);
	unsigned min, max;        /* operands */
	unsigned options;         /* of enum option_bit: what may be given */
	unsigned needs;           /* of enum need: opened before run */
	const char *operands;     /* as usage shows them */
	const char *summary;      /* one line, lower case, no full stop */
	const char *help;         /* what a newcomer has to know; ends in a newline */
};

enum option_bit {
	OPT_JSON = 1 << 0,
	OPT_FORCE = 1 << 1,
	OPT_PASSWORD_STDIN = 1 << 2,
	OPT_NO_PASSWORD = 1 << 3,
	OPT_HOSTNAME = 1 << 4,
	OPT_DOMAIN = 1 << 5,
	OPT_USER = 1 << 6,
	OPT_OWNER = 1 << 7,
	OPT_SESSION_USER = 1 << 8,
	OPT_AUTH_USER = 1 << 9,
	OPT_TLS_USER = 1 << 10,
	OPT_USERS = OPT_OWNER | OPT_SESSION_USER | OPT_AUTH_USER | OPT_TLS_USER,
	OPT_CRAM_MD5 = 1 << 16,
	OPT_DIGEST_MD5 = 1 << 17,
	OPT_FINGERPRINT = 1 << 18,
	OPT_REMOVE = 1 << 19,
	OPT_SENDER = 1 << 20,
	OPT_RECIPIENT = 1 << 21,
	OPT_ALL = 1 << 22,
	OPT_DNS = 1 << 23,
	OPT_CHOICE = OPT_SENDER | OPT_RECIPIENT | OPT_DOMAIN,
	OPT_LEGACY = OPT_CRAM_MD5 | OPT_DIGEST_MD5,
	OPT_PASSWORD = OPT_PASSWORD_STDIN | OPT_NO_PASSWORD,
};

enum need {
	NEED_CONF = 1 << 0,  /* conf is loaded without an error, domains is open */
	NEED_STATE = 1 << 1, /* state is open and may be used by us */
};

#endif
