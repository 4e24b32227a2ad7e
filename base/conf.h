/*
 * postern.conf(5) and domains/NAME.conf: INI by libinih. An unknown section, key or
 * value is an error that names file, line and what was expected.
 */
#ifndef BASE_CONF_H
#define BASE_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/address.h"
#include "base/ini.h"
#include "base/ip.h"
#include "base/limits.h"
#include "base/mechanism.h"
#include "base/next.h"

#ifndef LOCALSTATEDIR /* of the Makefile; a fuzzer does not care */
#define LOCALSTATEDIR "/var"
#endif
#define CONF_DEFAULT_STATE LOCALSTATEDIR "/lib/postern"
/* Where the socket units' sockets are. */
#define CONF_DEFAULT_RUN "/run/postern"

/* Must MAIL FROM be an address of the login? */
enum sender_check { SENDER_CHECK_NO, SENDER_CHECK_SUBMISSION, SENDER_CHECK_YES };

/* To whom CHECKPOINT is offered (RFC 1845): what it keeps takes room. */
enum checkpoint { CHECKPOINT_NO, CHECKPOINT_LOGIN, CHECKPOINT_ALL };

/* Whose MT-PRIORITY may be over 0, and what becomes of others' (RFC 6710). */
struct conf_priority {
	bool offered;
	bool refuse;     /* what is too high is refused, not lowered */
	bool header;     /* MT-Priority (RFC 6758) for hops that do not offer the extension */
	char policy[LIMIT_PRIORITY_POLICY + 1]; /* a name to announce, or "" */
	unsigned n_logins;
	char login[LIMIT_PRIORITY_LOGINS][LIMIT_ADDRESS + 1]; /* or "@domain", or "*" */
};

/* The files of one TLS identity: a certificate chain each, PEM, and its key. */
struct conf_identity {
	char name[LIMIT_DOMAIN + 1]; /* of SNI (RFC 6066 3); "" = the default one */
	unsigned certs, keys;        /* equal after conf_load_tls() */
	char cert[LIMIT_CERTS][LIMIT_FILE], key[LIMIT_CERTS][LIMIT_FILE];
};

struct conf_tls {
	unsigned n;
	struct conf_identity at[LIMIT_TLS_NAMES];
	char client_ca[LIMIT_FILE]; /* "": clients are asked for no certificate */
};

/* [provider NAME]: who keeps our mail while we are not there (flush --fetch). */
struct conf_provider {
	char name[LIMIT_PROVIDER + 1];
	bool found;                     /* there is such a section */
	char next[LIMIT_PROVIDER + 1];  /* the one whose name comes behind it; "" = none */
	char host[LIMIT_DOMAIN + 1];    /* a name, or an address without brackets */
	uint64_t port;                  /* 0 where not said */
	bool starttls;                  /* TLS by STARTTLS; else from the first octet */
	bool etrn;                      /* ETRN; else ATRN */
	char login[LIMIT_FILE];         /* a file of two lines, login and password */
	char domains[LIMIT_ATRN + 1];   /* a comma between them; "" = all that are ours there */
};

