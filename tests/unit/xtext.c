/* base/xtext.h: RFC 3461 4. */
#include "base/xtext.h"

#include "tests/unit/test.h"

static const struct {
	const char *in, *out; /* NULL: refused */
} rows[] = {
	{ "", "" },
	{ "plain", "plain" },
	{ "e+3Dmc2@example.com", "e=mc2@example.com" },
	{ "+2B", "+" },
	{ "+2B+2B", "++" },
	{ "+2B2B", "+2B" },
	{ "+C3+BC", "\xc3\xbc" },
	{ "+FF", "\xff" },
	{ "+0D+0A", "\r\n" },
	{ "a b=c", "a b=c" }, /* what may stand unencoded is for the caller */
	{ "+", NULL },
	{ "a+", NULL },
	{ "+2", NULL },
	{ "+2B+", NULL },
	{ "+2b", NULL },
	{ "+b2", NULL },
	{ "+G0", NULL },
	{ "+0G", NULL },
	{ "+ 2", NULL },
	{ "+-1", NULL },
	{ "++2B", NULL },
	{ "+00", NULL },
	{ "a+00b", NULL },
};

int
main(void)
{
	char buf[32], small[5];
	struct text t;

	for (size_t i = 0; i < LENGTH(rows); i++) {
		bool ok;

		text_init(&t, buf, sizeof buf);
		ok = xtext_decode(&t, rows[i].in, strlen(rows[i].in));
		if (rows[i].out == NULL)
			TEST(!ok, "%s is refused", show(rows[i].in));
		else
			TEST(ok && strcmp(buf, rows[i].out) == 0, "%s", show(rows[i].in));
	}
	text_init(&t, buf, sizeof buf);
	TEST(!xtext_decode(&t, "+2B", 2), "the length counts, not what stands behind it");
	text_init(&t, buf, sizeof buf);
	text_add(&t, "x");
	TEST(xtext_decode(&t, "+2By", 3) && strcmp(buf, "x+") == 0, "appends");
	text_init(&t, small, sizeof small);
	TEST(xtext_decode(&t, "+41+42+43+44", 12) && strcmp(small, "ABCD") == 0, "just fits");
	text_init(&t, small, sizeof small);
	TEST(!xtext_decode(&t, "+41+42+43+44+45", 15), "does not fit");
	return 0;
}
