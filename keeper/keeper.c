/*
 * The keeper's loop: one session from its first question to its end. What it may ask
 * is in request.c.
 */
#include "keeper/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "keeper/request.h"

static enum keeper_end
malformed(const struct keeper *k, const char *what)
{
	char verb[2] = { k->in.letter, '\0' };
	struct log_line l;

	log_start(&l, "boundary");
	log_field(&l, "what", what);
	log_field(&l, "verb", verb);
	log_send(&l, LOG_LEVEL_ERROR);
	return KEEPER_MALFORMED;
}

static enum keeper_end
answer_session(struct keeper *k)
{
	int64_t end = clock_ms() + (int64_t)(k->setup->conf->session + 60) * 1000;
	struct pollfd p = { k->setup->job.boundary, POLLIN, 0 };

	for (;;) {
		int64_t left = end - clock_ms();
		int n = poll(&p, 1, left > 0 ? (int)left : 0);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			log_error("session outlived its time", n == -1 ? errno : 0);
			return KEEPER_LATE;
		}
		switch (packet_recv(k->setup->job.boundary, &k->in)) {
		case 0:
			return KEEPER_DONE;
		case 1:
			if (!request_handle(k)) {
				packet_close_fds(&k->in);
				return malformed(k, "request out of order or malformed");
			}
			if (k->turned)
				return KEEPER_TURNED;
			if (k->lost)
				return KEEPER_DONE;
			break;
		default:
			if (errno == ECONNRESET)
				return KEEPER_DONE;
			k->in.letter = '?';
			return malformed(k, "packet malformed");
		}
	}
}

int
keeper_confine(const struct keeper_setup *setup)
{
	(void)signal(SIGIO, SIG_IGN); /* of message_seal()'s lease; a valid signal */
	if (sandbox_no_new_privs() == -1)
		return -1;
	return sandbox_landlock_files(setup->state, setup->domains);
}

/* Megabytes, of which few are ever touched; kept out of what sessions inherit. */
static struct keeper *
make_keeper(void)
{
	void *p = mmap(NULL, sizeof(struct keeper), PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

enum keeper_end
keeper_run(const struct keeper_setup *setup)
{
	static struct keeper *k;
	enum keeper_end end;

	if (k == NULL)
		k = make_keeper();
	if (k == NULL) {
		log_error("mmap", errno);
		return KEEPER_LATE;
	}

	k->own = *setup;
	k->peer = setup->job.client;
	k->setup = &k->own;
	k->have = 0;
	k->events = 0;
	k->lost = false;
	k->asked = 0;
	k->turned = false;
	k->turn.domains[0] = '\0';
	k->notify = 0;
	k->orcpt[0] = '\0';
	secure_init(&k->secure);
	login_init(&k->login);
	k->resolver.conf = setup->conf;
	k->resolver.state = setup->state;
	k->resolver.domains = setup->domains;
	k->resolver.may_relay = setup->may_relay;
	k->resolver.append = setup->append;
	k->resolver.local_only = false;
	k->resolver.has_srs_key = false;
	transaction_init(&k->transaction, k->setup, &k->resolver);
	end = answer_session(k);
	transaction_close(&k->transaction);
	secure_end(&k->secure);
	login_end(&k->login);
	explicit_bzero(k->in.buf, sizeof k->in.buf);
	explicit_bzero(k->out.buf, sizeof k->out.buf);
	return end;
}
