/*
 * Every reply of the server, each once (RFC 5321 4.2, enhanced codes RFC 3463 and
 * 2034). A handler returns one; session.c sends and counts it.
 */
#ifndef SESSION_REPLY_H
#define SESSION_REPLY_H

#include "base/boundary.h"

struct reply {
	int code;
	const char *enhanced; /* NULL where RFC 2034 has none: greeting, HELO, 3yz */
	const char *text;
};

extern const struct reply reply_greeting, reply_hello, reply_help,
	reply_ok, reply_bye, reply_sender_ok, reply_recipient_ok, reply_chunk_ok,
	reply_stored, reply_go_ahead, reply_verified, reply_cannot_verify;

extern const struct reply reply_offset, reply_go_on, reply_busy, reply_taken, reply_fixed,
	reply_complete;

extern const struct reply reply_timeout, reply_session_cap, reply_broken,
	reply_too_many_errors, reply_error, reply_full, reply_no_space,
	reply_too_many_recipients, reply_too_many_messages;

extern const struct reply reply_unknown_command, reply_line_too_long, reply_bare_command,
	reply_nul_command, reply_no_argument, reply_needs_argument, reply_bad_name,
	reply_bad_sender, reply_bad_recipient, reply_bad_parameter, reply_unknown_parameter,
	reply_bad_address, reply_bad_chunk, reply_no_help, reply_use_lhlo, reply_use_ehlo,
	reply_need_hello, reply_need_sender, reply_need_recipient, reply_nested,
	reply_bad_xclient, reply_in_chunks, reply_binary_needs_chunks, reply_pipelined,
	reply_early_talker;

extern const struct reply reply_no_user, reply_no_domain, reply_need_auth, reply_relay_denied,
	reply_denied, reply_too_big, reply_never_fits, reply_loop, reply_hops, reply_again,
	reply_bare_newline, reply_needs_smtputf8;

extern const struct reply reply_go_secure, reply_no_tls, reply_no_starttls, reply_secured,
	reply_need_tls;

extern const struct reply reply_challenge, reply_authenticated, reply_auth_later,
	reply_no_auth, reply_known, reply_bad_base64, reply_cancelled, reply_auth_line,
	reply_auth_syntax, reply_no_mechanism, reply_auth_failed, reply_auth_clear,
	reply_not_yours;

/* DELIVERBY, FUTURERELEASE, MT-PRIORITY: RFC 2852, 4865, 6710. */
extern const struct reply reply_by_short, reply_by_held, reply_late, reply_hold_long,
	reply_priority, reply_priority_denied;

/* ETRN, RFC 1985 5.3. */
extern const struct reply reply_etrn_started, reply_etrn_none, reply_etrn_under_way,
	reply_etrn_count, reply_etrn_failed, reply_etrn_denied, reply_bad_etrn;

/* ATRN, RFC 2645 7. */
extern const struct reply reply_turning, reply_turn_refused, reply_turn_later,
	reply_turn_none, reply_bad_turn, reply_no_atrn, reply_not_here;

/* The reply to an answer of the keeper that is not ANSWER_YES. */
const struct reply *reply_for(enum answer a);

#endif
