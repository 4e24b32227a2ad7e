/* See login.h. Every mechanism, the checkpassword interface and `postern` call it. */
#include "auth/login.h"

#include <string.h>

#include "base/address.h"
#include "base/name.h"

static bool
read_parts(struct login *l, const char *typed, const char *hostname)
{
	char whole[LIMIT_ADDRESS + 1];
	struct address a;
	struct text t;

	text_init(&t, whole, sizeof whole);
	text_add(&t, typed);
	if (strchr(typed, '@') == NULL) {
		text_addc(&t, '@');
		text_add(&t, hostname);
	}
	if (!text_ok(&t) || !parse_address(whole, &a) || !name_domain(l->domain, a.domain) ||
	    !name_mailbox(l->mailbox, a.local) || !name_to_local(a.local, l->mailbox) ||
	    !text_copy(a.domain, sizeof a.domain, l->domain) ||
	    !is_address_safe(a.local, a.domain))
		return false;
	text_init(&t, l->name, sizeof l->name);
	address_text(&t, &a);
	return text_ok(&t);
}

bool
login_read(struct login *l, const char *typed, const char *hostname)
{
	bool good = read_parts(l, typed, hostname);

	if (!good)
		memset(l, 0, sizeof *l);
	return good;
}
