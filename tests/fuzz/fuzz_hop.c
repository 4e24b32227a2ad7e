/*
 * A whole sender against a hostile next hop, in this process: the peer's octets are the
 * input, in pieces that are given one each time the sender waits. First octet: which
 * extensions the hop begins with are its own affair; bits choose LMTP (1), TLS policy
 * (2, 4), a login (8), a large message (16), a binary one (32), many recipients (64), one that
 * can be resumed (128). LMTP with a login, which nobody has, stands for a provider that is asked
 * by ETRN and ATRN (1 and 8). A form feed in the input ends a piece. Each recipient gets one
 * outcome of a good form, each question at most one answer.
 */
#include <poll.h>
#include <sys/socket.h>

#include "base/num.h"
#include "base/packet.h"
#include "base/sending.h"
#include "relay/sender.h"
#include "tests/fuzz/fuzz.h"

int __real_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask);
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask);

static const uint8_t *next, *end;
static int peer, runner, theirs, message = -1, message_size;
static unsigned flags, n_recipients, told, outcomes;
static enum { CONNECTING, LOGGING_IN, ASKING, SENDING, DONE } stage;
static bool seen[64];

static void
put(struct packet *p, char letter, unsigned n, const char *const *fields, int fd)
{
	packet_start(p, letter);
	for (unsigned i = 0; i < n; i++)
		packet_add(p, fields[i]);
	CHECK(packet_send(runner, p, fd) == 0);
}

static void
tell_message(struct packet *p)
{
	char size[24], n[8];
	const char *const m[] = { "id", "alice", "here.test", "0", size,
		flags & 32 ? "BINARYMIME" : "8BITMIME", flags & 128 ? "R" : "", "FULL", "env", "", n };
	const char *const r[] = { "bob", "there.test", "SUCCESS", "rfc822;bob@there.test" };

	snprintf(size, sizeof size, "%d", message_size);
	n_recipients = flags & 64 ? 60 : 2;
	snprintf(n, sizeof n, "%u", n_recipients);
	memset(seen, 0, sizeof seen);
	outcomes = 0;
	put(p, SEND_MESSAGE, 11, m, message);
	for (unsigned i = 0; i < n_recipients; i++)
		put(p, SEND_RECIPIENT, 4, r, -1);
	put(p, SEND_GO, 0, NULL, -1);
	stage = SENDING;
	told++;
}

static bool
is_provider(void)
{
	return (flags & 9) == 9;
}

/* Of a provider: what flush --fetch asks for, and the turn last. */
static void
ask(struct packet *p)
{
	static const char *const lines[][2] = {
		{ "ETRN far.test", "" }, { "ETRN @b.test", "" }, { "ATRN far.test,b.test", "turn" },
	};

	put(p, SEND_ASK, 2, lines[told], -1);
	stage = ASKING;
	told++;
}

static void
check_said(const struct packet *p, int fd)
{
	uint64_t code;

	CHECK(stage == ASKING && p->n == 2 && parse_u64(p->field[0], 599, &code) && code >= 200);
	CHECK(strlen(p->field[1]) <= LIMIT_REPLY);
	CHECK((fd != -1) == (told == 3 && code == 250));
	if (fd != -1) {
		CHECK(close(fd) == 0);
		stage = DONE;
	}
}

/* What comes next after a SEND_READY, a SEND_END or a SEND_SAID. */
static void
go_on(struct packet *p)
{
	static const char *const login[] = { "user", "secret" };

	if (stage == CONNECTING && flags & 8) {
		put(p, SEND_LOGIN, 2, login, -1);
		stage = LOGGING_IN;
	} else if (told < 3 && is_provider()) {
		ask(p);
	} else if (told < 3) {
		tell_message(p);
	} else {
		put(p, SEND_QUIT, 0, NULL, -1);
		stage = DONE;
	}
}

static void
check_outcome(const struct packet *p)
{
	const char *list = p->field[0];
	uint64_t i, last;
	char class;

	CHECK(stage == SENDING && p->n == 6 && list[0] != '\0');
	while (parse_range(&list, n_recipients - 1, &i, &last))
		for (; i <= last; i++, outcomes++) {
			CHECK(!seen[i]);
			seen[i] = true;
		}
	CHECK(list[0] == '\0');
	class = p->field[1][0];
	CHECK(strlen(p->field[1]) == 1 && strchr("245", class) != NULL);
	CHECK(p->field[2][0] == class && p->field[2][1] == '.' && strlen(p->field[2]) < 10);
	CHECK(strlen(p->field[3]) <= LIMIT_REPLY && p->field[3][0] != '\0');
	for (const char *c = p->field[3]; *c != '\0'; c++)
		CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
	CHECK(strcmp(p->field[4], "remote") == 0 || strcmp(p->field[4], "local") == 0);
	CHECK(class != '2' || strcmp(p->field[4], "remote") == 0);
}

