/*
 * send: what `postern send` executes. A user's message to a server over a line that may
 * break: wires post/, which talks to the user, to the sender (relay/), which reads the
 * network in a process of its own that can open nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/ca.h"
#include "base/log.h"
#include "base/num.h"
#include "post/post.h"
#include "relay/sender.h"

#define USAGE \
	"usage: postern send [--to HOST[:PORT]] [--tls] [--ca FILE] [--login FILE]\n" \
	"                    [-f FROM] [--timeout SECONDS] [--tries N] [RCPT...] [FILE...]\n"
#define SECONDS 60
#define TRIES 10

static struct post post = { .port = "25", .host = "localhost", .tls = SEND_TLS_NEVER,
	.ca = "", .login = "", .password = "", .seconds = SECONDS, .tries = TRIES };
static struct post_message message;
static const char *from;

static noreturn void
die_usage(const char *what, const char *more)
{
	(void)fprintf(stderr, "send: %s%s\n" USAGE, what, more);
	_exit(2);
}

static noreturn void
die_file(const char *file, const char *why)
{
	(void)fprintf(stderr, "%s: %s\n", file, why);
	_exit(1);
}

/* A sender, forked: it never returns from here. */
static int
start(void)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)close(pair[0]); /* the parent's */
		sender_confine(pair[1], "/", 0, 0);
		_exit((int)sender_run(SENDER_BOUNDARY, true));
	}
	(void)close(pair[1]); /* the sender's */
	if (pid != -1)
		return pair[0];
	(void)close(pair[0]); /* nobody is there */
	return -1;
}

/* "host", "host:587", "[2001:db8::1]:587" */
static void
read_server(char *s)
{
	char *colon = strrchr(s, ':');
	uint64_t port;

	if (s[0] == '[') {
		char *end = strchr(s, ']');

		if (end != NULL && (end[1] == '\0' || end[1] == ':')) {
			colon = end[1] == ':' ? end + 1 : NULL;
			*end = '\0';
			s++;
		} else {
			die_usage("--to: expected HOST, HOST:PORT or [ADDRESS]:PORT: ", s);
		}
	} else if (colon != NULL && strchr(s, ':') != colon) {
		colon = NULL; /* an IPv6 address without brackets */
	}
	if (colon != NULL) {
		*colon++ = '\0';
		if (!parse_u64(colon, 65535, &port) || port == 0)
			die_usage("--to: expected a port of 1 to 65535, not ", colon);
		post.port = colon;
	}
	if (s[0] == '\0')
		die_usage("--to: expected HOST or HOST:PORT", "");
	post.host = s;
}

/* Two lines, login and password; nobody else may read it. */
static void
read_login(const char *file)
{
	static char buf[LIMIT_ADDRESS + LIMIT_PASSWORD + 4];
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, buf, sizeof buf - 1);
	char *password;
	struct stat st;

	if (n == -1 || fstat(fd, &st) == -1)
		die_file(file, strerror(errno));
	if (st.st_mode & 077)
		die_file(file, "others may read your password: chmod 600 it");
	(void)close(fd); /* only read */
	password = strchr(buf, '\n');
	if (password != NULL) {
		*password++ = '\0';
		password[strcspn(password, "\n")] = '\0';
	}
	if (password == NULL || buf[0] == '\0' || password[0] == '\0')
		die_file(file, "expected two lines, login and password");
	post.login = buf;
	post.password = password;
}

