/* TLS for `postern send`: the program tls as a child, asked as a helper is. See post.h. */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/helper.h"
#include "base/packet.h"
#include "post/post.h"

/* Where the program expects who asks. */
#define ASKER 3

static _Noreturn void
be_tls(const struct post *p, int asker)
{
	char *const argv[] = { (char *)(uintptr_t)p->tls_program, (char *)(uintptr_t)"connect",
	                       (char *)(uintptr_t)p->ca, NULL };

	if (asker == ASKER ? fcntl(asker, F_SETFD, 0) == -1 : dup2(asker, ASKER) == -1)
		_exit(111);
	(void)execv(p->tls_program, argv);
	_exit(111);
}

/* The asker's end of a pair whose other end the program has. */
static int
start_tls(const struct post *p)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	pid = fork();
	if (pid == 0)
		be_tls(p, pair[1]);
	(void)close(pair[1]); /* the child's */
	if (pid == -1) {
		(void)close(pair[0]); /* nobody is there */
		return -1;
	}
	return pair[0];
}

/* The server is to bear the name that the user has typed. */
static bool
ask(const struct post *p, int asker, int conn, int plain)
{
	static struct packet out;

	packet_start(&out, TLS_CONNECT);
	packet_add(&out, "send");
	packet_add(&out, p->host);
	packet_add(&out, p->host);
	packet_add(&out, "name");
	return packet_send_pair(asker, &out, conn, plain) == 0;
}

static bool
hear(int asker, char why[LIMIT_REPLY])
{
	static struct packet in;

	if (packet_recv(asker, &in) != 1) {
		(void)text_copy(why, LIMIT_REPLY, "the program tls cannot be run");
		return false;
	}
	if (in.letter == TLS_UP)
		return true;
	if (in.n != 1 || !text_copy(why, LIMIT_REPLY, in.field[0]) || why[0] == '\0')
		(void)text_copy(why, LIMIT_REPLY, "the handshake failed");
	return false;
}

int
post_secure(const struct post *p, int conn, char why[LIMIT_REPLY])
{
	int asker = start_tls(p);
	int pair[2];
	bool good;

	(void)text_copy(why, LIMIT_REPLY, "out of descriptors or processes");
	if (asker == -1)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		(void)close(asker); /* ends the child */
		return -1;
	}
	good = ask(p, asker, conn, pair[1]);
	(void)close(pair[1]); /* the relay's */
	good = good && hear(asker, why);
	(void)close(asker);
	if (good)
		return pair[0];
	(void)close(pair[0]); /* nothing was sent over it */
	return -1;
}
