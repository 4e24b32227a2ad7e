/*
 * keeper/partial.h: how far an interrupted message came, who may go on with it, and what is
 * left of it: each after a first connection that wrote, and ended somehow.
 */
#include "keeper/partial.h"

#include <signal.h>

#include "base/text.h"
#include "tests/unit/test.h"

#define TRACE "Return-Path: <a@b>\n"
#define HEAD "Subject: x\n\n"
#define OWNER "login a@here.test"

static int state;
static struct envelope envelope;

static void
begin(struct partial *p, const char *owner, const char *transid)
{
	MUST(partial_open(p, state, owner, "client.test", transid) == 0);
}

static void
write_text(const struct partial *p, const char *s)
{
	MUST(write(p->data.fd, s, strlen(s)) == (ssize_t)strlen(s));
}

/* A transaction whose message so far is TRACE and s; noted up to s[note). */
static void
interrupt(const char *transid, const char *s, size_t note, uint64_t canonical)
{
	static unsigned n;
	struct partial p;
	char id[16];

	snprintf(id, sizeof id, "id%u.1", ++n);
	begin(&p, OWNER, transid);
	MUST(partial_find(&p) == PARTIAL_NEW);
	MUST(partial_create(&p, id, "mx.test") == 0);
	write_text(&p, TRACE);
	snprintf(envelope.id, sizeof envelope.id, "%s", id);
	MUST(partial_publish(&p, &envelope) == 0);
	write_text(&p, s);
	if (note > 0)
		MUST(partial_note(&p, &p.data, strlen(TRACE) + note, canonical));
	partial_close(&p);
}

/* What the next connection is promised: *at, of the message as stored; -1: nothing. */
static long
resume(struct partial *p, const char *transid, bool lines, uint64_t *canonical)
{
	static unsigned n;
	char id[16];

	snprintf(id, sizeof id, "next%u.1", ++n);
	begin(p, OWNER, transid);
	if (partial_find(p) != PARTIAL_FOUND ||
	    partial_resume(p, strlen(TRACE), lines, id) == -1)
		return -1;
	*canonical = p->file.mark.canonical;
	return p->file.mark.octets == 0 ? 0 : (long)(p->file.mark.octets - strlen(TRACE));
}

static const struct {
	const char *name, *text;
	size_t note;
	uint64_t canonical;  /* of what was noted */
	bool lines;
	long octets;         /* promised, as stored */
	uint64_t offset;     /* and in canonical form */
} cuts[] = {
	{ "in the header", "Subj", 0, 0, true, 0, 0 },
	{ "at the header's end", HEAD, 12, 14, true, 12, 14 },
	{ "inside the first line", HEAD "one", 12, 14, true, 12, 14 },
	{ "behind a line", HEAD "one\n", 12, 14, true, 16, 19 },
	{ "inside the third", HEAD "one\ntwo\nthr", 12, 14, true, 20, 24 },
	{ "noted inside a line", HEAD "one\ntw", 18, 21, true, 16, 19 },
	{ "noted inside a line, which ends", HEAD "one\ntwo\nt", 18, 21, true, 20, 24 },
	{ "noted inside the first line", HEAD "on", 14, 16, true, 12, 14 },
	{ "binary", HEAD "a\r\nb", 12, 12, false, 16, 16 },
	{ "a line in a longer canonical header", HEAD "one\ntwo", 12, 50, true, 16, 55 },
};

static void
test_cuts(void)
{
	for (size_t i = 0; i < LENGTH(cuts); i++) {
		struct partial p;
		uint64_t offset = 99;
		char transid[32];
		struct stat st;
		long at;

		snprintf(transid, sizeof transid, "<%zu@cut>", i);
		interrupt(transid, cuts[i].text, cuts[i].note, cuts[i].canonical);
		at = resume(&p, transid, cuts[i].lines, &offset);
		MUST(fstat(p.data.read_fd, &st) == 0);
		TEST(at == cuts[i].octets && offset == cuts[i].offset &&
		     st.st_size == (off_t)strlen(TRACE) + at, "cut %s", cuts[i].name);
		partial_close(&p);
	}
}

/* A line longer than the block that is read at once, and many of them. */
static void
test_long(void)
{
	static char text[300000];
	struct partial p;
	uint64_t offset;
	size_t head = strlen(HEAD);

	memcpy(text, HEAD, head);
	memset(text + head, 'x', sizeof text - 1 - head);
	interrupt("<1@long>", text, 200000, 200002);
	TEST(resume(&p, "<1@long>", true, &offset) == (long)head && offset == head + 2,
	     "a line of 300 KB is given up as a whole");
	partial_close(&p);
	for (size_t i = head + 9; i < sizeof text - 1; i += 10)
		text[i] = '\n';
	interrupt("<2@long>", text, head, head + 2);
	TEST(resume(&p, "<2@long>", true, &offset) == 299992 && offset == 299992 + 2 + 29998,
	     "30,000 lines are counted: %ju", (uintmax_t)offset);
	partial_close(&p);
}

