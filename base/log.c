/*
 * See log.h. A line is built in caller's memory and leaves in one write, so lines
 * of processes that share fd 2 do not mix. Allocates nothing after log_open.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/journal.h"

enum target { TO_STDERR, TO_JOURNAL, TO_SYSLOG };

static enum target target;
static const char *name; /* syslog keeps no copy */
static bool with_fields;
static int journal = -1;
static char context_session[LIMIT_ID + 1];
static char context_client[64];
static char context_login[LIMIT_ADDRESS + 1];

static bool
is_same_file(const struct stat *a, int fd)
{
	struct stat b;

	return fstat(fd, &b) == 0 && a->st_dev == b.st_dev && a->st_ino == b.st_ino;
}

/* True when JOURNAL_STREAM names just this file (xinetd passes the variable on). */
static bool
is_journal(const struct stat *st)
{
	const char *named = getenv("JOURNAL_STREAM");
	char own[48];
	struct text t;

	if (named == NULL)
		return false;
	text_init(&t, own, sizeof own);
	text_addu(&t, st->st_dev);
	text_addc(&t, ':');
	text_addu(&t, st->st_ino);
	return text_ok(&t) && strcmp(named, own) == 0;
}

static void
put_null_on_stderr(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd == -1 || dup2(fd, 2) == -1)
		(void)close(2); /* without /dev/null: nothing may reach the client */
	if (fd > 2)
		(void)close(fd);
}

static void
use_syslog(const char *program)
{
	openlog(program, LOG_PID | LOG_NDELAY, LOG_MAIL);
	target = TO_SYSLOG;
	name = program;
}

void
log_open_aside(const char *program)
{
	log_open(program);
	if (target == TO_STDERR)
		use_syslog(program);
}

void
log_open(const char *program)
{
	struct stat st;

	bool is_open = fstat(2, &st) == 0;

	target = TO_STDERR;
	name = program;
	/* First: a service of systemd has its journal on fd 1, too. */
	if (is_open && is_journal(&st)) {
		target = TO_JOURNAL;
	} else if (!is_open || (S_ISSOCK(st.st_mode) &&
	                        (is_same_file(&st, 0) || is_same_file(&st, 1)))) {
		put_null_on_stderr();
		use_syslog(program);
	}
}

void
log_close(void)
{
	if (target == TO_SYSLOG)
		closelog();
	if (journal != -1)
		(void)close(journal);
	journal = -1;
}

void
log_reopen(void)
{
	if (target == TO_SYSLOG)
		openlog(name, LOG_PID | LOG_NDELAY, LOG_MAIL);
	if (with_fields)
		journal = journal_open();
}

void
log_open_fields(void)
{
	with_fields = target == TO_JOURNAL;
	if (with_fields)
		journal = journal_open(); /* -1: without fields then */
}

void
log_context(const char *session, const char *client)
{
	(void)text_copy(context_session, sizeof context_session, session);
	(void)text_copy(context_client, sizeof context_client, client);
	context_login[0] = '\0';
}

void
log_login(const char *login)
{
	(void)text_copy(context_login, sizeof context_login, login);
}

static bool
is_plain(const char *s)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
		if (*s <= ' ' || *s > '~' || *s == '"' || *s == '\\' || *s == '=')
			return false;
	return true;
}

static void
add_octet(struct text *t, unsigned char c)
{
	if (c == '"' || c == '\\') {
		text_addc(t, '\\');
		text_addc(t, (char)c);
	} else if (c < ' ' || c > '~') {
		text_add(t, "\\x");
		text_addx(t, c, 2);
	} else {
		text_addc(t, (char)c);
	}
}

void
log_field(struct log_line *l, const char *key, const char *value)
{
	char buf[4 * LIMIT_LOG_VALUE + 8];
	struct text v;
	size_t room = sizeof l->buf - l->t.len;

	text_init(&v, buf, sizeof buf);
	if (is_plain(value) && strlen(value) <= LIMIT_LOG_VALUE) {
		text_add(&v, value);
	} else {
		text_addc(&v, '"');
		for (size_t i = 0; i < LIMIT_LOG_VALUE && value[i] != '\0'; i++)
			add_octet(&v, (unsigned char)value[i]);
		text_add(&v, strlen(value) > LIMIT_LOG_VALUE ? "...\"" : "\"");
	}
	/* A field that finds no room is left out whole; the line stays well formed. */
	if (strlen(key) + v.len + 3 > room)
		return;
	text_addc(&l->t, ' ');
	text_add(&l->t, key);
	text_addc(&l->t, '=');
	text_add(&l->t, buf);
}

void
log_number(struct log_line *l, const char *key, uint64_t n)
{
	char buf[24];
	struct text t;

	text_init(&t, buf, sizeof buf);
	text_addu(&t, n);
	log_field(l, key, buf);
}

void
log_signal(struct log_line *l, int sig)
{
	const char *sig_name = sigabbrev_np(sig);

	if (sig_name != NULL)
		log_field(l, "signal", sig_name);
	else
		log_number(l, "signal", (uint64_t)sig);
}

void
log_start(struct log_line *l, const char *event)
{
	text_init(&l->t, l->buf, sizeof l->buf);
	text_add(&l->t, "event=");
	text_add(&l->t, event);
	if (context_session[0] != '\0')
		log_field(l, "session", context_session);
	if (context_client[0] != '\0')
		log_field(l, "client", context_client);
	if (context_login[0] != '\0')
		log_field(l, "login", context_login);
}

void
log_send(struct log_line *l, enum log_level level)
{
	char out[LIMIT_LOG_LINE + 8];
	struct text t;

	if (target == TO_SYSLOG) {
		syslog((int)level, "%s", l->buf);
		return;
	}
	if (journal != -1 && journal_send(journal, l->buf, (int)level, name))
		return;
	text_init(&t, out, sizeof out);
	if (target == TO_JOURNAL) {
		text_addc(&t, '<');
		text_addu(&t, (uint64_t)level);
		text_addc(&t, '>');
	}
	text_add(&t, l->buf);
	text_addc(&t, '\n');
	if (write(2, out, t.len) == -1)
		return; /* there is nowhere left to say it */
}

void
log_notice(const char *what)
{
	struct log_line l;

	log_start(&l, "notice");
	log_field(&l, "what", what);
	log_send(&l, LOG_LEVEL_INFO);
}

void
log_error(const char *what, int err)
{
	struct log_line l;

	log_start(&l, "error");
	log_field(&l, "what", what);
	if (err != 0)
		log_field(&l, "error", strerror(err));
	log_send(&l, LOG_LEVEL_ERROR);
}

void
log_message(void *unused, const char *message)
{
	(void)unused;
	log_error(message, 0);
}

void
die_misused(const char *what, const char *usage)
{
	log_error(what, 0);
	log_error(usage, 0);
	_exit(2);
}

void
die_temp(const char *what, int err)
{
	log_error(what, err);
	_exit(111);
}
