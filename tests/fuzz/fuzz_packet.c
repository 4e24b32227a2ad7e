/*
 * The boundary: a whole keeper_run() over a real tree, with packets that no session
 * need have sent. Link with -Wl,--wrap=poll,--wrap=recvmsg: when the keeper waits, the
 * next packet is sent, and when it waits for a helper, the helper's. It must answer in form or end, keep no file in tmp/, deliver only what was
 * written, and log nothing that could be taken for another line.
 *
 * The first octet: bit 0 LMTP, 1 VRFY on, 2 may relay, 3 a proxy, 4 submission, 5 it
 * can have TLS, 6 AUTH without it, 7 no helper can be reached. Then one packet a line,
 * a helper's begins with "!" (where none comes next it closes): an octet of flags, the verb, the fields with "|" between. Flags,
 * from "0" on: bit 0 no final NUL, 1 a descriptor, 2 three of them, 3 keep the message
 * file open, 4 padded past LIMIT_PACKET.
 */
#include <poll.h>
#include <sys/socket.h>

#include "base/boundary.h"
#include "base/helper.h"
#include "base/num.h"
#include "base/packet.h"
#include "base/timed.h"
#include "keeper/keeper.h"
#include "tests/fuzz/fuzz.h"

static int top = -1;
static struct conf conf;
static struct keeper_setup setup = { .conf = &conf, .append = "",
	.job = { .session_id = "s.1", .conn = -1 }, .tls = { NULL, -1 }, .auth = { NULL, -1 } };
static const char *const boxes[] = { "a.test/alice", "a.test/bob", "a.test/list",
	"a.test/loop", "a.test/remote", "b.test/full", "b.test/info" };

/* The session's side. */
static int ours;
static const uint8_t *next, *end;
static int message = -1;    /* the descriptor that a flag told us to keep */
static unsigned delivered;  /* outcomes that say yes */

/* The helpers' side: what the keeper connects to, and the connection it has. */
static int feed[2] = { -1, -1 };
static int client[2];
static int helper = -1;
static bool busy; /* it is we who receive, not the keeper */

ssize_t __real_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags);
int __real_poll(struct pollfd *fds, nfds_t n, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t n, int timeout);

static void
start(void)
{
	char path[64];

	top = fuzz_scratch();
	fuzz_mkdir(top, "state");
	fuzz_mkdir(top, "state/tmp");
	fuzz_mkdir(top, "state/partial");
	fuzz_mkdir(top, "state/mail");
	fuzz_mkdir(top, "state/mail/a.test");
	fuzz_mkdir(top, "state/mail/b.test");
	fuzz_mkdir(top, "domains");
	fuzz_put(top, "domains/a.test.conf", "", 0);
	fuzz_put(top, "domains/b.test.conf", "catchall = info\nquota = 2K 3\nsize = 64K\n", 40);
	fuzz_put(top, "domains/c.test.conf", "size = much\n", 12);
	for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++) {
		snprintf(path, sizeof path, "state/mail/%s", boxes[i]);
		fuzz_mkdir(top, path);
		snprintf(path, sizeof path, "state/mail/%s/Maildir", boxes[i]);
		fuzz_mkdir(top, path);
		snprintf(path, sizeof path, "state/mail/%s/Maildir/new", boxes[i]);
		fuzz_mkdir(top, path);
	}
	fuzz_put(top, "state/mail/a.test/list/forward", "alice@a.test\nbob@a.test\n", 24);
	fuzz_put(top, "state/mail/a.test/loop/forward", "loop@a.test\nloop2@a.test\n", 25);
	fuzz_put(top, "state/mail/a.test/remote/forward", "x@elsewhere.test\n", 17);
	setup.state = fuzz_opendir(top, "state");
	setup.domains = fuzz_opendir(top, "domains");
	CHECK(text_copy(conf.hostname, sizeof conf.hostname, "mx.test"));
	CHECK(parse_address("alice@a.test", &conf.postmaster));
	conf.size = setup.size = 1 << 20;
	conf.recipients = 5;
	conf.messages = 3;
	conf.errors = 5;
	conf.session = 300;
	conf.checkpoint = CHECKPOINT_ALL;
	conf.deliver_by = conf.priority.offered = true;
	conf.future_release = 86400;
	fuzz_catch_log();
}

