/*
 * base/brood.h with an ancestor that this test plays: what is ordered, who gets a job, and
 * what each word of the ancestor does.
 */
#include "base/brood.h"

#include <poll.h>
#include <sys/socket.h>

#include "base/ancestor.h"
#include "base/packet.h"
#include "tests/unit/test.h"

#define SPARES 4
#define ORDERS 16

static struct brood *b;
static int control;        /* the ancestor's end */
static int jobs[ORDERS];   /* of each slot: the child's end, or -1 */

/* Takes what has been ordered. */
static unsigned
take_orders(void)
{
	struct packet p;
	unsigned n = 0;

	while (packet_recv(control, &p) == 1) {
		MUST(p.letter == ANCESTOR_ORDER && p.n == 1 && p.fd[0] != -1);
		MUST(atoi(p.field[0]) < ORDERS);
		jobs[atoi(p.field[0])] = p.fd[0];
		n++;
	}
	return n;
}

static void
say(char letter, unsigned slot, unsigned status)
{
	struct packet p;

	packet_start(&p, letter);
	packet_addu(&p, slot);
	packet_addu(&p, status);
	MUST(packet_send(control, &p, -1) == 0);
}

static enum brood_word
hear(struct brood_news *news)
{
	return brood_hear(b, news);
}

static int
send_octet(int sock, const void *what)
{
	return send(sock, what, 1, MSG_NOSIGNAL) == 1 ? 0 : -1;
}

static int
give(char c)
{
	return brood_give(b, send_octet, &c);
}

/* The job that came to a slot; '\0': none; 'E': the end. */
static char
job_of(int slot)
{
	char c = '\0';
	ssize_t n = recv(jobs[slot], &c, 1, MSG_DONTWAIT);

	return n == 0 ? 'E' : n == 1 ? c : '\0';
}

static void
begin(uint64_t uses, unsigned idle)
{
	struct brood_setup setup = { .spares = SPARES, .idle = idle, .uses = uses };
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	control = pair[1];
	MUST(fcntl(control, F_SETFL, O_NONBLOCK) == 0);
	setup.control = pair[0];
	for (unsigned i = 0; i < ORDERS; i++)
		jobs[i] = -1;
	b = brood_new(&setup);
	MUST(b != NULL && brood_control(b) == pair[0]);
	say(ANCESTOR_LIVES, 0, 0);
}

static void
end(void)
{
	brood_free(b);
	(void)close(control);
	for (unsigned i = 0; i < ORDERS; i++)
		if (jobs[i] != -1)
			(void)close(jobs[i]);
}

static void
test_life(void)
{
	struct brood_news news;

	begin(2, SPARES);
	TEST(take_orders() == SPARES, "spares are ordered at the start");
	TEST(hear(&news) == BROOD_NOTHING, "that it lives is no news");
	TEST(give('a') == -1 && errno == EAGAIN, "who is only ordered gets no job");
	for (unsigned i = 0; i < SPARES; i++) {
		say(ANCESTOR_BORN, i, 0);
		MUST(hear(&news) == BROOD_BORN);
	}
	TEST(give('a') == SPARES - 1 && job_of(SPARES - 1) == 'a', "the last that came is first");
	TEST(brood_busy(b) == 1 && take_orders() == 0, "one busy, nothing to order yet");
	TEST(give('b') == SPARES - 2 && take_orders() == 2, "half taken: ordered up to the spares");
	say(ANCESTOR_READY, SPARES - 1, 0);
	TEST(hear(&news) == BROOD_READY && news.slot == SPARES - 1 && brood_busy(b) == 1,
	     "who is done is not busy");
	TEST(give('c') == SPARES - 1 && job_of(SPARES - 1) == 'c', "and serves again");
	say(ANCESTOR_READY, SPARES - 1, 0);
	TEST(hear(&news) == BROOD_READY && job_of(SPARES - 1) == 'E',
	     "after its uses it is sent home");
	say(ANCESTOR_ENDED, SPARES - 1, 0);
	TEST(hear(&news) == BROOD_ENDED && !news.busy, "and that it goes is no death");
	say(ANCESTOR_ENDED, SPARES - 2, 9);
	TEST(hear(&news) == BROOD_ENDED && news.busy && news.status == 9 && brood_busy(b) == 0,
	     "one that dies with a job is");
	end();
}

