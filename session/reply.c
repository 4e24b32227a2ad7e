/* See reply.h. The wording is an interface: transcripts in tests/smtp hold it. */
#include "session/reply.h"

#include <stddef.h>

const struct reply reply_greeting = { 220, NULL, "" };
const struct reply reply_hello = { 250, NULL, "" };
const struct reply reply_help = { 214, "2.0.0", "" };
const struct reply reply_ok = { 250, "2.0.0", "ok" };
const struct reply reply_bye = { 221, "2.0.0", "bye" };
const struct reply reply_sender_ok = { 250, "2.1.0", "ok" };
const struct reply reply_recipient_ok = { 250, "2.1.5", "ok" };
const struct reply reply_chunk_ok = { 250, "2.0.0", "" };
const struct reply reply_stored = { 250, "2.0.0", "ok" };
const struct reply reply_go_ahead = { 354, NULL,
	"go ahead, end with a dot on a line of its own" };
const struct reply reply_offset = { 355, NULL, "" };
const struct reply reply_go_on = { 354, NULL,
	"go ahead, end with a dot on a line of its own; begin at octet" };
const struct reply reply_go_secure = { 220, "2.0.0", "ready to start TLS" };
const struct reply reply_challenge = { 334, NULL, "" };
const struct reply reply_authenticated = { 235, "2.7.0", "authenticated" };
const struct reply reply_verified = { 250, "2.1.5", "" };
const struct reply reply_cannot_verify = { 252, "2.5.2",
	"not verified, but mail for it may be tried" };

const struct reply reply_timeout = { 421, "4.4.2", "you took too long" };
const struct reply reply_session_cap = { 421, "4.4.2", "this session took too long" };
const struct reply reply_broken = { 421, "4.3.0", "our mistake, please try again later" };
const struct reply reply_too_many_errors = { 421, "4.7.0", "too many errors" };
const struct reply reply_error = { 451, "4.3.0", "our mistake, please try again later" };
const struct reply reply_full = { 452, "4.2.2", "mailbox full" };
const struct reply reply_busy = { 451, "4.5.0",
	"another connection is ending this transaction, try again" };
const struct reply reply_taken = { 451, "4.5.0",
	"another connection has resumed this transaction" };
const struct reply reply_no_space = { 452, "4.3.1", "no space left, try again later" };
const struct reply reply_no_tls = { 454, "4.7.0", "TLS cannot be had now" };
const struct reply reply_auth_later = { 454, "4.7.0",
	"cannot authenticate now, try again later" };
const struct reply reply_too_many_recipients = { 452, "4.5.3", "too many recipients" };
const struct reply reply_too_many_messages = { 452, "4.5.3",
	"too many messages in one session, connect again" };

const struct reply reply_unknown_command = { 500, "5.5.1", "unknown command, try HELP" };
const struct reply reply_line_too_long = { 500, "5.5.2", "line too long" };
const struct reply reply_bare_command = { 500, "5.5.2",
	"bare CR or LF, lines end in CRLF" };
const struct reply reply_nul_command = { 500, "5.5.2", "NUL in a command" };
const struct reply reply_no_argument = { 501, "5.5.4", "this command takes no argument" };
const struct reply reply_needs_argument = { 501, "5.5.4", "this command needs an argument" };
const struct reply reply_bad_name = { 501, "5.5.4", "say your host name or [address]" };
const struct reply reply_bad_sender = { 501, "5.1.7",
	"expected MAIL FROM:<address> or MAIL FROM:<>" };
const struct reply reply_bad_recipient = { 501, "5.1.3", "expected RCPT TO:<address>" };
const struct reply reply_bad_parameter = { 501, "5.5.4", "bad value for a parameter" };
const struct reply reply_unknown_parameter = { 555, "5.5.4", "unknown parameter" };
const struct reply reply_bad_address = { 501, "5.1.3", "expected user@domain" };
const struct reply reply_bad_chunk = { 501, "5.5.4", "expected BDAT SIZE or BDAT SIZE LAST" };
const struct reply reply_no_help = { 504, "5.5.4", "no such command, HELP lists them" };
const struct reply reply_use_lhlo = { 500, "5.5.1", "this is LMTP, use LHLO" };
const struct reply reply_use_ehlo = { 500, "5.5.1", "this is SMTP, use EHLO" };
const struct reply reply_need_hello = { 503, "5.5.1", "send HELO or EHLO first" };
const struct reply reply_need_sender = { 503, "5.5.1", "send MAIL first" };
const struct reply reply_need_recipient = { 503, "5.5.1", "no valid recipients" };
const struct reply reply_nested = { 503, "5.5.1", "a message is already begun, try RSET" };
const struct reply reply_in_chunks = { 503, "5.5.1", "only BDAT or RSET may follow BDAT" };
/* RFC 5321 4.5.3.1.10: with 452 a client sends to this one in another transaction. */
const struct reply reply_fixed = { 452, "4.5.3",
	"this transaction is resumed, its recipients are fixed" };
const struct reply reply_complete = { 554, "5.5.0",
	"this message was complete, nothing was to follow" };
const struct reply reply_binary_needs_chunks = { 503, "5.5.1",
	"BODY=BINARYMIME needs BDAT" };
const struct reply reply_pipelined = { 503, "5.5.1", "you must wait for the reply here" };
const struct reply reply_early_talker = { 554, "5.5.1", "you spoke before the greeting" };
const struct reply reply_bad_xclient = { 501, "5.5.4", "expected XCLIENT ADDR=a HELO=h" };

