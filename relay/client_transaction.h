/*
 * One transaction of client_send.c under way: commands whose replies are still to come,
 * and what the replies mean for the recipients. Not for others.
 */
#ifndef RELAY_CLIENT_TRANSACTION_H
#define RELAY_CLIENT_TRANSACTION_H

#include "relay/client_send.h"

enum command { SAID_RSET, SAID_MAIL, SAID_RCPT, SAID_DATA, SAID_CHUNK, SAID_LAST };

struct transaction {
	struct client *c;
	struct client_message *m;
	struct content *content;
	client_report *report;
	void *arg;
	/* Commands whose replies have not been read. */
	struct {
		enum command what;
		unsigned to;
	} said[LIMIT_PIPELINE];
	unsigned n_said;
	unsigned first, end;      /* recipients of this transaction are among these */
	unsigned tried, taken;
	bool mail_taken;
	bool go;                  /* 354 */
	/* RFC 1845, client_resume.h: */
	bool resumed, again, no_resume;
	bool no_chunks;           /* refused beside TRANSID, as INetSim does: DATA it is */
	uint64_t offset;          /* octets that the peer has */
	uint64_t done;            /* and those that have gone out since */
	bool failed;              /* verdict holds for all that were taken */
	struct client_verdict verdict;
	unsigned n_chunks;        /* that have gone out */
	size_t n_block;           /* octets since progress was told; by DATA */
	size_t n_chunk;           /* octets of the one that is filled */
	char chunk[LIMIT_CHUNK];
};

bool transaction_offers(const struct transaction *t, unsigned extension);

/* True while the connection can be used. */
bool is_transaction_alive(const struct transaction *t);

/* Reports v for all that are not done yet, or for those alone that were taken. */
void transaction_report(struct transaction *t, const struct client_verdict *v,
                        bool only_taken);

/* Reports words of ours for all that are not done yet. */
void transaction_reject(struct transaction *t, const char *enhanced, const char *text,
                        const char *more);

/* The connection is no longer of use; who is left hears why. */
void transaction_lose(struct transaction *t, const struct client_verdict *v);
void transaction_lose_by_trouble(struct transaction *t, const char *step);

/* Sends what is held and reads all replies that are due. False: the connection is lost. */
bool transaction_settle(struct transaction *t);

#endif
