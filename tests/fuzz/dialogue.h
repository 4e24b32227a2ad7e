/*
 * One whole session_run() in this process, without threads or time: link with
 * -Wl,--wrap=ppoll,--wrap=recvmsg,--wrap=clock_now. When the session waits for its client
 * it is given the next piece of the client's octets; when it waits for its keeper, a
 * scripted keeper answers, and holds the session to the table of verbs that the real one has.
 *
 * The script is in the addresses: local part "!x..." is answered with letter x;
 * "~x..." fails with letter x at the commit; "=N" lowers the limit to N octets. The
 * sender's domain "no-file.test" gets no message file, "full.test" one on a full disk,
 * "silent.test" a keeper that goes away at the commit, "odd.test" an answer that
 * breaks the boundary's form. TRANSID's first digits, if any, are the offset at which it is
 * resumed; one that begins with "0" is whole. dialogue_client.h has the script of AUTH.
 */
#ifndef TESTS_FUZZ_DIALOGUE_H
#define TESTS_FUZZ_DIALOGUE_H

#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/num.h"
#include "base/packet.h"
#include "base/timed.h"
#include "base/transid.h"
#include "session/session.h"
#include "tests/fuzz/fuzz.h"

#define DIALOGUE_PIECES 4096
#define DIALOGUE_OUTPUT (8 << 20)

enum dialogue_fact {
	BEGUN = 1, RECIPIENT = 2, OPENED = 4, SPOKEN = 8, SECURED = 16, EXCHANGE = 32,
	LOGGED_IN = 64, RESUMED = 128,
};
#define DIALOGUE_LASTING ((unsigned)SPOKEN | SECURED | EXCHANGE | LOGGED_IN)

enum dialogue_tls { DIALOGUE_TLS, DIALOGUE_NO_TLS, DIALOGUE_TLS_FAILS, DIALOGUE_TLS_ODD };

struct dialogue {
	const struct conf *conf;
	bool lmtp, may_secure;
	/* what becomes of a handshake */
	enum dialogue_tls tls;
	bool certificate, channel;
	/* what the client says: pieces, each given when the session waits; NULL: silence */
	const char *piece[DIALOGUE_PIECES];
	size_t piece_len[DIALOGUE_PIECES];
	unsigned n_pieces, next_piece;
	bool ended;                 /* the client has shut down its side */
	/* our ends, and the session's end of the boundary */
	int client, keeper, boundary;
	/* the keeper's transaction */
	unsigned have;
	bool turning;               /* ATRN was granted */
	char sender_domain[LIMIT_DOMAIN + 3];
	char outcomes[LIMIT_RECIPIENTS + 1];
	unsigned n_recipients;
	int message;                /* our descriptor of the message file, or -1 */
	/* the last message committed, and what the session has said */
	unsigned commits;
	char *stored;
	size_t stored_len;
	char *output;
	size_t output_len;
};

time_t __wrap_clock_now(void);

/* EHLO and added headers tell the time, and two runs of an input shall say the same. */
time_t
__wrap_clock_now(void)
{
	return 1767355445; /* 2026-01-02 12:04:05 */
}

static struct dialogue dialogue = { .message = -1, .keeper = -1, .client = -1 };

int __real_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask);
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask);
ssize_t __real_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);

static void
dialogue_drain(void)
{
	struct dialogue *d = &dialogue;
	ssize_t n;

	while ((n = recv(d->client, d->output + d->output_len, DIALOGUE_OUTPUT - d->output_len,
	                 MSG_DONTWAIT)) > 0)
		d->output_len += (size_t)n;
	CHECK(d->output_len < DIALOGUE_OUTPUT);
}

/* Gives the client's next piece; false for a moment of silence. */
static bool
dialogue_feed(void)
{
	struct dialogue *d = &dialogue;
	unsigned i = d->next_piece;

	if (i == d->n_pieces) {
		if (!d->ended)
			CHECK(shutdown(d->client, SHUT_WR) == 0);
		d->ended = true;
		return true;
	}
	d->next_piece++;
	if (d->piece[i] == NULL)
		return false;
	/* A session that is over has shut down its side. */
	CHECK(send(d->client, d->piece[i], d->piece_len[i], MSG_NOSIGNAL) != -1 ||
	      errno == EPIPE);
	return true;
}

