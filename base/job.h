/*
 * A connection on its way from the front to the process that will serve it: one
 * packet with the boundary's end and the connection beside it.
 */
#ifndef BASE_JOB_H
#define BASE_JOB_H

#include <stdbool.h>

#include "base/ip.h"
#include "base/packet.h"

enum service {
	SERVICE_SMTP = 's',
	SERVICE_SUBMISSION = 'u',
	SERVICE_SUBMISSIONS = 'U', /* the same under TLS from the start (RFC 8314) */
	SERVICE_LMTP = 'l',
	SERVICE_ODMR = 'o',        /* on-demand mail relay, under TLS from the start (RFC 2645) */
	SERVICE_FETCHED = 'f',     /* a provider sends over a connection that we have made */
};

struct job {
	enum service service;
	struct ip client;             /* as the kernel says: of the socket */
	char session_id[LIMIT_ID + 1];
	int boundary, conn;           /* owned by the receiver */
};

/* "smtp", "submission", "submissions", "lmtp", "odmr", "fetched"; false for another word. */
bool parse_service(const char *s, enum service *service);
const char *service_name(enum service s);

/* RFC 6409's rules apply. */
static inline bool
is_submission(enum service s)
{
	return s == SERVICE_SUBMISSION || s == SERVICE_SUBMISSIONS;
}

/* The client's first octet belongs to a TLS handshake. */
static inline bool
is_implicit_tls(enum service s)
{
	return s == SERVICE_SUBMISSIONS || s == SERVICE_ODMR;
}

/* 0, or -1 with errno. The descriptors stay the sender's. */
int job_send(int sock, const struct job *j);

/* As packet_recv(): 1, 0 at the end, -1. */
int job_recv(int sock, struct job *j);

/* Hexadecimal time and a count: short, unique on this host, sorts by time. */
void job_make_id(char id[LIMIT_ID + 1], unsigned count);

#endif
