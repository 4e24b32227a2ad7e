/* See secure.h. Called by keeper.c for VERB_TLS and VERB_SECURE. */
#include "keeper/secure.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

#define GRACE_SECONDS 5 /* tls keeps the deadline of the handshake itself */

void
secure_init(struct secure *s)
{
	memset(s, 0, sizeof *s);
	s->helper = -1;
}

void
secure_end(struct secure *s)
{
	if (s->helper != -1)
		(void)close(s->helper);
	explicit_bzero(s, sizeof *s);
	s->helper = -1;
}

bool
secure_ask(struct secure *s, const struct helper_door *door)
{
	if (s->helper == -1)
		s->helper = helper_connect(door);
	if (s->helper == -1)
		log_error("connect to tls", errno);
	return s->helper != -1;
}

static bool
take_fact(char *out, size_t cap, const char *field)
{
	return text_copy(out, cap, field);
}

/* The fields of TLS_UP, in the order of struct tls_facts. */
static bool
take_facts(struct tls_facts *f, const struct packet *p)
{
	return p->letter == TLS_UP && p->n == TLS_FACTS && p->field[0][0] != '\0' &&
	       take_fact(f->version, sizeof f->version, p->field[0]) &&
	       take_fact(f->cipher, sizeof f->cipher, p->field[1]) &&
	       take_fact(f->group, sizeof f->group, p->field[2]) &&
	       take_fact(f->sni, sizeof f->sni, p->field[3]) &&
	       take_fact(f->resumed, sizeof f->resumed, p->field[4]) &&
	       take_fact(f->verified, sizeof f->verified, p->field[5]) &&
	       take_fact(f->subject, sizeof f->subject, p->field[6]) &&
	       take_fact(f->email, sizeof f->email, p->field[7]) &&
	       take_fact(f->fingerprint, sizeof f->fingerprint, p->field[8]) &&
	       take_fact(f->exporter, sizeof f->exporter, p->field[9]) &&
	       take_fact(f->endpoint, sizeof f->endpoint, p->field[10]);
}

static void
log_up(const struct tls_facts *f)
{
	struct log_line l;

	log_start(&l, "tls");
	log_field(&l, "version", f->version);
	log_field(&l, "cipher", f->cipher);
	if (f->group[0] != '\0')
		log_field(&l, "group", f->group);
	if (f->sni[0] != '\0')
		log_field(&l, "sni", f->sni);
	if (f->resumed[0] != '\0')
		log_field(&l, "resumed", f->resumed);
	if (f->subject[0] != '\0')
		log_field(&l, "subject", f->subject);
	if (f->verified[0] != '\0')
		log_field(&l, "verified", f->verified);
	log_send(&l, LOG_LEVEL_INFO);
}

/* The dialogue of helper.h. plain is tls's end of the pair. */
static bool
shake_hands(struct secure *s, struct packet *p, const struct job *job, int plain)
{
	char client[64];
	struct text t;
	int r;

	text_init(&t, client, sizeof client);
	ip_text(&t, &job->client);
	packet_start(p, TLS_SERVE);
	packet_add(p, job->session_id);
	packet_add(p, client);
	packet_addc(p, (char)job->service);
	if (packet_send_pair(s->helper, p, job->conn, plain) == -1) {
		log_error("ask tls", errno);
		return false;
	}
	r = packet_recv(s->helper, p);
	packet_close_fds(p); /* none is ever meant for us */
	if (r == 1 && p->letter == TLS_FAILED)
		return false; /* it has logged why */
	if (r == 1 && take_facts(&s->facts, p))
		return true;
	log_error("tls gave no answer", r == -1 ? errno : 0);
	return false;
}

bool
secure_start(struct secure *s, struct packet *p, const struct job *job, uint64_t seconds)
{
	struct timeval wait = { (time_t)seconds + GRACE_SECONDS, 0 };
	int pair[2];
	bool ok;

	(void)setsockopt(s->helper, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		log_error("socketpair", errno);
		return false;
	}
	ok = shake_hands(s, p, job, pair[1]);
	(void)close(pair[1]); /* tls's */
	(void)close(s->helper);
	s->helper = -1;
	if (ok && dup3(pair[0], job->conn, O_CLOEXEC) == -1) {
		log_error("dup3", errno);
		ok = false;
	}
	(void)close(pair[0]);
	s->up = ok;
	if (ok)
		log_up(&s->facts);
	else /* RFC 3207 4.1: no word in clear may follow, of nobody who holds a copy of it */
		(void)shutdown(job->conn, SHUT_WR);
	return ok;
}
