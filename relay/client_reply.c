/* See client_reply.h. */
#include "relay/client_reply.h"

#include <string.h>

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Octets of the UTF-8 character at s, 0 where there is none (RFC 3629 4); no C1 control. */
static size_t
utf8_len(const unsigned char *s, size_t len)
{
	size_t n = *s >= 0xC2 && *s <= 0xDF ? 2 : *s >= 0xE0 && *s <= 0xEF ? 3 :
	           *s >= 0xF0 && *s <= 0xF4 ? 4 : 0;

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xC0) != 0x80)
			return 0;
	if ((*s == 0xC2 && s[1] < 0xA0) || (*s == 0xE0 && s[1] < 0xA0) ||
	    (*s == 0xED && s[1] > 0x9F) || (*s == 0xF0 && s[1] < 0x90) ||
	    (*s == 0xF4 && s[1] > 0x8F))
		return 0;
	return n;
}

void
client_make_safe(struct text *t, const char *s, size_t len)
{
	for (size_t i = 0; i < len && !t->bad;) {
		size_t n = utf8_len((const unsigned char *)s + i, len - i);

		if (n > 0)
			text_addn(t, s + i, n);
		else
			text_addc(t, (char)(s[i] == '\t' ? ' ' : s[i] >= ' ' && s[i] <= '~' ? s[i] : '?'));
		i += n > 0 ? n : 1;
	}
}

unsigned
client_reply_class(const struct client_reply *r)
{
	return r->code / 100;
}

/* Octets of a number of up to three digits. */
static size_t
number_len(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && n < 4 && is_digit(s[n]))
		n++;
	return n <= 3 ? n : 0;
}

/* RFC 2034 4: "5.1.1 " at the start of a line, of the class of the code. */
static void
find_enhanced(struct client_reply *r, const char *line, size_t len)
{
	char class = (char)('0' + client_reply_class(r));
	size_t subject, detail, all;

	if (len < 5 || line[0] != class || line[1] != '.')
		return;
	subject = number_len(line + 2, len - 2);
	if (subject == 0 || subject + 4 > len || line[2 + subject] != '.')
		return;
	detail = number_len(line + 3 + subject, len - 3 - subject);
	all = 3 + subject + detail;
	if (detail == 0 || (all < len && line[all] != ' ' && line[all] != '\t'))
		return;
	memcpy(r->enhanced, line, all);
	r->enhanced[all] = '\0';
}

static void
start(struct client_reply *r, struct text *all, unsigned code)
{
	struct text t;

	memset(r, 0, sizeof *r);
	r->code = code;
	text_init(&t, r->enhanced, sizeof r->enhanced);
	text_addu(&t, code / 100);
	text_add(&t, ".0.0");
	text_init(all, r->text, sizeof r->text);
	text_addu(all, code);
}

/* One more line, made safe; what has no room is dropped. */
static void
keep(struct client_reply *r, struct text *t, const char *line, size_t len, unsigned number)
{
	struct text first;

	if (number == 0) {
		text_init(&first, r->first, sizeof r->first);
		client_make_safe(&first, line, len);
	}
	if (len > 0)
		text_addc(t, ' ');
	client_make_safe(t, line, len);
}

/* The code at the start of a line, 0 where there is none; *more: a line follows. */
static unsigned
read_code(const char *line, size_t len, bool *more)
{
	if (len < 3 || line[0] < '2' || line[0] > '5' || !is_digit(line[1]) ||
	    !is_digit(line[2]) || (len > 3 && line[3] != ' ' && line[3] != '-'))
		return 0;
	*more = len > 3 && line[3] == '-';
	return (unsigned)(line[0] - '0') * 100 + (unsigned)(line[1] - '0') * 10 +
	       (unsigned)(line[2] - '0');
}

bool
client_reply_read(struct client_io *io, struct client_reply *r, client_line *each,
                  void *arg)
{
	const char *line;
	struct text t;
	size_t len;

	text_init(&t, r->text, sizeof r->text);
	for (unsigned i = 0; i < LIMIT_REPLY_LINES && client_getline(io, &line, &len); i++) {
		bool more;
		unsigned code = read_code(line, len, &more);
		size_t used = len > 3 ? 4 : 3;

		if (code == 0 || (i > 0 && code / 100 != client_reply_class(r)))
			break;
		if (i == 0)
			start(r, &t, code);
		r->code = code; /* RFC 5321 4.2.1: all are the same; if not, the last counts */
		keep(r, &t, line + used, len - used, i);
		find_enhanced(r, line + used, len - used);
		if (each != NULL)
			each(arg, i, line + used, len - used);
		if (!more)
			return true;
	}
	if (io->trouble == CLIENT_FINE)
		io->trouble = CLIENT_BABBLE;
	memset(r, 0, sizeof *r);
	return false;
}
