/*
 * session/stream.h: the data machine gives the same however its input is cut, ends
 * at CRLF "." CRLF and nowhere else, and sees every bare CR and LF.
 */
#include "session/stream.h"

#include <time.h>

#include "base/text.h"
#include "tests/fuzz/reference.h"
#include "tests/unit/test.h"

#define DATA STREAM_DATA
#define CHUNK STREAM_CHUNK
#define BINARY STREAM_BINARY

/* stored NULL: bare. rest: what stands behind the end; NULL: the end does not come. */
static const struct {
	enum stream_mode mode;
	const char *in, *stored, *rest;
	uint64_t size;
} rows[] = {
	{ DATA, ".\r\n", "", "", 0 },
	{ DATA, ".\r\nQUIT\r\n", "", "QUIT\r\n", 0 },
	{ DATA, "a\r\n.\r\n", "a\n", "", 3 },
	{ DATA, "\r\n.\r\n", "\n", "", 2 },
	{ DATA, "a\r\n\r\nb\r\n.\r\n", "a\n\nb\n", "", 8 },
	{ DATA, "..\r\n.\r\n", ".\n", "", 3 },
	{ DATA, "...\r\n.\r\n", "..\n", "", 4 },
	{ DATA, ".a\r\n.\r\n", "a\n", "", 3 },
	{ DATA, ".a.\r\n..\r\n.\r\n", "a.\n.\n", "", 7 },
	{ DATA, "a.\r\n.\r\n", "a.\n", "", 4 },
	{ DATA, "a\r\n.\r\n.\r\n", "a\n", ".\r\n", 3 },
	{ DATA, ". \r\n.\r\n", " \n", "", 3 },
	{ DATA, " .\r\n.\r\n", " .\n", "", 4 },
	{ DATA, "", "", NULL, 0 },
	{ DATA, ".", "", NULL, 0 },
	{ DATA, ".\r", "", NULL, 0 },
	{ DATA, "a\r\n.", "a\n", NULL, 3 },
	{ DATA, "a\r", "a", NULL, 1 },
	{ DATA, "a.\r\n", "a.\n", NULL, 4 },
	/* Smuggling: what other servers take, or have taken, for the end. */
	{ DATA, "a\n.\n", NULL, NULL, 0 },
	{ DATA, "a\n.\r\n", NULL, NULL, 0 },
	{ DATA, "a\r\n.\n", NULL, NULL, 0 },
	{ DATA, "a\r.\r\n", NULL, NULL, 0 },
	{ DATA, "a\r\n.\r", "a\n", NULL, 3 },
	{ DATA, "a\r.\r", NULL, NULL, 0 },
	{ DATA, "a\r\r\n.\r\n", NULL, "", 0 },
	{ DATA, "a\r\n.\r\r\n", NULL, NULL, 0 },
	{ DATA, "a\r\n.\n\r\n", NULL, NULL, 0 },
	{ DATA, "a\n\r\n.\r\n", NULL, "", 0 },
	{ DATA, ".\n.\r\n", NULL, NULL, 0 },
	{ DATA, ".\r.\r\n", NULL, NULL, 0 },
	{ DATA, "\n.\r\n", NULL, NULL, 0 },
	{ DATA, "\r.\r\n", NULL, NULL, 0 },
	{ DATA, "\r\r\n.\r\n", NULL, "", 0 },
	{ DATA, "\n\r\n.\r\n", NULL, "", 0 },
	{ DATA, "a\n\n.\r\n", NULL, NULL, 0 },
	{ DATA, ".\r\n\n", "", "\n", 0 },
	{ DATA, "..\r\r\n.\r\n", NULL, "", 0 },
	{ DATA, "\x85.\x85", "\x85.\x85", NULL, 3 },
	/* BDAT: octets are counted elsewhere, dots are nothing. */
	{ CHUNK, "a\r\n.\r\nb\r\n", "a\n.\nb\n", NULL, 9 },
	{ CHUNK, "..\r\n", "..\n", NULL, 4 },
	{ CHUNK, ".", ".", NULL, 1 },
	{ CHUNK, "a", "a", NULL, 1 },
	{ CHUNK, "a\r", "a", NULL, 1 },
	{ CHUNK, "a\n", NULL, NULL, 0 },
	{ CHUNK, "a\rb", NULL, NULL, 0 },
	{ CHUNK, "\r\r\n", NULL, NULL, 0 },
	{ CHUNK, "\n", NULL, NULL, 0 },
	{ BINARY, "a\r\n.\r\n", "a\r\n.\r\n", NULL, 6 },
	{ BINARY, "\n\r\r\n..", "\n\r\r\n..", NULL, 6 },
};

struct result {
	size_t used, out;
	bool end, bare;
	uint64_t size;
	char stored[64];
};

/* Bit i of cuts: the input is cut behind octet i. */
static struct result
eat(enum stream_mode mode, const char *in, size_t len, unsigned cuts)
{
	struct result r = { 0 };
	struct stream st;
	size_t at = 0;

	stream_init(&st, mode);
	while (at < len && !r.end) {
		char buf[64];
		struct stream_step step;
		size_t n = 1;

		while (at + n < len && !(cuts >> (at + n - 1) & 1))
			n++;
		memcpy(buf, in + at, n);
		step = stream_eat(&st, buf, n);
		if (step.used > n || step.out > step.used || (step.used < n && !step.end))
			r.used = 1000; /* broke its contract: shows below */
		memcpy(r.stored + r.out, buf, step.out);
		r.out += step.out;
		r.used += step.used;
		r.end = step.end;
		at += n;
	}
	r.bare = st.bare;
	r.size = st.size;
	return r;
}

