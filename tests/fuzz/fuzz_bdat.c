/*
 * BDAT in a whole session: the input is a list of chunks, and what ends up in the
 * message file is compared with tests/fuzz/reference.h. The first octet: bit 0
 * BINARYMIME, 1 the last chunk is "BDAT 0 LAST", 2 a small size limit. Then each chunk
 * is two octets of length and that many of content.
 */
#include "tests/fuzz/dialogue.h"
#include "tests/fuzz/reference.h"

#define MAX_CHUNKS 64

static struct conf conf;

struct chunk {
	const char *s;
	size_t len;
	char line[40];
};

static unsigned
read_chunks(const uint8_t *data, size_t size, bool empty_last, struct chunk *chunks)
{
	unsigned n = 0;

	while (size >= 2 && n < MAX_CHUNKS - 1) {
		size_t len = (size_t)(data[0] << 8 | data[1]) % 3000;

		data += 2;
		size -= 2;
		len = len < size ? len : size;
		chunks[n].s = (const char *)data;
		chunks[n++].len = len;
		data += len;
		size -= len;
	}
	if (empty_last || n == 0) {
		chunks[n].s = "";
		chunks[n++].len = 0;
	}
	for (unsigned i = 0; i < n; i++)
		snprintf(chunks[i].line, sizeof chunks[i].line, "BDAT %zu%s\r\n", chunks[i].len,
		         i + 1 == n ? " LAST" : "");
	return n;
}

/* The replies after that of RCPT. */
static const char *
find_replies(void)
{
	const char *p = memmem(dialogue.output, dialogue.output_len, "250 2.1.5 ok\r\n", 14);

	CHECK(p != NULL);
	dialogue.output[dialogue.output_len] = '\0';
	return p + 14;
}

/* What must have become of the chunks. */
static void
check_result(const struct chunk *chunks, unsigned n, enum stream_mode mode)
{
	static char all[MAX_CHUNKS * 3000], stored[sizeof all];
	struct reference want;
	const char *replies = find_replies();
	size_t len = 0;

	for (unsigned i = 0; i < n; i++) {
		memcpy(all + len, chunks[i].s, chunks[i].len);
		len += chunks[i].len;
	}
	want = reference_eat(mode, all, len, stored);
	if (want.bare || want.pending || want.size > conf.size) {
		CHECK(dialogue.commits == 0);
		CHECK(strstr(replies, "\r\n503 5.5.1") != NULL || n == 1 ||
		      strncmp(replies, "55", 2) == 0 || strstr(replies, "\r\n55") != NULL);
		return;
	}
	CHECK(dialogue.commits == 1 && dialogue.stored_len == want.out &&
	      memcmp(dialogue.stored, stored, want.out) == 0);
	for (unsigned i = 0; i < n; i++) {
		char line[64];

		snprintf(line, sizeof line, i + 1 < n ? "250 2.0.0 %zu octets\r\n" :
		         "250 2.0.0 ok id.1\r\n", chunks[i].len);
		CHECK(strncmp(replies, line, strlen(line)) == 0);
		replies += strlen(line);
	}
	CHECK(strcmp(replies, "221 2.0.0 bye\r\n") == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chunk chunks[MAX_CHUNKS];
	struct session_setup setup = { .conf = &conf };
	bool binary;
	unsigned n;

	if (size == 0)
		return 0;
	binary = (data[0] & 1) != 0;
	CHECK(text_copy(conf.hostname, sizeof conf.hostname, "mx.test"));
	conf.size = setup.size = (data[0] & 4) != 0 ? 100 : 1 << 20;
	conf.recipients = conf.messages = conf.errors = conf.received = 1000;
	conf.command = conf.data = conf.session = 300;
	n = read_chunks(data + 1, size - 1, (data[0] & 2) != 0, chunks);
	dialogue_add("EHLO c.test\r\n", 13);
	if (binary)
		dialogue_add("MAIL FROM:<a@b.test> BODY=BINARYMIME\r\n", 38);
	else
		dialogue_add("MAIL FROM:<a@b.test>\r\n", 22);
	dialogue_add("RCPT TO:<c@d.test>\r\n", 20);
	for (unsigned i = 0; i < n; i++) {
		/* Line and content come together or apart, as it happens. */
		dialogue_add(chunks[i].line, strlen(chunks[i].line));
		if (chunks[i].len > 1 && chunks[i].s[0] & 1) {
			dialogue_add(chunks[i].s, chunks[i].len / 2);
			dialogue_add(chunks[i].s + chunks[i].len / 2,
			             chunks[i].len - chunks[i].len / 2);
		} else if (chunks[i].len > 0) {
			dialogue_add(chunks[i].s, chunks[i].len);
		}
	}
	dialogue_add("QUIT\r\n", 6);
	dialogue_run(&setup);
	check_result(chunks, n, binary ? STREAM_BINARY : STREAM_CHUNK);
	return 0;
}
