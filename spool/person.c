/* See person.h. */
#include "spool/person.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/text.h"

/* The first part of the gecos field; "&" in it is the login with a capital letter. */
static void
take_name(struct person *p, const char *gecos)
{
	struct text t;

	text_init(&t, p->name, sizeof p->name);
	for (; *gecos != '\0' && *gecos != ','; gecos++) {
		if (*gecos == '&') {
			text_addc(&t, p->login[0] >= 'a' && p->login[0] <= 'z' ?
			              (char)(p->login[0] - 'a' + 'A') : p->login[0]);
			text_add(&t, p->login[0] != '\0' ? p->login + 1 : "");
		} else {
			text_addc(&t, *gecos);
		}
	}
	if (!text_ok(&t))
		p->name[0] = '\0';
}

/* A name from the environment, where it may be a local-part. */
static bool
take_environment(struct person *p)
{
	static const char *const names[] = { "LOGNAME", "USER" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		const char *s = getenv(names[i]);

		if (s != NULL && s[0] != '\0' && is_address_safe(s, "") &&
		    text_copy(p->login, sizeof p->login, s))
			return true;
	}
	return false;
}

void
person_find(struct person *p, uid_t uid)
{
	FILE *f = fopen("/etc/passwd", "re");
	const struct passwd *pw = NULL;
	struct text t;

	p->login[0] = p->name[0] = '\0';
	while (f != NULL && (pw = fgetpwent(f)) != NULL && pw->pw_uid != uid)
		;
	if (pw != NULL && is_address_safe(pw->pw_name, "") &&
	    text_copy(p->login, sizeof p->login, pw->pw_name))
		take_name(p, pw->pw_gecos);
	if (f != NULL)
		(void)fclose(f); /* only read */
	if (p->login[0] != '\0' || take_environment(p))
		return;
	text_init(&t, p->login, sizeof p->login);
	text_add(&t, "uid");
	text_addu(&t, uid);
}
