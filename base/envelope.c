/*
 * See envelope.h. One table says which lines there are, in which order, and how each is
 * read and written; so both ways agree. The reader takes any octets. No allocation.
 */
#include "base/envelope.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <unistr.h>

#include "base/num.h"
#include "base/text.h"
#include "base/xtext.h"

#define VERSION "1"
/* The longest line: `to`, with every octet of ORCPT and address as +XX. */
#define LINE (64 + 3 * (LIMIT_ORCPT + LIMIT_ADDRESS))
/* Of `to`, what changes: "SD NNNNNNNNNN NNN". */
#define MARK 17
#define TIME_WIDTH 10
#define TIME_MAX 9999999999
#define ATTEMPTS_WIDTH 3
#define ATTEMPTS_MAX 999

static const char *const bodies[] = { "7BIT", "8BITMIME", "BINARYMIME", NULL };
static const char *const yes_no[] = { "no", "yes", NULL };
static const char *const rets[] = { "-", "FULL", "HDRS", NULL };
static const char *const holds[] = { "-", "h", NULL };

/* -- single values ------------------------------------------------------------------ */

static const struct {
	const char *name;
	unsigned bit;
} notifies[] = {
	{ "NEVER", NOTIFY_NEVER },
	{ "SUCCESS", NOTIFY_SUCCESS },
	{ "FAILURE", NOTIFY_FAILURE },
	{ "DELAY", NOTIFY_DELAY },
};

void
envelope_notify_text(struct text *t, unsigned notify)
{
	bool first = true;

	for (size_t i = 0; i < sizeof notifies / sizeof notifies[0]; i++) {
		if ((notify & notifies[i].bit) == 0)
			continue;
		if (!first)
			text_addc(t, ',');
		text_add(t, notifies[i].name);
		first = false;
	}
	if (first)
		text_addc(t, '-');
}

static unsigned
notify_by_name(const char *s, size_t len)
{
	for (size_t i = 0; i < sizeof notifies / sizeof notifies[0]; i++)
		if (strlen(notifies[i].name) == len && strncasecmp(s, notifies[i].name, len) == 0)
			return notifies[i].bit;
	return 0;
}

bool
parse_notify(const char *s, unsigned *notify)
{
	unsigned all = 0;

	for (;;) {
		size_t len = strcspn(s, ",");
		unsigned bit = notify_by_name(s, len);

		if (bit == 0)
			return false;
		all |= bit;
		if (s[len] == '\0')
			break;
		s += len + 1;
	}
	/* RFC 3461 4.1: NEVER stands alone. */
	if ((all & NOTIFY_NEVER) != 0 && all != NOTIFY_NEVER)
		return false;
	*notify = all;
	return true;
}

/* Valid UTF-8 without control octets. */
static bool
is_printable(const char *s)
{
	for (const char *p = s; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	return u8_check((const uint8_t *)s, strlen(s)) == NULL;
}

bool
is_orcpt(const char *s)
{
	size_t type = strcspn(s, ";");

	if (type == 0 || s[type] != ';' || s[type + 1] == '\0' || strlen(s) > LIMIT_ORCPT)
		return false;
	/* addr-type is an atom (RFC 3461 4.2). */
	for (size_t i = 0; i < type; i++)
		if (s[i] <= ' ' || s[i] > '~' || strchr("()<>@,;:\\\".[]", s[i]) != NULL)
			return false;
	return is_printable(s + type + 1);
}

/* What can be a file's name, and never a hidden one or a path. */
static bool
is_id(const char *s)
{
	if (s[0] == '\0' || s[0] == '.')
		return false;
	for (; *s != '\0'; s++)
		if (!((*s >= '0' && *s <= '9') || (*s >= 'a' && *s <= 'z') ||
		      (*s >= 'A' && *s <= 'Z') || *s == '.' || *s == '-' || *s == '_'))
			return false;
	return true;
}

bool
is_envid(const char *s)
{
	for (const char *p = s; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			return false;
	return strlen(s) <= LIMIT_ENVID;
}

static bool
is_printable_id(const char *s)
{
	return s[0] != '\0' && is_printable(s);
}

static int
find_word(const char *const *words, const char *s)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], s) == 0)
			return i;
	return -1;
}

/* -- lines: each function writes its value, or reads it ------------------------------- */

