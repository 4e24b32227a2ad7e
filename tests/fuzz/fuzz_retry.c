/*
 * The file `retry` of a queue: any octets. What is taken can be written and is read again as
 * the same; a host that fails is left alone, and no time is believed that no backoff makes.
 */
#include "relay/schedule.h"
#include "tests/fuzz/fuzz.h"

static struct conf conf = { .retry_min = 300, .retry_max = 7200 };
static struct schedule s, again;
static int fd = -1;

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int r;

	if (fd == -1)
		CHECK((fd = memfd_create("retry", MFD_CLOEXEC)) != -1);
	CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	r = schedule_read(fd, &s);
	CHECK(r == 0 || r == 1);
	CHECK(s.n <= SCHEDULE_HOSTS && (r == 1 || s.n == 0));
	for (unsigned i = 0; i < s.n; i++) {
		const struct schedule_host *h = &s.host[i];

		CHECK(h->name[0] != '\0' && strlen(h->name) < SCHEDULE_NAME && h->until >= 0);
		CHECK(h->failures <= 999 && schedule_find(&s, h->name) != NULL);
		if (schedule_is_down(&s, h->name, &conf, 1000000))
			CHECK(schedule_find(&s, h->name)->until <= 1000000 + 7200);
	}
	CHECK(schedule_write(fd, &s) == 0 && schedule_read(fd, &again) == 1 && again.n == s.n);
	CHECK(s.n == 0 || strcmp(again.host[s.n - 1].text, s.host[s.n - 1].text) == 0);
	schedule_failed(&s, "192.0.2.1/25", &conf, 1000000, "4.4.1", "refused");
	CHECK(schedule_is_down(&s, "192.0.2.1/25", &conf, 1000000 + 200));
	return 0;
}
