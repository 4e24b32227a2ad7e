/*
 * See qmail.h. notqmail's programs read descriptor 6 and take exit code 82 for "see there";
 * indimail's name the descriptor in ERROR_FD and take 88. Only refusals are told so: the
 * other codes say themselves what they are. The words begin with D or Z: for good or not.
 */
#include "spool/qmail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"
#include "spool/local.h"
#include "spool/stage.h"

#define ENVELOPE_FD 1
#define NOTQMAIL_FD 6

static int error_fd = -1;
static int error_code;

void
qmail_find_error_fd(void)
{
	const char *named = getenv("ERROR_FD");
	struct stat st;
	uint64_t n;

	if (named != NULL) {
		if (parse_u64(named, INT32_MAX, &n) && fcntl((int)n, F_GETFD) != -1)
			error_fd = (int)n;
		error_code = SPOOL_CUSTOM_ENV;
	} else if (fstat(NOTQMAIL_FD, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode))) {
		/* Nothing else: it might be a file of somebody who knows nothing of this. */
		error_fd = NOTQMAIL_FD;
		error_code = SPOOL_CUSTOM_FD6;
	}
}

/* The recipients' list is over: nothing else has two NULs in a row. */
static bool
is_whole(const char *buf, size_t len)
{
	return len >= 2 && buf[len - 1] == '\0' && buf[len - 2] == '\0';
}

/* All of the envelope, which its writer sends after the message. */
static bool
read_envelope(struct order *o, const char *domain, struct verdict *v)
{
	char *buf = malloc(LIMIT_ENVELOPE_TEXT);
	size_t len = 0;
	ssize_t n = 1;
	bool good = false;

	if (buf == NULL) {
		verdict_set(v, SPOOL_MEMORY, "4.3.0", "out of memory", "");
		return false;
	}
	while (n > 0 && len < LIMIT_ENVELOPE_TEXT && !is_whole(buf, len)) {
		n = read(ENVELOPE_FD, buf + len, LIMIT_ENVELOPE_TEXT - len);
		if (n == -1 && errno == EINTR)
			n = 1;
		else
			len += n > 0 ? (size_t)n : 0;
	}
	if (n == -1)
		verdict_set(v, SPOOL_READ, "4.3.0", "cannot read the envelope", strerror(errno));
	else if (n > 0 && !is_whole(buf, len))
		(void)order_refuse_many(v);
	else
		good = order_parse(o, buf, len, domain, v);
	free(buf);
	return good;
}

/* A message that was held back, from flush: its envelope as the keeper has queued it. */
static bool
read_queued(struct order *o, struct verdict *v)
{
	static struct envelope e;
	const char *why = "";
	int r = envelope_read(ENVELOPE_FD, &e, &why);

	order_init(o);
	if (r == -1)
		verdict_set(v, SPOOL_READ, "4.3.0", "cannot read the envelope", strerror(errno));
	else if (r == 0)
		verdict_set(v, SPOOL_ENVELOPE, "5.5.2", "envelope format error", why);
	if (r != 1)
		return false;
	o->queued = &e;
	o->sender = e.sender;
	o->ret = e.ret;
	(void)text_copy(o->envid, sizeof o->envid, e.envid); /* as long */
	o->require_tls = e.require_tls;
	o->n = e.n;
	for (unsigned i = 0; i < e.n; i++)
		o->to[i] = e.to[i].address;
	return true;
}

static void
take(struct local *l, enum qmail_kind kind, struct verdict *v)
{
	static struct order order;
	struct stage stage;
	bool good;

	if (!stage_open(&stage, l->tmp, l->conf.size, v))
		return;
	good = stage_copy(&stage, 0, v);
	if (good && kind == QMAIL_QUEUED)
		good = read_queued(&order, v);
	else if (good)
		good = read_envelope(&order, l->conf.local_domain, v);
	if (good) {
		order.require_tls |= kind == QMAIL_REQUIRETLS;
		local_submit(l, stage.fd, &order, v);
	}
	stage_close(&stage);
}

static void
tell(int fd, const struct verdict *v)
{
	char buf[LIMIT_REPLY + 32];
	struct text t;

	text_init(&t, buf, sizeof buf);
	text_addc(&t, verdict_is_permanent(v) ? 'D' : 'Z');
	text_add(&t, v->text);
	text_add(&t, " (#");
	text_add(&t, v->status);
	text_addc(&t, ')');
	if (write(fd, buf, t.len) == -1)
		return; /* nobody listens: the code says enough */
}

int
qmail_run(const char *file, enum qmail_kind kind)
{
	static struct local local;
	struct verdict v = { .code = SPOOL_DONE };
	struct log_line l;

	if (local_open(&local, file, &v) && kind != QMAIL_PLAIN && !local.direct)
		verdict_set(&v, SPOOL_STATE, "5.7.0", "-e and -r are for the owner of the mail", "");
	else if (v.code == SPOOL_DONE && local_enter(&local, &v))
		take(&local, kind, &v);
	if (v.code == SPOOL_DONE)
		return 0;
	log_start(&l, "not-taken");
	log_number(&l, "code", (uint64_t)v.code);
	log_field(&l, "reply", v.text);
	log_send(&l, LOG_LEVEL_WARNING);
	if (error_fd == -1)
		return v.code;
	tell(error_fd, &v);
	return v.code == SPOOL_REFUSED || v.code == SPOOL_LATER ? error_code : v.code;
}
