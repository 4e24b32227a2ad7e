/* The ESMTP parameters of MAIL and RCPT (RFC 5321 4.1.1.11). Pure. */
#ifndef SESSION_PARAMETER_H
#define SESSION_PARAMETER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/envelope.h"

struct reply;

struct mail_parameters {
	uint64_t size;    /* SIZE=, RFC 1870; 0 = not said */
	bool smtputf8;    /* RFC 6531 */
	bool eight_bit;   /* BODY=8BITMIME, RFC 6152 */
	bool binary;      /* BODY=BINARYMIME, RFC 3030 */
	char auth[3 * LIMIT_ADDRESS + 1]; /* AUTH=, xtext (RFC 4954 5); "" = not said */
	const char *ret;  /* RET=, RFC 3461 4.3: "FULL", "HDRS", "" = not said */
	char envid[LIMIT_ENVID + 1];      /* ENVID=, decoded; "" = not said */
	char transid[LIMIT_TRANSID + 1];  /* TRANSID=, RFC 1845; "" = not said */
	/* As the client has written them, since the keeper reads them, too; "" = not said. */
	char by[LIMIT_TIMED + 1];         /* BY=, RFC 2852 */
	char hold_for[LIMIT_TIMED + 1];   /* HOLDFOR= and HOLDUNTIL=, RFC 4865 */
	char hold_until[LIMIT_TIMED + 1];
	char priority[LIMIT_TIMED + 1];   /* MT-PRIORITY=, RFC 6710 */
};

struct rcpt_parameters {
	unsigned notify;  /* NOTIFY=, RFC 3461 4.1; 0 = not said */
	char orcpt[LIMIT_ORCPT + 1];      /* ORCPT=, decoded; "" = not said */
};

/*
 * "KEYWORD[=VALUE] ..." behind a path, or nothing. NULL when read, else the reply that
 * says what is wrong.
 */
const struct reply *parameter_read_mail(const char *s, struct mail_parameters *m);
const struct reply *parameter_read_rcpt(const char *s, struct rcpt_parameters *r);

#endif
