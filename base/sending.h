/*
 * The dialogue between a *runner*, which owns the queue and reads nothing that the
 * network sent, and a *sender*, which speaks SMTP or LMTP with a next hop and can open
 * nothing. A SOCK_SEQPACKET pair, packets as in packet.h. One sender has one connection
 * and sends many messages over it, one at a time. Numbers are decimal.
 */
#ifndef BASE_SENDING_H
#define BASE_SENDING_H

/* Runner to sender. */
enum send_verb {
	/*
	 * First: address (IP, or absolute path of a unix socket) port protocol ("smtp" or
	 * "lmtp") hello (our name) tls (enum send_tls), then seconds (RFC 5321 4.5.3.2): to
	 * connect (30), for each reply and each block of data (300), for the reply after the
	 * final dot (600). With the descriptor of a connected socket beside it, address and
	 * port are for messages only. Answered by SEND_READY or SEND_NO_HOP.
	 */
	SEND_CONNECT = 'C',
	/* After SEND_READY, at most once: login, password. SEND_READY or SEND_NO_HOP. */
	SEND_LOGIN = 'L',
	/*
	 * A message: id sender-local sender-domain skip size body ("7BIT" "8BITMIME"
	 * "BINARYMIME") flags ("U" needs SMTPUTF8, "T" REQUIRETLS, "t" the same where it is
	 * offered, "R": resume it however short it is, and tell of progress)
	 * ret ("" FULL HDRS) envid
	 * auth n (recipients); beside it the message, open for reading.
	 */
	SEND_MESSAGE = 'M',
	/*
	 * Directly after SEND_MESSAGE, where it is needed: of DELIVERBY (RFC 2852) the time,
	 * seconds since 1970, and the mode ("R", "RT", "N", "NT"; "" none); MT-PRIORITY (RFC
	 * 6710); "field": that goes into the header where it is not offered (RFC 6758), or "".
	 */
	SEND_TIMED = 'B',
	/* n times: local domain notify ("-" or NEVER, SUCCESS,FAILURE,DELAY) orcpt ("" none). */
	SEND_RECIPIENT = 'R',
	SEND_GO = 'G',       /* all recipients are told; answered by n SEND_OUTCOMEs, SEND_END */
	/*
	 * After SEND_READY: a command without its line end ("ATRN example.org"), and "turn" or
	 * "": a 250 gives the connection to the runner. Answered by SEND_SAID.
	 */
	SEND_ASK = 'A',
	/* Answers SEND_WANTS_TLS: beside it the plain end; "yes" in its field, or "" and none. */
	SEND_TLS = 'T',
	SEND_QUIT = 'Q',     /* no more; the sender says QUIT and ends */
};

enum send_tls {
	SEND_TLS_NEVER = 'n',
	SEND_TLS_MAY = 'o',    /* opportunistic: plain where there is no STARTTLS */
	SEND_TLS_MUST = 'm',   /* no message without it */
	SEND_TLS_FIRST = 'i',  /* from the first octet (submissions) */
};

/* Sender to runner. */
enum send_word {
	/*
	 * Extensions met, words separated by blanks ("8BITMIME SIZE=1000 DSN"), the name the
	 * peer gave itself in its greeting, and whether TLS is on ("yes" or "").
	 */
	SEND_READY = '+',
	/*
	 * This hop can't be used: class ("4" or "5", RFC 3463), what went wrong as an
	 * enhanced code such as 4.4.1, the peer's text or ours. The sender ends.
	 */
	SEND_NO_HOP = '-',
	/* Beside it the connection: wants TLS on it. Answered by SEND_TLS. */
	SEND_WANTS_TLS = 't',
	/*
	 * The peer's reply to SEND_ASK: code, text. Beside it the connection, if it was to be
	 * given and the code is 250; the sender ends then. It ends, too, without a reply, after
	 * SEND_NO_HOP.
	 */
	SEND_SAID = 's',
	/*
	 * Of recipients (from 0): which ("0 2-7"; those who share a reply in one packet, so that
	 * nobody is sent again alone if this sender dies) class ("2", "4", "5") enhanced-code reply (what the peer
	 * said, code first, lines joined, printable ASCII or UTF-8, cut to LIMIT_REPLY; or
	 * our own words) source ("remote": the
	 * peer said so, "local": we did, before or without it) relayed ("yes": DSN was not
	 * offered, so a report of success must come from us; "by": DELIVERBY was not, which the
	 * message wants, so whoever wants any report has one from us (RFC 2852 4.1.4.2); "" else).
	 */
	SEND_OUTCOME = 'o',
	/*
	 * Of a message with the flag R: so many octets have gone out, of so many. Before its
	 * outcomes.
	 */
	SEND_PROGRESS = 'p',
	/*
	 * After the last outcome: "yes": another message may follow; "": the sender ends. "" and
	 * no outcome at all: the peer had closed since the message before, so nothing was said.
	 * "rest": as "", and the recipients without outcome were not offered, since the peer takes
	 * no more transactions on this connection (RFC 9422 MAILMAX).
	 * "cut" and a number: the connection broke in a message that can be resumed (RFC 1845),
	 * of which the peer had so many octets when it began; recipients without an outcome are
	 * to be sent again over another connection. The sender ends.
	 */
	SEND_END = 'e',
};

#endif
