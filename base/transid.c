/* See transid.h. */
#include "base/transid.h"

#include <stddef.h>
#include <string.h>

#include "base/limits.h"

/* What is no part of an atom: blanks, controls, and RFC 2045 5.1's tspecials. */
static bool
is_atom_char(char c)
{
	return c > ' ' && c <= '~' && c != '.' && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* Atoms separated by single dots; octets taken, 0 where there is no such thing. */
static size_t
token_length(const char *s)
{
	size_t n = 0;

	while (is_atom_char(s[n]))
		for (n++; is_atom_char(s[n]) || (s[n] == '.' && is_atom_char(s[n + 1]));)
			n++;
	return n;
}

bool
is_transid(const char *s)
{
	size_t n;

	if (strlen(s) > LIMIT_TRANSID || *s++ != '<')
		return false;
	n = token_length(s);
	if (n == 0 || s[n] != '@')
		return false;
	s += n + 1;
	n = token_length(s);
	return n > 0 && strcmp(s + n, ">") == 0;
}
