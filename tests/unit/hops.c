/* base/hops.h: Received lines are counted in the header only, however it is cut. */
#include "base/hops.h"

#include "tests/unit/test.h"

static const struct {
	const char *what, *message;
	unsigned want;
} rows[] = {
	{ "nothing", "", 0 },
	{ "one", "Received: x\n", 1 },
	{ "any case", "RECEIVED: x\nreceived:\nReCeIvEd:y\n", 3 },
	{ "others between", "From: a\nReceived: x\nTo: b\nReceived: y\n\n", 2 },
	{ "not in the body", "Received: x\n\nReceived: y\nReceived: z\n", 1 },
	{ "an empty header", "\nReceived: y\n", 0 },
	{ "a folded line is one", "Received: x\n\tReceived: y\n Received: z\n", 1 },
	{ "not in a line", "X-Received: y\nSubject: Received: z\n", 0 },
	{ "a colon is needed", "Received x\nReceived-SPF: y\nReceivedx: z\nReceived : w\n", 0 },
	{ "cut short", "Receive", 0 },
	{ "no line end", "Received:", 1 },
	{ "stored CRLF (BINARYMIME)", "Received: x\r\nReceived: y\r\n\r\nReceived: z\r\n", 2 },
	{ "a lone CR starts no line", "From: a\rReceived: x\n", 0 },
	{ "NUL and 8-bit", "\xff: a\nReceived: \xc3\xa9\n", 1 },
};

static unsigned
count(const char *s, size_t len, size_t piece)
{
	struct hops h;

	hops_init(&h);
	for (size_t at = 0; at < len; at += piece)
		hops_feed(&h, s + at, len - at < piece ? len - at : piece);
	return h.received;
}

/* A Delivered-To line that names bob@here.test or the second, in every cutting. */
static const struct {
	const char *what, *message;
	bool want;
} loops[] = {
	{ "his own", "Delivered-To: bob@here.test\n", true },
	{ "the second recipient", "Delivered-To: al@here.test\n\n", true },
	{ "case and blanks do not matter", "delivered-to:\tBOB@here.TEST \r\n\r\n", true },
	{ "behind others", "From: x\nDelivered-To: y@here.test\nDelivered-To: bob@here.test\n", true },
	{ "somebody else's", "Delivered-To: rob@here.test\nReceived: bob@here.test\n", false },
	{ "more than the address", "Delivered-To: bob@here.test.example\n", false },
	{ "in the body", "From: x\n\nDelivered-To: bob@here.test\n", false },
	{ "another field", "X-Delivered-To: bob@here.test\nDelivered: bob@here.test\n", false },
	{ "no line end", "Delivered-To: bob@here.test", false },
};

static void
test_loops(void)
{
	uint64_t known[2] = { hops_hash("bob@here.test"), hops_hash("al@here.test") };

	for (size_t i = 0; i < LENGTH(loops); i++) {
		size_t len = strlen(loops[i].message);
		bool same = true;

		for (size_t piece = 1; piece <= len; piece++) {
			struct hops h;

			hops_init(&h);
			h.known = known;
			h.n_known = 2;
			for (size_t at = 0; at < len; at += piece)
				hops_feed(&h, loops[i].message + at,
				          len - at < piece ? len - at : piece);
			same &= h.again == loops[i].want;
		}
		TEST(same, "Delivered-To, %s", loops[i].what);
	}
}

int
main(void)
{
	static char many[150 * 16];
	struct hops h;
	int n = 0;

	test_loops();
	for (size_t i = 0; i < LENGTH(rows); i++) {
		size_t len = strlen(rows[i].message);
		bool same = true;

		for (size_t piece = 1; piece <= len + 1; piece++)
			same &= count(rows[i].message, len, piece) == rows[i].want;
		TEST(same, "%s: %u in pieces of 1 to %zu octets", rows[i].what, rows[i].want,
		     len + 1);
	}
	for (int i = 0; i < 150; i++)
		n += snprintf(many + n, sizeof many - (size_t)n, "Received: %03d\n", i);
	TEST(count(many, (size_t)n, 7) == 150, "a hundred and fifty");
	hops_init(&h);
	hops_feed(&h, "", 0);
	hops_feed(&h, "\n", 1);
	TEST(h.done, "after the header it is done");
	return 0;
}
