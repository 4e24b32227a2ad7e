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
	SERVICE_LMTP = 'l',
};

struct job {
	enum service service;
	struct ip client;             /* as the kernel says: of the socket */
	char session_id[LIMIT_ID + 1];
	int boundary, conn;           /* owned by the receiver */
};

/* "smtp", "submission", "lmtp"; false for another word. */
bool parse_service(const char *s, enum service *service);

/* 0, or -1 with errno. The descriptors stay the sender's. */
int job_send(int sock, const struct job *j);

/* As packet_recv(): 1, 0 at the end, -1. */
int job_recv(int sock, struct job *j);

/* Hexadecimal time and a count: short, unique on this host, sorts by time. */
void job_make_id(char id[LIMIT_ID + 1], unsigned count);

#endif
