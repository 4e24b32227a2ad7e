/*
 * See serve.h. A child believes its peer nothing but what the kernel says of it: it reads
 * the two descriptors it was given once, and they must be files or memory, so that nobody
 * can make it wait.
 */
#include "spool/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/helper.h"
#include "base/log.h"
#include "base/program.h"
#include "base/sandbox.h"
#include "spool/ask.h"
#include "spool/inject.h"
#include "spool/local.h"

static struct {
	const char *file;
	struct conf conf;
	int state, domains;
	int slots; /* record locks on it count who is connected; the content is nothing */
} service = { .state = -1, .domains = -1, .slots = -1 };

/* False: the old one stays. */
static bool
load(void)
{
	static struct conf conf;
	int state, domains;

	if (conf_load(&conf, service.file, log_message, NULL) != 0)
		return false;
	state = open(conf.state, O_PATH | O_DIRECTORY | O_CLOEXEC);
	domains = open(conf.domains, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (state == -1 || domains == -1) {
		log_error(state == -1 ? conf.state : conf.domains, errno);
		if (state != -1)
			(void)close(state); /* only a place */
		return false;
	}
	if (service.state != -1)
		(void)close(service.state); /* the same */
	if (service.domains != -1)
		(void)close(service.domains);
	service.conf = conf;
	service.state = state;
	service.domains = domains;
	return true;
}

static void
reload(void)
{
	if (!load())
		log_notice("the configuration has errors: the old one stays");
}

/* One of a user's few places, kept until this process ends. */
static bool
take_slot(uid_t uid)
{
	for (int i = 0; i < LIMIT_SPOOL_PER_UID; i++) {
		struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1,
		                   .l_start = (off_t)uid * LIMIT_SPOOL_PER_UID + i };

		if (fcntl(service.slots, F_SETLK, &l) == 0)
			return true;
	}
	return false;
}

bool
serve_take_fields(struct order *o, const struct packet *p)
{
	const char *ret;

	o->notify = 0;
	o->ret = RET_UNSAID;
	o->envid[0] = '\0';
	if (p->n != 3)
		return false;
	ret = p->field[1];
	if (strcmp(ret, "FULL") == 0)
		o->ret = RET_FULL;
	else if (strcmp(ret, "HDRS") == 0)
		o->ret = RET_HDRS;
	for (const char *s = p->field[2]; *s != '\0'; s++)
		if (*s < ' ' || *s > '~')
			return false;
	return (ret[0] == '\0' || o->ret != RET_UNSAID) &&
	       (strcmp(p->field[0], "-") == 0 || parse_notify(p->field[0], &o->notify)) &&
	       text_copy(o->envid, sizeof o->envid, p->field[2]);
}