/* After a loss of power only what was synced counts. */
static void
test_boot(void)
{
	struct partial p;
	uint64_t offset;

	interrupt("<1@boot>", HEAD "one\ntwo\n", 16, 19);
	begin(&p, OWNER, "<1@boot>");
	MUST(partial_find(&p) == PARTIAL_FOUND);
	p.file.mark.boot -= 3600;
	MUST(pwrite(p.fd, "1", 1, PARTIAL_MARK_AT + PARTIAL_MARK - 10) == 1);
	p.file.mark.boot = 1000000000;
	TEST(partial_resume(&p, strlen(TRACE), true, "boot.1") == 0 &&
	     p.file.mark.canonical == 19, "started since: what was not synced is not promised");
	TEST(p.file.mark.boot == partial_boot() || p.file.mark.boot + 1 == partial_boot(),
	     "the mark is of this start again");
	partial_close(&p);
	TEST(resume(&p, "<1@boot>", true, &offset) == 16 && offset == 19, "and promised again");
	partial_close(&p);
}

/* The first connection hangs: its session may still write, its keeper still commit. */
static void
test_hung(void)
{
	struct partial first, second;
	uint64_t offset;
	char old[PARTIAL_NAME], new[PARTIAL_NAME];
	struct stat st;

	begin(&first, OWNER, "<1@hung>");
	MUST(partial_find(&first) == PARTIAL_NEW && partial_create(&first, "hung.1", "mx") == 0);
	write_text(&first, TRACE);
	snprintf(envelope.id, sizeof envelope.id, "hung.1");
	MUST(partial_publish(&first, &envelope) == 0);
	write_text(&first, HEAD "one\ntw");
	MUST(partial_note(&first, &first.data, strlen(TRACE HEAD), 14));
	TEST(resume(&second, "<1@hung>", true, &offset) == 16 && offset == 19,
	     "resumed although the first is still there");
	partial_name(old, &first, "hung.1", ".m");
	partial_name(new, &second, second.file.file, ".m");
	TEST(strcmp(old, new) != 0 && fstatat(second.dir, old, &st, 0) == -1 &&
	     fstatat(second.dir, new, &st, 0) == 0, "in a copy");
	write_text(&first, "poison\n");
	MUST(fstat(second.data.read_fd, &st) == 0);
	TEST(st.st_size == (off_t)strlen(TRACE HEAD "one\n"), "what the first writes is nowhere");
	write_text(&second, "two\n");
	TEST(partial_lock(&first) == 0, "the first can't commit");
	partial_discard(&first);
	TEST(fstatat(second.dir, new, &st, 0) == 0, "nor take it away");
	TEST(partial_lock(&second) == 1, "the second can");
	TEST(partial_set(&second, PARTIAL_COMMITTING) == 0, "it begins to");
	partial_close(&first);
	partial_close(&second);
}

static void
test_states(void)
{
	struct partial p;
	uint64_t offset;
	char name[PARTIAL_NAME];
	struct stat st;

	interrupt("<1@state>", HEAD "one\n", 16, 19);
	begin(&p, OWNER, "<1@state>");
	MUST(partial_find(&p) == PARTIAL_FOUND);
	TEST(partial_resume(&p, strlen(TRACE), true, "s1.1") == 0 &&
	     partial_lock(&p) == 1 && partial_set(&p, PARTIAL_COMMITTING) == 0, "committing");
	partial_close(&p);
	TEST(resume(&p, "<1@state>", true, &offset) == 16 && p.again && p.data.fd == -1,
	     "found so: nothing may be added");
	TEST(partial_set(&p, PARTIAL_DONE) == 0, "done");
	partial_name(name, &p, p.file.file, ".m");
	partial_drop_data(&p);
	TEST(fstatat(p.dir, name, &st, 0) == -1, "the message is gone");
	partial_close(&p);
	begin(&p, OWNER, "<1@state>");
	TEST(partial_find(&p) == PARTIAL_FOUND && p.file.mark.state == PARTIAL_DONE &&
	     p.file.mark.canonical == 19, "found so: the length is remembered");
	partial_discard(&p);
	TEST(partial_find(&p) == PARTIAL_NEW, "discarded: as if it had never been");
	partial_close(&p);
}

