/* auth/verifier.h, auth/key.h, auth/login.h, auth/throttle.h: what is kept, and read again. */
#include "auth/verifier.h"

#include <signal.h>
#include <sodium.h>
#include <sys/wait.h>

#include "auth/login.h"
#include "auth/slots.h"
#include "auth/store.h"
#include "auth/table.h"
#include "auth/throttle.h"
#include "tests/unit/test.h"

#define ARGON "argon2id $argon2id$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$" \
	"frxJfcMcVf8Q65vTqNCD78DUvbJfeWmQLB3OQ65zqWg\n"
#define SCRAM "scram-sha-256 4096 W22ZaJ0SNY7soEsUEjb6gQ== " \
	"WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY= wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CERTIFICATE "certificate " HEX64 "\n"
#define FOUR CERTIFICATE CERTIFICATE CERTIFICATE CERTIFICATE
#define SEALED "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefABCDEFGHIJKLMNOPQRSTUVWXYZabcdef" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"

static void
test_file(void)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{ "", true },
		{ ARGON, true },
		{ ARGON SCRAM "disabled\nchanged 2026-11-22T11:43:37Z\n", true },
		{ SCRAM "cram-md5 " SEALED "\ndigest-md5 mx.test " SEALED "\n", true },
		{ FOUR FOUR, true },
		{ FOUR FOUR CERTIFICATE, false },
		{ ARGON ARGON, false },
		{ "argon2id $argon2i$v=19$m=65536,t=2,p=1$x$y\n", false },
		{ "argon2id\n", false },
		{ "scram-sha-256 4095 c2FsdA== x y\n", false },
		{ "scram-sha-256 4096 c2FsdA==\n", false },
		{ "scram-sha-256 99999999999 W22ZaJ0SNY7soEsUEjb6gQ== x y\n", false },
		{ "scram-sha-256 4096 W22ZaJ0SNY7soEsUEjb6gQ== "
		  "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY= "
		  "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU= x\n", false },
		{ "cram-md5 x\n", false },
		{ "digest-md5 " SEALED "\n", false },
		{ "certificate 01:23\n", false },
		{ "changed now\n", false },
		{ "unknown x\n", false },
		{ "\n", false },
		{ "disabled", false },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		char again[VERIFIER_MAX];
		struct verifier v;
		struct text t;
		const char *problem = verifier_parse(&v, rows[i].text);

		if (!TEST((problem == NULL) == rows[i].good, "file %zu %s", i,
		          rows[i].good ? "is good" : "is not") || problem != NULL)
			continue;
		text_init(&t, again, sizeof again);
		verifier_print(&t, &v);
		TEST_STR(again, rows[i].text, "file %zu as it is written", i);
	}
}

static void
test_password(void)
{
	static struct verifier v, largest;
	char text[VERIFIER_MAX];
	struct text t;

	MUST(verifier_set_password(&v, "pencil"));
	TEST(!verifier_is_weak(&v) && v.scram.iterations >= 4096, "today's cost is enough");
	TEST(crypto_pwhash_argon2id_str_verify(v.argon2id, "pencil", 6) == 0, "it proves");
	(void)text_copy(v.argon2id, sizeof v.argon2id, "$argon2id$v=19$m=65535,t=2,p=1$a$b");
	TEST(verifier_is_weak(&v), "less memory is weak");
	(void)text_copy(v.argon2id, sizeof v.argon2id, "$argon2id$v=19$m=65536,t=1,p=1$a$b");
	TEST(verifier_is_weak(&v), "one pass is weak");
	(void)text_copy(v.argon2id, sizeof v.argon2id, "$argon2id$v=19$m=1048576,t=4,p=1$a$b");
	TEST(!verifier_is_weak(&v), "more is not");
	largest = v;
	memset(largest.argon2id, 'x', sizeof largest.argon2id - 1);
	memset(largest.cram_md5, 'x', sizeof largest.cram_md5 - 1);
	memset(largest.digest_md5, 'x', sizeof largest.digest_md5 - 1);
	memset(largest.digest_realm, 'x', sizeof largest.digest_realm - 1);
	largest.scram.salt_len = VERIFIER_SALT;
	largest.disabled = true;
	largest.n_certificates = VERIFIER_CERTIFICATES;
	for (unsigned i = 0; i < VERIFIER_CERTIFICATES; i++)
		memset(largest.certificate[i], 'a', VERIFIER_FINGERPRINT - 1);
	text_init(&t, text, sizeof text);
	verifier_print(&t, &largest);
	TEST(text_ok(&t), "the largest one fits");
}

