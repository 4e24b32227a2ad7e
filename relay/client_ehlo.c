/* See client_ehlo.h. */
#include "relay/client_ehlo.h"

#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "base/mechanism.h"
#include "base/num.h"

static const struct {
	const char *name;
	unsigned bit;
} extensions[] = {
	{ "PIPELINING", EXT_PIPELINING },
	{ "SIZE", EXT_SIZE },
	{ "8BITMIME", EXT_8BITMIME },
	{ "CHUNKING", EXT_CHUNKING },
	{ "BINARYMIME", EXT_BINARYMIME },
	{ "SMTPUTF8", EXT_SMTPUTF8 },
	{ "DSN", EXT_DSN },
	{ "STARTTLS", EXT_STARTTLS },
	{ "AUTH", EXT_AUTH },
	{ "ENHANCEDSTATUSCODES", EXT_ENHANCEDSTATUSCODES },
	{ "REQUIRETLS", EXT_REQUIRETLS },
	{ "LIMITS", EXT_LIMITS },
	{ "CHECKPOINT", EXT_CHECKPOINT },
	{ "DELIVERBY", EXT_DELIVERBY },
	{ "MT-PRIORITY", EXT_MT_PRIORITY },
};

#define WORD_MAX 64

/* The next word of a line; false at its end. A word with no room is passed over. */
static bool
next_word(const char **p, const char *end, char word[WORD_MAX + 1])
{
	for (;;) {
		const char *start;

		while (*p < end && (**p == ' ' || **p == '\t'))
			++*p;
		if (*p == end)
			return false;
		start = *p;
		while (*p < end && **p != ' ' && **p != '\t')
			++*p;
		if (*p - start > WORD_MAX || memchr(start, '\0', (size_t)(*p - start)) != NULL)
			continue;
		memcpy(word, start, (size_t)(*p - start));
		word[*p - start] = '\0';
		return true;
	}
}

/* RFC 9422 3: NAME=VALUE; a value of 0 means nothing. */
static void
read_limit(struct client_offer *o, const char *word)
{
	if (strncasecmp(word, "RCPTMAX=", 8) == 0)
		(void)parse_u64(word + 8, UINT64_MAX, &o->rcpt_max);
	else if (strncasecmp(word, "MAILMAX=", 8) == 0)
		(void)parse_u64(word + 8, UINT64_MAX, &o->mail_max);
}

static void
read_arguments(struct client_offer *o, unsigned bit, const char *p, const char *end)
{
	char word[WORD_MAX + 1];

	while (next_word(&p, end, word)) {
		if (bit == EXT_SIZE && !parse_u64(word, UINT64_MAX, &o->size))
			o->size = 0; /* RFC 1870 4: none of the forms we know */
		else if (bit == EXT_AUTH)
			o->mechanisms |= mechanism_by_name(word);
		else if (bit == EXT_LIMITS)
			read_limit(o, word);
		else if (bit == EXT_DELIVERBY && !parse_u64(word, UINT64_MAX, &o->by_min))
			o->by_min = 0;
	}
}

void
client_offer_line(struct client_offer *o, const char *line, size_t len)
{
	const char *p = line, *end = line + len;
	char word[WORD_MAX + 1];

	if (!next_word(&p, end, word))
		return;
	if (strncasecmp(word, "AUTH=", 5) == 0) { /* before RFC 2554, still heard */
		o->have |= EXT_AUTH;
		o->mechanisms |= mechanism_by_name(word + 5);
		read_arguments(o, EXT_AUTH, p, end);
		return;
	}
	for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
		if (strcasecmp(word, extensions[i].name) == 0) {
			o->have |= extensions[i].bit;
			read_arguments(o, extensions[i].bit, p, end);
		}
}

void
client_offer_text(struct text *t, const struct client_offer *o)
{
	for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
		if (!(o->have & extensions[i].bit))
			continue;
		if (t->len > 0)
			text_addc(t, ' ');
		text_add(t, extensions[i].name);
		if (extensions[i].bit == EXT_SIZE && o->size > 0) {
			text_addc(t, '=');
			text_addu(t, o->size);
		}
	}
}
