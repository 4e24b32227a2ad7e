/*
 * The dialogue between flush's dispatcher, which reads no mail and starts processes, and
 * a runner, which has a domain's queue in its hands and can start none. A SOCK_SEQPACKET
 * pair for each runner.
 */
#ifndef RELAY_CONTROL_H
#define RELAY_CONTROL_H

enum control_word {
	/*
	 * To the runner: a queue's directory name, then "" (what is due, nothing where
	 * deliver = hold), CONTROL_NAME (what is due, there too), CONTROL_ASKED (its owner
	 * wants it: whatever is due or not, unless that was done a moment ago), or CONTROL_NOW
	 * (whatever is due or not); then an id for the log, or ""; then how many connections
	 * it may have, from 1 on.
	 */
	CONTROL_RUN = 'd',
	/*
	 * To the runner: a client has asked for its mail over the connection beside this, on
	 * which it is the server now (ATRN). Its address, names of queues with a comma between
	 * them, an id for the log. Answered like CONTROL_RUN.
	 */
	CONTROL_TURN = 't',
	/* To the runner, at any time: how many it may have from now on; it ends those beyond. */
	CONTROL_SHARE = 'n',
	/* From it: start a sender; beside it the sender's end of its boundary. Not answered. */
	CONTROL_SENDER = 's',
	/*
	 * From it: have a report queued by `spool`, or a message that was held back. Beside it two
	 * files at their start: the message, and the envelope in qmail-queue's form; "tls" where it
	 * must travel as its subject had to (RFC 8689 5), "queued" where the envelope is a
	 * queue's (base/envelope.h), or "". Answered by CONTROL_REPORTED, with no CONTROL_RUN
	 * before it.
	 */
	CONTROL_REPORT = 'i',
	/* To the runner: a letter of enum control_reported. */
	CONTROL_REPORTED = 'I',
	/* From it, after CONTROL_RUN or CONTROL_TURN: a letter of enum control_done. */
	CONTROL_DONE = 'e',
};

#define CONTROL_TLS "tls"
#define CONTROL_QUEUED "queued"

#define CONTROL_NAME "name"
#define CONTROL_ASKED "asked"
#define CONTROL_NOW "now"

enum control_reported {
	REPORTED_YES = 'y',   /* it is on disk */
	REPORTED_LATER = 't', /* cannot be taken now */
	REPORTED_NEVER = 'n', /* its recipient is refused for good */
};

enum control_done {
	DONE_RUN = 'r',   /* and the next time is set */
	DONE_BUSY = 'b',  /* another flush has the lock */
	DONE_NONE = 'n',  /* there is no such queue */
	DONE_HELD = 'h',  /* deliver = hold, and it was not asked for by name */
	DONE_ERROR = 'x', /* logged */
};

#endif