const struct reply reply_secured = { 503, "5.5.1", "TLS is on already" };
const struct reply reply_no_starttls = { 502, "5.5.1", "TLS is not offered here" };
const struct reply reply_no_auth = { 502, "5.5.1", "AUTH is not offered here" };
const struct reply reply_known = { 503, "5.5.1", "you have authenticated already" };
const struct reply reply_bad_base64 = { 501, "5.5.2", "expected base64" };
const struct reply reply_cancelled = { 501, "5.7.0", "authentication cancelled" };
const struct reply reply_auth_line = { 500, "5.5.6", "authentication line too long" };
const struct reply reply_auth_syntax = { 501, "5.5.2",
	"this response does not fit the mechanism" };
const struct reply reply_no_mechanism = { 504, "5.5.4", "no such mechanism, EHLO lists them" };
const struct reply reply_auth_failed = { 535, "5.7.8", "login or password wrong" };
const struct reply reply_auth_clear = { 538, "5.7.11", "not without TLS, send STARTTLS first" };
const struct reply reply_need_tls = { 530, "5.7.0", "send STARTTLS first" };
const struct reply reply_not_yours = { 553, "5.7.1", "the sender is no address of yours" };

const struct reply reply_etrn_started = { 250, "2.0.0", "sending is started" };
const struct reply reply_etrn_none = { 251, "2.0.0", "no messages are waiting" };
const struct reply reply_etrn_under_way = { 252, "2.0.0",
	"pending messages are being sent already" };
const struct reply reply_etrn_count = { 253, "2.0.0", "" };
const struct reply reply_etrn_failed = { 458, "4.3.0", "cannot send now, try again later" };
const struct reply reply_etrn_denied = { 459, "4.7.1", "not for you to ask for" };
const struct reply reply_bad_etrn = { 501, "5.5.4",
	"expected ETRN domain, ETRN @domain or ETRN #queue" };

const struct reply reply_by_short = { 555, "5.5.4",
	"too little time in BY, EHLO tells the least" };
const struct reply reply_by_held = { 501, "5.5.4",
	"held back for longer than BY allows" };
const struct reply reply_late = { 554, "5.4.7", "the time in BY has passed" };
const struct reply reply_hold_long = { 501, "5.5.4",
	"held back for too long, EHLO tells the longest" };
const struct reply reply_priority = { 250, "2.3.6", "" };
const struct reply reply_priority_denied = { 550, "5.7.1",
	"a priority over 0 is not for you to give" };

const struct reply reply_turning = { 250, "2.0.0", "OK, now reversing the connection" };
const struct reply reply_turn_refused = { 450, "4.7.1", "not for you to ask for" };
const struct reply reply_turn_later = { 451, "4.3.0", "cannot send now, try again later" };
const struct reply reply_turn_none = { 453, "4.0.0", "you have no mail" };
const struct reply reply_bad_turn = { 501, "5.5.4", "expected ATRN or ATRN domain,domain" };
const struct reply reply_no_atrn = { 502, "5.5.1", "ATRN is not offered here" };
const struct reply reply_not_here = { 502, "5.5.1", "this port is for ATRN" };

const struct reply reply_no_user = { 550, "5.1.1", "no such mailbox" };
const struct reply reply_no_domain = { 550, "5.1.2", "no such domain" };
const struct reply reply_need_auth = { 530, "5.7.0", "authentication required" };
const struct reply reply_relay_denied = { 550, "5.7.1", "relaying denied" };
const struct reply reply_denied = { 550, "5.7.1", "not told to you" };
const struct reply reply_too_big = { 552, "5.3.4", "message too big" };
const struct reply reply_never_fits = { 552, "5.2.2", "message larger than the mailbox" };
const struct reply reply_loop = { 554, "5.4.6", "forwarding loop" };
const struct reply reply_hops = { 554, "5.4.6", "too many Received lines, a mail loop" };
const struct reply reply_again = { 554, "5.4.6",
	"a Delivered-To line names this recipient already, a mail loop" };
const struct reply reply_bare_newline = { 550, "5.6.11",
	"bare CR or LF in the message, lines end in CRLF" };
const struct reply reply_needs_smtputf8 = { 553, "5.6.7",
	"non-ASCII address needs SMTPUTF8" };

const struct reply *
reply_for(enum answer a)
{
	static const struct {
		enum answer answer;
		const struct reply *reply;
	} rows[] = {
		{ ANSWER_NO_USER, &reply_no_user },
		{ ANSWER_NO_DOMAIN, &reply_no_domain },
		{ ANSWER_RELAY_DENIED, &reply_relay_denied },
		{ ANSWER_NO_AUTH, &reply_need_auth },
		{ ANSWER_NEED_TLS, &reply_need_tls },
		{ ANSWER_NOT_YOURS, &reply_not_yours },
		{ ANSWER_AUTH_FAILED, &reply_auth_failed },
		{ ANSWER_AUTH_SYNTAX, &reply_auth_syntax },
		{ ANSWER_AUTH_CLEAR, &reply_auth_clear },
		{ ANSWER_NO_MECHANISM, &reply_no_mechanism },
		{ ANSWER_AUTH_LATER, &reply_auth_later },
		{ ANSWER_DENIED, &reply_denied },
		{ ANSWER_TOO_MANY, &reply_too_many_recipients },
		{ ANSWER_TOO_BIG, &reply_too_big },
		{ ANSWER_NEVER_FITS, &reply_never_fits },
		{ ANSWER_FULL, &reply_full },
		{ ANSWER_NO_SPACE, &reply_no_space },
		{ ANSWER_LOOP, &reply_loop },
		{ ANSWER_BUSY, &reply_busy },
		{ ANSWER_TAKEN, &reply_taken },
		{ ANSWER_FIXED, &reply_fixed },
		{ ANSWER_COMPLETE, &reply_complete },
		{ ANSWER_LATE, &reply_late },
		{ ANSWER_ERROR, &reply_error },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].answer == a)
			return rows[i].reply;
	return &reply_broken;
}
