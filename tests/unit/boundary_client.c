/*
 * A hostile session, and hostile helpers: TLS and AUTH. We are the session, and what
 * tls and auth would be, at the end of the keeper's feed (base/helper.h).
 */
#include "tests/unit/hostile.h"

#include "base/helper.h"
#include "base/packet.h"

#define PLAIN "APLAIN\0AGE=\0"
#define UP \
	"TLSv1.3", "TLS_AES_128_GCM_SHA256", "x25519", "mx.test", "", "yes", "CN=a", "a@here.test", \
	"00ff", "ZXhw", "ZW5k"

static int feeds[2];     /* the keeper's end, ours */
static int helper = -1;  /* the connection that it has made */
static struct packet said;

/* A fresh keeper with a client's connection; the log's lines up to here are `lines`. */
static void
begin(void)
{
	int pair[2];
	struct timeval wait = { DEADLINE, 0 };

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, feeds) == 0);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	MUST(setsockopt(feeds[1], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0);
	feed = feeds[0];
	feed_end = feeds[1];
	client = pair[0];
	reach(FRESH);
	MUST(close(pair[0]) == 0 && close(pair[1]) == 0 && close(feeds[0]) == 0);
	feed = feed_end = client = -1;
}

static void
leave_helper(void)
{
	if (helper != -1)
		MUST(close(helper) == 0);
	helper = -1;
}

static void
end(enum keeper_end how, int lines, const char *event, const char *name)
{
	leave_helper();
	MUST(close(feeds[1]) == 0);
	finish(how, lines, event, 0, name);
}

/* The session says what none says: cut off; `lines` were logged before. */
static void
cut_off(int lines, const char *name)
{
	char c = hear();

	if (c != 0)
		TEST(false, "%s: answered by '%c'", name, c);
	end(KEEPER_MALFORMED, lines + 1, "boundary", name);
}

/* Takes the connection, and the question in `said`. */
static void
take_question(char letter)
{
	struct packet p;

	MUST(packet_recv(feeds[1], &p) == 1 && p.letter == HELPER_FEED && p.fd[0] != -1);
	leave_helper();
	helper = p.fd[0];
	MUST(packet_recv(helper, &said) == 1 && said.letter == letter);
}

static void
tell(char letter, int fd, const char *const *fields, unsigned n)
{
	static struct packet p;

	packet_start(&p, letter);
	for (unsigned i = 0; i < n; i++)
		packet_add(&p, fields[i]);
	MUST(packet_send(helper, &p, fd) == 0);
}

static void
tell_one(char letter, const char *field)
{
	tell(letter, -1, &field, field != NULL);
}

/* T up to the helper's turn; said has the two descriptors. */
static void
ask_secure(void)
{
	MUST(send_with(P("T"), -1, 0));
	take_question(TLS_SERVE);
	MUST(said.n == 3 && said.fd[0] != -1 && said.fd[1] != -1);
}

static void
secure(void)
{
	static const char *const facts[] = { UP };

	ask_secure();
	tell(TLS_UP, -1, facts, LENGTH(facts));
	MUST(hear() == ANSWER_YES && body != -1);
	packet_close_fds(&said);
	leave_helper();
	drop_body();
}

static void
test_secure(void)
{
	static const char *const facts[] = { UP };
	char buf[8] = "";

	begin();
	TEST(ask(P("t")) == ANSWER_YES, "tls?: yes");
	ask_secure();
	TEST(strcmp(said.field[0], "test") == 0 && said.field[2][0] == SERVICE_SMTP &&
	     said.field[2][1] == '\0', "tls!: session and service are told");
	tell(TLS_UP, -1, facts, LENGTH(facts));
	TEST(hear() == ANSWER_YES && answer_len == 9 && memcmp(answer_text, "+yes\0yes", 9) == 0,
	     "tls!: yes, with a certificate, and a channel to bind to");
	MUST(body != -1 && write(said.fd[1], "plain", 5) == 5);
	TEST(read(body, buf, sizeof buf) == 5 && memcmp(buf, "plain", 5) == 0,
	     "tls!: the session has the plain end");
	packet_close_fds(&said);
	drop_body();
	end(KEEPER_DONE, 1, "tls", "tls!: logged");

	for (int twice = 0; twice < 2; twice++) {
		begin();
		secure();
		MUST(send_with(twice == 0 ? "t" : "T", 1, -1, 0));
		cut_off(1, twice == 0 ? "tls? under TLS" : "tls! under TLS");
	}
	begin();
	MUST(ask(P(BEGIN)) == ANSWER_YES && send_with(P("T"), -1, 0));
	cut_off(0, "tls! in a transaction");
	begin();
	MUST(ask(P(BEGIN)) == ANSWER_YES && send_with(P("t"), -1, 0));
	cut_off(0, "tls? in a transaction");
}

