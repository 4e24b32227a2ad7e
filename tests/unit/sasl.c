/* auth/: the mechanisms' messages and proofs, against the examples of their RFCs. */
#include "auth/sasl.h"

#include <sodium.h>

#include "auth/digest.h"
#include "auth/interface.h"
#include "auth/checkpassword.h"
#include "auth/md5.h"
#include "auth/saslprep.h"
#include "auth/scram.h"
#include "tests/unit/test.h"

static struct message
message(const char *text, size_t len)
{
	struct message m = { .len = len };

	MUST(len < sizeof m.text);
	memcpy(m.text, text, len);
	return m;
}

#define M(text) message(text, sizeof text - 1)

#define NONCE "rOprNGfwEbeRWgbNEkqO"
#define OURS "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define FINAL "c=biws,r=" NONCE OURS ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="

/* RFC 7677 3: user "user", password "pencil". */
static void
test_scram_example(void)
{
	static const char file[] = "scram-sha-256 4096 W22ZaJ0SNY7soEsUEjb6gQ== "
		"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY= "
		"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n";
	struct message first = M("n,,n=user,r=" NONCE), last = M(FINAL), wrong = M(FINAL);
	struct verifier v;
	struct scram s;
	char buf[512];
	struct text out;

	MUST(verifier_parse(&v, file) == NULL);
	TEST(scram_read_first(&s, &first), "RFC 7677: client-first-message");
	TEST_STR(s.user, "user", "RFC 7677: the user");
	text_init(&out, buf, sizeof buf);
	scram_first(&s, OURS, &v.scram, &out);
	TEST_STR(buf, "r=" NONCE OURS ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	         "RFC 7677: server-first-message");
	TEST(scram_read_final(&s, &last), "RFC 7677: client-final-message");
	text_init(&out, buf, sizeof buf);
	TEST(scram_check(&s, &v.scram, &out) == SCRAM_PROVED, "RFC 7677: the proof");
	TEST_STR(buf, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	         "RFC 7677: server-final-message");
	MUST(scram_read_first(&s, &first));
	text_init(&out, buf, sizeof buf);
	scram_first(&s, OURS, &v.scram, &out);
	wrong.text[wrong.len - 3] ^= 1;
	TEST(scram_read_final(&s, &wrong) && scram_check(&s, &v.scram, &out) == SCRAM_WRONG,
	     "RFC 7677: another proof");
}

static void
test_scram_first(void)
{
	static const struct {
		const char *text;
		char flag;
		const char *binding, *authorize, *user;
	} rows[] = {
		{ "n,,n=u,r=x", 'n', "", "", "u" },
		{ "y,,n=u,r=x", 'y', "", "", "u" },
		{ "p=tls-exporter,,n=u,r=x", 'p', "tls-exporter", "", "u" },
		{ "n,a=b=2Cc=3Dd,n=e=3D=2C,r=!~", 'n', "", "b,c=d", "e=," },
		{ "n,,n=u,r=x,e=1", 'n', "", "", "u" },
		{ "n,,n=\xc3\xa9,r=x", 'n', "", "", "\xc3\xa9" },
	};
	struct scram s;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct message m = message(rows[i].text, strlen(rows[i].text));

		TEST(scram_read_first(&s, &m) && s.flag == rows[i].flag &&
		     strcmp(s.binding, rows[i].binding) == 0 &&
		     strcmp(s.authorize, rows[i].authorize) == 0 &&
		     strcmp(s.user, rows[i].user) == 0, "client-first %s", rows[i].text);
	}
}

/* RFC 2195 2. */
static void
test_cram(void)
{
	unsigned char secret[VERIFIER_SECRET];
	char out[MD5_HEX];
	char rest[100];

	md5_cram_secret(secret, "tanstaaftanstaaf");
	md5_cram_response(out, secret, "<1896.697170952@postoffice.reston.mci.net>");
	TEST_STR(out, "b913a602c7eda7a495b4e6e7334d3890", "RFC 2195: the response");
	/* RFC 2202 2, test case 6: a key longer than a block. */
	memset(rest, 0xaa, 80);
	rest[80] = '\0';
	md5_cram_secret(secret, rest);
	md5_cram_response(out, secret, "Test Using Larger Than Block-Size Key - Hash Key First");
	TEST_STR(out, "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd", "RFC 2202: a long key");
	md5_cram_secret(secret, "Jefe");
	md5_cram_response(out, secret, "what do ya want for nothing?");
	TEST_STR(out, "750c783e6ab0b503eaa86e310a5db738", "RFC 2202: a short key");
}

/* RFC 2831 4. */
static void
test_digest_example(void)
{
	struct md5_digest d = { "OA6MG9tEQGm2hh", "OA6MHXh6VqTrRk", "00000001",
	                        "imap/elwood.innosoft.com", "" };
	unsigned char secret[VERIFIER_SECRET], latin[VERIFIER_SECRET];
	char out[MD5_HEX];

	MUST(md5_digest_secret(secret, "chris", "elwood.innosoft.com", "secret"));
	md5_digest_response(out, secret, &d, "AUTHENTICATE:");
	TEST_STR(out, "d388dad90d4bbd760a152321f2143af7", "RFC 2831: response");
	md5_digest_response(out, secret, &d, ":");
	TEST_STR(out, "ea40f60335c427b5527b84dbabcdfffd", "RFC 2831: rspauth");
	MUST(md5_digest_secret(secret, "u", "r", "\xc3\xa9"));
	MUST(md5_digest_secret(latin, "u", "r", "\xe9"));
	TEST(memcmp(secret, latin, sizeof secret) == 0, "RFC 2831 2.1.2.1: ISO 8859-1");
}

