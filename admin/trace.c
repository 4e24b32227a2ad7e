/*
 * postern trace: the lines of the log that tell of one message, in their order: those with
 * its id, and those of the session it came in that are no other message's. They come from
 * the journal, or from files or standard input (syslog).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin/queue.h"
#include "admin/say.h"
#include "base/text.h"

struct tracing {
	const char *id;              /* of the message, or of its session */
	char session[LIMIT_ID + 1];  /* "" when the id has no such part */
	unsigned long n;
};

/* "key=value" in the line, as a word of its own. */
static bool
has_field(const char *line, const char *key, const char *value, size_t len, bool whole)
{
	size_t n = strlen(key);

	for (const char *p = line; (p = strstr(p, key)) != NULL; p += n) {
		if ((p != line && p[-1] != ' ') || strncmp(p + n, value, len) != 0)
			continue;
		/* An id with ".1" behind it is a part of the message: a queue's entry. */
		if (strchr(" \n", p[n + len]) != NULL || (!whole && p[n + len] == '.'))
			return true;
	}
	return false;
}

static bool
is_told(const struct tracing *t, const char *line)
{
	if (strstr(line, "event=") == NULL)
		return false;
	if (has_field(line, "id=", t->id, strlen(t->id), false) ||
	    has_field(line, "report=", t->id, strlen(t->id), false) ||
	    has_field(line, "of=", t->id, strlen(t->id), false))
		return true;
	return t->session[0] != '\0' && strstr(line, " id=") == NULL &&
	       has_field(line, "session=", t->session, strlen(t->session), true);
}

static int
read_stream(struct tracing *t, FILE *f, const char *name)
{
	char *line = NULL;
	size_t cap = 0;

	while (getline(&line, &cap, f) > 0) {
		if (!is_told(t, line))
			continue;
		line[strcspn(line, "\n")] = '\0';
		say("%s\n", line);
		t->n++;
	}
	free(line);
	return ferror(f) ? say_failed(errno, "%s", name) : DONE;
}

static int
read_file(struct tracing *t, const char *name)
{
	FILE *f = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
	int r;

	if (f == NULL)
		return say_failed(errno, "%s", name);
	r = read_stream(t, f, name);
	if (f != stdin)
		(void)fclose(f); /* only read */
	return r;
}

/* Our ids begin with the time in hexadecimal; an hour before it the client may have come. */
static void
set_since(char out[32], const char *id)
{
	char hex[9];
	unsigned long long when;
	struct text t;

	text_init(&t, hex, sizeof hex);
	text_addn(&t, id, strlen(id) >= 8 ? 8 : 0);
	when = strtoull(hex, NULL, 16);
	text_init(&t, out, 32);
	text_addc(&t, '@');
	text_addu(&t, when > 3600 ? when - 3600 : 0);
}

static _Noreturn void
be_journalctl(int out, char *since)
{
	static const char *const programs[] = { "/usr/bin/journalctl", "/bin/journalctl" };
	char name[] = "journalctl", quiet[] = "-q", pager[] = "--no-pager", o[] = "-o",
	     iso[] = "short-iso", s[] = "--since", type[] = "-t", smtpd[] = "smtpd",
	     spool[] = "spool", flush[] = "flush", tls[] = "tls", auth[] = "auth";
	char *argv[] = { name, quiet, pager, o, iso, s, since, type, smtpd, type, spool, type,
	                 flush, type, tls, type, auth, NULL };

	if (dup2(out, 1) != -1)
		for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++)
			(void)execv(programs[i], argv);
	_exit(127);
}

static int
read_journal(struct tracing *t)
{
	char since[32];
	int out[2], status, r;
	pid_t pid;
	FILE *f;

	set_since(since, t->id);
	if (pipe2(out, O_CLOEXEC) == -1)
		return say_failed(errno, "starting journalctl");
	pid = fork();
	if (pid == 0)
		be_journalctl(out[1], since);
	(void)close(out[1]); /* journalctl's */
	f = fdopen(out[0], "r");
	if (pid == -1 || f == NULL)
		return say_failed(errno, "starting journalctl");
	r = read_stream(t, f, "the journal");
	(void)fclose(f); /* only read */
	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return say_refused("there is no journalctl here: name the log's file, such as "
		                   "/var/log/mail.log, or - for standard input");
	return r;
}

int
trace_message(struct admin *a)
{
	struct tracing t = { .id = a->args[0] };
	const char *dot = strrchr(t.id, '.');
	struct text session;
	int r = DONE;

	if (t.id[0] == '\0' || strlen(t.id) > LIMIT_ID || strpbrk(t.id, " \n\"=") != NULL)
		return say_misused("'%s' is no id: expected one that a Received line or the log has",
		                   t.id);
	/* SECONDS.PID.N: without the message's number it is the session's. */
	text_init(&session, t.session, sizeof t.session);
	if (dot != NULL && memchr(t.id, '.', (size_t)(dot - t.id)) != NULL)
		text_addn(&session, t.id, (size_t)(dot - t.id));
	if (a->n_args == 1)
		r = read_journal(&t);
	for (unsigned i = 1; i < a->n_args && r == DONE; i++)
		r = read_file(&t, a->args[i]);
	if (r == DONE && t.n == 0)
		return say_refused("the log has no line of %s", t.id);
	return r;
}