/* What a hostile tls may answer: the session gets nothing, and the keeper goes on. */
static void
test_tls_answers(void)
{
	static const char *const facts[] = { UP, "" };
	static const size_t caps[] = { 16, 48, 32, 256, 4, 4, 256, 320, 65, 48, 96 };
	const char *wrong[LENGTH(facts)];
	char name[80];

	for (unsigned n = 0; n <= TLS_FACTS + 1; n++) {
		if (n == TLS_FACTS)
			continue;
		begin();
		ask_secure();
		tell(TLS_UP, -1, facts, n);
		snprintf(name, sizeof name, "tls: %u facts", n);
		TEST(hear() == ANSWER_ERROR && body == -1, "%s: an error", name);
		end(KEEPER_DONE, 1, "error", name);
		packet_close_fds(&said);
	}
	for (unsigned i = 0; i < TLS_FACTS; i++)
		for (size_t more = 0; more < 2; more++) {
			char *giant = repeat('x', caps[i] - 1 + more);

			memcpy(wrong, facts, sizeof wrong);
			wrong[i] = giant;
			begin();
			ask_secure();
			tell(TLS_UP, -1, wrong, TLS_FACTS);
			snprintf(name, sizeof name, "tls: fact %u of %zu octets", i, caps[i] - 1 + more);
			TEST(hear() == (more ? ANSWER_ERROR : ANSWER_YES), "%s: %s", name,
			     more ? "an error" : "taken");
			end(KEEPER_DONE, 1, more ? "error" : "tls", name);
			packet_close_fds(&said);
			free(giant);
		}
	memcpy(wrong, facts, sizeof wrong);
	wrong[0] = "";
	begin();
	ask_secure();
	tell(TLS_UP, -1, wrong, TLS_FACTS);
	TEST(hear() == ANSWER_ERROR, "tls: no version");
	packet_close_fds(&said);
	/* It may be tried again, as far as the keeper is concerned. */
	secure();
	end(KEEPER_DONE, 2, "tls", "tls: and then a good answer");
}

static void
test_tls_trouble(void)
{
	static const char *const facts[] = { UP };
	static const char letters[] = "-xS*";

	for (const char *c = letters; *c != '\0'; c++) {
		begin();
		ask_secure();
		tell_one(*c, NULL);
		TEST(hear() == ANSWER_ERROR && body == -1, "tls says '%c': an error", *c);
		/* TLS_FAILED is logged by tls itself. */
		end(KEEPER_DONE, *c != '-', "", "tls says a letter");
		packet_close_fds(&said);
	}
	begin();
	ask_secure();
	tell(TLS_UP, sock, facts, LENGTH(facts));
	TEST(hear() == ANSWER_YES, "tls sends a descriptor that nobody wants");
	packet_close_fds(&said);
	end(KEEPER_DONE, 1, "tls", "tls sends a descriptor: nothing else comes of it");

	begin();
	ask_secure();
	MUST(send(helper, "+", 1, 0) == 1);
	TEST(hear() == ANSWER_ERROR, "tls sends a bare letter");
	packet_close_fds(&said);
	end(KEEPER_DONE, 1, "error", "tls sends a bare letter: logged");

	begin();
	ask_secure();
	packet_close_fds(&said);
	leave_helper();
	TEST(hear() == ANSWER_ERROR, "tls goes away");
	end(KEEPER_DONE, 1, "error", "tls goes away: logged");

	begin();
	MUST(close(feeds[1]) == 0);
	feeds[1] = dup(0);
	TEST(ask(P("t")) == ANSWER_ERROR, "tls cannot be had: no");
	TEST(ask(P("T")) == ANSWER_ERROR, "tls cannot be had: an error");
	end(KEEPER_DONE, 2, "error", "tls cannot be had: logged");
}

/* conf.handshake, and what the keeper adds. */
static void
test_tls_silence(void)
{
	begin();
	ask_secure();
	TEST(hear() == ANSWER_ERROR, "tls says nothing: an error in the end");
	packet_close_fds(&said);
	end(KEEPER_DONE, 1, "error", "tls says nothing: logged");
}

/* AUTH up to the helper's turn. */
static void
ask_auth(void)
{
	MUST(send_with(P(PLAIN), -1, 0));
	take_question(AUTH_BEGIN);
	MUST(said.n == AUTH_BEGIN_FIELDS && said.fd[0] == -1);
}

