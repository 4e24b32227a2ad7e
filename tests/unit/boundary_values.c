/*
 * A hostile session, its packets well formed and in order, but with values that no
 * session sends: names that would forge headers or log lines, and paths for addresses.
 */
#include "tests/unit/hostile.h"

/* Values of begin's fields, NULL where the ordinary one stands. */
static const struct {
	const char *helo, *local, *domain, *flags, *size;
} begins[] = {
	{ .helo = "" },
	{ .helo = "a b" },
	{ .helo = "a\r\nX-Forged: y" },
	{ .helo = "a\nevent=forged" },
	{ .helo = "a\x01z" },
	{ .helo = "a\x7fz" },
	{ .helo = "(comment)" },
	{ .helo = "a;b" },
	{ .helo = "<a>" },
	{ .helo = "caf\xc3\xa9" },
	{ .local = "", .domain = "client.test" },
	{ .local = "a\r\nX-Forged: y" },
	{ .local = "a\n" },
	{ .local = "a\tz" },
	{ .local = "a\x7fz" },
	{ .local = "a\xffz" },
	{ .local = "a\xc0\xafz" },
	{ .local = "a\xed\xa0\x80z" },
	{ .domain = "client.test\r\nX-Forged: y" },
	{ .domain = "client.test>" },
	{ .domain = "client test" },
	{ .domain = "../../etc" },
	{ .domain = "a/b" },
	{ .domain = ".." },
	{ .domain = "." },
	{ .domain = ".client.test" },
	{ .domain = "client..test" },
	{ .domain = "-client.test" },
	{ .domain = "client%2e.test" },
	{ .domain = "a@client.test" },
	{ .domain = "[192.0.2.1" },
	{ .domain = "[192.0.2.1]x" },
	{ .domain = "[../..]" },
	{ .flags = "EEEEE" },
	{ .flags = "Z" },
	{ .flags = "E " },
	{ .size = "" },
	{ .size = "-1" },
	{ .size = "+1" },
	{ .size = " 1" },
	{ .size = "1k" },
	{ .size = "0x10" },
	{ .size = "18446744073709551616" },
};

static size_t
add_field(char *packet, size_t len, const char *value, const char *ordinary)
{
	const char *s = value != NULL ? value : ordinary;

	MUST(len + strlen(s) + 1 <= LIMIT_PACKET);
	memcpy(packet + len, s, strlen(s) + 1);
	return len + strlen(s) + 1;
}

static void
begin_with(const char *helo, const char *local, const char *domain, const char *flags,
           const char *size, const char *name)
{
	char packet[LIMIT_PACKET] = "b";
	size_t len = 1;

	len = add_field(packet, len, helo, "client.test");
	len = add_field(packet, len, local, "a");
	len = add_field(packet, len, domain, "client.test");
	len = add_field(packet, len, flags, "E");
	len = add_field(packet, len, size, "0");
	len = add_field(packet, len, NULL, "");
	reach(FRESH);
	MUST(send_with(packet, len, -1, 0));
	refused(0, name);
}

static void
test_begins(void)
{
	static const size_t giants[] = { LIMIT_LOCAL + 1, 300, 3000 };
	char name[160];

	for (size_t i = 0; i < LENGTH(begins); i++) {
		const char *what = begins[i].helo != NULL   ? begins[i].helo :
		                   begins[i].domain != NULL ? begins[i].domain :
		                   begins[i].local != NULL  ? begins[i].local :
		                   begins[i].flags != NULL  ? begins[i].flags :
		                                              begins[i].size;

		snprintf(name, sizeof name, "begin %zu: %s", i, show(what));
		begin_with(begins[i].helo, begins[i].local, begins[i].domain,
		           begins[i].flags, begins[i].size, name);
	}
	for (size_t i = 0; i < LENGTH(giants); i++) {
		char *giant = repeat('a', giants[i]);

		snprintf(name, sizeof name, "begin: a local part of %zu", giants[i]);
		begin_with(NULL, giant, NULL, NULL, NULL, name);
		if (giants[i] > LIMIT_DOMAIN) {
			snprintf(name, sizeof name, "begin: a name of %zu", giants[i]);
			begin_with(giant, NULL, NULL, NULL, NULL, name);
			snprintf(name, sizeof name, "begin: a domain of %zu", giants[i]);
			begin_with(NULL, NULL, giant, NULL, NULL, name);
		}
		free(giant);
	}
}

/* Recipients: an answer that refuses, or 0 for what no session sends. */
static const struct {
	const char *local, *domain;
	char answer;
} recipients[] = {
	{ "../../evil", "here.test", ANSWER_NO_USER },
	{ "../evil", "here.test", ANSWER_NO_USER },
	{ "alice/../bob", "here.test", ANSWER_NO_USER },
	{ "alice/Maildir", "here.test", ANSWER_NO_USER },
	{ "/etc/passwd", "here.test", ANSWER_NO_USER },
	{ "..", "here.test", ANSWER_NO_USER },
	{ ".", "here.test", ANSWER_NO_USER },
	{ "./alice", "here.test", ANSWER_NO_USER },
	{ "%2e%2e", "here.test", ANSWER_NO_USER },
	{ "%2E%2E%2Fevil", "here.test", ANSWER_NO_USER },
	{ "+tag", "here.test", ANSWER_NO_USER },
	{ "alice ", "here.test", ANSWER_NO_USER },
	{ "alice\" event=\"forged", "here.test", ANSWER_NO_USER },
	{ "\\", "here.test", ANSWER_NO_USER },
	{ "caf\xc3\xa9", "here.test", ANSWER_NO_USER },
	{ "alice", "elsewhere.test", ANSWER_RELAY_DENIED },
	{ "alice", "here.test.evil", ANSWER_RELAY_DENIED },
	{ "alice", "[192.0.2.1]", ANSWER_RELAY_DENIED },
	{ "alice", "", ANSWER_NO_USER },
	{ "", "here.test", 0 },
	{ "", "", 0 },
	{ "alice", "..", 0 },
	{ "alice", "../here.test", 0 },
	{ "alice", "here.test/", 0 },
	{ "alice", "/here.test", 0 },
	{ "alice", "here.test\n", 0 },
	{ "alice", "here%2etest", 0 },
	{ "alice", "\xff.test", 0 },
	{ "alice\r\nX-Forged: y", "here.test", 0 },
	{ "alice\n", "here.test", 0 },
	{ "\x1b[31m", "here.test", 0 },
	{ "alice\xff", "here.test", 0 },
	{ "\xc0\xae\xc0\xae/evil", "here.test", 0 },
};

static void
test_recipients(void)
{
	char packet[LIMIT_PACKET] = "r";
	char name[160];

	for (size_t i = 0; i < LENGTH(recipients); i++) {
		size_t len = add_field(packet, 1, recipients[i].local, "");

		len = add_field(packet, len, recipients[i].domain, "");
		snprintf(name, sizeof name, "recipient %s at %s", show(recipients[i].local),
		         show(recipients[i].domain));
		reach(BEGUN);
		MUST(send_with(packet, len, -1, 0));
		if (recipients[i].answer == 0) {
			refused(0, name);
			continue;
		}
		if (hear() != recipients[i].answer)
			TEST(false, "%s: answered by '%c'", name, answer_text[0]);
		finish(KEEPER_DONE, 1, "refused", 0, name);
	}
}

int
main(void)
{
	make_tree();
	test_begins();
	test_recipients();
	return 0;
}