struct line {
	const char *key;
	bool optional; /* left out where it says nothing */
	size_t offset; /* of the member in struct envelope */
	const void *detail;
	/* False for what must not stand there; *nothing for what may be left out. */
	bool (*put)(const struct line *l, const char *member, struct text *t, bool *nothing);
	bool (*get)(const struct line *l, char *member, char *value);
};

static bool
put_number(const struct line *l, const char *member, struct text *t, bool *nothing)
{
	uint64_t n;

	memcpy(&n, member, sizeof n);
	*nothing = l->optional && n == 0;
	text_addu(t, n);
	return n <= INT64_MAX;
}

static bool
get_number(const struct line *l, char *member, char *value)
{
	uint64_t n;

	if (!parse_u64(value, INT64_MAX, &n) || (l->optional && n == 0))
		return false;
	memcpy(member, &n, sizeof n); /* a time_t, too, is of 64 bits (below) */
	return true;
}

_Static_assert(sizeof(time_t) == sizeof(uint64_t), "a time is read as a number");
_Static_assert(sizeof(enum envelope_body) == sizeof(int), "a word is read as an int");
_Static_assert(sizeof(enum envelope_ret) == sizeof(int), "a word is read as an int");

static bool
put_word(const struct line *l, const char *member, struct text *t, bool *nothing)
{
	const char *const *words = l->detail;
	unsigned n;

	memcpy(&n, member, sizeof n);
	for (unsigned i = 0; i <= n; i++)
		if (words[i] == NULL)
			return false;
	*nothing = l->optional && n == 0;
	text_add(t, words[n]);
	return true;
}

static bool
get_word(const struct line *l, char *member, char *value)
{
	int n = find_word(l->detail, value);

	if (n == -1 || (l->optional && n == 0))
		return false;
	memcpy(member, &n, sizeof n);
	return true;
}

static bool
put_bool(const struct line *l, const char *member, struct text *t, bool *nothing)
{
	const char *const *words = l->detail;
	bool on = *(const bool *)member;

	*nothing = l->optional && !on;
	text_add(t, words[on]);
	return true;
}

static bool
get_bool(const struct line *l, char *member, char *value)
{
	int n = find_word(l->detail, value);

	*(bool *)member = n == 1;
	return n == 1 || (n == 0 && !l->optional);
}

/* Text that `detail` judges, in a member of its size. */
struct text_rule {
	size_t size;
	bool (*good)(const char *s);
};

static const struct text_rule id_rule = { LIMIT_ID + 1, is_id };
static const struct text_rule envid_rule = { LIMIT_ENVID + 1, is_printable_id };
static const struct text_rule login_rule = { LIMIT_ADDRESS + 1, is_printable_id };

static bool
put_text(const struct line *l, const char *member, struct text *t, bool *nothing)
{
	const struct text_rule *rule = l->detail;

	*nothing = l->optional && member[0] == '\0';
	xtext_encode(t, member);
	return *nothing || rule->good(member);
}

static bool
get_text(const struct line *l, char *member, char *value)
{
	const struct text_rule *rule = l->detail;
	struct text t;

	text_init(&t, member, rule->size);
	return xtext_decode(&t, value, strlen(value)) && rule->good(member);
}

static bool
put_address(const struct address *a, struct text *t)
{
	char s[LIMIT_ADDRESS + 1];
	struct address again;
	struct text whole;

	text_init(&whole, s, sizeof s);
	address_text(&whole, a);
	xtext_encode(t, s);
	return text_ok(&whole) && parse_address(s, &again);
}

static bool
get_address(struct address *a, const char *value)
{
	char s[LIMIT_ADDRESS + 1];
	struct text t;

	text_init(&t, s, sizeof s);
	return xtext_decode(&t, value, strlen(value)) && parse_address(s, a);
}

static bool
put_sender(const struct line *l, const char *member, struct text *t, bool *nothing)
{
	const struct address *a = (const void *)member;

	(void)l;
	(void)nothing;
	if (a->local[0] != '\0')
		return put_address(a, t);
	text_add(t, "<>");
	return a->domain[0] == '\0';
}

static bool
get_sender(const struct line *l, char *member, char *value)
{
	struct address *a = (void *)member;

	(void)l;
	if (strcmp(value, "<>") != 0)
		return get_address(a, value);
	a->local[0] = a->domain[0] = '\0';
	return true;
}

/* "1795346553 RT": a time as such, since what is left of it changes. */
static bool
put_by(const struct line *l, const char *member, struct text *t, bool *nothing)
{
	const struct deliver_by *by = (const void *)member;

	(void)l;
	*nothing = by->mode == BY_NONE;
	text_addu(t, (uint64_t)by->when);
	text_addc(t, ' ');
	by_mode_text(t, by);
	return *nothing || (by->when >= 0 && (by->mode == BY_RETURN || by->mode == BY_NOTIFY));
}

