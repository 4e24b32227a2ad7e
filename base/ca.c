/* See ca.h. */
#include "base/ca.h"

#include <unistd.h>

/* Where distributions keep all of them in one PEM file. */
static const char *const files[] = {
	"/etc/ssl/certs/ca-certificates.crt",                /* Debian, Arch, Alpine */
	"/etc/pki/tls/certs/ca-bundle.crt",                  /* Fedora */
	"/var/lib/ca-certificates/ca-bundle.pem",            /* openSUSE */
	"/etc/ssl/cert.pem",
};

const char *
ca_file(const struct conf *c)
{
	if (c->tls_ca[0] != '\0')
		return c->tls_ca;
	for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
		if (access(files[i], R_OK) == 0)
			return files[i];
	return NULL;
}
