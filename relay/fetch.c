/* See fetch.h. Called by flush --fetch. */
#include "relay/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ip.h"
#include "base/job.h"
#include "base/log.h"
#include "base/num.h"
#include "base/packet.h"
#include "base/sending.h"
#include "relay/route.h"
#include "relay/sender.h"

#define PORT_ODMR 366         /* RFC 2645 4 */
#define PORT_SUBMISSIONS 465  /* RFC 8314 7.3 */
#define PORT_SUBMISSION 587
#define CONNECT "30"
#define REPLY "600"           /* RFC 2645: ten minutes */
#define WAIT_SECONDS (15 * 60)

/* From what is fine to what is not. */
enum outcome { ASKED, NO_MAIL, REFUSED, LATER, NO_HOP, TURNED };

struct fetch {
	const struct fetch_setup *setup;
	bool etrn;
	char login[LIMIT_ADDRESS + 1], password[LIMIT_PASSWORD + 1];
	struct route route;
	const struct route_hop *hop;
	int boundary;
	bool secured, logged_in;
	int conn;                 /* that has turned */
	struct packet p;
};

static void
log_result(const struct fetch *f, const char *what, const char *result, const char *reply)
{
	struct log_line l;

	log_start(&l, "fetch");
	log_field(&l, "provider", f->setup->provider->name);
	if (f->hop != NULL)
		log_field(&l, "address", f->hop->address);
	log_field(&l, "what", what);
	log_field(&l, "result", result);
	if (reply[0] != '\0')
		log_field(&l, "reply", reply);
	log_send(&l, LOG_LEVEL_INFO);
}

/* Two lines, login and password, that nobody else may read. */
static bool
read_login(struct fetch *f)
{
	char buf[sizeof f->login + sizeof f->password + 2];
	int fd = open(f->setup->provider->login, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, buf, sizeof buf - 1);
	char *password, *end;
	struct stat st;
	bool good = n >= 0 && fstat(fd, &st) == 0 && (st.st_mode & 077) == 0;

	if (!good)
		log_error(n >= 0 ? "the provider's login: others may read or write it" :
		                   "read the provider's login", n >= 0 ? 0 : errno);
	if (fd != -1)
		(void)close(fd); /* only read */
	if (!good)
		return false;
	buf[n] = '\0';
	password = strchr(buf, '\n');
	if (password != NULL)
		*password++ = '\0';
	end = password == NULL ? NULL : password + strcspn(password, "\n");
	if (end != NULL)
		*end = '\0';
	good = password != NULL && buf[0] != '\0' && password[0] != '\0' &&
	       text_copy(f->login, sizeof f->login, buf) &&
	       text_copy(f->password, sizeof f->password, password);
	explicit_bzero(buf, sizeof buf);
	if (!good)
		log_error("the provider's login: expected two lines, login and password", 0);
	return good;
}

static unsigned
find_port(const struct fetch *f)
{
	const struct conf_provider *p = f->setup->provider;

	if (p->port > 0)
		return (unsigned)p->port;
	return !f->etrn ? PORT_ODMR : p->starttls ? PORT_SUBMISSION : PORT_SUBMISSIONS;
}

static bool
find_route(struct fetch *f)
{
	const struct conf_provider *p = f->setup->provider;
	struct helper_door router = { NULL, f->setup->router };
	enum route_result result = ROUTE_TEMPORARY;
	struct ip ip;
	int boundary;

	if (parse_ip(p->host, &ip)) {
		(void)text_copy(f->route.hop[0].address, sizeof f->route.hop[0].address, p->host);
		f->route.hop[0].port = find_port(f);
		f->route.n = 1;
		return true;
	}
	boundary = helper_connect(&router);
	if (boundary != -1) {
		result = route_host(&f->route, boundary, p->host, find_port(f));
		(void)close(boundary); /* one question */
	}
	if (result != ROUTE_GOOD)
		log_result(f, p->host, "no-route", f->route.text);
	return result == ROUTE_GOOD;
}

/* -- the sender ------------------------------------------------------------------------- */

static pid_t
start_sender(struct fetch *f)
{
	static const struct timeval wait = { WAIT_SECONDS, 0 };
	const struct fetch_setup *setup = f->setup;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		die_temp("socketpair", errno);
	pid = fork();
	if (pid == 0) {
		explicit_bzero(f->password, sizeof f->password); /* it is told, once there is TLS */
		sender_confine(pair[1], setup->jail, setup->session, setup->session_gid);
		_exit((int)sender_run(SENDER_BOUNDARY, true));
	}
	(void)close(pair[1]); /* the sender's */
	if (pid == -1)
		die_temp("fork a sender", errno);
	(void)setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	f->boundary = pair[0];
	return pid;
}