static void
test_damaged(void)
{
	struct partial p;
	uint64_t offset;
	char name[PARTIAL_NAME];

	interrupt("<1@bad>", HEAD "one\n", 16, 19);
	begin(&p, OWNER, "<1@bad>");
	partial_name(name, &p, "", ".p");
	put(p.dir, name, "postern-partial 1\nmark R 0");
	catch_log();
	TEST(partial_find(&p) == PARTIAL_NEW, "a file cut off: begins anew");
	TEST(strstr(caught_log(), "event=partial-unreadable") != NULL, "and says so");
	partial_close(&p);
	interrupt("<2@bad>", HEAD "one\n", 16, 19);
	begin(&p, OWNER, "<2@bad>");
	MUST(partial_find(&p) == PARTIAL_FOUND);
	partial_name(name, &p, p.file.file, ".m");
	MUST(unlinkat(p.dir, name, 0) == 0);
	TEST(partial_resume(&p, strlen(TRACE), true, "b.1") == -1 && errno == ENOENT,
	     "its data is gone");
	partial_close(&p);
	interrupt("<3@bad>", HEAD "one\n", 16, 19);
	begin(&p, OWNER, "<3@bad>");
	MUST(partial_find(&p) == PARTIAL_FOUND);
	partial_name(name, &p, p.file.file, ".m");
	partial_close(&p);
	begin(&p, OWNER, "<3@bad>");
	put(p.dir, name, TRACE HEAD);
	partial_close(&p);
	TEST(resume(&p, "<3@bad>", true, &offset) == 0 && offset == 0,
	     "its data is shorter than was noted: from the start");
	partial_close(&p);
	begin(&p, "login bob@here.test", "<3@bad>");
	TEST(partial_find(&p) == PARTIAL_NEW, "another login has nothing");
	partial_close(&p);
}

static void
test_notes(void)
{
	struct partial p;

	begin(&p, OWNER, "<1@note>");
	MUST(partial_find(&p) == PARTIAL_NEW && partial_create(&p, "note.1", "mx") == 0);
	write_text(&p, TRACE HEAD);
	snprintf(envelope.id, sizeof envelope.id, "note.1");
	MUST(partial_publish(&p, &envelope) == 0);
	TEST(!partial_note(&p, &p.data, strlen(TRACE HEAD) + 1, 14), "more than there is");
	TEST(partial_note(&p, &p.data, strlen(TRACE HEAD), 14), "all there is");
	TEST(!partial_note(&p, &p.data, strlen(TRACE HEAD) - 1, 14), "less than before");
	TEST(!partial_note(&p, &p.data, strlen(TRACE HEAD), 13), "less of the message");
	partial_discard(&p);
	partial_close(&p);
}

/* One client's messages; another's are not counted. */
static void
test_room(void)
{
	struct partial p;
	char name[PARTIAL_NAME], id[16];
	unsigned n = 0;

	begin(&p, "login many@here.test", "<1@room>");
	TEST(partial_has_room(&p, LIMIT_PARTIAL_OWN_OCTETS + 1), "one fits, however large");
	for (; n < LIMIT_PARTIAL_OWN && partial_has_room(&p, 1000); n++) {
		snprintf(id, sizeof id, "r%u", n);
		partial_name(name, &p, id, ".m");
		put(p.dir, name, "x");
	}
	TEST(n == LIMIT_PARTIAL_OWN && !partial_has_room(&p, 0), "so many fit: %u", n);
	for (n = 0; n < LIMIT_PARTIAL_OWN; n++) {
		snprintf(id, sizeof id, "r%u", n);
		partial_name(name, &p, id, ".m");
		MUST(unlinkat(p.dir, name, 0) == 0);
	}
	put(p.dir, name, "x");
	TEST(!partial_has_room(&p, LIMIT_PARTIAL_OWN_OCTETS), "octets that would not fit");
	TEST(partial_has_room(&p, LIMIT_PARTIAL_OWN_OCTETS - 2), "octets that do");
	partial_close(&p);
}

int
main(void)
{
	state = scratch();
	make_dir(state, "partial");
	(void)signal(SIGIO, SIG_IGN); /* of leases */
	envelope.n = 1;
	envelope.size = strlen(TRACE);
	MUST(text_copy(envelope.to[0].address.local, sizeof envelope.to[0].address.local, "b") &&
	     text_copy(envelope.to[0].address.domain, sizeof envelope.to[0].address.domain,
	               "here.test"));
	envelope.to[0].state = ENVELOPE_TODO;
	test_cuts();
	test_long();
	test_boot();
	test_hung();
	test_states();
	test_damaged();
	test_notes();
	test_room();
	return 0;
}