static void
test_auth(void)
{
	static const char *const facts[] = { UP };

	begin();
	MUST(ask(P(PLAIN)) == ANSWER_AUTH_CLEAR && ask(P("AX\0\0")) == ANSWER_NO_MECHANISM &&
	     ask(P("ACRAM-MD5\0\0")) == ANSWER_NO_MECHANISM);
	secure();
	ask_auth();
	TEST(strcmp(said.field[0], "PLAIN") == 0 && strcmp(said.field[1], "AGE=") == 0 &&
	     strcmp(said.field[2], "test") == 0 && said.field[4][0] == SERVICE_SMTP,
	     "auth: mechanism, text, session, service");
	TEST(strcmp(said.field[5], facts[0]) == 0 && strcmp(said.field[6], facts[5]) == 0 &&
	     strcmp(said.field[7], facts[7]) == 0 && strcmp(said.field[8], facts[8]) == 0 &&
	     strcmp(said.field[9], facts[9]) == 0 && strcmp(said.field[10], facts[10]) == 0,
	     "auth: and the facts of TLS");
	tell_one(AUTH_CHALLENGE, "Y2hhbGxlbmdl");
	TEST(hear() == ANSWER_CHALLENGE && strcmp(answer_text + 1, "Y2hhbGxlbmdl") == 0,
	     "auth: a challenge");
	MUST(send_with(P("Rcg==\0"), -1, 0) && packet_recv(helper, &said) == 1);
	TEST(said.letter == AUTH_RESPONSE && said.n == 1 && strcmp(said.field[0], "cg==") == 0,
	     "auth: a response");
	tell_one(AUTH_DONE, "alice@here.test");
	TEST(hear() == ANSWER_YES && answer_len == 1, "auth: yes, and nothing else is said");
	TEST(packet_recv(helper, &said) == 0, "auth: the keeper has hung up");
	MUST(ask(P(BEGIN)) == ANSWER_YES);
	TEST(ask(P("rb\0elsewhere.test\0")) == ANSWER_YES, "auth: a login may relay");
	MUST(send_with(P("a"), -1, 0) && send_with(P(PLAIN), -1, 0));
	cut_off(1, "auth: a second login");
}

/* The words of auth and the answers they come to. */
static void
test_auth_words(void)
{
	static const struct {
		char letter;
		const char *field;
		char answer;
		int lines;
	} rows[] = {
		{ AUTH_REFUSED, NULL, ANSWER_AUTH_FAILED, 0 },
		{ AUTH_MALFORMED, NULL, ANSWER_AUTH_SYNTAX, 0 },
		{ AUTH_NO_MECHANISM, NULL, ANSWER_NO_MECHANISM, 0 },
		{ AUTH_NEEDS_TLS, NULL, ANSWER_AUTH_CLEAR, 0 },
		{ AUTH_LATER, NULL, ANSWER_AUTH_LATER, 0 },
		{ AUTH_DONE, "alice", ANSWER_YES, 0 },
		{ AUTH_DONE, "\"a b\"@here.test", ANSWER_YES, 0 },
		{ AUTH_DONE, "j\xc3\xbc@here.test", ANSWER_YES, 0 },
		{ AUTH_CHALLENGE, "", ANSWER_CHALLENGE, 0 },
		/* wrong: later, and a line in the log */
		{ AUTH_REFUSED, "x", ANSWER_AUTH_LATER, 1 },
		{ AUTH_DONE, NULL, ANSWER_AUTH_LATER, 1 },
		{ AUTH_DONE, "", ANSWER_AUTH_LATER, 1 },
		{ AUTH_DONE, "a\nevent=forged", ANSWER_AUTH_LATER, 1 },
		{ AUTH_DONE, "a\x01@here.test", ANSWER_AUTH_LATER, 1 },
		{ AUTH_DONE, "a\xff", ANSWER_AUTH_LATER, 1 },
		{ AUTH_CHALLENGE, NULL, ANSWER_AUTH_LATER, 1 },
		{ 'Z', NULL, ANSWER_AUTH_LATER, 1 },
		{ TLS_FAILED, "", ANSWER_AUTH_LATER, 1 },
	};
	static const char *const two[] = { "a", "b" };
	char *giant = repeat('a', 3000);

	for (size_t i = 0; i < LENGTH(rows); i++) {
		char name[80];

		snprintf(name, sizeof name, "auth says '%c' %s", rows[i].letter,
		         rows[i].field != NULL ? show(rows[i].field) : "alone");
		begin();
		secure();
		ask_auth();
		tell_one(rows[i].letter, rows[i].field);
		TEST(hear() == rows[i].answer, "%s: '%c'", name, rows[i].answer);
		end(KEEPER_DONE, 1 + rows[i].lines, "", name);
	}
	begin();
	secure();
	ask_auth();
	tell(AUTH_DONE, -1, two, 2);
	TEST(hear() == ANSWER_AUTH_LATER, "auth says two logins");
	ask_auth();
	tell(AUTH_CHALLENGE, -1, two, 2);
	TEST(hear() == ANSWER_AUTH_LATER, "auth says two challenges");
	ask_auth();
	tell_one(AUTH_DONE, giant);
	TEST(hear() == ANSWER_AUTH_LATER, "auth says a giant login");
	ask_auth();
	leave_helper();
	TEST(hear() == ANSWER_AUTH_LATER, "auth goes away");
	ask_auth();
	tell(AUTH_REFUSED, sock, NULL, 0);
	TEST(hear() == ANSWER_AUTH_FAILED, "auth sends a descriptor that nobody wants");
	end(KEEPER_DONE, 1 + 4, "error", "each is logged, and the keeper goes on");
	free(giant);
}