static bool
is_file(int fd)
{
	struct stat st;

	return fd != -1 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void
send_verdict(int conn, struct verdict *v)
{
	static struct packet p;

	packet_start(&p, SPOOL_VERDICT);
	packet_addu(&p, (uint64_t)v->code);
	packet_add(&p, v->status);
	packet_add(&p, v->text);
	packet_add(&p, v->id);
	if (packet_send(conn, &p, -1) == -1)
		log_error("answer", errno);
}

static void
refuse(struct verdict *v, const char *what)
{
	verdict_set(v, SPOOL_REFUSED, "5.5.2", what, "");
}

/* The envelope, read once, into o. */
static bool
read_envelope(int fd, struct order *o, struct verdict *v)
{
	char *buf = malloc(LIMIT_ENVELOPE_TEXT);
	size_t len = 0;
	ssize_t n = 1;
	bool good = false;

	if (buf == NULL) {
		verdict_set(v, SPOOL_MEMORY, "4.3.0", "out of memory", "");
		return false;
	}
	while (n > 0 && len < LIMIT_ENVELOPE_TEXT) {
		n = pread(fd, buf + len, LIMIT_ENVELOPE_TEXT - len, (off_t)len);
		len += n > 0 ? (size_t)n : 0;
	}
	if (n == -1)
		verdict_set(v, SPOOL_READ, "4.3.0", "cannot read the envelope", strerror(errno));
	else if (n > 0)
		(void)order_refuse_many(v);
	else
		good = order_parse(o, buf, len, service.conf.local_domain, v);
	free(buf);
	return good;
}

static void
take_message(const struct packet *p, uid_t uid, struct verdict *v)
{
	static struct order order, fields;
	struct inject in = { &service.conf, service.state, service.domains, uid,
	                     { service.conf.flush_socket, -1 } };

	if (!is_file(p->fd[0]) || !is_file(p->fd[1]) || !serve_take_fields(&fields, p)) {
		refuse(v, "malformed request");
		return;
	}
	if (inject_confine(&in) == -1) {
		log_error("confine", errno);
		verdict_set(v, SPOOL_LATER, "4.3.0", "an error of this host, see its log", "");
		return;
	}
	if (!read_envelope(p->fd[1], &order, v))
		return;
	order.notify = fields.notify;
	order.ret = fields.ret;
	(void)text_copy(order.envid, sizeof order.envid, fields.envid); /* as long */
	inject(&in, p->fd[0], &order, v);
}

/* smtpd on the client's descriptors, with the right to relay; its log is ours. */
static _Noreturn void
be_smtpd(int in, int out)
{
	struct program_env journal;
	char program[LIMIT_FILE], relay[] = "RELAYCLIENT=";
	char name[] = "smtpd", c[] = "-c", file[LIMIT_FILE];
	char *argv[] = { name, c, file, NULL };
	char *env[] = { relay, program_env(&journal)[0], NULL };

	if (!program_beside(program, name) || !text_copy(file, sizeof file, service.file) ||
	    dup2(in, 0) == -1 || dup2(out, 1) == -1)
		die_temp("start smtpd", errno);
	(void)execve(program, argv, env);
	die_temp(program, errno);
}

static void
run_session(const struct packet *p, struct verdict *v)
{
	int status = 0;
	pid_t pid;

	if (p->n != 0 || p->fd[0] == -1 || p->fd[1] == -1) {
		refuse(v, "malformed request");
		return;
	}
	(void)alarm(0); /* smtpd has its own end */
	pid = fork();
	if (pid == 0)
		be_smtpd(p->fd[0], p->fd[1]);
	if (pid == -1 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0)
		verdict_set(v, SPOOL_LATER, "4.3.0", "the session failed, see the log", "");
	else
		verdict_set(v, SPOOL_DONE, "2.0.0", "ok", "");
}

static void
log_asked(const struct packet *p, const struct ucred *who, const struct verdict *v)
{
	struct log_line l;

	log_start(&l, "local");
	log_number(&l, "uid", who->uid);
	log_number(&l, "pid", (uint64_t)who->pid);
	log_field(&l, "what", p->letter == SPOOL_SESSION ? "session" : "message");
	if (v->id[0] != '\0')
		log_field(&l, "id", v->id);
	log_number(&l, "code", (uint64_t)v->code);
	if (v->code != SPOOL_DONE)
		log_field(&l, "reply", v->text);
	log_send(&l, LOG_LEVEL_INFO);
}

static int
serve(int conn)
{
	static struct packet p;
	static struct verdict v;
	struct ucred who;
	socklen_t len = sizeof who;

	(void)alarm(LIMIT_SPOOL_SECONDS); /* nobody waits longer: see ask.c */
	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &who, &len) == -1 ||
	    packet_recv(conn, &p) != 1)
		return 1; /* went away, or is no client of ours */
	verdict_set(&v, SPOOL_LATER, "4.3.0", "too many at once", "");
	if (!take_slot(who.uid))
		; /* it may come again */
	else if (p.letter == SPOOL_MESSAGE)
		take_message(&p, who.uid, &v);
	else if (p.letter == SPOOL_SESSION)
		run_session(&p, &v);
	else
		refuse(&v, "malformed request");
	packet_close_fds(&p);
	log_asked(&p, &who, &v);
	send_verdict(conn, &v);
	return 0;
}

/* Started with privilege: STATE's owner from here on, children and sessions too. */
static void
become_owner(void)
{
	struct stat st;

	if (!sandbox_is_privileged())
		return;
	if (fstat(service.state, &st) == -1)
		die_temp(service.conf.state, errno);
	if (st.st_uid == 0 || st.st_gid == 0)
		die_temp("STATE belongs to root; give it to a user of its own", 0);
	if (sandbox_become(st.st_uid, st.st_gid) == -1)
		die_temp("become STATE's owner", errno);
}

int
serve_run(const char *file)
{
	struct helper h = { .children = LIMIT_SPOOL_CLIENTS, .serve = serve, .reload = reload };
	int r;

	service.file = file;
	if (!load())
		return 111;
	become_owner();
	service.slots = memfd_create("slots", MFD_CLOEXEC);
	if (service.slots == -1)
		die_temp("memfd_create", errno);
	h.idle_ms = (int64_t)service.conf.idle * 1000;
	r = helper_run(&h);
	if (r != -1)
		return r;
	log_error("no socket was handed over", 0);
	return 2;
}