static void
test_digest_parser(void)
{
#define D "username=\"u\",nonce=\"n\",cnonce=\"c\",nc=00000001,digest-uri=\"smtp/x\",response=" \
	"0123456789abcdef0123456789abcdef"
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ D, true },
		{ D ",qop=auth", true },
		{ D ",qop=\"auth\",realm=\"r\"", true },
		{ " \t" D " , charset = utf-8 ", true },
		{ ",," D ",,unknown=x,", true },
		{ D ",Realm=\"a\\\"b\\\\c\"", true },
		{ "", false },
		{ D ",nc=00000001", false },
		{ D ",qop=auth-int", false },
		{ D ",qop=auth-conf", false },
		{ D ",charset=iso-8859-1", false },
		{ D " charset=utf-8", false },
		{ D ",realm", false },
		{ D ",realm=", false },
		{ D ",=x", false },
		{ D ",realm=\"x", false },
		{ D ",realm=\"x\\", false },
		{ D ",realm=\"x\"y", false },
		{ D ",realm=\"\xff\"", false },
		{ "username=\"\"" D, false },
		{ "nonce=\"n\",cnonce=\"c\",nc=00000001,digest-uri=\"smtp/x\",response="
		  "0123456789abcdef0123456789abcdef", false },
	};
	struct message nul = M(D "\0,qop=auth");
	struct digest d;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct message m = message(rows[i].text, strlen(rows[i].text));

		TEST(digest_read(&d, &m) == rows[i].good, "digest-response %zu %s", i,
		     rows[i].good ? "is one" : "is none");
	}
	TEST(!digest_read(&d, &nul), "digest-response with a NUL is none");
	{
		struct message m = M(D ",realm=\"a\\\"b\\\\c\"");

		TEST(digest_read(&d, &m) && strcmp(d.realm, "a\"b\\c") == 0, "quoted pairs");
	}
}

static void
test_plain(void)
{
	char long_part[300];
	struct message m = M("Ursel\0Kurt\0xipj3plmq");
	struct plain p;

	TEST(plain_read(&p, &m) && strcmp(p.authorize, "Ursel") == 0 &&
	     strcmp(p.user, "Kurt") == 0 && strcmp(p.password, "xipj3plmq") == 0,
	     "RFC 4616 4: the second example");
	m = M("\0tim\0tanstaaftanstaaf");
	TEST(plain_read(&p, &m) && p.authorize[0] == '\0', "RFC 4616 4: the first example");
	m = M("\0tim\0tan\0");
	TEST(!plain_read(&p, &m), "PLAIN: a third NUL");
	m = M("tim\0tan");
	TEST(!plain_read(&p, &m), "PLAIN: one NUL");
	m = M("\0\0tan");
	TEST(!plain_read(&p, &m), "PLAIN: no user");
	m = M("\0tim\0");
	TEST(!plain_read(&p, &m), "PLAIN: no password");
	memset(long_part, 'x', sizeof long_part);
	memcpy(long_part, "\0u", 3);
	m = message(long_part, 3 + 255);
	TEST(plain_read(&p, &m) && strlen(p.password) == 255, "PLAIN: 255 octets");
	m = message(long_part, 3 + 256);
	TEST(!plain_read(&p, &m), "PLAIN: 256 octets");
}

static void
test_interface(void)
{
	static const struct {
		const char *octets;
		size_t len;
		bool good;
	} rows[] = {
		{ "l\0p\0t", 6, true },
		{ "l\0p\0t\0more", 10, true },
		{ "l\0\0", 4, true },
		{ "l\0p\0t", 5, false },
		{ "l\0p", 4, false },
		{ "", 0, false },
		{ "\0p\0t", 5, false },
	};
	struct interface_input in;
	const char *challenge, *response;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		memcpy(in.octets, rows[i].octets, rows[i].len);
		in.octets[rows[i].len] = '\0';
		TEST(interface_split(&in, rows[i].len) == rows[i].good, "descriptor 3, row %zu", i);
	}
	in.second = "<1@x>";
	in.third = "0123456789abcdef0123456789abcdef";
	TEST(checkpassword_is_response(&in, false, &challenge, &response) &&
	     challenge == in.second && response == in.third, "challenge, response");
	TEST(!checkpassword_is_response(&in, true, &challenge, &response), "not the other way");
	in.third = "1234567890";
	TEST(!checkpassword_is_response(&in, false, &challenge, &response), "a timestamp");
	in.second = "<pass@word";
	in.third = "0123456789abcdef0123456789abcdef";
	TEST(!checkpassword_is_response(&in, false, &challenge, &response), "a password");
}

/* RFC 4013 3. */
static void
test_saslprep(void)
{
	static const struct {
		const char *in, *want; /* NULL: refused */
	} rows[] = {
		{ "I\xc2\xadX", "IX" },
		{ "user", "user" },
		{ "USER", "USER" },
		{ "\xc2\xaa", "a" },
		{ "\xe2\x85\xa8", "IX" },
		{ "\x07", NULL },
		{ "\xd8\xa7\x31", NULL },
		{ "", NULL },
		{ "\xff", NULL },
		{ "a\xc2\xa0" "b", "a b" },
	};
	char out[64];

	for (size_t i = 0; i < LENGTH(rows); i++) {
		bool good = saslprep(out, sizeof out, rows[i].in);

		TEST(rows[i].want == NULL ? !good : good && strcmp(out, rows[i].want) == 0,
		     "RFC 4013 3: row %zu", i);
	}
}

int
main(void)
{
	MUST(sodium_init() != -1);
	test_scram_example();
	test_scram_first();
	test_cram();
	test_digest_example();
	test_digest_parser();
	test_plain();
	test_interface();
	test_saslprep();
	return 0;
}
