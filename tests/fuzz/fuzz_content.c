/*
 * Messages on their way out. First octet: bit 0 stored as it came (BINARYMIME), bit 1 the
 * hop takes 8bit, bit 2 the message begins behind a header of ours; the rest is the file.
 * What goes out has the size that was announced, no bare CR or LF, and, for 7bit, no
 * octet over 127; and what is converted has nothing left to convert.
 */
#include "relay/content.h"
#include "tests/fuzz/fuzz.h"

#define OUT_MAX (1 << 20)

static struct content content;
static char out[OUT_MAX], again[OUT_MAX];

struct buffer {
	char *to;
	size_t len;
};

static bool
put(void *arg, const char *s, size_t len)
{
	struct buffer *b = arg;

	CHECK(len <= OUT_MAX - b->len);
	memcpy(b->to + b->len, s, len);
	b->len += len;
	return true;
}

static size_t
write_out(bool stuff, char *to)
{
	struct buffer b = { to, 0 };

	CHECK(content_write(&content, 0, stuff, put, &b));
	return b.len;
}

static void
check_lines(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		CHECK(s[i] != '\n' || (i > 0 && s[i - 1] == '\r'));
		CHECK(s[i] != '\r' || (i + 1 < len && s[i + 1] == '\n'));
	}
	CHECK(len == 0 || s[len - 1] == '\n');
}

/* With dots taken off again it is the same. */
static void
check_stuffed(size_t len)
{
	size_t n = write_out(true, again), at = 0;
	bool start = true;

	for (size_t i = 0; i < n; i++) {
		if (start && again[i] == '.') {
			i++;
			CHECK(i < n && again[i] == '.' ? true : again[i] != '\r');
		}
		CHECK(at < len && again[i] == out[at]);
		at++;
		start = again[i] == '\n';
	}
	CHECK(at == len);
}

static int
open_memory(const void *data, size_t size)
{
	int fd = memfd_create("content", MFD_CLOEXEC);

	CHECK(fd != -1 && write(fd, data, size) == (ssize_t)size);
	return fd;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool raw, eight;
	size_t skip, len;
	int fd;

	if (size < 2 || size > 65536)
		return 0;
	raw = data[0] & 1;
	eight = data[0] & 2;
	data++;
	size--;
	skip = data[-1] & 4 && size > 8 ? 8 : 0;
	fd = open_memory(data, size);
	CHECK(content_open(&content, fd, skip, size, raw));
	if (raw) {
		len = write_out(false, out);
		CHECK(len == content.size && content.form == CONTENT_BINARY);
		CHECK(content_fit(&content, true, CONTENT_8BIT) == CONTENT_FITS &&
		      content.form == CONTENT_BINARY);
	}
	if (content_fit(&content, false, eight ? CONTENT_8BIT : CONTENT_7BIT) == CONTENT_FITS) {
		len = write_out(false, out);
		CHECK(len == content.size);
		check_lines(out, len);
		check_stuffed(len);
		for (size_t i = 0; i < len && !eight; i++)
			CHECK((unsigned char)out[i] < 128);
	} else {
		CHECK(content.plan.why != NULL && (raw || content.high));
	}
	CHECK(close(fd) == 0);
	return 0;
}
