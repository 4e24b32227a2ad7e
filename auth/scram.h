/*
 * SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677), the server's side: messages
 * and proofs, pure functions. The conversation is in mech_scram.c.
 */
#ifndef AUTH_SCRAM_H
#define AUTH_SCRAM_H

#include <stdbool.h>

#include "auth/attempt.h"

/* RFC 5802 5.1: printable without comma. Clients send 16 to 48; ours has 24. */
#define SCRAM_NONCE 256
#define SCRAM_OWN_NONCE 24
/* A channel binding: name, and octets (64 at most with SHA-512, RFC 5929 4.1). */
#define SCRAM_BINDING_NAME 32
#define SCRAM_BINDING_DATA 64
/* RFC 5802 5: n= and a=, each "," and "=" three octets long at the worst. */
#define SCRAM_NAME 1024

struct scram {
	char flag;                              /* 'n', 'y' or 'p' */
	char binding[SCRAM_BINDING_NAME + 1];   /* its name, with 'p' */
	char authorize[SCRAM_NAME + 1];         /* authorization id, or "" */
	char user[SCRAM_NAME + 1];
	char nonce[SCRAM_NONCE + SCRAM_OWN_NONCE + 1]; /* the client's, later both */
	/* GS2 header, then the channel's data: what c= has to say. */
	char bound[SCRAM_NAME + SCRAM_BINDING_NAME + SCRAM_BINDING_DATA + 16];
	size_t bound_len;
	bool unbound;                           /* c= says something else */
	unsigned char proof[VERIFIER_HASH];
	struct text said;                       /* AuthMessage as it grows */
	char said_buf[2 * MESSAGE_MAX + 1024];
};

/* client-first-message. False: it is none (RFC 5802 7), or has a mandatory extension. */
bool scram_read_first(struct scram *s, const struct message *m);

/* The channel's data, behind the GS2 header. False: too long. */
bool scram_bind(struct scram *s, const void *data, size_t len);

/*
 * server-first-message into out, for these verifier values; own_nonce has
 * SCRAM_OWN_NONCE printable characters.
 */
void scram_first(struct scram *s, const char *own_nonce, const struct verifier_scram *v,
                 struct text *out);

/* client-final-message. False: it is none, or not an answer to ours. */
bool scram_read_final(struct scram *s, const struct message *m);

/*
 * UNBOUND: the channel binding, or what was said of it, is another than here. PROVED:
 * the client knows the password of v, and server-final-message is in out.
 */
enum scram_verdict { SCRAM_PROVED, SCRAM_WRONG, SCRAM_UNBOUND };
enum scram_verdict scram_check(const struct scram *s, const struct verifier_scram *v,
                               struct text *out);

#endif
