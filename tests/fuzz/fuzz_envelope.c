/*
 * Envelopes of queued messages: any octets. What is taken is safe to act on, is written
 * back and read again as the same, and a mark changes nothing but its place.
 */
#include "base/envelope.h"
#include "tests/fuzz/fuzz.h"

static struct envelope e, again;
static int fd = -1;

static void
check_safe(void)
{
	CHECK(e.n > 0 && e.n <= LIMIT_RECIPIENTS && e.skip <= e.size && e.arrived >= 0);
	CHECK(e.id[0] != '\0' && e.id[0] != '.' && strchr(e.id, '/') == NULL);
	CHECK(e.by.when >= 0 && e.release >= 0 && envelope_start(&e) >= e.arrived);
	CHECK(e.priority >= PRIORITY_MIN && e.priority <= PRIORITY_MAX);
	for (unsigned i = 0; i < e.n; i++) {
		const struct envelope_to *to = &e.to[i];

		CHECK(to->address.local[0] != '\0' && to->address.domain[0] != '\0');
		CHECK(is_address_safe(to->address.local, to->address.domain));
		CHECK(to->orcpt[0] == '\0' || is_orcpt(to->orcpt));
		CHECK(to->attempts <= 999 && to->next >= 0);
	}
}

static void
check_same(void)
{
	const char *why;

	CHECK(envelope_read(fd, &again, &why) == 1 && again.n == e.n);
	CHECK(strcmp(again.id, e.id) == 0 && again.size == e.size && again.hold == e.hold);
	CHECK(strcmp(again.envid, e.envid) == 0 && again.ret == e.ret && again.body == e.body);
	CHECK(again.by.mode == e.by.mode && again.by.when == e.by.when && again.by.trace == e.by.trace);
	CHECK(again.release == e.release && again.hold_for == e.hold_for && again.priority == e.priority);
	for (unsigned i = 0; i < e.n; i++) {
		CHECK(strcmp(again.to[i].orcpt, e.to[i].orcpt) == 0);
		CHECK(strcmp(again.to[i].address.local, e.to[i].address.local) == 0);
		CHECK(again.to[i].state == e.to[i].state && again.to[i].next == e.to[i].next);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *why = NULL;

	if (fd == -1)
		CHECK((fd = memfd_create("envelope", MFD_CLOEXEC)) != -1);
	CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	if (envelope_read(fd, &e, &why) != 1) {
		CHECK(why != NULL && why[0] != '\0');
		return 0;
	}
	check_safe();
	/* Marked where it stands. */
	e.to[e.n - 1].state = ENVELOPE_FAILED;
	e.to[e.n - 1].next = 1795346553;
	CHECK(envelope_mark(fd, &e.to[e.n - 1]) == 0 && envelope_hold(fd, &e, !e.hold) == 0);
	check_same();
	/* Written anew. */
	CHECK(ftruncate(fd, 0) == 0 && envelope_write(fd, &e) == 0);
	check_same();
	return 0;
}
