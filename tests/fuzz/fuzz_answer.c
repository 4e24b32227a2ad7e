/*
 * DNS answers: any octets, as an answer for a.example; the first one chooses the type. What is
 * found stays within its bounds, is in order for mx.c, and usable for dane.c.
 */
#include "relay/answer.h"

#include "base/address.h"
#include "relay/dane.h"
#include "relay/mx.h"
#include "tests/fuzz/fuzz.h"

static const int types[] = { RR_A, RR_MX, RR_TXT, RR_AAAA, RR_TLSA };

static struct answer a;
static struct dane d;

static void
check_record(const struct answer_record *r, int type)
{
	const unsigned char *end = a.data + a.used;

	if (type == RR_MX) {
		CHECK(r->name == NULL || ((const unsigned char *)r->name >= a.data &&
		                          (const unsigned char *)r->name + strlen(r->name) < end));
		CHECK(r->preference <= 65535);
		return;
	}
	CHECK(r->data >= a.data && r->data + r->len <= end);
	CHECK(type != RR_A || r->len == 4);
	CHECK(type != RR_AAAA || r->len == 16);
	CHECK(type != RR_TLSA || r->len > 3);
}

static void
check_mx(void)
{
	struct mx_list l;

	if (a.n == 0 || mx_order(&l, &a, "us.example") != MX_GOOD)
		return;
	CHECK(l.n > 0 && l.n <= LIMIT_MX);
	for (unsigned i = 0; i < l.n; i++) {
		CHECK(is_domain(l.at[i].host, strlen(l.at[i].host)));
		CHECK(i == 0 || l.at[i - 1].preference <= l.at[i].preference);
	}
}

static void
check_dane(void)
{
	size_t sum = 0;

	dane_pick(&d, &a);
	CHECK(d.n <= LIMIT_TLSA);
	for (unsigned i = 0; i < d.n; i++) {
		CHECK(strlen(d.record[i]) >= 8 && (d.record[i][0] == '2' || d.record[i][0] == '3'));
		sum += strlen(d.record[i]) + 1;
	}
	CHECK(sum <= LIMIT_TLSA_TEXT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int type;
	char *packet;

	if (size == 0)
		return 0;
	type = types[data[0] % (sizeof types / sizeof types[0])];
	packet = fuzz_string(data + 1, size - 1);
	answer_read(&a, (const unsigned char *)packet, size - 1, "a.example", type);
	free(packet);
	CHECK(a.n <= ANSWER_RECORDS && a.used <= sizeof a.data);
	CHECK(a.status == ANSWER_GOOD || a.n == 0);
	CHECK(a.status != ANSWER_FAILED || a.why[0] != '\0');
	for (unsigned i = 0; i < a.n; i++)
		check_record(&a.record[i], type);
	if (type == RR_MX)
		check_mx();
	if (type == RR_TLSA)
		check_dane();
	return 0;
}