/* Writes into the message file; closes it unless it is to be kept. */
static void
write_message(int fd, bool keep)
{
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && write(fd, "Subject: y\n", 11) == 11);
	if (!keep) {
		CHECK(close(fd) == 0);
		return;
	}
	if (message != -1)
		CHECK(close(message) == 0);
	message = fd;
}

/* An answer is in the form that base/boundary.h has for it. */
static void
check_answer(const struct packet *p, char verb, bool keep)
{
	uint64_t n;

	CHECK(strchr("+>ouhraqpmSQfsletycFMCnARbTxDL0gw", p->letter) != NULL);
	if (verb == VERB_BODY && p->letter == ANSWER_YES) {
		CHECK(p->n == 1 && p->fd[0] != -1 && p->fd[1] == -1);
		write_message(p->fd[0], keep);
		return;
	}
	if (verb == VERB_SECURE && p->letter == ANSWER_YES) {
		CHECK(p->n == 2 && p->fd[0] != -1 && p->fd[1] == -1);
		CHECK(close(p->fd[0]) == 0);
		return;
	}
	CHECK(p->fd[0] == -1);
	if (p->letter == ANSWER_CHALLENGE) {
		CHECK((verb == VERB_AUTH || verb == VERB_RESPONSE) && p->n == 1);
	} else if (p->letter == ANSWER_OUTCOMES) {
		CHECK(verb == VERB_COMMIT && p->n == 2 && p->field[1][0] != '\0');
		CHECK(message == -1); /* nobody else can still write to it */
		for (const char *c = p->field[1]; *c != '\0'; c++)
			delivered += *c == ANSWER_YES;
	} else if (verb == VERB_FLUSH && p->letter == ANSWER_YES) {
		CHECK(p->n == 1 && parse_u64(p->field[0], UINT64_MAX, &n) && n > 0);
	} else if (verb == VERB_TIMED && p->letter == ANSWER_YES) {
		int priority;

		CHECK(p->n == 1 && parse_priority(p->field[0], &priority) && priority <= 0);
	} else if (verb == VERB_RECIPIENT && p->letter == ANSWER_YES) {
		CHECK(p->n == 1 && parse_u64(p->field[0], setup.size, &n));
	} else if (p->letter == ANSWER_MORE) {
		CHECK((verb == VERB_VERIFY || verb == VERB_EXPAND || verb == VERB_TRANSID) &&
		      p->n == 1);
	} else if (p->letter == ANSWER_RESUME) {
		CHECK(verb == VERB_TRANSID && p->n == 4);
		for (unsigned i = 0; i < 3; i++)
			CHECK(parse_u64(p->field[i], UINT64_MAX, &n));
	} else {
		CHECK(p->n == 0);
	}
}

static void
take_answers(char verb, bool keep)
{
	static struct packet p;
	struct pollfd ready = { ours, POLLIN, 0 };

	while (__real_poll(&ready, 1, 0) == 1 && packet_recv(ours, &p) == 1)
		check_answer(&p, verb, keep);
}

static void
send_raw(int to, const char *buf, size_t len, unsigned fds)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(3 * sizeof(int))];
	} control = { 0 };
	const int descriptors[3] = { ours, ours, ours };
	struct iovec iov;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	memcpy(&iov.iov_base, &buf, sizeof buf);
	iov.iov_len = len;
	if (fds > 0) {
		struct cmsghdr *c;

		msg.msg_control = control.space;
		msg.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(fds * sizeof(int));
		memcpy(CMSG_DATA(c), descriptors, fds * sizeof(int));
	}
	CHECK(sendmsg(to, &msg, MSG_NOSIGNAL) == (ssize_t)len);
}

