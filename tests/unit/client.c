/* relay/client_*: replies, what EHLO offers, SCRAM, parameters; relay/content_mime. */
#include <sodium.h>
#include <sys/socket.h>

#include "base/mechanism.h"
#include "relay/client_ehlo.h"
#include "relay/client_params.h"
#include "relay/client_scram.h"
#include "tests/unit/test.h"

static struct client_io io;
static int peer, watch;

/* A connection whose peer has said this, and closed. */
static void
hear(const char *said, size_t len)
{
	int pair[2], boundary[2];

	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, boundary) == 0);
	peer = pair[1];
	watch = boundary[1];
	client_io_init(&io, pair[0], boundary[0]);
	client_deadline(&io, 5);
	MUST(write(peer, said, len) == (ssize_t)len);
	MUST(shutdown(peer, SHUT_WR) == 0);
}

static void
hang_up(void)
{
	MUST(close(io.fd) == 0 && close(io.watch) == 0 && close(peer) == 0 && close(watch) == 0);
}

static void
test_reply(const char *said, unsigned code, const char *enhanced, const char *text)
{
	struct client_reply r;
	bool good;

	hear(said, strlen(said));
	good = client_reply_read(&io, &r, NULL, NULL);
	TEST(good == (code != 0) && r.code == code, "reply %s has code %u", show(said), code);
	if (good) {
		TEST_STR(r.enhanced, enhanced, "reply %s, enhanced code", show(said));
		TEST_STR(r.text, text, "reply %s, text", show(said));
	}
	hang_up();
}

static void
test_replies(void)
{
	static const char nul[] = "250 a\0b\r\n";
	struct client_reply r;
	char *many;

	test_reply("250\r\n", 250, "2.0.0", "250");
	test_reply("250\n", 250, "2.0.0", "250");
	test_reply("250 \r\n", 250, "2.0.0", "250");
	test_reply("550 5.1.1 no\r\n", 550, "5.1.1", "550 5.1.1 no");
	test_reply("550-5.1.1 no\r\n550 such\r\n", 550, "5.1.1", "550 5.1.1 no such");
	test_reply("550-5.1.1 no\r\n553 5.1.3 x\r\n", 553, "5.1.3", "550 5.1.1 no 5.1.3 x");
	test_reply("250-a\r\n550 b\r\n", 0, "", "");
	test_reply("550 4.1.1 no\r\n", 550, "5.0.0", "550 4.1.1 no");
	test_reply("450 4.1.1\r\n", 450, "4.1.1", "450 4.1.1");
	test_reply("450 4.123.123 x\r\n", 450, "4.123.123", "450 4.123.123 x");
	test_reply("450 4.1234.1 x\r\n", 450, "4.0.0", "450 4.1234.1 x");
	test_reply("450 4.1.1x\r\n", 450, "4.0.0", "450 4.1.1x");
	test_reply("450 4.1\r\n", 450, "4.0.0", "450 4.1");
	test_reply("450 4..1 a\r\n", 450, "4.0.0", "450 4..1 a");
	test_reply("550 \x01\x7f\x80\xc3\xa9\xed\xa0\x80\tz\r\n", 550, "5.0.0",
	           "550 ???\xc3\xa9??? z");
	test_reply("", 0, "", "");
	test_reply("2", 0, "", "");
	test_reply("25\r\n", 0, "", "");
	test_reply("\r\n", 0, "", "");
	test_reply("150 x\r\n", 0, "", "");
	test_reply("600 x\r\n", 0, "", "");
	test_reply("2500 x\r\n", 0, "", "");
	test_reply("250x\r\n", 0, "", "");
	test_reply("250-x\r\n", 0, "", "");
	hear(nul, sizeof nul - 1);
	TEST(client_reply_read(&io, &r, NULL, NULL) && strcmp(r.text, "250 a?b") == 0,
	     "reply with NUL");
	hang_up();
	many = repeat('x', LIMIT_REPLY_LINE + 2);
	memcpy(many, "250 ", 4);
	many[LIMIT_REPLY_LINE + 1] = '\n';
	test_reply(many, 0, "", "");
	TEST(io.trouble == CLIENT_BABBLE, "a line over the limit is babble");
	free(many);
}

