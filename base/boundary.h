/*
 * The words of the boundary between session and keeper. One packet is a letter
 * and NUL-ended fields (packet.h). keeper/keeper.c holds the table of what is
 * allowed when; session/ask.h has one function for each verb.
 */
#ifndef BASE_BOUNDARY_H
#define BASE_BOUNDARY_H

/* Session to keeper. Fields are listed behind each verb. */
enum verb {
	VERB_BEGIN = 'b',     /* helo local domain flags size auth: MAIL FROM */
	VERB_RECIPIENT = 'r', /* local domain: RCPT TO */
	VERB_BODY = 'd',      /* -: wants the message file */
	VERB_COMMIT = 'c',    /* -: the file is written and closed */
	VERB_ABORT = 'a',     /* -: forget the transaction; not answered */
	VERB_TRANSID = 'k',   /* TRANSID of the message begun, RFC 1845 */
	VERB_NOTE = 'o',      /* octets written, canonical octets so far; not answered */
	VERB_PARK = 'P',      /* -: as abort, but what can be resumed stays; not answered */
	VERB_VERIFY = 'v',    /* local domain */
	VERB_EXPAND = 'x',    /* local domain */
	VERB_PEER = 'p',      /* address: from a PROXY header; once, before all else */
	VERB_XCLIENT = 'X',   /* address, "" = as it was: from XCLIENT */
	VERB_RETURN = 'N',    /* RET ENVID, of the message begun (RFC 3461); not answered */
	VERB_TIMED = 'D',     /* by hold-for hold-until priority, as MAIL has them or "" */
	VERB_NOTIFY = 'n',    /* NOTIFY ORCPT, of the next recipient; not answered */
	VERB_LOG = 'l',       /* event letter; not answered */
	VERB_TLS = 't',       /* -: can TLS be had? before the 220 of STARTTLS */
	VERB_SECURE = 'T',    /* -: the plain descriptor is closed, wants another one */
	VERB_AUTH = 'A',      /* mechanism initial-response, both as in helper.h */
	VERB_RESPONSE = 'R',  /* base64: to ANSWER_CHALLENGE */
	VERB_CANCEL = 'C',    /* -: the client gave the exchange up; not answered */
	VERB_FLUSH = 'f',     /* kind (enum ask_kind) name: ETRN (RFC 1985) */
	VERB_TURN = 'O',      /* domains, "," between them, or "" for all: ATRN (RFC 2645) */
	VERB_TURNED = 'G',    /* -: 250 is sent, the descriptor closed: the last word, not answered */
};

/* What ETRN asks for: a domain, one and those below it, a queue that has a name. */
enum ask_kind { ASK_DOMAIN = '-', ASK_BELOW = '@', ASK_QUEUE = '#' };

/* The address of VERB_XCLIENT when the proxy does not know it. */
#define PEER_UNKNOWN "?"

/* Letters of the flags field of VERB_BEGIN. */
#define FLAG_ESMTP 'E'      /* the client said EHLO or LHLO (RFC 3848) */
#define FLAG_SMTPUTF8 'U'   /* RFC 6531 */
#define FLAG_8BITMIME '8'   /* RFC 6152 */
#define FLAG_BINARYMIME 'B' /* RFC 3030 */

/*
 * Keeper to session. ANSWER_YES of VERB_RECIPIENT has the smallest size limit so
 * far (octets), of VERB_BODY the message id and the descriptor; ANSWER_OUTCOMES
 * answers VERB_COMMIT: the message id and one answer letter for each recipient.
 * ANSWER_MORE precedes ANSWER_YES with one address a field (verify, expand).
 * ANSWER_YES of VERB_SECURE has the descriptor, and two fields, "yes" or "": there is
 * a client's certificate, and a channel to bind to; of VERB_AUTH nothing; of VERB_FLUSH
 * how many messages wait; of VERB_TIMED the priority that counts.
 * ANSWER_RESUME answers VERB_TRANSID: octets of the message that are here, recipients,
 * the smallest size limit, and "whole" or ""; ANSWER_MORE before it has the first
 * LIMIT_LOOP recipients.
 */
enum answer {
	ANSWER_YES = '+',
	ANSWER_RESUME = 'R',       /* TRANSID is known; see above */
	ANSWER_MORE = '>',
	ANSWER_OUTCOMES = 'o',
	ANSWER_NO_USER = 'u',      /* no such mailbox */
	ANSWER_NO_DOMAIN = 'h',    /* no such domain, or its name is invalid */
	ANSWER_RELAY_DENIED = 'r', /* not ours, and the client may not relay */
	ANSWER_NO_AUTH = 'a',      /* submission: the client has shown no right to send */
	ANSWER_DENIED = 'p',       /* policy says no (VRFY, EXPN) */
	ANSWER_TOO_MANY = 'm',     /* recipients or messages in this session */
	ANSWER_TOO_BIG = 'S',      /* over the size limit that applies */
	ANSWER_NEVER_FITS = 'Q',   /* larger than the whole quota of a mailbox */
	ANSWER_FULL = 'f',         /* mailbox over quota now */
	ANSWER_NO_SPACE = 's',     /* disk or inodes used up */
	ANSWER_LOOP = 'l',         /* forward files lead in a circle */
	ANSWER_NEED_TLS = 't',     /* submission: STARTTLS must come first */
	ANSWER_NOT_YOURS = 'y',    /* the sender is no address of the login */
	ANSWER_CHALLENGE = 'c',    /* base64 */
	ANSWER_AUTH_FAILED = 'F',  /* wrong, unknown, disabled */
	ANSWER_AUTH_SYNTAX = 'M',  /* the response is none of this mechanism */
	ANSWER_AUTH_CLEAR = 'C',   /* not without TLS */
	ANSWER_NO_MECHANISM = 'n',
	ANSWER_AUTH_LATER = 'A',   /* cannot be checked now */
	ANSWER_NONE_WAIT = '0',    /* no message there */
	ANSWER_STARTED = 'g',      /* sending begins; how much waits is not known */
	ANSWER_UNDER_WAY = 'w',    /* it is being sent, or was a moment ago */
	ANSWER_BUSY = 'b',         /* another connection is ending this transaction */
	ANSWER_TAKEN = 'T',        /* another connection has resumed it */
	ANSWER_FIXED = 'x',        /* resumed: its recipients are what they were */
	ANSWER_LATE = 'L',         /* the time of BY has passed (RFC 2852) */
	ANSWER_COMPLETE = 'D',     /* resumed: nothing was to follow, but something did */
	ANSWER_ERROR = 'e',        /* something of ours failed; logged */
};

/* What a session may have logged: the keeper knows the words. */
enum event {
	EVENT_EARLY_TALKER = 't',
	EVENT_PIPELINED = 'p',     /* input where the client had to wait */
	EVENT_BAD_PROXY = 'x',     /* no valid PROXY header from a configured proxy */
	EVENT_BARE_NEWLINE = 'n',  /* bare CR or LF: refused, RFC 5321 2.3.8 */
	EVENT_TOO_MANY_ERRORS = 'e',
	EVENT_TIMEOUT = 'o',
	EVENT_SESSION_CAP = 'c',
	EVENT_LONG_LINE = 'l',
	EVENT_TOO_BIG = 's',
	EVENT_HOPS = 'h',          /* too many Received lines: a loop */
	EVENT_LOST_IN_DATA = 'd',  /* the client went away in the message */
	EVENT_WRITE_FAILED = 'w',  /* the message file could not be written */
};

#endif