static void
test_secrets(int dir)
{
	unsigned char key[KEY_SIZE], again[KEY_SIZE], other[KEY_SIZE];
	unsigned char secret[VERIFIER_SECRET] = "secret", out[VERIFIER_SECRET];
	struct verifier a, b, c;
	char sealed[VERIFIER_SEALED];
	struct stat st;

	TEST(key_load(dir, key) == 0, "a key is made");
	TEST(key_load(dir, again) == 0 && memcmp(key, again, sizeof key) == 0, "and read again");
	TEST(fstatat(dir, KEY_FILE, &st, 0) == 0 && (st.st_mode & 07777) == 0600, "mode 0600");
	verifier_seal(sealed, secret, key, "x");
	TEST(verifier_open(out, sealed, key, "x") && memcmp(out, secret, sizeof out) == 0,
	     "a secret comes out as it went in");
	TEST(!verifier_open(out, sealed, key, "y"), "not for another purpose");
	memcpy(other, key, sizeof other);
	other[0] ^= 1;
	TEST(!verifier_open(out, sealed, other, "x"), "not with another key");
	sealed[50] = sealed[50] == 'A' ? 'B' : 'A';
	TEST(!verifier_open(out, sealed, key, "x"), "not when it was changed");
	verifier_decoy(&a, key, "a@x");
	verifier_decoy(&b, key, "a@x");
	verifier_decoy(&c, key, "b@x");
	TEST(memcmp(&a, &b, sizeof a) == 0, "a decoy is always the same");
	TEST(memcmp(&a.scram, &c.scram, sizeof a.scram) != 0, "but not for all");
	TEST(!verifier_is_weak(&a) &&
	     crypto_pwhash_argon2id_str_verify(a.argon2id, "x", 1) == -1, "nothing proves it");
	TEST(store_write(dir, KEY_FILE, "short\n", true) == 0 && key_load(dir, key) == -1 &&
	     errno == EBADMSG, "a damaged key is told");
	MUST(unlinkat(dir, KEY_FILE, 0) == 0);
}

static void
test_logins(void)
{
	static const struct {
		const char *typed, *want; /* NULL: nobody's */
	} rows[] = {
		{ "alice@here.test", "alice@here.test" },
		{ "Alice+x@HERE.test", "alice@here.test" },
		{ "alice", "alice@mx.test" },
		{ "\"a b\"@here.test", "\"a b\"@here.test" },
		{ "a@b\xc3\xbc" "cher.test", "a@xn--bcher-kva.test" },
		{ "J\xc3\xbcrgen@here.test", "j\xc3\xbcrgen@here.test" },
		{ "Ju\xcc\x88rgen@here.test", "j\xc3\xbcrgen@here.test" },
		{ "", NULL }, { "@", NULL }, { "a@", NULL }, { "@b", NULL }, { "a@b@c", NULL },
		{ "a@[192.0.2.1]", NULL }, { "../x", NULL }, { "a b", NULL }, { "+x", NULL },
		{ "a\xff@here.test", NULL }, { "a@../x", NULL }, { "a\n@here.test", NULL },
	};

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct login l;
		bool good = login_read(&l, rows[i].typed, "mx.test");

		if (rows[i].want == NULL)
			TEST(!good && l.name[0] == '\0', "login %s is nobody's", show(rows[i].typed));
		else
			TEST_STR(good ? l.name : "(refused)", rows[i].want, "login %s",
			         show(rows[i].typed));
	}
}

static void
test_fingerprints(void)
{
	char out[VERIFIER_FINGERPRINT];

	TEST(parse_fingerprint(out, HEX64) && strcmp(out, HEX64) == 0, "64 digits");
	TEST(parse_fingerprint(out, "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF:"
	                       "01:23:45:67:89:AB:CD:EF:01:23:45:67:89:AB:CD:EF") &&
	     strcmp(out, HEX64) == 0, "as openssl prints them");
	TEST(!parse_fingerprint(out, HEX64 "0") && !parse_fingerprint(out, HEX64 ":") &&
	     !parse_fingerprint(out, "") && !parse_fingerprint(out, "g" HEX64) &&
	     !parse_fingerprint(out, ":" HEX64) && !parse_fingerprint(out, HEX64 "::"),
	     "what is none");
}

