/* See ini.h. libinih splits the lines; this gives it lines and checks what it found. */
#include "base/ini.h"

#include <errno.h>
#include <ini.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/num.h"
#include "base/text.h"

#define SECTION_KEPT 49 /* octets of a section's name that libinih keeps; it drops the rest */

bool
ini_uint(const struct ini_key *k, const struct ini_value *v)
{
	uint64_t *out = (void *)(v->base + k->offset);

	return parse_u64(v->text, k->max, out) && *out >= k->min;
}

bool
ini_octets(const struct ini_key *k, const struct ini_value *v)
{
	uint64_t *out = (void *)(v->base + k->offset);

	return parse_size(v->text, k->max, out) && *out >= k->min;
}

bool
ini_seconds(const struct ini_key *k, const struct ini_value *v)
{
	uint64_t *out = (void *)(v->base + k->offset);

	return parse_seconds(v->text, k->max, out) && *out >= k->min;
}

bool
ini_bool(const struct ini_key *k, const struct ini_value *v)
{
	bool *out = (void *)(v->base + k->offset);

	*out = strcmp(v->text, "yes") == 0;
	return *out || strcmp(v->text, "no") == 0;
}

bool
ini_text(const struct ini_key *k, const struct ini_value *v)
{
	return v->text[0] != '\0' && text_copy(v->base + k->offset, k->max, v->text);
}

bool
ini_word(const char **s, char *word, size_t cap)
{
	size_t len;
	struct text t;

	*s += strspn(*s, " \t,");
	len = strcspn(*s, " \t,");
	if (len == 0)
		return false;
	text_init(&t, word, cap);
	text_addn(&t, *s, len);
	if (!text_ok(&t))
		word[0] = '\0';
	*s += len;
	return true;
}

static bool
is_section(const struct ini_key *k, const char *section)
{
	size_t len = strlen(k->section);

	if (len < 2 || k->section[len - 1] != '*')
		return strcmp(k->section, section) == 0;
	return strncmp(k->section, section, len - 1) == 0 && section[len - 1] != '\0';
}

void
ini_error(struct ini_file *f, const char *what, const char *name, const char *expected)
{
	char message[LIMIT_FILE + 512];
	struct text t;

	text_init(&t, message, sizeof message);
	text_add(&t, f->name);
	if (f->line > 0) {
		text_addc(&t, ':');
		text_addu(&t, f->line);
	}
	text_add(&t, ": ");
	text_add(&t, what);
	if (name != NULL) {
		char quoted[80];

		if (!text_copy(quoted, sizeof quoted, name))
			text_copy(quoted, sizeof quoted, "(very long)");
		text_add(&t, " '");
		text_add(&t, quoted);
		text_addc(&t, '\'');
	}
	if (expected != NULL) {
		text_add(&t, ", expected ");
		text_add(&t, expected);
	}
	f->errors++;
	f->report(f->context, message);
}

static int
cut_section(struct ini_file *f)
{
	ini_error(f, "unknown section", "(very long)", NULL);
	f->section_told = true;
	return 1;
}

/* libinih calls this for each key; a continuation line comes as the key again. */
static int
handle_key(void *user, const char *section, const char *name, const char *value)
{
	struct ini_file *f = user;
	const struct ini_key *k = f->keys;
	struct ini_value v = { section, value, f->base };
	bool known_section = false;

	if (strlen(section) >= SECTION_KEPT) {
		/* An indented one has not come by check_section(). */
		if (strncmp(section, f->section, SECTION_KEPT) != 0)
			return f->section_told ? 1 : cut_section(f);
		v.section = section = f->section;
	}
	for (; k->name != NULL; k++) {
		bool same = is_section(k, section);

		known_section |= same;
		if (same && strcmp(k->name, name) == 0)
			break;
	}
	if (k->name == NULL) {
		if (known_section)
			ini_error(f, "unknown key", name, NULL);
		else if (!f->section_told)
			ini_error(f, "unknown section", section, NULL);
		return 1;
	}
	if (f->seen[(k - f->keys) / 64] & 1ULL << (k - f->keys) % 64 && k->max != INI_REPEATS)
		ini_error(f, "given twice:", name, "one line");
	else if (!k->parse(k, &v))
		ini_error(f, "bad value for", name, k->expected);
	f->seen[(k - f->keys) / 64] |= 1ULL << (k - f->keys) % 64;
	return 1;
}

/* A section without keys never reaches handle_key(), so its name is looked at here. */
static void
check_section(struct ini_file *f, const char *line)
{
	const char *name = f->section;
	const struct ini_key *k = f->keys;
	struct text t;

	if (line[0] != '[')
		return;
	text_init(&t, f->section, sizeof f->section);
	text_addn(&t, line + 1, strcspn(line + 1, "]\r\n"));
	while (k->name != NULL && (!text_ok(&t) || !is_section(k, name)))
		k++;
	f->section_told = k->name == NULL && strchr(line, ']') != NULL;
	if (f->section_told)
		ini_error(f, "unknown section", text_ok(&t) ? name : "(very long)", NULL);
	if (!text_ok(&t))
		f->section[0] = '\0'; /* a part of it is no name */
}

/* libinih's reader, in fgets's form: one line, its end included. */
static char *
read_line(char *str, int num, void *stream)
{
	struct ini_file *f = stream;
	size_t room = (size_t)num - 1;
	size_t n = 0;

	for (;;) {
		if (f->at == f->len) {
			ssize_t got = read(f->fd, f->buf, sizeof f->buf);

			if (got == -1)
				ini_error(f, "cannot be read:", strerror(errno), NULL);
			if (got <= 0)
				break;
			f->len = (size_t)got;
			f->at = 0;
		}
		if (n == room) {
			f->line++;
			ini_error(f, "line too long", NULL, "at most 4000 octets");
			f->len = f->at = 0;
			(void)lseek(f->fd, 0, SEEK_END);
			return NULL;
		}
		str[n] = f->buf[f->at++];
		if (str[n] == '\0')
			str[n] = 0x7f; /* would end the line unseen; no value allows it */
		if (str[n++] == '\n')
			break;
	}
	str[n] = '\0';
	f->line += n > 0;
	check_section(f, str);
	return n > 0 ? str : NULL;
}

void
ini_read(struct ini_file *f)
{
	int line;

	/* Debian's default splits lines at 200 octets and ends values at " ;". */
	ini_max_line = LIMIT_CONF_LINE;
	ini_initial_alloc = LIMIT_CONF_LINE;
	ini_use_stack = false;
	ini_allow_inline_comments = false;
	line = ini_parse_stream(read_line, f, handle_key, f);
	/* handle_key never fails, so a line number means syntax: the first such line. */
	f->line = line > 0 ? (unsigned)line : 0;
	if (line > 0)
		ini_error(f, "not understood", NULL, "[section], key = value or # comment");
	else if (line < 0)
		ini_error(f, "out of memory", NULL, NULL);
}
