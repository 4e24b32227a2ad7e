/*
 * Every cap of Postern in one place, each with the reason for its value.
 * Unless said otherwise a limit counts octets without a final NUL.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* RFC 5321 4.5.3.1.1: local-part. */
#define LIMIT_LOCAL 64
/* RFC 5321 4.5.3.1.2: domain name or number, without brackets. */
#define LIMIT_DOMAIN 255
/* A mailbox as text: a quoted local-part may double, quotes, "@", brackets. */
#define LIMIT_ADDRESS (2 * LIMIT_LOCAL + 2 + 1 + LIMIT_DOMAIN + 2)
/*
 * RFC 5321 4.5.3.1.4 asks for 512 octets including CRLF, and each extension adds
 * to it (RFC 1870, 3030, 6152, 6531, 3461): 2048 would cover the sum. The rest is
 * for AUTH with an initial response, LIMIT_SASL.
 */
#define LIMIT_COMMAND 4096
/* A command line without an end is read and dropped up to here, then we close. */
#define LIMIT_COMMAND_DRAIN (64 * 1024)
/* RFC 5321 4.5.3.1.5: reply line including CRLF. */
#define LIMIT_REPLY 512
/* Recipients that share it, as base/sending.h writes them: beside it in one packet. */
#define LIMIT_OUTCOME_LIST 2048
/* RFC 3461 4.2, 4.4: ORCPT and ENVID, decoded. */
#define LIMIT_ORCPT 500
#define LIMIT_ENVID 100
/* What BY, HOLDFOR, HOLDUNTIL and MT-PRIORITY say: a date with parts of a second. */
#define LIMIT_TIMED 40
/* RFC 1845 2: TRANSID, its brackets counted. */
#define LIMIT_TRANSID 80
/* RFC 5321 4.5.3.1.8 asks for at least 100 recipients; the hard cap of a config. */
#define LIMIT_RECIPIENTS 1000
/* Mailboxes that one message may be linked into, aliases expanded. */
#define LIMIT_DESTINATIONS 2000
/* Deepest chain of forward files. */
#define LIMIT_FORWARD_DEPTH 10
/* Addresses in one forward file. */
#define LIMIT_FORWARD_TARGETS 500
/* Days for which a bounce to a rewritten sender is taken; queues give up sooner. */
#define LIMIT_SRS_DAYS 21
/*
 * Recipients of a message that its Delivered-To lines are compared with: a message that
 * loops has one. For more there is the count of Received lines.
 */
#define LIMIT_LOOP 16
/* Octets of one forward file. */
#define LIMIT_FORWARD_FILE (128 * 1024)
/* One packet between session and keeper (DESIGN.md, the boundary). */
#define LIMIT_PACKET 4096
/* Fields in one packet. */
#define LIMIT_PACKET_FIELDS 16
/* Largest message a configuration may ask for. */
#define LIMIT_MESSAGE ((uint64_t)1 << 40)
/* Trace headers that we put before a message. */
#define LIMIT_TRACE 2048
/* Header lines that submission adds (RFC 6409 8): Date and Message-ID. */
#define LIMIT_FIXUP 512
/* A refused message is read on to its end for this many octets past the limit. */
#define LIMIT_DRAIN ((uint64_t)64 * 1024 * 1024)
/* Octets read at once from a client. */
#define LIMIT_READ (128 * 1024)
/*
 * Octets of replies held back until the next wait: the longest EHLO answer, and
 * short enough to share a page with the session's state.
 */
#define LIMIT_WRITE 1024
/* One configuration line. */
#define LIMIT_CONF_LINE 4096
/* Octets of a section's name: "tls " and a domain. */
#define LIMIT_SECTION (4 + LIMIT_DOMAIN)
/* Connections at once that a configuration may allow. */
#define LIMIT_CONNECTIONS 10000
/* Logins that may ask for a domain's mail, and queues (ETRN #NAME) it belongs to. */
#define LIMIT_ETRN_LOGINS 16
#define LIMIT_ETRN_QUEUES 8
#define LIMIT_ETRN_QUEUE 32
/*
 * Names of a spool directory that ETRN reads for its count: a second's work. More, and
 * the answer is 250, which has no number.
 */