static void
test_idle(void)
{
	struct brood_news news;

	begin(100, SPARES);
	MUST(take_orders() == SPARES);
	for (unsigned i = 0; i < SPARES; i++) {
		say(ANCESTOR_BORN, i, 0);
		MUST(hear(&news) == BROOD_BORN && give('j') == (int)i);
	}
	TEST(give('x') == -1 && errno == EAGAIN, "nobody waits");
	TEST(take_orders() == SPARES, "others have been ordered");
	for (unsigned i = 0; i < SPARES; i++) {
		say(ANCESTOR_READY, i, 0);
		MUST(hear(&news) == BROOD_READY && job_of((int)i) == 'j');
	}
	say(ANCESTOR_BORN, SPARES, 0);
	TEST(hear(&news) == BROOD_BORN && job_of(SPARES) == 'E', "more than `idle` do not wait");
	(void)close(jobs[2]);
	jobs[2] = -1;
	MUST(give('1') == 3);
	TEST(give('2') == 1 && job_of(1) == '2', "who has died where it waited is passed over");
	end();
}

static void
test_short(void)
{
	struct brood_news news;

	begin(100, 3 * SPARES);
	MUST(take_orders() == SPARES);
	for (unsigned i = 0; i < SPARES; i++) {
		say(ANCESTOR_BORN, i, 0);
		MUST(hear(&news) == BROOD_BORN);
	}
	say(ANCESTOR_SHORT, EAGAIN, 0);
	TEST(hear(&news) == BROOD_SHORT && news.status == EAGAIN, "none can be forked, and why");
	for (unsigned i = 0; i < SPARES; i++)
		MUST(give('j') >= 0);
	MUST(take_orders() == SPARES);
	for (unsigned i = SPARES; i < 2 * SPARES; i++) {
		say(ANCESTOR_BORN, i, 0);
		MUST(hear(&news) == BROOD_BORN);
	}
	say(ANCESTOR_READY, 0, 0);
	TEST(hear(&news) == BROOD_READY && job_of(0) == 'j' && job_of(0) == 'E',
	     "from there on no more wait than spares");
	end();
}

static void
test_retired(void)
{
	struct brood_news news;

	begin(100, SPARES);
	MUST(take_orders() == SPARES);
	for (unsigned i = 0; i + 1 < SPARES; i++) {
		say(ANCESTOR_BORN, i, 0);
		MUST(hear(&news) == BROOD_BORN);
	}
	MUST(give('j') == SPARES - 2 && job_of(SPARES - 2) == 'j');
	brood_retire(b);
	TEST(job_of(0) == 'E' && job_of(1) == 'E', "retired: who waits goes");
	TEST(job_of(SPARES - 2) == '\0' && brood_busy(b) == 1, "who is busy does not");
	say(ANCESTOR_BORN, SPARES - 1, 0);
	TEST(hear(&news) == BROOD_BORN && job_of(SPARES - 1) == 'E', "who comes late goes");
	say(ANCESTOR_READY, SPARES - 2, 0);
	TEST(hear(&news) == BROOD_READY && job_of(SPARES - 2) == 'E', "who is done goes");
	TEST(hear(&news) == BROOD_NOTHING && take_orders() == 0, "nobody is ordered");
	end();
}

static void
test_nonsense(void)
{
	static const struct {
		char letter;
		unsigned slot;
		const char *what;
	} words[] = {
		{ ANCESTOR_READY, 9, "a slot that was never ordered" },
		{ ANCESTOR_READY, ANCESTOR_CHILDREN, "a slot that is none" },
		{ 'Q', 0, "a letter that is none" },
	};
	struct brood_news news;

	for (size_t i = 0; i < LENGTH(words); i++) {
		begin(1, 1);
		say(words[i].letter, words[i].slot, 0);
		TEST(hear(&news) == BROOD_GONE, "%s: as if it had gone", words[i].what);
		end();
	}
	begin(1, 1);
	(void)close(control);
	TEST(hear(&news) == BROOD_GONE, "its end");
	control = -1;
	end();
}

int
main(void)
{
	test_life();
	test_idle();
	test_short();
	test_retired();
	test_nonsense();
	return 0;
}
