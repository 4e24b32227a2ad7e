/*
 * One packet of a SOCK_SEQPACKET pair: a letter, then NUL-ended fields, at most
 * LIMIT_PACKET octets, and up to two descriptors beside it (unix(7), SCM_RIGHTS).
 */
#ifndef BASE_PACKET_H
#define BASE_PACKET_H

#include <stddef.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/text.h"

#define PACKET_FDS 2

struct packet {
	char letter;
	unsigned n;                              /* fields */
	const char *field[LIMIT_PACKET_FIELDS];  /* into buf, NUL-ended */
	int fd[PACKET_FDS];                      /* received, owned by the caller; or -1 */
	size_t len;
	char buf[LIMIT_PACKET];
};

/* Building: start, add fields, send. A packet over its limit fails at the send. */
void packet_start(struct packet *p, char letter);
void packet_add(struct packet *p, const char *field);
void packet_addc(struct packet *p, char c);
void packet_addu(struct packet *p, uint64_t n);

/* Sends p, and fd beside it unless fd is -1. 0, or -1 with errno (EMSGSIZE: limit). */
int packet_send(int sock, struct packet *p, int fd);

/* Sends p if that needs no waiting. */
void packet_offer(int sock, struct packet *p);

/* The same with two descriptors. */
int packet_send_pair(int sock, struct packet *p, int fd0, int fd1);

/*
 * Receives one packet. 1: p is filled; 0: the other end is closed; -1: errno, which
 * is EBADMSG for a packet that breaks the form above (nothing of it is kept).
 */
int packet_recv(int sock, struct packet *p);

/* Closes what came with p and nobody took. */
void packet_close_fds(struct packet *p);

#endif