static void
test_lines(void)
{
	char *said = repeat('\0', (LIMIT_REPLY_LINES + 1) * 8);

	for (int i = 0; i < LIMIT_REPLY_LINES; i++)
		memcpy(said + i * 6, "250-\r\n", 6);
	memcpy(said + LIMIT_REPLY_LINES * 6, "250 \r\n", 7);
	test_reply(said, 0, "", "");
	memcpy(said + (LIMIT_REPLY_LINES - 1) * 6, "250 \r\n", 7);
	test_reply(said, 250, "2.0.0", "250");
	free(said);
}

static void
test_offer(const char *line, unsigned have, uint64_t size, unsigned mechanisms)
{
	struct client_offer o = { 0 };

	client_offer_line(&o, line, strlen(line));
	TEST(o.have == have && o.size == size && o.mechanisms == mechanisms, "offer %s",
	     show(line));
}

static void
test_offers(void)
{
	struct client_offer o = { 0 };
	char buf[512];
	struct text t;

	test_offer("PIPELINING", EXT_PIPELINING, 0, 0);
	test_offer("pipelining", EXT_PIPELINING, 0, 0);
	test_offer("XPIPELINING", 0, 0, 0);
	test_offer("SIZE", EXT_SIZE, 0, 0);
	test_offer("SIZE 10240", EXT_SIZE, 10240, 0);
	test_offer("SIZE 18446744073709551616", EXT_SIZE, 0, 0);
	test_offer("SIZE -1", EXT_SIZE, 0, 0);
	test_offer("AUTH PLAIN X LOGIN", EXT_AUTH, 0, MECHANISM_PLAIN | MECHANISM_LOGIN);
	test_offer("AUTH=PLAIN SCRAM-SHA-256", EXT_AUTH, 0,
	           MECHANISM_PLAIN | MECHANISM_SCRAM_SHA_256);
	test_offer("", 0, 0, 0);
	test_offer("  \t", 0, 0, 0);
	client_offer_line(&o, "LIMITS RCPTMAX=20 x MAILMAX=3 RCPTDOMAINMAX=1", 45);
	client_offer_line(&o, "SIZE 7", 6);
	client_offer_line(&o, "DSN\0STARTTLS", 12);
	TEST(o.rcpt_max == 20 && o.mail_max == 3 && !(o.have & (EXT_DSN | EXT_STARTTLS)),
	     "LIMITS, and a word with NUL");
	text_init(&t, buf, sizeof buf);
	client_offer_text(&t, &o);
	TEST_STR(buf, "SIZE=7 LIMITS", "the offer as text");
}

/* RFC 7677 3. */
static void
test_scram(void)
{
	static const char first[] =
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,"
		"i=4096";
	struct client_scram s = { .login = "user", .password = "pencil",
		.nonce = "rOprNGfwEbeRWgbNEkqO" };
	char buf[1024];
	struct text t;

	text_init(&t, buf, sizeof buf);
	client_scram_first(&s, &t);
	TEST_STR(buf, "n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "scram: first");
	text_init(&t, buf, sizeof buf);
	TEST(client_scram_final(&s, first, &t), "scram: takes the challenge");
	TEST_STR(buf, "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	         "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "scram: final");
	TEST(client_scram_verify(&s, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
	     "scram: the server's signature");
	TEST(!client_scram_verify(&s, "v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="),
	     "scram: another signature");
	TEST(!client_scram_verify(&s, "e=other-error"), "scram: an error");
}

int
main(void)
{
	MUST(sodium_init() != -1);
	test_replies();
	test_lines();
	test_offers();
	test_scram();
	return 0;
}