static bool
get_by(const struct line *l, char *member, char *value)
{
	struct deliver_by *by = (void *)member;
	size_t len = strcspn(value, " ");
	uint64_t when;

	(void)l;
	if (value[len] != ' ')
		return false;
	value[len] = '\0';
	if (!parse_u64(value, INT64_MAX, &when) || !parse_by_mode(value + len + 1, by))
		return false;
	by->when = (time_t)when;
	return true;
}

static bool
put_priority(const struct line *l, const char *member, struct text *t, bool *nothing)
{
	int priority = *(const int *)(const void *)member;

	(void)l;
	*nothing = priority == 0;
	priority_text(t, priority);
	return priority >= PRIORITY_MIN && priority <= PRIORITY_MAX;
}

static bool
get_priority(const struct line *l, char *member, char *value)
{
	(void)l;
	return parse_priority(value, (int *)(void *)member);
}

#define AT(member) offsetof(struct envelope, member)

static const struct line lines[] = {
	{ "id", false, AT(id), &id_rule, put_text, get_text },
	{ "hold", false, AT(hold), holds, put_bool, get_bool },
	{ "arrived", false, AT(arrived), NULL, put_number, get_number },
	{ "skip", false, AT(skip), NULL, put_number, get_number },
	{ "size", false, AT(size), NULL, put_number, get_number },
	{ "body", false, AT(body), bodies, put_word, get_word },
	{ "utf8", false, AT(utf8), yes_no, put_bool, get_bool },
	{ "ret", true, AT(ret), rets, put_word, get_word },
	{ "envid", true, AT(envid), &envid_rule, put_text, get_text },
	{ "auth", true, AT(auth), &login_rule, put_text, get_text },
	{ "login", true, AT(login), &login_rule, put_text, get_text },
	{ "requiretls", true, AT(require_tls), yes_no, put_bool, get_bool },
	{ "by", true, AT(by), NULL, put_by, get_by },
	{ "release", true, AT(release), NULL, put_number, get_number },
	{ "priority", true, AT(priority), NULL, put_priority, get_priority },
	{ "sender", false, AT(sender), NULL, put_sender, get_sender },
};
#define N_LINES (sizeof lines / sizeof lines[0])

/* -- a recipient ------------------------------------------------------------------------ */

static void
put_mark(struct text *t, const struct envelope_to *to)
{
	uint64_t next = to->next < 0 ? 0 : (uint64_t)to->next;
	unsigned attempts = to->attempts > ATTEMPTS_MAX ? ATTEMPTS_MAX : to->attempts;

	text_addc(t, (char)to->state);
	text_addc(t, to->delay_told ? 'd' : '-');
	text_addc(t, ' ');
	text_addf(t, next > TIME_MAX ? TIME_MAX : next, TIME_WIDTH);
	text_addc(t, ' ');
	text_addf(t, attempts, ATTEMPTS_WIDTH);
}

static bool
is_state(enum envelope_state s)
{
	return s == ENVELOPE_TODO || s == ENVELOPE_DONE || s == ENVELOPE_FAILED ||
	       s == ENVELOPE_DELIVERED || s == ENVELOPE_RELAYED || s == ENVELOPE_HELD;
}

/* False when to is not what may stand in a file. */
static bool
put_to(struct text *t, const struct envelope_to *to)
{
	if (!is_state(to->state) || (to->orcpt[0] != '\0' && !is_orcpt(to->orcpt)))
		return false;
	text_add(t, "to ");
	put_mark(t, to);
	text_addc(t, ' ');
	envelope_notify_text(t, to->notify);
	text_addc(t, ' ');
	if (to->orcpt[0] == '\0')
		text_addc(t, '-');
	else
		xtext_encode(t, to->orcpt);
	text_addc(t, ' ');
	return put_address(&to->address, t);
}

static bool
get_mark(struct envelope_to *to, char *s)
{
	uint64_t n;

	if (strlen(s) < MARK || s[2] != ' ' || s[3 + TIME_WIDTH] != ' ')
		return false;
	to->state = (enum envelope_state)s[0];
	to->delay_told = s[1] == 'd';
	s[3 + TIME_WIDTH] = '\0';
	if (!is_state(to->state) || (s[1] != 'd' && s[1] != '-') ||
	    !parse_u64(s + 3, TIME_MAX, &n))
		return false;
	to->next = (time_t)n;
	s[MARK] = '\0';
	if (!parse_u64(s + 4 + TIME_WIDTH, ATTEMPTS_MAX, &n))
		return false;
	to->attempts = (unsigned)n;
	return true;
}