#define LIMIT_ETRN_NAMES 2000000
/* Seconds after a run that was asked for in which the same is no reason for another. */
#define LIMIT_ETRN_PAUSE 10
/* Octets of the domains that ATRN names, and of those that one connection serves. */
#define LIMIT_ATRN 2048
/* The name of a provider in the configuration. */
#define LIMIT_PROVIDER 32
/* Seconds until a helper that is just starting takes a word. */
#define LIMIT_HELPER_WORD 10
/* Networks in relay-from and its like. */
#define LIMIT_NETWORKS 128
/* Logins that may raise a message's priority, and the name of a policy (RFC 6710). */
#define LIMIT_PRIORITY_LOGINS 16
#define LIMIT_PRIORITY_POLICY 20
/* A path of ours: configuration, state. */
#define LIMIT_FILE 1024
/* A unix socket's path, sun_path in unix(7). */
#define LIMIT_SOCKET 107
/* Names with certificates of their own, and certificates of one name (ECDSA, RSA). */
#define LIMIT_TLS_NAMES 32
#define LIMIT_CERTS 2
/*
 * A line of an AUTH exchange, base64 without CRLF. RFC 4954 4 knows 12288; what our
 * mechanisms say is far shorter, and over a server's limit it allows 500 5.5.6.
 */
#define LIMIT_SASL 3072
/* RFC 4616 2: what PLAIN carries of a login or a password. */
#define LIMIT_PASSWORD 255
/* Resolvers that a configuration names, each an address, "@" and a port. */
#define LIMIT_RESOLVERS 8
#define LIMIT_RESOLVER 52
/* Mail servers of one domain that are looked at, in order of preference. */
#define LIMIT_MX 16
/* Addresses of one mail server, and of all that a message may be tried at. */
#define LIMIT_MX_ADDRESSES 8
#define LIMIT_HOPS 32
/* TLSA records of one server that count; they share a packet with four other fields. */
#define LIMIT_TLSA 12
/* The same as text, of one server and of all of a route. */
#define LIMIT_TLSA_TEXT 3072
#define LIMIT_ROUTE_RECORDS (LIMIT_MX * LIMIT_TLSA_TEXT)
/* Names that a server's certificate may bear (RFC 7672 3.2.2), separated by blanks. */
#define LIMIT_TLS_PEERS (3 * (LIMIT_DOMAIN + 1))
/* Seconds for a route, and of these for one DNS question at most and for a policy. */
#define LIMIT_ROUTE 130
#define LIMIT_DNS 30
#define LIMIT_STS_FETCH 30
/* RFC 8461 3.3: a policy's file is cut off here; what we keep of one. */
#define LIMIT_STS_FILE (64 * 1024)
#define LIMIT_STS 3072
/* Connections to one next hop, and domains with a runner, that a configuration may allow. */
#define LIMIT_PER_DESTINATION 20
#define LIMIT_RUNNERS 200
/* RFC 5321 4.5.3.1.10: recipients in one transaction that every server takes. */
#define LIMIT_TRANSACTION 100
/* Names of envelopes that a runner holds at once, sorted by age. */
#define LIMIT_QUEUE_WINDOW 4096
/* Finished messages that wait for one sync of their directory. */
#define LIMIT_QUEUE_BATCH 32
/* Octets of a message that a report of its failure carries. */
#define LIMIT_REPORT_MESSAGE (64 * 1024)
/* Its header, where that alone travels. */
#define LIMIT_REPORT_HEADER (32 * 1024)
/* Seconds for `spool` to take a report. */
#define LIMIT_REPORT_WAIT 120
/* Seconds without work before flush leaves. */
#define LIMIT_FLUSH_LINGER 30
/* argon2id runs at once: each takes 64 MiB and a processor. Others wait, milliseconds. */
#define LIMIT_HASHES 4
#define LIMIT_HASHES_WAIT 10000
/* No attempt to log in is held back longer, milliseconds; the keeper waits for 90 s. */
#define LIMIT_AUTH_DELAY 30000
/* Descriptor 3 of the checkpassword interface (cr.yp.to/checkpwd/interface.html). */
#define LIMIT_CHECKPASSWORD 512
/* Seconds that a foreign checkpassword program has, and words of its command line. */
#define LIMIT_PROGRAM 30
#define LIMIT_PROGRAM_WORDS 32
/* A directory entry, NAME_MAX of every Linux filesystem in use. */
#define LIMIT_NAME 255
/* One log line; a longer value is cut and ends in "...". */
#define LIMIT_LOG_LINE 2048
#define LIMIT_LOG_VALUE 400
/* Message and session identifiers. */
#define LIMIT_ID 40
/* Seconds of CPU that one session may use. */
#define LIMIT_SESSION_CPU 600
/* Seconds we wait for a peer to read our last reply before we close. */
#define LIMIT_LINGER 2
/* Seconds in which a TLS client has to take some of what waits for it. */
#define LIMIT_TLS_STALL 300
/* Seconds after which a file in STATE/tmp is nobody's any more. */
#define LIMIT_TMP_AGE (36 * 3600)
/*
 * STATE/partial (CHECKPOINT). Seconds that an interrupted transaction is kept: RFC 1845 asks
 * for 48 h, the third day is for who was away over a weekend.
 */
