/* See ask.h. */
#include "spool/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/helper.h"
#include "base/num.h"
#include "base/packet.h"

static void
fail(struct verdict *v, int code, const char *what)
{
	verdict_set(v, code, "4.4.2", what, strerror(errno));
}

/* The envelope in memory; -1: v says why not. */
static int
make_envelope(const struct order *o, struct verdict *v)
{
	char *buf = malloc(LIMIT_ENVELOPE_TEXT);
	int fd = memfd_create("envelope", MFD_CLOEXEC);
	struct text t;
	bool good;

	if (buf != NULL && fd != -1) {
		text_init(&t, buf, LIMIT_ENVELOPE_TEXT);
		order_text(&t, o);
	}
	good = buf != NULL && fd != -1 && text_ok(&t) &&
	       write(fd, buf, t.len) == (ssize_t)t.len;
	free(buf);
	if (good)
		return fd;
	fail(v, SPOOL_MEMORY, "cannot hold the envelope");
	if (fd != -1)
		(void)close(fd); /* memory */
	return -1;
}

static bool
read_verdict(const struct packet *p, struct verdict *v)
{
	uint64_t code;

	if (p->letter != SPOOL_VERDICT || p->n != 4 || !parse_u64(p->field[0], 99, &code))
		return false;
	v->code = (int)code;
	return text_copy(v->status, sizeof v->status, p->field[1]) &&
	       text_copy(v->text, sizeof v->text, p->field[2]) &&
	       text_copy(v->id, sizeof v->id, p->field[3]);
}

/* Sends what is in p, and waits for the verdict, `seconds` at most (0: for ever). */
static void
ask(const char *path, struct packet *p, int fd0, int fd1, int seconds, struct verdict *v)
{
	const struct helper_door door = { path, -1 };
	const struct timeval wait = { seconds, 0 };
	int conn = helper_connect(&door);
	int r;

	if (conn == -1) {
		verdict_set(v, SPOOL_NO_DOOR, "4.4.1", path, strerror(errno));
		return;
	}
	(void)setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	if (packet_send_pair(conn, p, fd0, fd1) == -1) {
		fail(v, SPOOL_LOST, path);
	} else {
		r = packet_recv(conn, p);
		if (r == -1 && errno == EAGAIN)
			verdict_set(v, SPOOL_TIMEOUT, "4.4.2", path, "no answer");
		else if (r != 1 || !read_verdict(p, v))
			verdict_set(v, SPOOL_LOST, "4.4.2", path, "ended without an answer");
		packet_close_fds(p);
	}
	(void)close(conn); /* the answer is read */
}

void
ask_submit(const char *path, int fd, const struct order *o, struct verdict *v)
{
	static struct packet p;
	int envelope = make_envelope(o, v);
	char notify[64];
	struct text t;

	if (envelope == -1)
		return;
	text_init(&t, notify, sizeof notify);
	envelope_notify_text(&t, o->notify);
	packet_start(&p, SPOOL_MESSAGE);
	packet_add(&p, notify);
	packet_add(&p, o->ret == RET_FULL ? "FULL" : o->ret == RET_HDRS ? "HDRS" : "");
	packet_add(&p, o->envid);
	ask(path, &p, fd, envelope, LIMIT_SPOOL_SECONDS, v);
	(void)close(envelope); /* memory */
}

void
ask_session(const char *path, int in, int out, struct verdict *v)
{
	static struct packet p;

	packet_start(&p, SPOOL_SESSION);
	ask(path, &p, in, out, 0, v);
}