static bool
get_orcpt(struct envelope_to *to, const char *value)
{
	struct text t;

	text_init(&t, to->orcpt, sizeof to->orcpt);
	if (strcmp(value, "-") == 0)
		return true;
	return xtext_decode(&t, value, strlen(value)) && is_orcpt(to->orcpt);
}

/* s: what stands behind "to ", at `at` of the file. */
static bool
get_to(struct envelope_to *to, char *s, off_t at)
{
	char *notify, *orcpt, *address;

	if (strlen(s) <= MARK || s[MARK] != ' ')
		return false;
	notify = s + MARK + 1;
	orcpt = strchr(notify, ' ');
	address = orcpt == NULL ? NULL : strchr(orcpt + 1, ' ');
	if (address == NULL)
		return false;
	*orcpt++ = *address++ = '\0';
	to->notify = 0;
	to->at = at;
	return get_mark(to, s) &&
	       (strcmp(notify, "-") == 0 || parse_notify(notify, &to->notify)) &&
	       get_orcpt(to, orcpt) && get_address(&to->address, address);
}

/* -- writing -------------------------------------------------------------------------- */

struct out {
	int fd;
	off_t at;
	struct text t;
	char buf[LINE + 16384];
};

static int
write_at(int fd, const char *s, size_t len, off_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, s, len, at);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		s += n;
		len -= (size_t)n;
		at += n;
	}
	return 0;
}

static int
out_flush(struct out *o)
{
	if (write_at(o->fd, o->buf, o->t.len, o->at) == -1)
		return -1;
	o->at += (off_t)o->t.len;
	text_init(&o->t, o->buf, sizeof o->buf);
	return 0;
}

/* Ends a line. */
static int
out_line(struct out *o, bool good)
{
	text_addc(&o->t, '\n');
	if (!good || !text_ok(&o->t)) {
		errno = EINVAL;
		return -1;
	}
	return sizeof o->buf - o->t.len <= LINE ? out_flush(o) : 0;
}

static int
out_head(struct out *o, const struct envelope *e)
{
	text_add(&o->t, "postern " VERSION "\n");
	for (const struct line *l = lines; l < lines + N_LINES; l++) {
		size_t len = o->t.len;
		bool nothing = false, good;

		text_add(&o->t, l->key);
		text_addc(&o->t, ' ');
		good = l->put(l, (const char *)e + l->offset, &o->t, &nothing);
		if (nothing)
			o->t.len = len;
		else if (out_line(o, good) == -1)
			return -1;
	}
	return 0;
}

int
envelope_write(int fd, const struct envelope *e)
{
	static struct out o;

	o.fd = fd;
	o.at = 0;
	text_init(&o.t, o.buf, sizeof o.buf);
	if (e->n == 0 || e->n > LIMIT_RECIPIENTS || e->skip > e->size || e->arrived < 0) {
		errno = EINVAL;
		return -1;
	}
	if (out_head(&o, e) == -1)
		return -1;
	for (unsigned i = 0; i < e->n; i++)
		if (out_line(&o, put_to(&o.t, &e->to[i])) == -1)
			return -1;
	text_add(&o.t, "end");
	return out_line(&o, true) == -1 || out_flush(&o) == -1 ? -1 : fsync(fd);
}

int
envelope_put_mark(int fd, const struct envelope_to *to)
{
	char buf[MARK + 1];
	struct text t;

	text_init(&t, buf, sizeof buf);
	put_mark(&t, to);
	return write_at(fd, buf, MARK, to->at);
}

int
envelope_mark(int fd, const struct envelope_to *to)
{
	return envelope_put_mark(fd, to) == -1 ? -1 : fdatasync(fd);
}

void
envelope_id_priority(struct text *t, int priority)
{
	if (priority == 0)
		return;
	text_add(t, priority > 0 ? "_p" : "_n");
	text_addu(t, (uint64_t)(priority > 0 ? priority : -priority));
}

