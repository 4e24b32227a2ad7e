/* keeper/srs.h: senders rewritten and back, and what must not come back. */
#include "keeper/srs.h"

#include "tests/unit/test.h"

#define DAY 86400
#define NOW ((time_t)1795346553)

static unsigned char key[SRS_KEY];
static int dir;

static struct address
address(const char *s)
{
	struct address a;

	MUST(parse_address(s, &a));
	return a;
}

/* "local@domain", or "-" where reverse refuses. */
static const char *
reverse(const char *local, time_t now)
{
	static char text[LIMIT_ADDRESS + 1];
	struct address a;
	struct text t;

	if (!srs_reverse(&a, local, key, now))
		return "-";
	text_init(&t, text, sizeof text);
	address_text(&t, &a);
	return text;
}

static void
test_round(void)
{
	static const char *const senders[] = { "alice@example.org", "a=b@c.test", "a+tag@d.test",
		"SRS@e.test", "x@[192.0.2.1]" };

	for (size_t i = 0; i < LENGTH(senders); i++) {
		struct address out, a = address(senders[i]);

		TEST(srs_rewrite(&out, &a, "here.test", key, NOW) && is_srs(out.local),
		     "%s is rewritten: %s@%s", senders[i], out.local, out.domain);
		TEST_STR(out.domain, "here.test", "to a domain of ours");
		TEST_STR(reverse(out.local, NOW), senders[i], "and back");
	}
}

static void
test_age(void)
{
	struct address out, a = address("alice@example.org");

	MUST(srs_rewrite(&out, &a, "here.test", key, NOW));
	TEST_STR(reverse(out.local, NOW + LIMIT_SRS_DAYS * DAY), "alice@example.org", "old enough");
	TEST_STR(reverse(out.local, NOW + (LIMIT_SRS_DAYS + 1) * DAY), "-", "too old");
	TEST_STR(reverse(out.local, NOW - DAY), "-", "from tomorrow");
	/* Two characters count 1024 days, then they come again. */
	TEST_STR(reverse(out.local, NOW + (time_t)1024 * DAY), "alice@example.org", "wrapped");
}

static void
test_forged(void)
{
	struct address out, a = address("alice@example.org");
	char local[LIMIT_LOCAL + 1];
	unsigned bad = 0;

	MUST(srs_rewrite(&out, &a, "here.test", key, NOW));
	for (size_t i = 5; i < strlen(out.local); i++) {
		MUST(text_copy(local, sizeof local, out.local));
		local[i] = local[i] == 'b' ? 'c' : 'b';
		bad += strcmp(reverse(local, NOW), "-") == 0;
	}
	TEST(bad == strlen(out.local) - 5, "a change of any octet is noticed");
	for (size_t i = 0; i < strlen(out.local); i++)
		local[i] = out.local[i] >= 'a' && out.local[i] <= 'z' ?
		           (char)(out.local[i] - 'a' + 'A') : out.local[i];
	local[strlen(out.local)] = '\0';
	TEST_STR(reverse(local, NOW), "ALICE@EXAMPLE.ORG", "a lost case is not");
	key[0] ^= 1;
	TEST_STR(reverse(out.local, NOW), "-", "another key's");
	key[0] ^= 1;
	for (size_t i = 0; i <= strlen(out.local); i++) {
		MUST(text_copy(local, sizeof local, out.local));
		local[i] = '\0';
		if (i < strlen(out.local) && strcmp(reverse(local, NOW), "-") != 0)
			TEST(false, "cut after %zu octets it is taken", i);
	}
	TEST_STR(reverse("SRS0=aaaaaaaa=aa=x=y", NOW), "-", "a guess");
	TEST_STR(reverse("SRS0=", NOW), "-", "nothing behind it");
	TEST_STR(reverse("alice", NOW), "-", "no such address at all");
}

static void
test_chain(void)
{
	struct address out, a = address("SRS0=abcd=ef=example.org=alice@first.test");
	struct address again = address("SRS1=zzzz=first.test==abcd=ef=example.org=al@second.test");
	struct address null = { "", "" };
	struct address longest = address("0123456789012345678901234567890123456789012345678@x.test");

	TEST(srs_rewrite(&out, &a, "here.test", key, NOW) && strncmp(out.local, "SRS1=", 5) == 0,
	     "what another host has rewritten: %s", out.local);
	TEST_STR(reverse(out.local, NOW), "SRS0=abcd=ef=example.org=alice@first.test",
	         "goes back to that host");
	TEST(srs_rewrite(&out, &again, "here.test", key, NOW), "a third host: %s", out.local);
	TEST_STR(reverse(out.local, NOW), "SRS0=abcd=ef=example.org=al@first.test",
	         "passes the second by");
	TEST(srs_rewrite(&out, &null, "here.test", key, NOW) && out.local[0] == '\0',
	     "the null sender stays");
	TEST(!srs_rewrite(&out, &longest, "here.test", key, NOW) &&
	     strcmp(out.local, longest.local) == 0, "one that would be too long stays");
}

static void
test_key(void)
{
	int state = dir;
	unsigned char one[SRS_KEY], two[SRS_KEY];
	static const unsigned char zero[SRS_KEY];
	struct stat st;
	int fd;

	make_dir(state, "tmp");
	TEST(srs_key(state, one) == 0 && memcmp(one, zero, SRS_KEY) != 0, "a key is made");
	TEST(srs_key(state, two) == 0 && memcmp(one, two, SRS_KEY) == 0, "and kept");
	TEST(fstatat(state, "srs.key", &st, 0) == 0 && (st.st_mode & 0777) == 0600 &&
	     st.st_size == SRS_KEY, "for its owner alone");
	fd = openat(state, "srs.key", O_WRONLY | O_TRUNC);
	MUST(fd != -1 && write(fd, "short", 5) == 5 && close(fd) == 0);
	TEST(srs_key(state, two) == -1 && errno == EBADMSG, "a damaged one is an error");
}

int
main(void)
{
	for (unsigned i = 0; i < SRS_KEY; i++)
		key[i] = (unsigned char)(i * 7 + 1);
	dir = scratch();
	test_round();
	test_age();
	test_forged();
	test_chain();
	test_key();
	return 0;
}