/* The session waits: for input it gets some at once; room for output is made. */
int
__wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *mask)
{
	static const struct timespec now = { 0, 0 };
	bool waits = t == NULL || t->tv_sec != 0 || t->tv_nsec != 0;
	int r;

	dialogue_drain();
	r = __real_ppoll(fds, n, &now, mask);
	if (r == 0 && waits && fds->events == POLLIN) {
		if (!dialogue_feed())
			return 0;
		r = __real_ppoll(fds, n, &now, mask);
	}
	CHECK(r != 0 || !waits);
	return r;
}

static void
dialogue_say(struct packet *p, enum answer a)
{
	packet_start(p, (char)a);
	CHECK(packet_send(dialogue.keeper, p, -1) == 0);
}

/* The letter behind a mark at the start of a local part, or YES. */
static enum answer
dialogue_letter(const char *local, char mark)
{
	static const char letters[] = "uhraqpmSQfslety";

	if (local[0] == mark && local[1] != '\0' && strchr(letters, local[1]) != NULL)
		return (enum answer)local[1];
	return ANSWER_YES;
}

static void
dialogue_forget(void)
{
	if (dialogue.message != -1)
		CHECK(close(dialogue.message) == 0);
	dialogue.message = -1;
	dialogue.have &= DIALOGUE_LASTING;
	dialogue.n_recipients = 0;
}

static void
dialogue_begin(struct packet *p)
{
	const char *sender = p->field[1];
	enum answer a = dialogue_letter(sender, '!');
	uint64_t size;

	CHECK(p->n == 6 && !(dialogue.have & BEGUN));
	CHECK(is_greeting_name(p->field[0]) && is_address_safe(sender, p->field[2]));
	CHECK(strspn(p->field[3], "EU8B") == strlen(p->field[3]) &&
	      parse_u64(p->field[4], UINT64_MAX, &size));
	for (const char *c = p->field[5]; *c != '\0'; c++)
		CHECK(*c > ' ' && *c <= '~');
	CHECK(text_copy(dialogue.sender_domain, sizeof dialogue.sender_domain, p->field[2]));
	if (a == ANSWER_YES)
		dialogue.have |= BEGUN;
	dialogue_say(p, a);
}

/* What the session lets through can be read, and both kinds of hold never come at once. */
static void
dialogue_timed(struct packet *p)
{
	struct deliver_by by;
	uint64_t seconds;
	time_t until;
	int priority = 0;
	char counts[2];

	CHECK(p->n == 4 && (dialogue.have & (BEGUN | RECIPIENT)) == BEGUN);
	CHECK(p->field[0][0] == '\0' || parse_by(p->field[0], &by));
	CHECK(p->field[1][0] == '\0' ||
	      (parse_hold_for(p->field[1], &seconds) && seconds <= dialogue.conf->future_release));
	CHECK(p->field[2][0] == '\0' || parse_hold_until(p->field[2], &until));
	CHECK(p->field[3][0] == '\0' || parse_priority(p->field[3], &priority));
	CHECK((p->field[0][0] != '\0') + (p->field[1][0] != '\0') + (p->field[2][0] != '\0') <= 1);
	if (priority == PRIORITY_MAX) {
		dialogue_forget();
		dialogue_say(p, ANSWER_DENIED);
		return;
	}
	counts[0] = (char)('0' + (priority > 0 && priority < 5 ? priority : 0));
	counts[1] = '\0';
	packet_start(p, ANSWER_YES);
	packet_add(p, counts);
	CHECK(packet_send(dialogue.keeper, p, -1) == 0);
}

/* A message that is resumed has one recipient, and one that is compared. */
static void
dialogue_transid(struct packet *p)
{
	const char *digits = p->field[0] + 1;
	char offset[16] = "";

	CHECK(p->n == 1 && is_transid(p->field[0]));
	CHECK((dialogue.have & (BEGUN | RECIPIENT | OPENED)) == BEGUN);
	if (digits[0] < '0' || digits[0] > '9') {
		dialogue_say(p, ANSWER_YES);
		return;
	}
	for (size_t i = 0; i < 9 && digits[i] >= '0' && digits[i] <= '9'; i++)
		offset[i] = digits[i];
	dialogue.have |= RECIPIENT | RESUMED;
	dialogue.outcomes[dialogue.n_recipients++] = ANSWER_YES;
	packet_start(p, ANSWER_MORE);
	packet_add(p, "alice@here.test");
	CHECK(packet_send(dialogue.keeper, p, -1) == 0);
	packet_start(p, ANSWER_RESUME);
	packet_add(p, offset);
	packet_add(p, "1");
	packet_addu(p, dialogue.conf->size);
	packet_add(p, offset[0] == '0' ? "whole" : "");
	CHECK(packet_send(dialogue.keeper, p, -1) == 0);
}

