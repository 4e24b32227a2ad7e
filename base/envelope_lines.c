/*
 * See envelope_own.h. The file's lines. One table says which there are, in which order, and
 * how each is read and written; so both ways agree.
 */
#include "base/envelope_own.h"

#include <stddef.h>
#include <string.h>

#include "base/name.h"
#include "base/num.h"
#include "base/xtext.h"

#define TIME_WIDTH 10
#define TIME_MAX 9999999999
#define ATTEMPTS_WIDTH 3
#define ATTEMPTS_MAX 999

static const char *const bodies[] = { "7BIT", "8BITMIME", "BINARYMIME", NULL };
static const char *const yes_no[] = { "no", "yes", NULL };
static const char *const rets[] = { "-", "FULL", "HDRS", NULL };
const char *const envelope_holds[] = { "-", "h", NULL };

/* -- the head: each function writes its value, or reads it ----------------------------- */

static bool
is_printable_id(const char *s)
{
	return s[0] != '\0' && envelope_is_printable(s);
}

static int
find_word(const char *const *words, const char *s)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], s) == 0)
			return i;
	return -1;
}

static bool
put_number(const struct envelope_line *l, const char *member, struct text *t, bool *nothing)
{
	uint64_t n;

	memcpy(&n, member, sizeof n);
	*nothing = l->optional && n == 0;
	text_addu(t, n);
	return n <= INT64_MAX;
}

static bool
get_number(const struct envelope_line *l, char *member, char *value)
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
put_word(const struct envelope_line *l, const char *member, struct text *t, bool *nothing)
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
get_word(const struct envelope_line *l, char *member, char *value)
{
	int n = find_word(l->detail, value);

	if (n == -1 || (l->optional && n == 0))
		return false;
	memcpy(member, &n, sizeof n);
	return true;
}

static bool
put_bool(const struct envelope_line *l, const char *member, struct text *t, bool *nothing)
{
	const char *const *words = l->detail;
	bool on = *(const bool *)member;

	*nothing = l->optional && !on;
	text_add(t, words[on]);
	return true;
}

static bool
get_bool(const struct envelope_line *l, char *member, char *value)
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

static const struct text_rule id_rule = { LIMIT_ID + 1, name_is_plain };
static const struct text_rule envid_rule = { LIMIT_ENVID + 1, is_printable_id };
static const struct text_rule login_rule = { LIMIT_ADDRESS + 1, is_printable_id };

static bool
put_text(const struct envelope_line *l, const char *member, struct text *t, bool *nothing)
{
	const struct text_rule *rule = l->detail;

	*nothing = l->optional && member[0] == '\0';
	xtext_encode(t, member);
	return *nothing || rule->good(member);
}

static bool
get_text(const struct envelope_line *l, char *member, char *value)
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
put_sender(const struct envelope_line *l, const char *member, struct text *t, bool *nothing)
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
get_sender(const struct envelope_line *l, char *member, char *value)
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
put_by(const struct envelope_line *l, const char *member, struct text *t, bool *nothing)
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
get_by(const struct envelope_line *l, char *member, char *value)
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
put_priority(const struct envelope_line *l, const char *member, struct text *t, bool *nothing)
{
	int priority = *(const int *)(const void *)member;

	(void)l;
	*nothing = priority == 0;
	priority_text(t, priority);
	return priority >= PRIORITY_MIN && priority <= PRIORITY_MAX;
}

static bool
get_priority(const struct envelope_line *l, char *member, char *value)
{
	(void)l;
	return parse_priority(value, (int *)(void *)member);
}

#define AT(member) offsetof(struct envelope, member)

const struct envelope_line envelope_lines[] = {
	{ "id", false, AT(id), &id_rule, put_text, get_text },
	{ "hold", false, AT(hold), envelope_holds, put_bool, get_bool },
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
	{ "holdfor", true, AT(hold_for), NULL, put_number, get_number },
	{ "priority", true, AT(priority), NULL, put_priority, get_priority },
	{ "sender", false, AT(sender), NULL, put_sender, get_sender },
	{ .key = NULL },
};

/* -- a recipient ------------------------------------------------------------------------ */

void
envelope_mark_text(struct text *t, const struct envelope_to *to)
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

bool
envelope_put_to(struct text *t, const struct envelope_to *to)
{
	if (!is_state(to->state) || (to->orcpt[0] != '\0' && !is_orcpt(to->orcpt)))
		return false;
	text_add(t, "to ");
	envelope_mark_text(t, to);
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

	if (strlen(s) < ENVELOPE_MARK || s[2] != ' ' || s[3 + TIME_WIDTH] != ' ')
		return false;
	to->state = (enum envelope_state)s[0];
	to->delay_told = s[1] == 'd';
	s[3 + TIME_WIDTH] = '\0';
	if (!is_state(to->state) || (s[1] != 'd' && s[1] != '-') ||
	    !parse_u64(s + 3, TIME_MAX, &n))
		return false;
	to->next = (time_t)n;
	s[ENVELOPE_MARK] = '\0';
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

bool
envelope_get_to(struct envelope_to *to, char *s, off_t at)
{
	char *notify, *orcpt, *address;

	if (strlen(s) <= ENVELOPE_MARK || s[ENVELOPE_MARK] != ' ')
		return false;
	notify = s + ENVELOPE_MARK + 1;
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