int
envelope_name_priority(const char *name)
{
	const char *p = strrchr(name, '_');

	if (p == NULL || (p[1] != 'p' && p[1] != 'n') || p[2] < '1' || p[2] > '9' ||
	    (p[3] != '\0' && p[3] != '.'))
		return 0;
	return p[1] == 'p' ? p[2] - '0' : -(p[2] - '0');
}

time_t
envelope_start(const struct envelope *e)
{
	return e->release > e->arrived ? e->release : e->arrived;
}

int
envelope_hold(int fd, struct envelope *e, bool hold)
{
	e->hold = hold;
	return write_at(fd, holds[hold], 1, e->hold_at) == -1 ? -1 : fdatasync(fd);
}

/* -- reading ---------------------------------------------------------------------------- */

struct in {
	int fd;
	off_t at;          /* in the file, of buf's end */
	size_t from, len;  /* of buf, not read yet */
	char buf[LINE + 16384];
};

/*
 * The next line, its LF replaced by NUL; *at: where in the file it starts. 1; 0: there is
 * no whole line, or it holds a NUL or is too long; -1: errno.
 */
static int
in_line(struct in *in, char **line, off_t *at)
{
	for (;;) {
		char *lf = memchr(in->buf + in->from, '\n', in->len);
		ssize_t n;

		if (lf != NULL) {
			size_t used = (size_t)(lf - in->buf) - in->from + 1;

			*line = in->buf + in->from;
			*at = in->at - (off_t)in->len;
			*lf = '\0';
			in->from += used;
			in->len -= used;
			return strlen(*line) == used - 1 && used <= LINE;
		}
		memmove(in->buf, in->buf + in->from, in->len);
		in->from = 0;
		if (in->len >= LINE)
			return 0;
		do
			n = pread(in->fd, in->buf + in->len, sizeof in->buf - in->len, in->at);
		while (n == -1 && errno == EINTR);
		if (n <= 0)
			return (int)n;
		in->len += (size_t)n;
		in->at += n;
	}
}

/* What stands behind "KEY "; NULL: this is another line. */
static char *
value_of(char *line, const char *key)
{
	size_t len = strlen(key);

	return strncmp(line, key, len) == 0 && line[len] == ' ' ? line + len + 1 : NULL;
}

/* Reads all up to the first `to`, which is left in *line. 1, 0 or -1. */
static int
in_head(struct in *in, struct envelope *e, char **line, off_t *at, const char **why)
{
	const char *version;
	int r = in_line(in, line, at);

	*why = "no envelope: expected the line 'postern 1'";
	if (r != 1 || (version = value_of(*line, "postern")) == NULL)
		return r == -1 ? -1 : 0;
	*why = "an envelope of another version of Postern";
	if (strcmp(version, VERSION) != 0)
		return 0;
	*why = "cut off, or a line too long";
	if ((r = in_line(in, line, at)) != 1)
		return r;
	for (const struct line *l = lines; l < lines + N_LINES; l++) {
		char *value = value_of(*line, l->key);

		*why = l->key;
		if (value == NULL && l->optional)
			continue;
		if (value == NULL || !l->get(l, (char *)e + l->offset, value))
			return 0;
		if (l->offset == AT(hold))
			e->hold_at = *at + (value - *line);
		*why = "cut off, or a line too long";
		if ((r = in_line(in, line, at)) != 1)
			return r;
	}
	*why = "skip";
	return e->skip <= e->size;
}

static int
in_recipients(struct in *in, struct envelope *e, char *line, off_t at, const char **why)
{
	while (strcmp(line, "end") != 0) {
		char *value = value_of(line, "to");
		int r;

		*why = "too many recipients";
		if (e->n == LIMIT_RECIPIENTS)
			return 0;
		*why = "to";
		if (value == NULL || !get_to(&e->to[e->n], value, at + (value - line)))
			return 0;
		e->n++;
		*why = "cut off, or a line too long";
		if ((r = in_line(in, &line, &at)) != 1)
			return r;
	}
	*why = "no recipient";
	return e->n > 0;
}

int
envelope_read(int fd, struct envelope *e, const char **why)
{
	static struct in in;
	char *line;
	off_t at;
	int r;

	in.fd = fd;
	in.at = 0;
	in.from = in.len = 0;
	memset(e, 0, offsetof(struct envelope, to));
	r = in_head(&in, e, &line, &at, why);
	if (r == 1)
		r = in_recipients(&in, e, line, at, why);
	if (r == 1 && (in.len > 0 || pread(fd, in.buf, 1, in.at) != 0)) {
		*why = "more behind the end";
		r = 0;
	}
	return r;
}