#define LIMIT_PARTIAL_AGE (72 * 3600)
/* Messages that wait there for their rest, of one login or address and of all; octets. */
#define LIMIT_PARTIAL_OWN 20
#define LIMIT_PARTIAL_ALL 1000
#define LIMIT_PARTIAL_OWN_OCTETS ((uint64_t)2 * 1024 * 1024 * 1024)
#define LIMIT_PARTIAL_ALL_OCTETS ((uint64_t)16 * 1024 * 1024 * 1024)
/* The same with those that are remembered only, in case their last reply was lost. */
#define LIMIT_PARTIAL_OWN_FILES 500
#define LIMIT_PARTIAL_ALL_FILES 20000
/* Seconds after which nobody writes such a message any more: flush may remove what is too much. */
#define LIMIT_PARTIAL_QUIET 900
/* Seconds that tidying up may take. */
#define LIMIT_TIDY 120
/* After so many octets the message so far is synced: what a loss of power can cost. */
#define LIMIT_PARTIAL_STEP ((uint64_t)1024 * 1024)
/* Milliseconds that a client waits while another connection commits the same transaction. */
#define LIMIT_PARTIAL_LOCK 10000
/*
 * Milliseconds for the session of a broken connection to let go of its file: in all, while it
 * still writes what had arrived, and without a further octet.
 */
#define LIMIT_PARTIAL_WRITER 3000
#define LIMIT_PARTIAL_SILENT 300
/* A maildirsize file longer than this is written anew (Maildir++). */
#define LIMIT_MAILDIRSIZE 5120
/* A reply line of a next hop; RFC 5321 4.5.3.1.5 has 512, some say more. */
#define LIMIT_REPLY_LINE 4096
/* Lines of one reply: the longest EHLO answers have some 30. */
#define LIMIT_REPLY_LINES 256
/* RFC 5321 4.5.3.1.8: recipients every next hop takes in one transaction. */
#define LIMIT_HOP_RECIPIENTS 100
/* Commands under way at once: their replies fit into the buffers of both sides. */
#define LIMIT_PIPELINE 50
/*
 * Messages from this size on are sent so that they can be resumed (RFC 1845), where that is
 * offered: a smaller one is sent again as soon.
 */
#define LIMIT_RESUME_FROM (256 * 1024)
/*
 * Chunks of such a message under way at once: what a cut costs. Fewer at the beginning, and
 * after the first cut, since the line is a bad one.
 */
#define LIMIT_RESUME_WINDOW 16
#define LIMIT_RESUMED_WINDOW 2
/* Connections for one message in one run, and those in a row without progress. */
#define LIMIT_CUTS 1000
#define LIMIT_IDLE_CUTS 3
/* One BDAT (RFC 3030); also what of a message is in memory at once. */
#define LIMIT_CHUNK (64 * 1024)
/* RFC 7677 4 wants 4096 at least; past the other a hop costs us more than a login is worth. */
#define LIMIT_SCRAM_LOW 4096
#define LIMIT_SCRAM_HIGH 1000000
/* Parts of a message within one another that are converted, and parts changed in all. */
#define LIMIT_MIME_DEPTH 32
#define LIMIT_MIME_EDITS 2000
/* A Content-Type field, unfolded; and its boundary (RFC 2046 5.1.1 has 70). */
#define LIMIT_MIME_FIELD 4096
#define LIMIT_MIME_BOUNDARY 200
/* RFC 5322 2.1.1: octets of a line of text. */
#define LIMIT_TEXT_LINE 998
/* Seconds of CPU that one sender may use. */
#define LIMIT_SENDER_CPU 3600
/* Seconds a sender waits for its runner to say what is next. */
#define LIMIT_SENDER_IDLE 600
/* A header that sendmail reads and completes, octets. */
#define LIMIT_HEADER (1024 * 1024)
/* An envelope handed to spool: LIMIT_RECIPIENTS addresses, and one that is none. */
#define LIMIT_ENVELOPE_TEXT ((LIMIT_RECIPIENTS + 2) * (LIMIT_ADDRESS + 2))
/* Octets of a message that spool keeps in memory until it has the envelope. */
#define LIMIT_STAGE_MEMORY (1024 * 1024)
/* Connections to spool's socket at once, in all and of one user; seconds of one. */
#define LIMIT_SPOOL_CLIENTS 100
#define LIMIT_SPOOL_PER_UID 10
#define LIMIT_SPOOL_SECONDS 600
/* qmail-queue(8): seconds after which who feeds spool has been too slow. */
#define LIMIT_SPOOL_INPUT 86400

#endif
