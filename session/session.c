/*
 * The session's loop: greet, read a line, run it, send its reply. Sending is here
 * and nowhere else. Called by smtpd's session process after session_confine().
 */
#include "session/session.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "session/body.h"
#include "session/commands.h"
#include "session/proxy.h"

#define HOT ((size_t)3 * PAGE) /* of a session every client has us write to so much */
#define PAGE 4096 /* where pages are larger it only costs time */
#define PROXY_SECONDS 30 /* a proxy sends its header at once */

static void
put(struct session *s, const char *text)
{
	io_put(&s->io, text, strlen(text));
}

static void
put_line(struct session *s, const struct reply *r, const char *mark, const char *detail)
{
	char code[8];
	struct text t;

	text_init(&t, code, sizeof code);
	text_addu(&t, (uint64_t)r->code);
	text_add(&t, mark);
	put(s, code);
	if (r->enhanced != NULL) {
		put(s, r->enhanced);
		put(s, " ");
	}
	put(s, r->text);
	if (r->text[0] != '\0' && detail[0] != '\0')
		put(s, " ");
	put(s, detail);
	put(s, "\r\n");
}

void
session_line(struct session *s, const struct reply *r, const char *text)
{
	put_line(s, r, "-", text);
}

void
session_send(struct session *s, const struct reply *r)
{
	put_line(s, r, " ", s->detail);
	s->detail[0] = '\0';
	s->errors += r->code >= 500;
}

void
session_reset(struct session *s)
{
	s->have &= LASTING;
	s->recipients = 0;
	s->checkpoint = (struct restart){ .on = false };
}

const struct reply *
session_refused(struct session *s, enum answer a)
{
	s->over |= a == ANSWER_GONE;
	return reply_for(a);
}

const struct reply *
session_lost(struct session *s, enum io_result r)
{
	s->over = true;
	switch (r) {
	case IO_TIMEOUT:
		ask_log(&s->ask, EVENT_TIMEOUT);
		return &reply_timeout;
	case IO_CAP:
		ask_log(&s->ask, EVENT_SESSION_CAP);
		return &reply_session_cap;
	case IO_OK:
	case IO_EOF:
		break;
	}
	return NULL;
}

static const struct reply *
read_and_run(struct session *s)
{
	enum io_result result;
	char *line;

	switch (io_getline(&s->io, s->setup->conf->command, &line, &result)) {
	case LINE_OK:
		return command_run(s, line);
	case LINE_BARE:
		ask_log(&s->ask, EVENT_BARE_NEWLINE);
		return &reply_bare_command;
	case LINE_ENDLESS:
		s->over = true;
		/* fallthrough */
	case LINE_LONG:
		ask_log(&s->ask, EVENT_LONG_LINE);
		return &reply_line_too_long;
	case LINE_NUL:
		return &reply_nul_command;
	case LINE_NONE:
		break;
	}
	return session_lost(s, result);
}

const struct reply *
session_greeting(struct session *s)
{
	const struct conf *conf = s->setup->conf;
	enum io_result r = IO_TIMEOUT;
	struct text t;

	if (conf->greeting_delay > 0)
		r = io_fill(&s->io, conf->greeting_delay);
	if (r == IO_OK) {
		ask_log(&s->ask, EVENT_EARLY_TALKER);
		s->over = true;
		return &reply_early_talker;
	}
	if (r != IO_TIMEOUT)
		return session_lost(s, r); /* it has left again */
	text_init(&t, s->detail, sizeof s->detail);
	text_add(&t, conf->hostname);
	text_add(&t, s->setup->service == SERVICE_LMTP ? " LMTP" : " ESMTP");
	return &reply_greeting;
}

/* Who is behind a proxy; false when the proxy does not say it well. */
static bool
read_proxy(struct session *s)
{
	struct io *io = &s->io;
	int64_t deadline = clock_ms() + PROXY_SECONDS * 1000; /* for all of it */
	enum proxy_result r;
	size_t need;
	struct ip ip;

	while ((r = proxy_parse(io->input, io->end, &need, &ip)) == PROXY_MORE) {
		int64_t left = deadline - clock_ms();

		if (left <= 0 || io_fill_some(io, (uint64_t)(left + 999) / 1000,
		                              need - io->end) != IO_OK)
			break;
	}
	io->at = io->end;
	if (r != PROXY_OK) {
		ask_log(&s->ask, EVENT_BAD_PROXY);
		return false;
	}
	if (ip.known)
		s->client = ip;
	return ask_peer(&s->ask, &ip) == ANSWER_YES;
}

static void
close_connection(struct session *s)
{
	if (s->io.in != -1)
		(void)close(s->io.in); /* nothing written is left in it */
	if (s->io.out != s->io.in && s->io.out != -1)
		(void)close(s->io.out);
	s->io.in = s->io.out = -1;
}

bool
session_secure(struct session *s)
{
	int fd;

	io_flush(&s->io);
	close_connection(s);
	s->io.gone = true;
	if (ask_secure(&s->ask, &fd, &s->certificate, &s->channel) != ANSWER_YES) {
		s->over = true;
		return false;
	}
	io_wipe(&s->io);
	io_init(&s->io, fd, fd, s->io.cap);
	/* RFC 3207 4.2: what the client said came in clear. */
	session_reset(s);
	s->have = TLS;
	s->helo[0] = '\0';
	return true;
}

void
session_turn(struct session *s)
{
	io_flush(&s->io);
	close_connection(s);
	s->io.gone = true;
	ask_turned(&s->ask);
	s->over = true;
}

/* What comes before the first command. */
static const struct reply *
begin(struct session *s)
{
	if (is_ip_in(&s->setup->client, &s->setup->conf->proxies) && !read_proxy(s)) {
		s->over = true; /* who speaks no PROXY understands no reply */
		return NULL;
	}
	if (is_implicit_tls(s->setup->service) && !session_secure(s))
		return NULL;
	return session_greeting(s);
}

/* Too big for a stack; see struct session for the page. */
static struct {
	char pad[PAGE - offsetof(struct session, ask.fd) % PAGE];
	struct session session;
} place __attribute__((aligned(PAGE)));

struct rewind_hot
session_hot(void)
{
	return (struct rewind_hot){ (const char *)&place, HOT };
}

enum session_exit
session_run(const struct session_setup *setup)
{
	struct session *s = &place.session;
	const struct reply *r;

	/* Nothing of a session before this one may show. */
	memset(&s->setup, 0, offsetof(struct session, io) - offsetof(struct session, setup));
	s->setup = setup;
	s->body.fd = -1;
	ask_init(&s->ask, setup->boundary);
	io_init(&s->io, setup->in, setup->out,
	        clock_ms() + (int64_t)setup->conf->session * 1000);
	s->client = setup->client;
	r = begin(s);
	if (r != NULL)
		session_send(s, r);
	while (!s->over) {
		r = read_and_run(s);
		if (r != NULL)
			session_send(s, r);
		if (!s->over && s->errors > setup->conf->errors) {
			ask_log(&s->ask, EVENT_TOO_MANY_ERRORS);
			session_send(s, &reply_too_many_errors);
			s->over = true;
		}
	}
	/* A client that said QUIT reads the reply; one that is cut off may be sending. */
	if (r == &reply_bye)
		io_flush(&s->io);
	else
		io_linger(&s->io);
	/* Both sides: nobody else who holds the connection keeps the client waiting. */
	if (s->io.out != -1)
		(void)shutdown(s->io.out, SHUT_RDWR);
	close_connection(s);
	body_drop(s);
	return r == &reply_broken ? SESSION_BROKEN : SESSION_DONE;
}
