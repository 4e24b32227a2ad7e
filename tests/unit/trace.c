/* keeper/trace.h: the lines before a message, RFC 5321 4.4 and RFC 3848. */
#include "keeper/trace.h"

#include "tests/unit/test.h"

#define AT 1795346553 /* Sun, 22 Nov 2026 11:22:33 +0000 */
#define DATE ";\n\tSun, 22 Nov 2026 11:22:33 +0000\n"

static const struct {
	const char *what, *sender, *recipient, *client;
	bool esmtp, lmtp, smtputf8;
	const char *want;
	bool auth, tls;
} rows[] = {
	{ "one recipient", "a@b.test", "c@d.test", "192.0.2.1", true, false, false,
	  "Return-Path: <a@b.test>\nDelivered-To: c@d.test\n"
	  "Received: from client.test ([192.0.2.1])\n\tby mx.test with ESMTP id i.1\n"
	  "\tfor <c@d.test>" DATE, false, false },
	{ "several are not named", "a@b.test", NULL, "2001:db8::1", true, false, false,
	  "Return-Path: <a@b.test>\n"
	  "Received: from client.test ([IPv6:2001:db8::1])\n\tby mx.test with ESMTP id i.1" DATE, false, false },
	{ "null sender, HELO", "", "c@d.test", "192.0.2.1", false, false, false,
	  "Return-Path: <>\nDelivered-To: c@d.test\n"
	  "Received: from client.test ([192.0.2.1])\n\tby mx.test with SMTP id i.1\n"
	  "\tfor <c@d.test>" DATE, false, false },
	{ "SMTPUTF8", "j\xc3\xbc@b.test", NULL, "192.0.2.1", true, false, true,
	  "Return-Path: <j\xc3\xbc@b.test>\n"
	  "Received: from client.test ([192.0.2.1])\n\tby mx.test with UTF8SMTP id i.1" DATE, false, false },
	{ "LMTP, no address", "a@b.test", NULL, "", true, true, false,
	  "Return-Path: <a@b.test>\n"
	  "Received: from client.test (local)\n\tby mx.test with LMTP id i.1" DATE, false, false },
	{ "LMTP with SMTPUTF8", "a@b.test", NULL, "", true, true, true,
	  "Return-Path: <a@b.test>\n"
	  "Received: from client.test (local)\n\tby mx.test with UTF8LMTP id i.1" DATE, false, false },
	{ "quoted", "\"a b\"@b.test", "\"<>\"@[192.0.2.2]", "192.0.2.1", true, false, false,
	  "Return-Path: <\"a b\"@b.test>\nDelivered-To: \"<>\"@[192.0.2.2]\n"
	  "Received: from client.test ([192.0.2.1])\n\tby mx.test with ESMTP id i.1\n"
	  "\tfor <\"<>\"@[192.0.2.2]>" DATE, false, false },
	{ "TLS and a login", "a@b.test", "c@d.test", "192.0.2.1", true, false, false,
	  "Return-Path: <a@b.test>\nDelivered-To: c@d.test\n"
	  "Received: from client.test ([192.0.2.1])\n\tby mx.test with ESMTPSA id i.1\n"
	  "\tfor <c@d.test>\n\ttls TLS_AES_256_GCM_SHA384 (TLSv1.3)" DATE, true, true },
	{ "TLS in LMTP", "a@b.test", NULL, "192.0.2.1", true, true, false,
	  "Return-Path: <a@b.test>\n"
	  "Received: from client.test ([192.0.2.1])\n\tby mx.test with LMTPS id i.1\n"
	  "\ttls TLS_AES_256_GCM_SHA384 (TLSv1.3)" DATE, false, true },
	{ "SMTPUTF8 and a login", "a@b.test", NULL, "192.0.2.1", true, false, true,
	  "Return-Path: <a@b.test>\n"
	  "Received: from client.test ([192.0.2.1])\n\tby mx.test with UTF8SMTPA id i.1" DATE,
	  true, false },
	{ "postmaster", "", "postmaster", "192.0.2.1", true, false, false,
	  "Return-Path: <>\nDelivered-To: postmaster\n"
	  "Received: from client.test ([192.0.2.1])\n\tby mx.test with ESMTP id i.1\n"
	  "\tfor <postmaster>" DATE, false, false },
};

static void
read_address(struct address *a, const char *s)
{
	*a = (struct address){ 0 };
	if (!parse_address(s, a))
		MUST(text_copy(a->local, sizeof a->local, s));
}

static void
test_rows(void)
{
	static const struct tls_facts facts = { .version = "TLSv1.3",
	                                        .cipher = "TLS_AES_256_GCM_SHA384" };

	for (size_t i = 0; i < LENGTH(rows); i++) {
		struct address sender, recipient;
		struct ip client = { .known = false };
		char buf[LIMIT_TRACE];
		struct text t;
		struct trace tr = {
			.sender = &sender,
			.recipient = rows[i].recipient != NULL ? &recipient : NULL,
			.helo = "client.test",
			.client = &client,
			.host = "mx.test",
			.id = "i.1",
			.esmtp = rows[i].esmtp,
			.lmtp = rows[i].lmtp,
			.smtputf8 = rows[i].smtputf8,
			.auth = rows[i].auth,
			.tls = rows[i].tls ? &facts : NULL,
			.now = AT,
		};

		read_address(&sender, rows[i].sender);
		read_address(&recipient, rows[i].recipient != NULL ? rows[i].recipient : "");
		(void)parse_ip(rows[i].client, &client);
		text_init(&t, buf, sizeof buf);
		trace_text(&t, &tr);
		TEST_STR(buf, rows[i].want, "%s", rows[i].what);
	}
}

/* The longest of everything fits LIMIT_TRACE, and RFC 5322's 998 octets a line. */
static void
test_longest(void)
{
	char *domain = repeat('d', LIMIT_DOMAIN), *id = repeat('i', LIMIT_ID);
	char buf[LIMIT_TRACE];
	struct address a;
	struct ip client;
	struct text t;
	struct tls_facts facts = { 0 };
	struct trace tr = { .sender = &a, .recipient = &a, .helo = domain, .client = &client,
	                    .host = domain, .id = id, .esmtp = true, .smtputf8 = true,
	                    .auth = true, .tls = &facts, .now = AT };
	size_t longest = 0;

	memset(facts.version, 'v', sizeof facts.version - 1);
	memset(facts.cipher, 'c', sizeof facts.cipher - 1);
	memset(a.local, '"', LIMIT_LOCAL);
	a.local[LIMIT_LOCAL] = '\0';
	MUST(text_copy(a.domain, sizeof a.domain, domain));
	MUST(parse_ip("1111:2222:3333:4444:5555:6666:7777:8888", &client));
	text_init(&t, buf, sizeof buf);
	trace_text(&t, &tr);
	for (const char *p = buf; *p != '\0'; p += strcspn(p, "\n") + 1)
		if (strcspn(p, "\n") > longest)
			longest = strcspn(p, "\n");
	TEST(text_ok(&t) && longest <= 998, "the longest: %zu octets, lines of %zu at most", t.len,
	     longest);
	free(domain);
	free(id);
}

int
main(void)
{
	test_rows();
	test_longest();
	return 0;
}
