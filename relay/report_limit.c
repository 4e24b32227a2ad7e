/* See report.h: how many reports went to one domain in this hour. A file of fixed size. */
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "relay/report.h"

#define PLACES 4096

struct place {
	uint64_t hash;
	uint32_t hour, n;
};

/* FNV-1a; who finds two domains with one value gains some reports. */
static uint64_t
hash_of(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s != '\0'; s++) {
		h ^= (unsigned char)(*s >= 'A' && *s <= 'Z' ? *s - 'A' + 'a' : *s);
		h *= 0x100000001b3;
	}
	return h;
}

bool
report_is_over(int state, const char *domain, uint64_t limit, time_t now)
{
	struct place p, fresh = { hash_of(domain), (uint32_t)(now / 3600), 0 };
	off_t at = (off_t)(fresh.hash % PLACES * sizeof p);
	int fd = limit == 0 ? -1 :
		openat(state, "reports", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool over = false;

	if (fd == -1)
		return false; /* better one too many than none */
	if (pread(fd, &p, sizeof p, at) != sizeof p || p.hash != fresh.hash || p.hour != fresh.hour)
		p = fresh;
	over = p.n >= limit;
	if (!over) {
		p.n++;
		if (pwrite(fd, &p, sizeof p, at) != sizeof p)
			over = false; /* a full disk has other troubles */
	}
	(void)close(fd); /* a count */
	return over;
}