/* What the session says of its progress is true. */
static void
dialogue_note(struct packet *p)
{
	uint64_t written, canonical;
	struct stat st;

	CHECK(p->n == 2 && parse_u64(p->field[0], UINT64_MAX, &written) &&
	      parse_u64(p->field[1], UINT64_MAX, &canonical));
	CHECK((dialogue.have & OPENED) && fstat(dialogue.message, &st) == 0);
	CHECK(!S_ISREG(st.st_mode) || (uint64_t)st.st_size >= written);
}

static void
dialogue_recipient(struct packet *p)
{
	const char *local = p->field[0];
	enum answer a = dialogue_letter(local, '!');
	uint64_t limit = dialogue.conf->size;

	CHECK(p->n == 2 && (dialogue.have & (BEGUN | OPENED)) == BEGUN);
	CHECK(is_address_safe(local, p->field[1]) && local[0] != '\0');
	if (dialogue.have & RESUMED)
		a = strcmp(local, "alice") == 0 ? ANSWER_YES : ANSWER_FIXED;
	else if (a == ANSWER_YES && dialogue.n_recipients == dialogue.conf->recipients)
		a = ANSWER_TOO_MANY;
	if (local[0] == '=' && !parse_u64(local + 1, limit, &limit))
		limit = dialogue.conf->size;
	if (a == ANSWER_YES && !(dialogue.have & RESUMED)) {
		dialogue.outcomes[dialogue.n_recipients++] = (char)dialogue_letter(local, '~');
		dialogue.have |= RECIPIENT;
	}
	packet_start(p, (char)a);
	if (a == ANSWER_YES)
		packet_addu(p, limit);
	CHECK(packet_send(dialogue.keeper, p, -1) == 0);
}

static void
dialogue_body(struct packet *p)
{
	int fd;

	CHECK(p->n == 0 && (dialogue.have & (BEGUN | RECIPIENT | OPENED)) == (BEGUN | RECIPIENT));
	if (strcmp(dialogue.sender_domain, "no-file.test") == 0) {
		dialogue_say(p, ANSWER_NO_SPACE);
		return;
	}
	dialogue.have |= OPENED;
	if (strcmp(dialogue.sender_domain, "full.test") == 0)
		fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	else
		fd = memfd_create("message", MFD_CLOEXEC);
	CHECK(fd != -1);
	dialogue.message = fd;
	packet_start(p, ANSWER_YES);
	packet_add(p, "id.1");
	CHECK(packet_send(dialogue.keeper, p, fd) == 0);
}

/* Keeps what the session has written. */
static void
dialogue_store(void)
{
	struct stat st;

	CHECK(fstat(dialogue.message, &st) == 0);
	free(dialogue.stored);
	dialogue.stored_len = S_ISREG(st.st_mode) ? (size_t)st.st_size : 0;
	dialogue.stored = malloc(dialogue.stored_len + 1);
	CHECK(dialogue.stored != NULL &&
	      pread(dialogue.message, dialogue.stored, dialogue.stored_len, 0) ==
	      (S_ISREG(st.st_mode) ? (ssize_t)dialogue.stored_len : -1));
	dialogue.commits++;
}

static void
dialogue_commit(struct packet *p)
{
	CHECK(p->n == 0 && (dialogue.have & OPENED));
	if (strcmp(dialogue.sender_domain, "silent.test") == 0) {
		CHECK(shutdown(dialogue.keeper, SHUT_RDWR) == 0);
		return;
	}
	if (strcmp(dialogue.sender_domain, "full.test") != 0)
		dialogue_store();
	dialogue.outcomes[dialogue.n_recipients] = '\0';
	packet_start(p, ANSWER_OUTCOMES);
	if (strcmp(dialogue.sender_domain, "odd.test") != 0)
		packet_add(p, "id.1");
	packet_add(p, dialogue.outcomes);
	CHECK(packet_send(dialogue.keeper, p, -1) == 0);
	dialogue_forget();
}

#include "tests/fuzz/dialogue_client.h"