/* Sends the next line as a packet; false when there is none. */
static bool
send_line(int to, char *verb, bool *keep)
{
	static char buf[2 * LIMIT_PACKET];
	const uint8_t *lf;
	size_t len;
	unsigned flags;

	if (end - next < 2)
		return false;
	flags = (unsigned)(*next++ - '0') & 31;
	lf = memchr(next, '\n', (size_t)(end - next));
	len = (size_t)((lf != NULL ? lf : end) - next);
	if (len > LIMIT_PACKET)
		len = LIMIT_PACKET;
	memcpy(buf, next, len);
	next += len + (lf != NULL && next + len == lf);
	for (size_t i = 1; i < len; i++)
		if (buf[i] == '|')
			buf[i] = '\0';
	*verb = buf[0];
	*keep = (flags & 8) != 0;
	if (len > 1 && !(flags & 1))
		buf[len++] = '\0';
	if (flags & 16) {
		memset(buf + len, 0, sizeof buf - len);
		len = LIMIT_PACKET + 1;
	}
	send_raw(to, buf, len, (flags & 4) != 0 ? 3 : (flags & 2) != 0);
	return true;
}

static bool
send_next(char *verb, bool *keep)
{
	while (next < end && *next == '!') { /* for a helper that nobody has asked */
		const uint8_t *lf = memchr(next, '\n', (size_t)(end - next));

		next = lf != NULL ? lf + 1 : end;
	}
	return send_line(ours, verb, keep);
}

/* The connections that the keeper has made; the last one is the one that counts. */
static void
take_helpers(void)
{
	static struct packet p;
	struct pollfd ready = { feed[1], POLLIN, 0 };

	while (__real_poll(&ready, 1, 0) == 1 && ready.revents & POLLIN) {
		CHECK(packet_recv(feed[1], &p) == 1 && p.letter == HELPER_FEED);
		if (helper != -1)
			CHECK(close(helper) == 0);
		helper = p.fd[0];
	}
}

/* What the keeper has asked is in the form of base/helper.h. */
static void
check_question(void)
{
	static struct packet p;
	struct pollfd ready = { helper, POLLIN, 0 };

	while (__real_poll(&ready, 1, 0) == 1 && packet_recv(helper, &p) == 1) {
		CHECK((p.letter == TLS_SERVE && p.n == 3 && p.fd[1] != -1) ||
		      (p.letter == AUTH_BEGIN && p.n == AUTH_BEGIN_FIELDS && p.fd[0] == -1) ||
		      (p.letter == AUTH_RESPONSE && p.n == 1 && p.fd[0] == -1));
		packet_close_fds(&p);
	}
}

ssize_t
__wrap_recvmsg(int fd, struct msghdr *msg, int flags)
{
	char verb;
	bool keep;

	if (busy || fd == ours || fd == setup.job.boundary || feed[0] == -1)
		return __real_recvmsg(fd, msg, flags);
	busy = true;
	take_helpers();
	if (helper != -1)
		check_question();
	if (helper != -1 && next < end && *next == '!') {
		next++;
		if (!send_line(helper, &verb, &keep))
			CHECK(shutdown(helper, SHUT_RDWR) == 0);
	} else if (helper != -1) {
		CHECK(shutdown(helper, SHUT_RDWR) == 0);
	}
	busy = false;
	return __real_recvmsg(fd, msg, flags | MSG_DONTWAIT);
}

int
__wrap_poll(struct pollfd *fds, nfds_t n, int timeout)
{
	static char verb;
	static bool keep;
	int r;

	CHECK(timeout > 0);
	take_answers(verb, keep);
	if (!send_next(&verb, &keep))
		CHECK(shutdown(ours, SHUT_WR) == 0);
	r = __real_poll(fds, n, 0);
	CHECK(r == 1);
	return r;
}

