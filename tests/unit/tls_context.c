/* tls/ticket.h and tls/context.h: how long a ticket is good, names, protocols of mail. */
#include "tls/context.h"

#include <openssl/err.h>

#include "tests/unit/test.h"
#include "tls/ticket.h"

#define HOUR ((int64_t)3600 * 1000)

static SSL_CTX *server, *client;

/* A certificate that only this test trusts. */
static void
make_server(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	server = context_new();
	client = SSL_CTX_new(TLS_client_method());
	MUST(key != NULL && cert != NULL && server != NULL && client != NULL);
	MUST(X509_gmtime_adj(X509_getm_notBefore(cert), 0) != NULL &&
	     X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL &&
	     X509_set_pubkey(cert, key) == 1 && X509_sign(cert, key, EVP_sha256()) > 0 &&
	     SSL_CTX_use_certificate(server, cert) == 1 && SSL_CTX_use_PrivateKey(server, key) == 1);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* A handshake in memory. The client's session, to be freed; *resumed says how it came. */
static SSL_SESSION *
talk(SSL_SESSION *old, bool *resumed)
{
	SSL *s = SSL_new(server), *c = SSL_new(client);
	SSL_SESSION *session;
	BIO *a, *b;
	char buf[8];

	MUST(s != NULL && c != NULL && BIO_new_bio_pair(&a, 0, &b, 0) == 1);
	SSL_set_bio(s, a, a);
	SSL_set_bio(c, b, b);
	SSL_set_accept_state(s);
	SSL_set_connect_state(c);
	if (old != NULL)
		MUST(SSL_set_session(c, old) == 1);
	for (int i = 0; i < 10; i++) {
		(void)SSL_do_handshake(c);
		(void)SSL_do_handshake(s);
	}
	MUST(SSL_write(s, "220", 3) == 3 && SSL_read(c, buf, 3) == 3);
	*resumed = SSL_session_reused(c) == 1;
	session = SSL_get1_session(c);
	(void)SSL_shutdown(c);
	SSL_free(s);
	SSL_free(c);
	ERR_clear_error();
	return session;
}

static bool
is_resumed(SSL_SESSION *session)
{
	bool resumed;

	SSL_SESSION_free(talk(session, &resumed));
	return resumed;
}

static void
pack(struct packet *p)
{
	int pair[2];

	MUST(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	packet_start(p, 'j');
	ticket_add(p);
	MUST(packet_send(pair[0], p, -1) == 0 && packet_recv(pair[1], p) == 1);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void
test_rotation(int version, const char *name)
{
	static int64_t now = HOUR; /* as the clock of a host that has just started */
	SSL_SESSION *session;
	struct packet keys;
	bool resumed;

	MUST(SSL_CTX_set_max_proto_version(client, version) == 1);
	now += 100 * HOUR;
	TEST(ticket_rotate(now), "%s: a key", name);
	session = talk(NULL, &resumed);
	TEST(!resumed, "%s: the first handshake is a full one", name);
	MUST(ticket_rotate(now + 5 * HOUR));
	TEST(is_resumed(session), "%s: within the hours of its key", name);
	MUST(ticket_rotate(now + 6 * HOUR));
	TEST(is_resumed(session), "%s: by the key before the newest", name);
	MUST(ticket_rotate(now + 11 * HOUR));
	TEST(is_resumed(session), "%s: by the key before the newest, to its end", name);
	MUST(ticket_rotate(now + 12 * HOUR));
	TEST(!is_resumed(session), "%s: no longer", name);
	SSL_SESSION_free(session);
	session = talk(NULL, &resumed);
	MUST(ticket_rotate(now + 24 * HOUR));
	TEST(!is_resumed(session), "%s: not after an idle night either", name);
	SSL_SESSION_free(session);
	session = talk(NULL, &resumed);
	pack(&keys);
	ticket_forget();
	TEST(!is_resumed(session), "%s: not by who has forgotten the keys", name);
	TEST(keys.n == TICKET_FIELDS && ticket_take(keys.field),
	     "%s: keys travel with a job", name);
	TEST(is_resumed(session), "%s: and are the same there", name);
	keys.field[1] = "1234";
	TEST(!ticket_take(keys.field), "%s: half a key is none", name);
	SSL_SESSION_free(session);
	ticket_forget();
	now += 24 * HOUR;
}

/* What the library calls the group that both sides agree on; "" = no handshake. */
static const char *
agree(void)
{
	static char name[64];
	SSL *s = SSL_new(server), *c = SSL_new(client);
	int group = 0;
	BIO *a, *b;

	MUST(s != NULL && c != NULL && BIO_new_bio_pair(&a, 0, &b, 0) == 1);
	SSL_set_bio(s, a, a);
	SSL_set_bio(c, b, b);
	SSL_set_accept_state(s);
	SSL_set_connect_state(c);
	for (int i = 0; i < 10; i++) {
		(void)SSL_do_handshake(c);
		(void)SSL_do_handshake(s);
	}
	if (SSL_is_init_finished(s) && SSL_is_init_finished(c))
		group = (int)SSL_get_negotiated_group(s);
	(void)snprintf(name, sizeof name, "%s", group == 0 ? "" : SSL_group_to_name(s, group));
	SSL_free(s);
	SSL_free(c);
	ERR_clear_error();
	return name;
}

/*
 * Groups: the hybrid one where the library of both sides knows it (OpenSSL 3.5), else what
 * a client offers of ours, and nothing else.
 */
static void
test_groups(void)
{
	bool hybrid = SSL_CTX_set1_groups_list(client, "P-256:X25519MLKEM768") == 1;

	ERR_clear_error();
	MUST(SSL_CTX_set_max_proto_version(client, TLS1_3_VERSION) == 1);
	if (hybrid)
		TEST_STR(agree(), "X25519MLKEM768", "a client that can gets the hybrid group");
	else
		printf("skip a client that can gets the hybrid group: OpenSSL before 3.5\n");
	MUST(SSL_CTX_set1_groups_list(client, "X25519:P-384") == 1);
	TEST_STR(agree(), "x25519", "one that cannot gets X25519");
	MUST(SSL_CTX_set1_groups_list(client, "P-384") == 1);
	TEST_STR(agree(), "secp384r1", "P-384 is among ours");
	MUST(SSL_CTX_set1_groups_list(client, "P-521") == 1);
	TEST_STR(agree(), "", "P-521 is not");
	MUST(SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION) == 1 &&
	     SSL_CTX_set1_groups_list(client, "P-256") == 1);
	TEST_STR(agree(), "secp256r1", "TLS 1.2 has P-256");
}

static void
test_names(void)
{
	struct context c = { .n = 3 };

	(void)text_copy(c.at[1].name, sizeof c.at[1].name, "mail.example.org");
	(void)text_copy(c.at[2].name, sizeof c.at[2].name, "b.test");
	/* Nobody looks into them. */
	c.fallback = c.at[0].ctx = (SSL_CTX *)&c.at[0];
	c.at[1].ctx = (SSL_CTX *)&c.at[1];
	c.at[2].ctx = (SSL_CTX *)&c.at[2];
	TEST(context_find(&c, "mail.example.org") == c.at[1].ctx, "a name");
	TEST(context_find(&c, "MAIL.Example.ORG") == c.at[1].ctx, "in capitals");
	TEST(context_find(&c, "b.test") == c.at[2].ctx, "another");
	TEST(context_find(&c, "a.b.test") == c.fallback, "below one");
	TEST(context_find(&c, "test") == c.fallback, "above one");
	TEST(context_find(&c, "b.test.") == c.fallback, "with a dot");
	TEST(context_find(&c, "") == c.fallback, "none");
}

static void
test_alpn(void)
{
	static const struct {
		const char *list;
		bool mail;
	} cases[] = {
		{ "\4smtp", true },         { "\5esmtp", true },       { "\4lmtp", true },
		{ "\2h2\4smtp", true },     { "\2h2\10http/1.1", false },
		{ "\4imap", false },        { "\4pop3", false },       { "\5smtps", false },
		{ "\3smt", false },         { "\4SMTP", false },       { "\12submission", true },
		{ "", false },              { "\5smtp", false },       { "\377smtp", false },
		{ "\2h2\6smtp", false },
	};

	for (size_t i = 0; i < LENGTH(cases); i++)
		TEST(is_mail_alpn((const unsigned char *)cases[i].list,
		                  (unsigned)strlen(cases[i].list)) == cases[i].mail,
		     "protocols %zu", i);
}

int
main(void)
{
	make_server();
	test_rotation(TLS1_3_VERSION, "TLS 1.3");
	test_rotation(TLS1_2_VERSION, "TLS 1.2");
	test_groups();
	test_names();
	test_alpn();
	SSL_CTX_free(server);
	SSL_CTX_free(client);
	return 0;
}