/* Runs the runner's side as far as there are packets; the sender has the next word. */
static void
run_runner(void)
{
	static struct packet p;
	struct pollfd ready = { runner, POLLIN, 0 };
	const struct timespec now = { 0, 0 };

	while (__real_ppoll(&ready, 1, &now, NULL) == 1 && packet_recv(runner, &p) == 1) {
		const char *const yes[] = { "yes" };
		int fd = p.fd[0];

		CHECK(p.letter == SEND_SAID || (p.letter == SEND_WANTS_TLS) == (fd != -1));
		if (p.letter == SEND_WANTS_TLS) {
			put(&p, SEND_TLS, 1, yes, fd);
			CHECK(close(fd) == 0);
		} else if (p.letter == SEND_READY) {
			CHECK(stage == CONNECTING || stage == LOGGING_IN);
			go_on(&p);
		} else if (p.letter == SEND_OUTCOME) {
			check_outcome(&p);
		} else if (p.letter == SEND_END) {
			/*
			 * All of them; or none, of a connection that was gone before it began; or
			 * some, since another connection is for the others.
			 */
			bool cut = strcmp(p.field[0], "cut") == 0;
			bool rest = strcmp(p.field[0], "rest") == 0;
			uint64_t offset;

			CHECK(stage == SENDING && (outcomes == n_recipients ||
			                           (outcomes == 0 && p.field[0][0] == '\0') ||
			                           (rest && outcomes > 0) ||
			                           (cut && outcomes < n_recipients)));
			CHECK(!rest || outcomes < n_recipients);
			CHECK(!cut || (p.n == 2 && flags & 128 && parse_u64(p.field[1], 1 << 20, &offset)));
			stage = strcmp(p.field[0], "yes") == 0 ? SENDING : DONE;
			if (stage == SENDING)
				go_on(&p);
		} else if (p.letter == SEND_SAID) {
			check_said(&p, fd);
			if (stage == ASKING)
				go_on(&p);
		} else if (p.letter == SEND_PROGRESS) {
			CHECK(stage == SENDING && flags & 128 && p.n == 2);
		} else {
			CHECK(p.letter == SEND_NO_HOP && p.n == 3 && stage < SENDING);
			CHECK(stage != ASKING || is_provider());
			stage = DONE;
		}
	}
}

static void
drain(void)
{
	static char buf[1 << 16];

	while (recv(peer, buf, sizeof buf, MSG_DONTWAIT) > 0)
		;
}

/* The sender waits, for its runner or for the peer: who is asked says something. */
int
__wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
	static const struct timespec now = { 0, 0 };
	bool waits = t == NULL || t->tv_sec != 0 || t->tv_nsec != 0;
	int r;

	run_runner();
	drain();
	r = __real_ppoll(fds, n, &now, mask);
	if (r == 0 && waits) {
		const uint8_t *ff = memchr(next, '\f', (size_t)(end - next));
		size_t len = (size_t)((ff != NULL ? ff : end) - next);

		if (fds->fd == theirs)
			return 0; /* a runner that says nothing any more */
		if (next == end)
			CHECK(shutdown(peer, SHUT_WR) == 0);
		else if (len > 0)
			CHECK(send(peer, next, len, MSG_NOSIGNAL) != -1 || errno == EPIPE);
		next += len + (ff != NULL);
		r = __real_ppoll(fds, n, &now, mask);
	}
	return r;
}

static void
make_message(void)
{
	static const char text[] = "Received: x\nSubject: \nMIME-Version: 1.0\n\n.\nline\r\n.x";
	static char many[80000];

	message = memfd_create("message", MFD_CLOEXEC);
	CHECK(message != -1 && write(message, text, sizeof text - 1) == sizeof text - 1);
	for (size_t i = 0; i < sizeof many; i += 4)
		memcpy(many + i, flags & 32 ? "\xff.\r\n" : "\xe9.\n.", 4);
	if (flags & 16)
		CHECK(write(message, many, sizeof many) == sizeof many);
	message_size = (int)lseek(message, 0, SEEK_END);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct packet p;
	const char *fields[] = { "", "", "smtp", "mx.test", "n", "5", "5", "5" };
	int conn[2], boundary[2];

	if (size == 0 || size > 8192)
		return 0;
	flags = data[0];
	next = data + 1;
	end = data + size;
	fields[2] = flags & 1 && !is_provider() ? "lmtp" : "smtp";
	fields[4] = (const char *const[]){ "n", "o", "m", "i" }[flags >> 1 & 3];
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, conn) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, boundary) == 0);
	peer = conn[1];
	runner = boundary[0];
	theirs = boundary[1];
	stage = CONNECTING;
	told = 0;
	make_message();
	put(&p, SEND_CONNECT, 8, fields, conn[0]);
	CHECK(close(conn[0]) == 0);
	CHECK(sender_run(theirs, false) == SENDER_DONE);
	run_runner();
	CHECK(stage == DONE);
	CHECK(close(peer) == 0 && close(runner) == 0 && close(theirs) == 0 && close(message) == 0);
	return 0;
}