/* Every message is whole, and there are some just when an outcome said so. */
static void
check_mailboxes(void)
{
	char path[96], content[2048];
	unsigned found = 0;

	for (size_t i = 0; i < sizeof boxes / sizeof boxes[0]; i++) {
		DIR *d;
		int fd, file;

		snprintf(path, sizeof path, "state/mail/%s/Maildir/new", boxes[i]);
		fd = fuzz_opendir(top, path);
		d = fdopendir(fd);
		CHECK(d != NULL);
		for (const struct dirent *e; (e = readdir(d)) != NULL;) {
			ssize_t n;

			if (e->d_name[0] == '.')
				continue;
			file = openat(fd, e->d_name, O_RDONLY | O_CLOEXEC);
			CHECK(file != -1);
			n = read(file, content, sizeof content - 1);
			CHECK(n > 0 && close(file) == 0);
			content[n] = '\0';
			CHECK(strncmp(content, "Return-Path: <", 14) == 0 &&
			      strcmp(content + n - 12, "\nSubject: y\n") == 0);
			found++;
		}
		CHECK(closedir(d) == 0);
		(void)fuzz_empty(top, path);
		snprintf(path, sizeof path, "state/mail/%s/Maildir/maildirsize", boxes[i]);
		(void)unlinkat(top, path, 0); /* where the quota made one */
	}
	CHECK((found > 0) == (delivered > 0));
	CHECK(fuzz_empty(top, "state/tmp") == 0);
	(void)fuzz_empty(top, "state/partial"); /* what was interrupted, and what is remembered */
}

/* A connection for the client, which a failed handshake shuts down, and somewhere to ask for
 * TLS and AUTH. */
static void
open_helpers(unsigned how)
{
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, client) == 0);
	setup.job.conn = client[0];
	setup.may_secure = (how & 32) != 0;
	conf.mechanisms = MECHANISMS_DEFAULT;
	conf.auth_without_tls = (how & 64) != 0;
	conf.handshake = 5;
	conf.sender_check = SENDER_CHECK_SUBMISSION;
	if (!(how & 128))
		CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, feed) == 0);
	setup.tls.feed = setup.auth.feed = feed[0];
}

static void
close_helpers(void)
{
	busy = true;
	take_helpers();
	busy = false;
	if (helper != -1)
		CHECK(close(helper) == 0);
	if (feed[0] != -1)
		CHECK(close(feed[0]) == 0 && close(feed[1]) == 0);
	CHECK(close(client[0]) == 0 && close(client[1]) == 0);
	helper = feed[0] = feed[1] = -1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int pair[2];
	enum keeper_end how;
	char none = '\0';

	if (size == 0 || size > 8192)
		return 0;
	if (top == -1)
		start();
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	CHECK(parse_ip("192.0.2.1", &setup.job.client));
	setup.job.boundary = pair[0];
	ours = pair[1];
	setup.job.service = data[0] & 1 ? SERVICE_LMTP : SERVICE_SMTP;
	conf.vrfy = (data[0] & 2) != 0;
	setup.may_relay = setup.always_relay = (data[0] & 4) != 0;
	conf.proxies.n = conf.xclient.n = (data[0] & 8) != 0;
	CHECK(parse_ip_net("192.0.2.1", &conf.proxies.net[0]));
	CHECK(parse_ip_net("192.0.2.0/24", &conf.xclient.net[0]));
	if (data[0] & 16)
		setup.job.service = SERVICE_SUBMISSION;
	open_helpers(data[0]);
	next = data + 1;
	end = data + size;
	delivered = 0;
	how = keeper_run(&setup);
	CHECK(how == KEEPER_DONE || how == KEEPER_MALFORMED);
	take_answers(none, false);
	if (message != -1)
		CHECK(close(message) == 0);
	message = -1;
	close_helpers();
	CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
	check_mailboxes();
	fuzz_check_log();
	return 0;
}