static void
dialogue_answer(struct packet *p)
{
	CHECK(p->fd[0] == -1);
	CHECK(!(dialogue.have & EXCHANGE) || strchr("RCl", p->letter) != NULL);
	switch (p->letter) {
	case VERB_BEGIN:
		dialogue_begin(p);
		break;
	case VERB_RECIPIENT:
		dialogue_recipient(p);
		break;
	case VERB_BODY:
		dialogue_body(p);
		break;
	case VERB_COMMIT:
		dialogue_commit(p);
		break;
	case VERB_TIMED:
		dialogue_timed(p);
		break;
	case VERB_TRANSID:
		dialogue_transid(p);
		break;
	case VERB_NOTE:
		dialogue_note(p);
		break;
	case VERB_PARK:
	case VERB_ABORT:
		CHECK(p->n == 0 && (dialogue.have & BEGUN));
		dialogue_forget();
		break;
	case VERB_VERIFY:
	case VERB_EXPAND:
		dialogue_verify(p);
		break;
	case VERB_PEER:
	case VERB_XCLIENT:
		dialogue_peer(p);
		break;
	case VERB_TLS:
		dialogue_tls(p);
		break;
	case VERB_SECURE:
		dialogue_secure(p);
		break;
	case VERB_AUTH:
		dialogue_auth(p);
		break;
	case VERB_RESPONSE:
		dialogue_response(p);
		break;
	case VERB_CANCEL:
		dialogue_cancel(p);
		break;
	case VERB_FLUSH:
		dialogue_flush(p);
		break;
	case VERB_TURN:
		dialogue_turn(p);
		break;
	case VERB_TURNED:
		CHECK(p->n == 0 && dialogue.turning);
		dialogue_check_closed();
		break;
	case VERB_LOG:
		CHECK(p->n == 1 && strlen(p->field[0]) == 1);
		break;
	default:
		CHECK(p->letter == VERB_LOG); /* no other verb is known */
	}
	dialogue.have |= SPOKEN;
}

/* Answers all that has been asked so far. */
static void
dialogue_keep(void)
{
	static struct packet p;
	struct pollfd ready = { dialogue.keeper, POLLIN, 0 };

	while (poll(&ready, 1, 0) == 1 && packet_recv(dialogue.keeper, &p) == 1)
		dialogue_answer(&p);
}

ssize_t
__wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	if (fd == dialogue.boundary)
		dialogue_keep();
	return __real_recvmsg(fd, msg, flags);
}

/* RFC 5321 4.2: every line of the session is a reply line, 512 octets at most. */
static void
dialogue_check_output(void)
{
	const char *p = dialogue.output, *end = p + dialogue.output_len;
	bool goes_on = false;

	while (p < end) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		CHECK(lf != NULL && lf - p >= 5 && lf[-1] == '\r' && lf + 1 - p <= LIMIT_REPLY);
		CHECK(p[0] >= '2' && p[0] <= '5' && p[1] >= '0' && p[1] <= '5' && p[2] >= '0' &&
		      p[2] <= '9' && (p[3] == ' ' || p[3] == '-'));
		for (const char *c = p; c < lf - 1; c++)
			CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
		goes_on = p[3] == '-';
		p = lf + 1;
	}
	CHECK(!goes_on);
}

static void
dialogue_add(const char *s, size_t len)
{
	CHECK(dialogue.n_pieces < DIALOGUE_PIECES);
	dialogue.piece[dialogue.n_pieces] = s;
	dialogue.piece_len[dialogue.n_pieces++] = len;
}

/* Runs the session over the pieces added; then output and stored can be looked at. */
static void
dialogue_run(const struct session_setup *how)
{
	struct dialogue *d = &dialogue;
	struct session_setup setup = *how;
	int boundary[2], client[2];
	enum session_exit exit_code;

	if (d->output == NULL)
		d->output = malloc(DIALOGUE_OUTPUT);
	CHECK(d->output != NULL);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, boundary) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client) == 0);
	d->conf = setup.conf;
	d->lmtp = setup.service == SERVICE_LMTP;
	d->may_secure = setup.may_secure;
	d->client = client[1];
	d->keeper = boundary[1];
	d->boundary = setup.boundary = boundary[0];
	d->next_piece = d->have = d->n_recipients = d->commits = 0;
	d->turning = false;
	d->ended = false;
	d->output_len = 0;
	setup.in = setup.out = client[0];
	exit_code = session_run(&setup);
	CHECK(exit_code == SESSION_DONE || exit_code == SESSION_BROKEN);
	dialogue_keep();
	dialogue_drain();
	if (getenv("FUZZ_SHOW") != NULL) /* to look into a finding */
		(void)!fwrite(d->output, 1, d->output_len, stderr);
	dialogue_check_output();
	dialogue_forget();
	/* The session has closed its end of the connection; ours may be another by now. */
	CHECK(close(boundary[0]) == 0 && close(boundary[1]) == 0 && close(d->client) == 0 &&
	      fcntl(client[0], F_GETFD) == -1);
	d->n_pieces = 0;
}

#endif
