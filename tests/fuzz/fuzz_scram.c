/*
 * SCRAM's two messages of the client, divided by a newline: what is read makes sense,
 * and nothing proves a password that nobody knows.
 */
#include <sodium.h>

#include "auth/scram.h"
#include "tests/fuzz/fuzz.h"

static void
fill(struct message *m, const uint8_t *data, size_t size)
{
	m->len = size < MESSAGE_MAX ? size : MESSAGE_MAX;
	memcpy(m->text, data, m->len);
	m->text[m->len] = '\0';
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct verifier_scram v = { .iterations = 4096, .salt_len = VERIFIER_SALT };
	static struct message first, last;
	static struct scram s;
	const uint8_t *lf = size > 0 ? memchr(data, '\n', size) : NULL;
	char buf[1024];
	struct text out;
	enum scram_verdict verdict;

	CHECK(sodium_init() != -1);
	if (lf == NULL)
		return 0;
	fill(&first, data, (size_t)(lf - data));
	fill(&last, lf + 1, size - 1 - (size_t)(lf - data));
	if (!scram_read_first(&s, &first))
		return 0;
	CHECK(strchr("nyp", s.flag) != NULL && s.user[0] != '\0' && s.nonce[0] != '\0');
	CHECK((s.flag == 'p') == (s.binding[0] != '\0') && s.bound_len <= sizeof s.bound);
	CHECK(memcmp(s.bound, first.text, s.bound_len) == 0);
	text_init(&out, buf, sizeof buf);
	/* A nonce that an input can know. */
	scram_first(&s, "0123456789abcdef01234567", &v, &out);
	CHECK(text_ok(&out) && strncmp(buf, "r=", 2) == 0);
	if (!scram_read_final(&s, &last))
		return 0;
	CHECK(strstr(last.text, s.nonce) != NULL);
	text_init(&out, buf, sizeof buf);
	verdict = scram_check(&s, &v, &out);
	CHECK(verdict == (s.unbound ? SCRAM_UNBOUND : SCRAM_WRONG) && out.len == 0);
	return 0;
}
