/*
 * Who the client has shown to be. The keeper asks the helper auth (base/helper.h),
 * one connection an attempt, and adds what it knows itself: the client, the service,
 * the facts of TLS. The session only carries base64 to and fro.
 */
#ifndef KEEPER_LOGIN_H
#define KEEPER_LOGIN_H

#include <stdbool.h>

#include "base/boundary.h"
#include "base/conf.h"
#include "base/helper.h"
#include "base/job.h"
#include "base/packet.h"

struct login {
	int helper;                 /* a connection to auth while an exchange runs, or -1 */
	bool known;                 /* the client is `name` */
	char name[LIMIT_ADDRESS + 1];
	uint64_t attempts;          /* in this session */
};

void login_init(struct login *l);

/* What an attempt is judged by, besides what the client says. */
struct login_context {
	const struct conf *conf;
	const struct helper_door *door;
	const struct job *job;      /* client, service, session-id */
	const struct tls_facts *tls;
};

/*
 * Starts an exchange. ANSWER_CHALLENGE: *challenge is base64 within p; ANSWER_YES:
 * l->known; else why not. p is wiped of what the client sent.
 */
enum answer login_begin(struct login *l, const struct login_context *c, const char *mechanism,
                        const char *initial, struct packet *p, const char **challenge);

/* The client's response to a challenge; results as above. */
enum answer login_respond(struct login *l, const char *response, struct packet *p,
                          const char **challenge);

/* Ends an exchange that runs. */
void login_cancel(struct login *l);

/* Forgets the client (STARTTLS, XCLIENT, the end). */
void login_end(struct login *l);

#endif
