/* spool/order.h: the envelope of qmail-queue(8), and what stands in packets beside it. */
#include "spool/order.h"
#include "spool/serve.h"
#include "tests/unit/test.h"

static struct order o;

static const char *
text_of(void)
{
	static char buf[1024];
	struct text t;

	text_init(&t, buf, sizeof buf);
	order_text(&t, &o);
	for (size_t i = 0; i < t.len; i++)
		if (buf[i] == '\0')
			buf[i] = '|';
	return buf;
}

static const struct {
	const char *in; /* "|" stands for NUL */
	int code;
	const char *want; /* written back; of a failure a part of its words */
} rows[] = {
	{ "Fa@b.c|Td@e.f||", SPOOL_DONE, "Fa@b.c|Td@e.f||" },
	{ "F|Td@e.f||", SPOOL_DONE, "F|Td@e.f||" },
	{ "F#@[]|Td@e.f||", SPOOL_DONE, "F|Td@e.f||" },
	{ "Fa|Tb||", SPOOL_DONE, "Fa@our.test|Tb@our.test||" },
	{ "Fa@b|Tx@y|Tz@y||", SPOOL_DONE, "Fa@b|Tx@y|Tz@y||" },
	{ "Fa@b|Tx@y|Tx@Y||", SPOOL_DONE, "Fa@b|Tx@y||" },
	{ "Fa@b|Tx@y|TX@y||", SPOOL_DONE, "Fa@b|Tx@y|TX@y||" },
	{ "Fa@b|Tx@y||trailing", SPOOL_DONE, "Fa@b|Tx@y||" },
	{ "Fa b@c|Tx@y||", SPOOL_DONE, "F\"a b\"@c|Tx@y||" },
	{ "F\"a b\"@c|Tx@y||", SPOOL_DONE, "F\"a b\"@c|Tx@y||" },
	{ "Fa@b@c|Tx@y||", SPOOL_DONE, "F\"a@b\"@c|Tx@y||" },
	{ "Fa@[192.0.2.1]|Tx@y||", SPOOL_DONE, "Fa@[192.0.2.1]|Tx@y||" },
	{ "Fj\xc3\xb6@b|Tx@y||", SPOOL_DONE, "Fj\xc3\xb6@b|Tx@y||" },
	{ "", SPOOL_READ, "ends too early" },
	{ "Fa@b", SPOOL_READ, "ends too early" },
	{ "Fa@b|", SPOOL_READ, "ends too early" },
	{ "Fa@b|Tx@y|", SPOOL_READ, "ends too early" },
	{ "Fa@b|Tx@y", SPOOL_READ, "ends too early" },
	{ "Fa@b||", SPOOL_ENVELOPE, "no recipient" },
	{ "|", SPOOL_ENVELOPE, "expected F" },
	{ "Ta@b|", SPOOL_ENVELOPE, "expected F" },
	{ "Fa@b|Fc@d||", SPOOL_ENVELOPE, "expected T" },
	{ "Fa-@b-@[]|Tx@y||", SPOOL_ENVELOPE, "-@[]" },
	{ "Fa@b|T||", SPOOL_REFUSED, "not an address" },
	{ "Fa@b|T@c||", SPOOL_REFUSED, "not an address" },
	{ "Fa@b|Tx@||", SPOOL_REFUSED, "not an address" },
	{ "Fa@b|Tx@a_b||", SPOOL_REFUSED, "not an address" },
	{ "Fa@b|Tx\n@c||", SPOOL_REFUSED, "not an address" },
	{ "Fa@b|T\xff@c||", SPOOL_REFUSED, "not an address" },
};

static void
test_rows(void)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		char buf[256];
		struct verdict v = { .code = SPOOL_DONE };
		size_t len = strlen(rows[i].in);

		memcpy(buf, rows[i].in, len);
		for (size_t k = 0; k < len; k++)
			if (buf[k] == '|')
				buf[k] = '\0';
		TEST(order_parse(&o, buf, len, "our.test", &v) == (rows[i].code == SPOOL_DONE) &&
		     v.code == rows[i].code, "%s: code %d", show(rows[i].in), rows[i].code);
		if (rows[i].code == SPOOL_DONE)
			TEST_STR(text_of(), rows[i].want, "%s", show(rows[i].in));
		else
			TEST(strstr(v.text, rows[i].want) != NULL, "%s: \"%s\"",
			     show(rows[i].in), rows[i].want);
	}
}

/* Addresses of LIMIT_LOCAL and one octet more; LIMIT_RECIPIENTS and one more. */
static void
test_limits(void)
{
	static char buf[(LIMIT_RECIPIENTS + 2) * 16];
	struct verdict v = { .code = SPOOL_DONE };
	char *local = repeat('a', LIMIT_LOCAL + 1);
	struct address a;
	struct text t;

	TEST(order_address(&a, local, "b") == SPOOL_TOO_LONG, "65 octets: too long");
	TEST(order_address(&a, local + 1, "b") == SPOOL_DONE, "64 octets: an address");
	free(local);
	text_init(&t, buf, sizeof buf);
	text_addn(&t, "F", 2);
	for (unsigned i = 0; i < LIMIT_RECIPIENTS; i++) {
		text_addc(&t, 'T');
		text_addu(&t, i);
		text_addn(&t, "@x", 3);
	}
	MUST(text_ok(&t));
	buf[t.len] = '\0';
	TEST(order_parse(&o, buf, t.len + 1, "b", &v) && o.n == LIMIT_RECIPIENTS,
	     "1000 recipients");
	text_addn(&t, "Tlast@x", 8);
	TEST(!order_parse(&o, buf, t.len + 1, "b", &v) && v.code == SPOOL_REFUSED,
	     "1001 recipients: refused");
}

static const struct {
	const char *notify, *ret, *envid;
	bool good;
} packets[] = {
	{ "-", "", "", true },
	{ "NEVER", "FULL", "abc", true },
	{ "SUCCESS,FAILURE,DELAY", "HDRS", "x=y", true },
	{ "", "", "", false },
	{ "NEVER,DELAY", "", "", false },
	{ "-", "BODY", "", false },
	{ "-", "", "a\nb", false },
	{ "-", "", "\xc3\xb6", false },
};

static void
test_packets(void)
{
	static char envid[LIMIT_ENVID + 2];

	for (size_t i = 0; i < LENGTH(packets); i++) {
		struct packet p = { .n = 3, .field = { packets[i].notify, packets[i].ret,
		                                       packets[i].envid } };

		TEST(serve_take_fields(&o, &p) == packets[i].good, "a packet with %s %s %s",
		     show(packets[i].notify), show(packets[i].ret), show(packets[i].envid));
	}
	TEST(!serve_take_fields(&o, &(struct packet){ .n = 2, .field = { "-", "" } }),
	     "a packet with two fields");
	memset(envid, 'e', LIMIT_ENVID + 1);
	TEST(!serve_take_fields(&o, &(struct packet){ .n = 3, .field = { "-", "", envid } }),
	     "an ENVID of 101 octets");
}

int
main(void)
{
	test_rows();
	test_limits();
	test_packets();
	return 0;
}
