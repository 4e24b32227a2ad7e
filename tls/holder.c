/*
 * See holder.h. The control socket (SEQPACKET) brings one descriptor a packet: a channel's
 * other end. A channel (SEQPACKET, too) brings one request, gets one answer, and is closed:
 * a relay that was taken over gets one signature, no more.
 */
#include "tls/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/packet.h"
#include "base/sandbox.h"
#include "tls/confine.h"

#define CONTROL 3
#define EPOLL 4
#define CHANNEL_WORD 'c' /* of the packet with a channel */
#define START_MS (10 * 1000)
#define EVENTS 32

static noreturn void
die_key(const char *file, const char *why)
{
	struct log_line l;

	log_start(&l, "error");
	log_field(&l, "what", "the private key cannot be used");
	log_field(&l, "file", file);
	log_field(&l, "error", why);
	log_send(&l, LOG_LEVEL_ERROR);
	_exit(1);
}

/* OpenSSL would ask on the terminal. */
static int
no_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static EVP_PKEY *
read_key(const char *file)
{
	FILE *f = fopen(file, "re");
	const char *why = strerror(errno);
	bool asked = false;
	EVP_PKEY *key = NULL;

	if (f != NULL) {
		setbuf(f, NULL); /* stdio's buffer would keep a copy of the key */
		key = PEM_read_PrivateKey(f, NULL, no_passphrase, &asked);
		(void)fclose(f); /* only read */
		why = asked ? "it has a passphrase; expected a key without one" :
		      "expected a private key in PEM form";
	}
	if (key == NULL)
		die_key(file, why);
	if (!is_signable(key))
		die_key(file, "expected RSA of 2048 to 8192 bits or ECDSA: a key of another kind "
		        "cannot be kept apart from the processes that read the network");
	return key;
}

static void
hash_public(EVP_PKEY *key, const char *file, unsigned char hash[HOLDER_HASH])
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	if (len <= 0 || EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL) != 1)
		die_key(file, "its public half cannot be computed");
	OPENSSL_free(der);
}

static bool
watch(int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(EPOLL, EPOLL_CTL_ADD, fd, &e) == 0;
}

/* 1: a channel was taken; 0: none; -1: nobody can send one any more. */
static int
take_channel(void)
{
	static struct packet in;
	int r = packet_recv(CONTROL, &in);

	if (r == 0 || (r == -1 && errno == ECONNRESET))
		return -1;
	if (r == 1 && in.letter == CHANNEL_WORD && in.fd[0] != -1 && in.fd[1] == -1 &&
	    watch(in.fd[0]))
		return 1;
	packet_close_fds(&in);
	return 0;
}

static void
serve_channel(const struct sign_keys *keys, int fd)
{
	unsigned char request[2 + SIGN_MAX + 1], answer[SIGN_MAX];
	ssize_t n = read(fd, request, sizeof request);
	size_t len = n > 0 ? sign_request(keys, request, (size_t)n, answer) : 0;

	ERR_clear_error();
	/* Refused: it sees the end. Without a reader there is nothing to do. */
	if (len > 0)
		(void)!write(fd, answer, len);
	(void)close(fd); /* the one request was answered; epoll forgets it, too */
}

static noreturn void
run_holder(const struct sign_keys *keys)
{
	struct epoll_event events[EVENTS];
	unsigned channels = 0;
	bool open = true;

	while (open || channels > 0) {
		int n = epoll_wait(EPOLL, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int r;

			if (events[i].data.fd != CONTROL) {
				serve_channel(keys, events[i].data.fd);
				channels--;
				continue;
			}
			r = take_channel();
			channels += r == 1;
			if (r == -1 && open) {
				(void)close(CONTROL); /* nobody is at the other end */
				open = false;
			}
		}
	}
	_exit(0);
}

/* Signals are for the parent: what it forked ends with its control socket. */
static void
ignore_signals(void)
{
	(void)signal(SIGHUP, SIG_IGN); /* valid signals */
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
}

static noreturn void
be_holder(const struct holder_setup *setup, int control)
{
	unsigned char hashes[SIGN_KEYS][HOLDER_HASH];
	struct sign_keys keys = { .n = setup->n };
	int epoll = epoll_create1(0);

	ignore_signals();
	(void)prctl(PR_SET_NAME, "tls-keys", 0, 0, 0); /* for ps; a valid name */
	for (unsigned i = 0; i < setup->n; i++) {
		keys.key[i] = read_key(setup->file[i]);
		hash_public(keys.key[i], setup->file[i], hashes[i]);
	}
	if (setup->uid != 0 && sandbox_become(setup->uid, setup->gid) == -1)
		die_temp("give up the uid of the key's reader", errno);
	/* Both may stand on the other's number. */
	control = fcntl(control, F_DUPFD, EPOLL + 1);
	epoll = fcntl(epoll, F_DUPFD, EPOLL + 1);
	if (control == -1 || epoll == -1 || dup2(control, CONTROL) == -1 ||
	    dup2(epoll, EPOLL) == -1 || sandbox_no_new_privs() == -1)
		die_temp("start the key holder", errno);
	if (!confine_holder(EPOLL + 1))
		die_temp("confine the key holder", errno);
	if (!watch(CONTROL) ||
	    write(CONTROL, hashes, setup->n * sizeof hashes[0]) == -1)
		die_temp("start the key holder", errno);
	run_holder(&keys);
}

/* The holder's first packet. */
static bool
read_hashes(int control, unsigned n, unsigned char (*hashes)[HOLDER_HASH])
{
	static const struct timeval wait = { START_MS / 1000, 0 };
	ssize_t want = (ssize_t)n * HOLDER_HASH;

	return setsockopt(control, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) == 0 &&
	       recv(control, hashes, (size_t)want, MSG_TRUNC) == want;
}

int
holder_start(const struct holder_setup *setup, unsigned char (*hashes)[HOLDER_HASH])
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
		log_error("socketpair", errno);
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		(void)close(pair[0]); /* the parent's */
		/* Once more: helper_run() counts children, and this is none of its own. */
		pid = fork();
		if (pid == 0)
			be_holder(setup, pair[1]);
		_exit(pid == -1);
	}
	(void)close(pair[1]); /* the holder's */
	if (pid == -1)
		log_error("fork", errno);
	else
		(void)waitpid(pid, NULL, 0); /* it ends at once */
	if (pid != -1 && read_hashes(pair[0], setup->n, hashes))
		return pair[0];
	(void)close(pair[0]);
	return -1;
}

bool
holder_lives(int control)
{
	char c;

	/* It never sends a second packet: the end, or nothing yet. */
	return recv(control, &c, 1, MSG_DONTWAIT | MSG_PEEK) == -1 && errno == EAGAIN;
}

int
holder_channel(int control)
{
	static struct packet p;
	int pair[2], err, sent;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	packet_start(&p, CHANNEL_WORD);
	sent = packet_send(control, &p, pair[1]);
	err = errno;
	(void)close(pair[1]); /* the holder's */
	if (sent == 0)
		return pair[0];
	(void)close(pair[0]);
	errno = err;
	return -1;
}