/* The delays an attempt gets, without waiting for them. */
static void
test_throttle(int dir)
{
	static const int64_t wanted[] = { 0, 0, 0, 0, 1, 3, 7, 15, -1, -1 };
	unsigned char key[KEY_SIZE] = { 1 };
	bool free_of_charge = true;
	bool known;

	MUST(throttle_open(dir, key) == 0);
	for (size_t i = 0; i < LENGTH(wanted); i++) {
		int64_t ms = throttle_enter("a@x", "", &known);

		TEST(!known && (wanted[i] == -1 ? ms == -1 :
		                ms > wanted[i] * 1000 - 500 && ms <= wanted[i] * 1000),
		     "attempt %zu of a login waits %d s", i + 1, (int)wanted[i]);
	}
	for (int i = 0; i < 50; i++) {
		char login[32];

		snprintf(login, sizeof login, "b%d@x", i);
		free_of_charge &= throttle_enter(login, "192.0.2.1", &known) == 0 && !known;
		throttle_good(login, "192.0.2.1", false);
	}
	TEST(free_of_charge, "a success costs nothing");
	throttle_good("b@x", "198.51.100.1", false);
	TEST(throttle_enter("b@x", "198.51.100.1", &known) == 0 && known, "and is remembered");
	TEST(throttle_enter("b@x", "198.51.100.2", &known) == 0 && !known, "there only");
	TEST(throttle_enter("c@x", "198.51.100.1", &known) == 0 && !known, "for it only");
	throttle_good("d@x", "2001:db8::1", false);
	TEST(throttle_enter("d@x", "2001:db8::2", &known) == 0 && known, "one IPv6 /64");
	TEST(throttle_enter("d@x", "2001:db8:0:1::1", &known) == 0 && !known, "not another");
	for (int i = 0; i < 40; i++) {
		char client[32];

		snprintf(client, sizeof client, "203.0.113.%d", i);
		throttle_good("d@x", client, false);
	}
	TEST(throttle_enter("b@x", "198.51.100.1", &known) == 0 && known,
	     "who has many addresses pushes nobody out");
	TEST(throttle_bad("b@x", "198.51.100.1") == 0, "a known address may fail");
}

/* Any content of the table: no wait is longer than promised. */
static void
test_garbage(int dir)
{
	unsigned char key[KEY_SIZE] = { 1 };
	static unsigned char noise[sizeof(struct table)];
	bool good = true, known;

	for (int round = 0; round < 20; round++) {
		int fd = openat(dir, THROTTLE_FILE, O_RDWR | O_CLOEXEC);

		MUST(fd != -1);
		randombytes_buf(noise, sizeof noise);
		MUST(pwrite(fd, noise, sizeof noise - 64, 64) > 0 && close(fd) == 0);
		MUST(throttle_open(dir, key) == 0);
		for (int i = 0; i < 200; i++) {
			char login[32];
			int64_t ms;

			snprintf(login, sizeof login, "l%d@x", i);
			ms = throttle_enter(login, "192.0.2.1", &known);
			good &= ms >= -1 && ms <= LIMIT_AUTH_DELAY;
			ms = throttle_bad(login, "192.0.2.1");
			good &= ms >= 0 && ms <= LIMIT_AUTH_DELAY;
			throttle_good(login, "192.0.2.1", false);
		}
	}
	TEST(good, "noise in the table delays nobody for long");
}

static void
test_slots(void)
{
	int fd = throttle_fd();
	int seen = 0;
	pid_t pids[LIMIT_HASHES];

	for (int i = 0; i < LIMIT_HASHES; i++) {
		int ends[2];
		char c;

		MUST(pipe(ends) == 0);
		pids[i] = fork();
		if (pids[i] == 0) {
			c = (char)slots_take(fd);
			MUST(write(ends[1], &c, 1) == 1);
			(void)pause();
		}
		MUST(read(ends[0], &c, 1) == 1);
		seen |= 1 << c;
	}
	TEST(seen == (1 << LIMIT_HASHES) - 1, "every process has a slot of its own");
	MUST(kill(pids[0], SIGKILL) == 0 && waitpid(pids[0], NULL, 0) == pids[0]);
	TEST(slots_take(fd) != -1, "the one of a killed process is free");
	for (int i = 1; i < LIMIT_HASHES; i++)
		MUST(kill(pids[i], SIGKILL) == 0);
}

int
main(void)
{
	int dir;

	MUST(sodium_init() != -1);
	catch_log();
	dir = scratch();
	test_file();
	test_password();
	test_secrets(dir);
	test_logins();
	test_fingerprints();
	test_throttle(dir);
	test_garbage(dir);
	test_slots();
	return 0;
}
