/*
 * The dialogue with spool's socket (SOCK_SEQPACKET, packets as in base/packet.h): one
 * connection, one question, one SPOOL_VERDICT.
 */
#ifndef SPOOL_ASK_H
#define SPOOL_ASK_H

#include "spool/order.h"
#include "spool/verdict.h"

enum spool_word {
	/*
	 * To it: NOTIFY ("-": not said), RET ("", "FULL", "HDRS"), ENVID ("": none), for all
	 * recipients; beside it two regular files or memory, read from their start: the
	 * message, and the envelope as qmail-queue(8) takes it.
	 */
	SPOOL_MESSAGE = 'm',
	/* To it: no field; beside it input and output of a client that speaks SMTP. */
	SPOOL_SESSION = 's',
	/* From it, when it is done: code status text id, as in struct verdict. */
	SPOOL_VERDICT = 'v',
};

/* Asks with the message that fd holds. */
void ask_submit(const char *path, int fd, const struct order *o, struct verdict *v);

/* Lets what speaks SMTP on in and out have a session; returns at its end. */
void ask_session(const char *path, int in, int out, struct verdict *v);

#endif