struct conf {
	char file[LIMIT_FILE];          /* as given */
	char domains[LIMIT_FILE];       /* the directory domains/ beside it */
	char hostname[LIMIT_DOMAIN + 1];
	char state[LIMIT_FILE];
	struct address postmaster;      /* takes mail for <postmaster>; "" = none */
	char local_domain[LIMIT_DOMAIN + 1]; /* of local users' addresses; hostname unless set */
	struct ip_nets relay_from;      /* clients that may send anywhere */
	struct ip_nets proxies;         /* clients that begin with a PROXY header */
	struct ip_nets xclient;         /* clients that may say XCLIENT */
	uint64_t session_user;          /* uid and gid of sessions; 0 = STATE/jail.owner */
	uint64_t size;                  /* largest message, octets with CRLF (RFC 1870) */
	uint64_t session_reuse;         /* connections per process, rewound between them; 1: fresh */
	bool vrfy;                      /* VRFY and EXPN tell what they know */
	enum checkpoint checkpoint;
	bool deliver_by;                /* DELIVERBY is offered, and mode R wants so much time: */
	uint64_t deliver_by_min;        /* seconds; 0 = any (RFC 2852) */
	uint64_t future_release;        /* seconds that submission holds back; 0 = not offered */
	struct conf_priority priority;
	uint64_t greeting_delay;        /* seconds to wait for early talkers */
	bool tls;                       /* there are certificates: STARTTLS is offered */
	struct conf_tls *tls_files;     /* only while a file is being read */
	struct conf_provider *provider; /* the same: to be filled, by its name */
	char auth[LIMIT_FILE];          /* a foreign checkpassword program, "" = none */
	bool response_first;            /* what it reads: login, response, challenge */
	bool auth_without_tls;
	unsigned mechanisms;            /* bits of enum mechanism */
	enum sender_check sender_check;
	char tls_ca[LIMIT_FILE];        /* authorities of other servers; "" = the system's */
	unsigned n_dns;
	char dns[LIMIT_RESOLVERS][LIMIT_RESOLVER + 1]; /* "192.0.2.1@53"; 0 = resolv.conf */
	char dns_anchor[LIMIT_FILE];    /* "" = the system's, "none" = no DNSSEC */
	/* Sending. */
	struct next relay;              /* NEXT_MX, or NEXT_SMTP: all goes there */
	char relay_login[LIMIT_FILE];   /* a file of two lines, login and password; "" = none */
	enum next_tls relay_tls;        /* with a login NEXT_TLS_VERIFY unless said */
	bool relay_tls_said;
	uint64_t delay_report;          /* seconds until a sender hears that it takes long */
	uint64_t expire;                /* seconds until it is given up */
	/* [sending] */
	uint64_t per_destination;       /* connections to one next hop at once */
	uint64_t domains_at_once;       /* of which mail is sent at once */
	uint64_t retry_min, retry_max;  /* seconds to the next attempt: the first, the longest */
	uint64_t reports;               /* an hour, to senders of one domain; 0 = any number */
	/* [sockets], "" = start the helper ourselves */
	char tls_socket[LIMIT_SOCKET + 1], auth_socket[LIMIT_SOCKET + 1];
	char spool_socket[LIMIT_SOCKET + 1]; /* takes mail of local users; "" = none */
	char flush_socket[LIMIT_SOCKET + 1]; /* datagrams: names of domains to be sent to */
	bool atrn_submission;           /* ATRN is for the submission services, too */
	bool srs;                       /* forwarding rewrites senders (keeper/srs.h) */
	/* [limits] */
	uint64_t recipients;            /* per message */
	uint64_t messages;              /* per session */
	uint64_t errors;                /* 5xx replies per session */
	uint64_t received;              /* Received: lines, RFC 5321 6.3 */
	uint64_t connections;           /* at once, listening entrance */
	uint64_t per_source;            /* the same, of one IPv4 address or IPv6 /64 */
	uint64_t rate;                  /* new ones a minute and source, 0 = any */
	/* [timeouts], seconds */
	uint64_t command;               /* to the next command, RFC 5321 4.5.3.2.7 */
	uint64_t data;                  /* to the next octets of a message */
	uint64_t handshake;             /* of TLS, from its first octet to its last */
	uint64_t dns_timeout;           /* for the answer to one question */
	uint64_t session;               /* from greeting to close */
	uint64_t idle;                  /* without connections before the front leaves */
	uint64_t stop;                  /* for running sessions after SIGTERM */
};

/* Who may ask for a domain's mail (ETRN, ATRN), and by which names of queues. */
struct domain_asks {
	unsigned n_logins, n_queues;
	char login[LIMIT_ETRN_LOGINS][LIMIT_ADDRESS + 1]; /* as auth has it, to the letter */
	char queue[LIMIT_ETRN_QUEUES][LIMIT_ETRN_QUEUE + 1]; /* lower case */
};

struct domain {
	struct next deliver;            /* NEXT_MAILDIR where nothing was said */
	enum next_tls tls;              /* of deliver = mx, smtp, lmtp */
	uint64_t size;                  /* 0 = the global one */
	char catchall[LIMIT_LOCAL + 1]; /* "" = none */
	uint64_t quota;                 /* octets per mailbox, 0 = none */
	uint64_t quota_messages;        /* messages per mailbox, 0 = none */
	struct domain_asks *asks;       /* only while a file is being read */
};

typedef ini_report conf_report;

/*
 * Reads file into c, defaults first. Returns the number of errors, all reported;
 * 0 means c is usable. A missing file is one error.
 */
unsigned conf_load(struct conf *c, const char *file, conf_report *report, void *context);

/* The same for programs that read the certificates. Paths come out whole. */
unsigned conf_load_tls(struct conf *c, struct conf_tls *t, const char *file,
                       conf_report *report, void *context);

/*
 * The same for who wants to know one provider, p->name, all else zero. p->found is false where
 * there is none; what it lacks is an error. With "" p->next is the first one's name.
 */
unsigned conf_load_provider(struct conf *c, struct conf_provider *p, const char *file,
                            conf_report *report, void *context);

/* For conf.c: the keys of a section "provider NAME"; a row's min says which. */
enum provider_key { PROVIDER_HOST, PROVIDER_PORT, PROVIDER_TLS, PROVIDER_MODE,
	PROVIDER_LOGIN, PROVIDER_DOMAINS };
bool conf_parse_provider(const struct ini_key *k, const struct ini_value *v);

/*
 * Reads NAME.conf in the directory dir into d. 0: served; 1: there is no such file;
 * -1: it has errors, which were reported, or errno says why it can't be read (then
 * nothing was reported).
 */
int conf_load_domain(struct domain *d, int dir, const char *name, conf_report *report,
                     void *context);

/* The same for who wants to know `etrn` and `queue`, too. */
int conf_load_domain_asks(struct domain *d, struct domain_asks *asks, int dir,
                          const char *name, conf_report *report, void *context);

/* True where this login ("" none) may give a message a priority over 0. */
bool conf_may_raise(const struct conf_priority *p, const char *login);

/* The name of a queue for ETRN: a-z 0-9 . _ -, in lower case, not over LIMIT_ETRN_QUEUE. */
bool is_queue_name(const char *s);

#endif
