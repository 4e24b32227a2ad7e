/*
 * One attempt to log in, from its first word to its last: what the keeper told of the
 * client, the SASL exchange, the account it is about, and how it ended. A mechanism is
 * one function over it (sasl.h).
 */
#ifndef AUTH_ATTEMPT_H
#define AUTH_ATTEMPT_H

#include <stdbool.h>

#include "auth/login.h"
#include "auth/verifier.h"
#include "base/conf.h"
#include "base/limits.h"

enum outcome {
	OUTCOME_YES,
	OUTCOME_NO,        /* wrong, unknown, disabled: the client hears one answer */
	OUTCOME_MALFORMED, /* what the client sent is no message of the mechanism */
	OUTCOME_LATER,     /* something of ours failed, or too much at once */
	OUTCOME_GONE,      /* nobody is left to answer */
};

/* Octets of one message of the client, decoded. */
#define MESSAGE_MAX (LIMIT_SASL / 4 * 3)

struct message {
	size_t len;
	char text[MESSAGE_MAX + 1]; /* a NUL behind it, and maybe within */
};

/* What all attempts of one process share. */
struct auth {
	struct conf conf;
	int dir;                    /* STATE/auth; -1 where a foreign program decides */
	unsigned char key[KEY_SIZE];
	int foreign;                /* to the runner of a foreign program, or -1 */
};

struct attempt {
	struct auth *auth;
	/*
	 * Sends a challenge (base64) and waits for the response (base64, into
	 * LIMIT_SASL + 1 octets). YES, MALFORMED, LATER or GONE.
	 */
	enum outcome (*ask)(struct attempt *a, const char *challenge, char *response);
	int conn;                   /* for ask */
	/* What the keeper said. */
	const char *mechanism;      /* its name, one of ours */
	char initial[LIMIT_SASL + 1];
	char session[LIMIT_ID + 1];
	char client[64];
	bool tls, verified;         /* verified: the certificate comes from tls-client-ca */
	char email[320], fingerprint[65]; /* of the client's certificate, or "" */
	char exporter[48], endpoint[96];  /* channel bindings, base64, or "" */
	/* What has come of it. */
	struct message in;          /* the client's last message */
	struct login login;         /* "" while the client has named none */
	struct verifier v;          /* of that login; empty where there is no account */
	bool found;                 /* there is an account */
	bool known;                 /* this login has come from this address before */
	bool proved;                /* the password below proved it */
	char password[LIMIT_PASSWORD + 1]; /* prepared (saslprep.h) */
	const char *reason;         /* of a failure, for the log; never NULL then */
};

/* Sends the octets as a challenge; with YES the response is in a->in. */
enum outcome attempt_ask(struct attempt *a, const void *data, size_t len);

/* The first message of a mechanism in which the client begins: YES, and it is in a->in. */
enum outcome attempt_first(struct attempt *a);

/*
 * RFC 4954 4: what goes with the success goes as a challenge before it, and the client
 * answers with nothing.
 */
enum outcome attempt_last(struct attempt *a, const void *data, size_t len);

/* The outcome, with the reason for the log. */
enum outcome attempt_fail(struct attempt *a, enum outcome o, const char *reason);

#endif
