/*
 * maildirsize, which other programs write too. The first octet sets the quota (low
 * four bits: 2^n octets; the rest: messages), and when the second is "=" the right
 * first line is put before the input. The answer must be the one that a plain sum
 * gives where the file is usable, and a file that is not is written anew.
 */
#include "keeper/quota.h"
#include "tests/fuzz/fuzz.h"

#define BOX "mail/x.test/u"
#define MAILDIR BOX "/Maildir/"

static int state = -1;

static void
start(void)
{
	static const char *const dirs[] = { "mail", "mail/x.test", BOX, BOX "/Maildir",
		MAILDIR "tmp", MAILDIR "new", MAILDIR "cur" };

	state = fuzz_scratch();
	for (size_t i = 0; i < sizeof dirs / sizeof dirs[0]; i++)
		fuzz_mkdir(state, dirs[i]);
	fuzz_put(state, MAILDIR "new/a,S=100", "x", 1);
	fuzz_put(state, MAILDIR "cur/b:2,S", "xy", 2);
	fuzz_catch_log();
}

static size_t
read_file(char *buf, size_t cap)
{
	int fd = openat(state, MAILDIR "maildirsize", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd != -1 ? read(fd, buf, cap - 1) : -1;

	CHECK(n >= 0 && close(fd) == 0);
	buf[n] = '\0';
	return (size_t)n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char before[LIMIT_MAILDIRSIZE * 2], after[sizeof before];
	struct domain d = { 0 };
	char head[64], recounted[128];
	bool helped;
	size_t len = 0;
	enum answer first, second;

	if (size < 2 || size > LIMIT_MAILDIRSIZE + 100)
		return 0;
	if (state == -1)
		start();
	d.quota = (data[0] & 15) != 0 ? 1ULL << (data[0] & 15) : 0;
	d.quota_messages = data[0] >> 4;
	helped = data[1] == '=';
	if (d.quota_messages > 0)
		snprintf(head, sizeof head, "%juS,%juC\n", (uintmax_t)d.quota,
		         (uintmax_t)d.quota_messages);
	else
		snprintf(head, sizeof head, "%juS\n", (uintmax_t)d.quota);
	snprintf(recounted, sizeof recounted, "%s%12d %9d\n", head, 102, 2);
	if (helped) {
		len = strlen(head);
		memcpy(before, head, len);
		data++;
		size--;
	}
	memcpy(before + len, data + 1, size - 1);
	len += size - 1;
	fuzz_put(state, MAILDIR "maildirsize", before, len);
	first = quota_check(state, BOX, &d, 50);
	CHECK(first == ANSWER_YES || first == ANSWER_FULL ||
	      (first == ANSWER_NEVER_FITS && d.quota != 0 && d.quota < 50));
	if (d.quota == 0 && d.quota_messages == 0)
		CHECK(first == ANSWER_YES);
	size = read_file(after, sizeof after);
	CHECK((size == len && memcmp(before, after, len) == 0) || strcmp(after, recounted) == 0);
	/* Written anew, it says what the files do. */
	if (strcmp(after, recounted) == 0 && first != ANSWER_NEVER_FITS)
		CHECK(first == ((d.quota != 0 && d.quota < 152) ||
		                (d.quota_messages != 0 && d.quota_messages <= 2) ? ANSWER_FULL :
		                                                                   ANSWER_YES));
	second = quota_check(state, BOX, &d, 50);
	CHECK(second == first || first == ANSWER_FULL);
	quota_add(state, BOX, &d, 50);
	CHECK(fuzz_empty(state, MAILDIR "tmp") == 0);
	fuzz_check_log();
	return 0;
}