static bool
say_connect(struct fetch *f)
{
	packet_start(&f->p, SEND_CONNECT);
	packet_add(&f->p, f->hop->address);
	packet_addu(&f->p, f->hop->port);
	packet_add(&f->p, "smtp");
	packet_add(&f->p, f->setup->conf->hostname);
	packet_addc(&f->p, f->setup->provider->starttls ? SEND_TLS_MUST : SEND_TLS_FIRST);
	packet_add(&f->p, CONNECT);
	packet_add(&f->p, REPLY);
	packet_add(&f->p, REPLY);
	return packet_send(f->boundary, &f->p, -1) == 0;
}

/* The handshake (base/helper.h); end: the plain one. The name must be proved. */
static bool
shake_hands(struct fetch *f, int conn, int end)
{
	static const struct timeval wait = { WAIT_SECONDS, 0 };
	int tls = helper_connect(&f->setup->tls);
	char id[LIMIT_ID + 1];
	bool up = false;

	if (tls == -1) {
		log_error("connect to tls", errno);
		return false;
	}
	(void)setsockopt(tls, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	job_make_id(id, (unsigned)getpid());
	packet_start(&f->p, TLS_CONNECT);
	packet_add(&f->p, id);
	packet_add(&f->p, f->hop->address);
	packet_add(&f->p, f->setup->provider->host);
	packet_add(&f->p, "name");
	if (packet_send_pair(tls, &f->p, conn, end) == 0 && packet_recv(tls, &f->p) == 1) {
		up = f->p.letter == TLS_UP && f->p.n == TLS_FACTS &&
		     strcmp(f->p.field[5], "yes") == 0;
		if (!up)
			log_result(f, "tls", "failed", f->p.n == 1 ? f->p.field[0] :
			           "the certificate does not prove the name");
		packet_close_fds(&f->p);
	} else {
		log_error("ask tls", errno);
	}
	(void)close(tls);
	return up;
}

/* SEND_WANTS_TLS. False: it is over. */
static bool
give_tls(struct fetch *f)
{
	int pair[2], conn = f->p.fd[0];
	bool up;

	f->p.fd[0] = -1;
	if (conn == -1 || f->secured || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		if (conn != -1)
			(void)close(conn); /* the sender ends without it */
		return false;
	}
	up = shake_hands(f, conn, pair[1]);
	(void)close(conn);
	(void)close(pair[1]);
	packet_start(&f->p, SEND_TLS);
	packet_add(&f->p, up ? "yes" : "");
	f->secured = packet_send(f->boundary, &f->p, up ? pair[0] : -1) == 0 && up;
	(void)close(pair[0]);
	return f->secured;
}

/* What we ask for; 0 when there is no more. *domains moves on. */
static bool
next_command(const struct fetch *f, const char **domains, bool first, char *out, size_t cap)
{
	struct text t;

	text_init(&t, out, cap);
	if (!f->etrn) {
		text_add(&t, **domains == '\0' ? "ATRN" : "ATRN ");
		text_add(&t, *domains);
		return first;
	}
	text_add(&t, "ETRN ");
	text_addn(&t, *domains, strcspn(*domains, ","));
	*domains += strcspn(*domains, ",");
	*domains += **domains == ',';
	return t.len > strlen("ETRN ");
}

/* RFC 1985 5.3, RFC 2645 7. */
static enum outcome
judge(const struct fetch *f, unsigned code)
{
	if (f->etrn)
		return code == 251 ? NO_MAIL : code >= 250 && code <= 253 ? ASKED :
		       code == 458 || code == 421 ? LATER : REFUSED;
	return code == 250 ? TURNED : code == 453 ? NO_MAIL :
	       code == 451 || code == 421 ? LATER : REFUSED;
}

static enum outcome
on_said(struct fetch *f, const char *command)
{
	static const char *const words[] = { "asked", "no-mail", "refused", "later", "no-hop",
		                             "turned" };
	enum outcome o = LATER;
	uint64_t code;

	if (f->p.n == 2 && parse_u64(f->p.field[0], 599, &code)) {
		o = judge(f, (unsigned)code);
		if (o == TURNED) {
			f->conn = f->p.fd[0];
			f->p.fd[0] = -1;
		}
		if (o == TURNED && f->conn == -1)
			o = LATER;
		log_result(f, command, words[o], f->p.field[1]);
	}
	packet_close_fds(&f->p);
	return o;
}

/* One packet of the sender; false: it has no more, or nothing that would do. */
static bool
hear(struct fetch *f, char wanted)
{
	while (packet_recv(f->boundary, &f->p) == 1) {
		if (f->p.letter == wanted)
			return true;
		if (f->p.letter == SEND_WANTS_TLS && give_tls(f))
			continue;
		if (f->p.letter == SEND_NO_HOP && f->p.n == 3)
			log_result(f, "connect", "no-hop", f->p.field[2]);
		packet_close_fds(&f->p);
		return false;
	}
	return false;
}

/* The dialogue with one of the provider's addresses. */
static enum outcome
converse(struct fetch *f)
{
	const char *domains = f->setup->provider->domains;
	enum outcome worst = ASKED, o;
	char command[LIMIT_ATRN + 16];
	bool sent;

	if (!say_connect(f) || !hear(f, SEND_READY) || !f->secured)
		return NO_HOP;
	packet_close_fds(&f->p);
	packet_start(&f->p, SEND_LOGIN);
	packet_add(&f->p, f->login);
	packet_add(&f->p, f->password);
	sent = packet_send(f->boundary, &f->p, -1) == 0;
	explicit_bzero(f->p.buf, sizeof f->p.buf);
	if (!sent || !hear(f, SEND_READY))
		return LATER;
	for (bool first = true; next_command(f, &domains, first, command, sizeof command);
	     first = false) {
		packet_close_fds(&f->p);
		packet_start(&f->p, SEND_ASK);
		packet_add(&f->p, command);
		packet_add(&f->p, f->etrn ? "" : "turn");
		if (packet_send(f->boundary, &f->p, -1) == -1 || !hear(f, SEND_SAID))
			return LATER;
		o = on_said(f, command);
		if (o == TURNED)
			return o;
		worst = o > worst ? o : worst;
	}
	packet_start(&f->p, SEND_QUIT);
	(void)packet_send(f->boundary, &f->p, -1); /* gone: the same */
	return worst;
}

/* -- the turn -------------------------------------------------------------------------------- */

/* smtpd beside us, on the connection; it trusts this client with nothing. */
static noreturn void
become_smtpd(const struct fetch *f)
{
	char program[LIMIT_FILE], name[] = "smtpd", c[] = "-c", s[] = "-s", service[] = "fetched",
	     file[LIMIT_FILE];
	char *argv[] = { name, c, file, s, service, NULL };
	ssize_t len = readlink("/proc/self/exe", program, sizeof program - 1);
	char *slash;

	program[len > 0 ? len : 0] = '\0';
	slash = strrchr(program, '/');
	if (slash == NULL || !text_copy(slash + 1, sizeof program - (size_t)(slash + 1 - program), name) ||
	    !text_copy(file, sizeof file, f->setup->conf->file))
		die_temp("find smtpd", errno);
	if (setenv("TCPREMOTEIP", f->hop->address, 1) == -1 || dup2(f->conn, 0) == -1 ||
	    dup2(f->conn, 1) == -1)
		die_temp("become smtpd", errno);
	(void)signal(SIGCHLD, SIG_DFL); /* valid */
	(void)execv(program, argv);
	die_temp("execute smtpd", errno);
}

int
fetch_run(const struct fetch_setup *setup)
{
	static struct fetch f;
	enum outcome o = NO_HOP;

	f.setup = setup;
	f.etrn = setup->etrn || setup->provider->etrn;
	f.conn = -1;
	if (f.etrn && setup->provider->domains[0] == '\0') {
		log_error("--etrn: the provider's section has no domains", 0);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN); /* valid */
	if (!read_login(&f) || !find_route(&f))
		return 111;
	for (unsigned i = 0; i < f.route.n && o == NO_HOP; i++) {
		pid_t pid;

		f.hop = &f.route.hop[i];
		f.secured = false;
		pid = start_sender(&f);
		o = converse(&f);
		(void)close(f.boundary); /* and the sender ends, if it has not */
		(void)waitpid(pid, NULL, 0);
	}
	explicit_bzero(f.password, sizeof f.password);
	if (o == TURNED)
		become_smtpd(&f);
	return o == ASKED || o == NO_MAIL ? 0 : o == REFUSED ? 1 : 111;
}