static void
read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "to", required_argument, NULL, 't' },
		{ "tls", no_argument, NULL, 's' },
		{ "ca", required_argument, NULL, 'c' },
		{ "login", required_argument, NULL, 'l' },
		{ "timeout", required_argument, NULL, 'w' },
		{ "tries", required_argument, NULL, 'n' },
		{ "help", no_argument, NULL, 'h' },
		{ .name = NULL },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "f:", names, NULL)) != -1) {
		switch (c) {
		case 't':
			read_server(optarg);
			break;
		case 's':
			post.tls = SEND_TLS_MUST;
			break;
		case 'c':
			post.ca = optarg;
			break;
		case 'l':
			read_login(optarg);
			break;
		case 'f':
			from = optarg;
			break;
		case 'w':
			if (!parse_seconds(optarg, 3600, &post.seconds) || post.seconds == 0)
				die_usage("--timeout: expected 1 to 3600 seconds, not ", optarg);
			break;
		case 'n':
			if (!parse_u64(optarg, 1000000, &post.tries) || post.tries == 0)
				die_usage("--tries: expected 1 to 1000000, not ", optarg);
			break;
		case 'h':
			(void)fputs(USAGE, stdout);
			_exit(0);
		default:
			die_usage("unknown option, or one without its value: ", argv[optind - 1]);
		}
	}
	/* A password goes through TLS only; and port 465 begins with it (RFC 8314). */
	if (post.login[0] != '\0' && post.tls == SEND_TLS_NEVER)
		post.tls = SEND_TLS_MUST;
	if (post.tls == SEND_TLS_MUST && strcmp(post.port, "465") == 0)
		post.tls = SEND_TLS_FIRST;
}

/* What can't be a name for RFC 5321 4.1.1.1 is none: the server knows our address. */
static void
set_hello(void)
{
	static char name[LIMIT_DOMAIN + 1];

	if (gethostname(name, sizeof name - 1) == -1 || !is_domain(name, strlen(name)) ||
	    has_utf8(name))
		(void)text_copy(name, sizeof name, "client.invalid"); /* it fits */
	post.hello = name;
}

/* tls lies beside us. */
static void
find_tls(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - sizeof "tls");
	char *slash;

	if (n <= 0)
		die_file("/proc/self/exe", strerror(errno));
	path[n] = '\0';
	slash = strrchr(path, '/');
	(void)text_copy(slash + 1, sizeof "tls", "tls"); /* room was kept */
	post.tls_program = path;
}

/* An address, and no file's name. */
static bool
is_recipient(const char *word, struct address *a)
{
	return access(word, F_OK) == -1 && parse_address(word, a);
}

static void
read_from(void)
{
	if (from == NULL && post.login[0] != '\0')
		from = post.login;
	if (from == NULL)
		die_usage("say whom it is from: -f you@example.org", "");
	if (strcmp(from, "<>") != 0 && strcmp(from, "") != 0 &&
	    !parse_address(from, &message.from))
		die_usage("-f: no address: ", from);
}

static enum post_end
send_one(const char *name, int fd, unsigned n)
{
	enum post_end end = POST_REFUSED;

	message.n = n;
	if (post_letter(&message, name, fd, n == 0)) {
		message.utf8 = has_utf8(message.from.local) || has_utf8(message.from.domain);
		for (unsigned i = 0; i < message.n; i++)
			message.utf8 |= has_utf8(message.to[i].local) ||
			                has_utf8(message.to[i].domain);
		end = post_send(&post, &message);
	}
	if (message.fd != fd && message.fd != -1)
		(void)close(message.fd); /* a copy, only read */
	return end;
}

static enum post_end
send_file(const char *name, unsigned n)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	enum post_end end;

	if (fd == -1) {
		(void)fprintf(stderr, "%s: %s\n", name,
		              strchr(name, '@') != NULL ? "neither an address nor a file" :
		                                          strerror(errno));
		return POST_REFUSED;
	}
	end = send_one(name, fd, n);
	(void)close(fd); /* only read */
	return end;
}

int
main(int argc, char **argv)
{
	enum post_end end = POST_SENT;
	unsigned n = 0, files = 0;

	log_open_aside("send");
	read_options(argc, argv);
	read_from();
	set_hello();
	find_tls();
	post.start = start;
	(void)signal(SIGPIPE, SIG_IGN); /* valid signals */
	(void)signal(SIGCHLD, SIG_IGN); /* nobody waits for a sender */
	for (char **word = argv + optind; *word != NULL; word++) {
		if (n < LIMIT_RECIPIENTS && is_recipient(*word, &message.to[n]))
			n++;
		else
			argv[optind + (int)files++] = *word;
	}
	if (files == 0)
		return (int)send_one("message", STDIN_FILENO, n);
	for (unsigned i = 0; i < files; i++) {
		enum post_end one = send_file(argv[optind + (int)i], n);

		end = one > end ? one : end;
	}
	return (int)end;
}
