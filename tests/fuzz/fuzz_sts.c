/*
 * MTA-STS: a TXT record, a policy's file and a kept policy, chosen by the first octet. What is
 * taken is safe to keep, and is read again as the same.
 */
#include "base/sts.h"
#include "tests/fuzz/fuzz.h"

static struct sts_policy p, again;

static void
check_record(const char *s, size_t len)
{
	char id[STS_ID + 1];

	if (sts_parse_record(s, len, id) == STS_RECORD_GOOD)
		CHECK(id[0] != '\0' && strlen(id) <= STS_ID && strpbrk(id, " ;=\n") == NULL);
	else
		CHECK(id[0] == '\0');
}

static void
check_policy(void)
{
	char buf[LIMIT_STS + 1];
	struct text t;

	CHECK(p.max_age <= STS_MAX_AGE && p.mode <= STS_ENFORCE);
	CHECK(p.mode == STS_NONE ? p.mx[0] == '\0' || is_sts_patterns(p.mx) : is_sts_patterns(p.mx));
	CHECK(strpbrk(p.mx, "\r\n/") == NULL);
	(void)sts_allows(&p, "mail.example.com");
	text_init(&t, buf, sizeof buf);
	sts_write(&t, &p);
	CHECK(text_ok(&t) && sts_read(buf, &again));
	CHECK(again.mode == p.mode && again.max_age == p.max_age && strcmp(again.mx, p.mx) == 0 &&
	      strcmp(again.id, p.id) == 0 && again.fetched == p.fetched);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;
	char *s;

	if (size == 0)
		return 0;
	s = fuzz_string(data + 1, size - 1);
	switch (data[0] % 3) {
	case 0:
		check_record(s, size - 1);
		break;
	case 1:
		if (sts_parse_file(s, size - 1, &p, &why))
			check_policy();
		else
			CHECK(why != NULL && why[0] != '\0');
		break;
	default:
		if (sts_read(s, &p))
			check_policy();
		break;
	}
	free(s);
	return 0;
}
