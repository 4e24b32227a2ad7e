/* See mailbox.h. */
#include "keeper/mailbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/text.h"

void
mailbox_path(char out[MAILBOX_PATH], const char *domain, const char *name)
{
	struct text t;

	text_init(&t, out, MAILBOX_PATH);
	text_add(&t, "mail/");
	text_add(&t, domain);
	text_addc(&t, '/');
	text_add(&t, name);
}

int
mailbox_open(int dir, const char *path, const char *below, int flags)
{
	struct open_how how = {
		.flags = (unsigned)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	char full[MAILBOX_PATH + LIMIT_NAME];
	struct text t;

	text_init(&t, full, sizeof full);
	text_add(&t, path);
	text_add(&t, below);
	if (!text_ok(&t)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return (int)syscall(SYS_openat2, dir, full, &how, sizeof how);
}