static bool
is_same(const struct result *a, const struct result *b)
{
	return a->used == b->used && a->end == b->end && a->bare == b->bare &&
	       a->size == b->size && (a->bare || (a->out == b->out &&
	                                          memcmp(a->stored, b->stored, a->out) == 0));
}

static void
test_rows(void)
{
	for (size_t i = 0; i < LENGTH(rows); i++) {
		const char *in = rows[i].in;
		size_t len = strlen(in);
		size_t rest = rows[i].rest != NULL ? strlen(rows[i].rest) : 0;
		struct result whole = eat(rows[i].mode, in, len, 0);
		bool same = true;

		TEST(whole.end == (rows[i].rest != NULL) && whole.used == len - rest &&
		     whole.bare == (rows[i].stored == NULL) &&
		     (whole.bare || (whole.size == rows[i].size &&
		                     strcmp(whole.stored, rows[i].stored) == 0)),
		     "%s %s", rows[i].mode == DATA ? "DATA" : rows[i].mode == CHUNK ? "BDAT" :
		     "BINARYMIME", show(in));
		MUST(len <= 14);
		for (unsigned cuts = 1; len > 1 && cuts < 1U << (len - 1); cuts++) {
			struct result cut = eat(rows[i].mode, in, len, cuts);

			same &= is_same(&whole, &cut);
		}
		TEST(same, "and the same in all cuts");
	}
}

/* Each string of up to six octets over the alphabet that matters, in all cuts. */
static void
test_all_short(enum stream_mode mode)
{
	static const char alphabet[] = "\r\n.a";
	unsigned long wrong = 0;

	for (size_t len = 1; len <= 6; len++) {
		for (unsigned word = 0; word < 1U << 2 * len; word++) {
			char in[8], out[8];
			struct reference ref;

			for (size_t i = 0; i < len; i++)
				in[i] = alphabet[word >> 2 * i & 3];
			ref = reference_eat(mode, in, len, out);
			for (unsigned cuts = 0; cuts < 1U << (len - 1); cuts++) {
				struct result r = eat(mode, in, len, cuts);

				wrong += r.used != ref.used || r.end != ref.end ||
				         r.bare != ref.bare || r.size != ref.size ||
				         (!r.bare && (r.out != ref.out ||
				                      memcmp(r.stored, out, r.out) != 0));
			}
		}
	}
	TEST(wrong == 0, "%s: all strings of CR LF . a up to six octets, in all cuts",
	     mode == DATA ? "DATA" : "BDAT");
}

static void
test_finish(void)
{
	static const struct {
		const char *in;
		bool bare;
	} ends[] = { { "a\r", true }, { "a\r\n", false }, { "a", false }, { "", false },
	             { "\r", true } };

	for (size_t i = 0; i < LENGTH(ends); i++) {
		char buf[8];
		struct stream st;

		stream_init(&st, CHUNK);
		MUST(text_copy(buf, sizeof buf, ends[i].in));
		(void)stream_eat(&st, buf, strlen(buf));
		stream_finish(&st);
		TEST(st.bare == ends[i].bare, "the last chunk ends in %s: %s", show(ends[i].in),
		     ends[i].bare ? "bare" : "good");
	}
}

/* A buffer of what is worst for a machine that searches: its time must not square. */
static void
test_linear(void)
{
	static const struct {
		const char *what, *pattern;
	} worst[] = {
		{ "CR", "\r" }, { "LF", "\n" }, { "CR CR LF", "\r\r\n" }, { "dot", "." },
		{ "CRLF", "\r\n" }, { "CRLF dot dot", "\r\n.." }, { "a CR", "a\r" },
		{ "dot CR", ".\r" }, { "CRLF dot CR", "\r\n.\r" }, { "text", "a" },
	};
	const size_t len = 1 << 20;
	char *buf = malloc(len);

	MUST(buf != NULL);
	for (size_t i = 0; i < LENGTH(worst); i++) {
		size_t n = strlen(worst[i].pattern);
		struct stream st;
		struct stream_step step;
		clock_t start;

		for (size_t k = 0; k < len; k++)
			buf[k] = worst[i].pattern[k % n];
		stream_init(&st, DATA);
		start = clock();
		step = stream_eat(&st, buf, len);
		TEST(step.used == len && clock() - start < 4 * CLOCKS_PER_SEC,
		     "a mebioctet of %s takes no square", worst[i].what);
	}
	free(buf);
}

/* What is refused counts too, or a client could send it for ever. */
static void
test_counts_bare(void)
{
	static const char *const floods[] = { "\r", "\n", "a\r", "\r\r\n" };
	static char buf[3000];

	for (size_t i = 0; i < LENGTH(floods); i++) {
		size_t n = strlen(floods[i]);
		struct stream st;

		for (size_t k = 0; k < sizeof buf; k++)
			buf[k] = floods[i][k % n];
		stream_init(&st, DATA);
		for (int k = 0; k < 10; k++)
			(void)stream_eat(&st, buf, sizeof buf);
		TEST(st.bare && st.size >= sizeof buf - 2, "a flood of %s is counted",
		     show(floods[i]));
	}
}

int
main(void)
{
	test_rows();
	test_all_short(DATA);
	test_all_short(CHUNK);
	test_finish();
	test_linear();
	test_counts_bare();
	return 0;
}