/* In an exchange a session may respond, cancel, and have events logged; nothing else. */
static void
test_exchange(void)
{
	static const struct {
		const char *packet;
		size_t len;
	} rows[] = {
		{ P(BEGIN) }, { P("valice\0here.test\0") }, { P("xalice\0here.test\0") }, { P("t") },
		{ P("T") }, { P(PLAIN) }, { P("X\0") }, { P("p\0") }, { P("R\0\0") }, { P("R") },
		{ P("C\0") }, { P("R!\0") }, { P("Ra b\0") }, { P("z") },
	};
	char *giant = repeat('A', LIMIT_SASL + 4), packet[LIMIT_PACKET];

	for (size_t i = 0; i < LENGTH(rows); i++) {
		char name[80];

		begin();
		secure();
		ask_auth();
		tell_one(AUTH_CHALLENGE, "");
		MUST(hear() == ANSWER_CHALLENGE);
		MUST(send_with(rows[i].packet, rows[i].len, -1, 0));
		snprintf(name, sizeof name, "in an exchange: %s",
		         show_n(rows[i].packet, rows[i].len));
		cut_off(1, name);
	}
	begin();
	secure();
	ask_auth();
	tell_one(AUTH_CHALLENGE, "");
	MUST(hear() == ANSWER_CHALLENGE);
	packet[0] = 'R';
	memcpy(packet + 1, giant, strlen(giant) + 1);
	MUST(send_with(packet, strlen(giant) + 2, -1, 0));
	cut_off(1, "in an exchange: a response over the limit");
	begin();
	secure();
	ask_auth();
	tell_one(AUTH_CHALLENGE, "");
	MUST(hear() == ANSWER_CHALLENGE && send_with(P("lt\0"), -1, 0) && send_with(P("C"), -1, 0));
	TEST(packet_recv(helper, &said) == 0, "cancelled: the helper sees the end");
	MUST(send_with(P("C"), -1, 0));
	cut_off(2, "cancelled twice");
	begin();
	secure();
	MUST(send_with(P("R\0"), -1, 0));
	cut_off(1, "a response to nothing");
	free(giant);
}

/* Attempts are counted here too, whatever the session says of errors. */
static void
test_attempts(void)
{
	int n = 0;

	begin();
	secure();
	for (; n < 100 && send_with(P(PLAIN), -1, 0); n++) {
		struct packet p;

		if (packet_recv(feeds[1], &p) != 1)
			break;
		leave_helper();
		helper = p.fd[0];
		MUST(packet_recv(helper, &said) == 1);
		tell_one(AUTH_REFUSED, NULL);
		MUST(hear() == ANSWER_AUTH_FAILED);
	}
	TEST(n == ERRORS + 1, "so many attempts and no more: %d", n);
	cut_off(1, "too many attempts");
	begin();
	secure();
	MUST(send_with(P("APLAIN\0!\0"), -1, 0));
	cut_off(1, "an initial response that is no base64");
	begin();
	MUST(ask(P(BEGIN)) == ANSWER_YES && send_with(P(PLAIN), -1, 0));
	cut_off(0, "AUTH in a transaction");
}

int
main(void)
{
	needs_openat2("boundary_client");
	make_tree();
	conf.handshake = 1;
	test_secure();
	test_tls_answers();
	test_tls_trouble();
	test_tls_silence();
	test_auth();
	test_auth_words();
	test_exchange();
	test_attempts();
	return 0;
}
