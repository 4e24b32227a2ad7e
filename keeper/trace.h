/* The lines that stand before a message: RFC 5321 4.4, in this order. */
#ifndef KEEPER_TRACE_H
#define KEEPER_TRACE_H

#include <stdbool.h>
#include <time.h>

#include "base/address.h"
#include "base/helper.h"
#include "base/ip.h"
#include "base/text.h"

struct trace {
	const struct address *sender;    /* Return-Path:; local "" for <> */
	const struct address *recipient; /* Delivered-To: and "for"; NULL when several */
	const char *local;               /* who on this host, "uid 1000"; NULL: came by SMTP */
	const char *helo;                /* by SMTP: the name given, and the address */
	const struct ip *client;
	const char *host;                /* ours */
	const char *id;                  /* of the message */
	bool esmtp, lmtp, smtputf8, auth; /* the protocol word, RFC 3848 and 6531 */
	int priority;                    /* RFC 6710 6; 0: not told */
	const struct tls_facts *tls;     /* its last letters, and RFC 8314's clause; NULL: none */
	time_t now;
};

/*
 * Appends them with LF line ends; at most LIMIT_TRACE octets. Returns how many of them
 * are for a mailbox only and do not travel on (RFC 5321 4.4: Return-Path).
 */
size_t trace_text(struct text *t, const struct trace *tr);

#endif
