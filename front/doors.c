/* See doors.h. */
#include "front/doors.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "front/starter.h"
#include "front/users.h"

enum { TLS, AUTH, FLUSH };

static const struct conf *conf; /* for who becomes a helper */

static void
find_tls_user(struct user *u)
{
	const char *wrong = users_tls(conf, log_message, u);

	if (wrong != NULL)
		die_temp(wrong, errno);
}

static void
find_auth_user(struct user *u)
{
	const char *wrong = users_auth(conf, u);

	if (wrong != NULL)
		die_temp(wrong, errno);
}

/* STATE's owner: the queue is his. */
static void
find_flush_user(struct user *u)
{
	int state = open(conf->state, O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *wrong = state == -1 ? "open STATE" : users_keeper(state, u);

	if (wrong != NULL)
		die_temp(wrong, errno);
	(void)close(state); /* a path only */
}

static bool
is_socket(const char *path)
{
	struct stat st;

	return path[0] != '\0' && stat(path, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void
close_feed(struct helper_door *d)
{
	if (d->feed != -1)
		(void)close(d->feed); /* its helper ends when nobody holds it any more */
	*d = (struct helper_door){ NULL, -1 };
}

void
doors_open(struct doors *d, const struct conf *c, bool may_send)
{
	struct starter_helper helpers[STARTER_HELPERS] = {
		[TLS] = { NULL, find_tls_user, -1 },
		[AUTH] = { NULL, find_auth_user, -1 },
		[FLUSH] = { NULL, find_flush_user, -1 },
	};
	bool wants_auth = c->mechanisms != 0 && (c->tls || c->auth_without_tls);
	bool has_tls = is_socket(c->tls_socket), has_auth = is_socket(c->auth_socket);
	bool has_flush = is_socket(c->flush_socket);

	conf = c;
	close_feed(&d->tls);
	close_feed(&d->auth);
	close_feed(&d->flush);
	if (c->tls && !has_tls)
		helpers[TLS].name = "tls";
	if (wants_auth && !has_auth)
		helpers[AUTH].name = "auth";
	/* What a stranger's mail queues here waits for the timer: a starter costs a fork. */
	if (!has_flush && (may_send || wants_auth))
		helpers[FLUSH].name = "flush";
	if ((helpers[TLS].name != NULL || helpers[AUTH].name != NULL ||
	     helpers[FLUSH].name != NULL) && starter_start(helpers, c->file) == -1)
		log_error("start the starter", errno);
	d->tls = (struct helper_door){ has_tls ? c->tls_socket : NULL, helpers[TLS].feed };
	d->auth = (struct helper_door){ has_auth ? c->auth_socket : NULL, helpers[AUTH].feed };
	d->flush = (struct helper_door){ has_flush ? c->flush_socket : NULL,
	                                 helpers[FLUSH].feed };
}
