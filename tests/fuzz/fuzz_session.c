/*
 * A whole session with the input as its client's octets: see dialogue.h. The first two
 * octets choose the service: bit 0 LMTP, 1 VRFY on, 2 a greeting delay, 3 behind a
 * proxy, 4 XCLIENT allowed, 5 a session shorter than its patience, 7 run twice:
 * nothing may be left of the one before; of the second: bit 0 TLS can be had, 1 AUTH without it too, 2 submission,
 * 3 and implicit TLS, 4 a client's certificate, 5 a channel to bind to, 6 and 7 how TLS
 * fails (enum dialogue_tls). In the rest 0x01 stands for "until here, then wait for the session" and
 * 0x02 for silence until the session's patience ends.
 */
#include "tests/fuzz/dialogue.h"

static struct conf conf;

static void
choose(unsigned how, unsigned more, struct session_setup *setup)
{
	memset(&conf, 0, sizeof conf);
	CHECK(text_copy(conf.hostname, sizeof conf.hostname, "mx.test"));
	conf.size = 5000;
	conf.recipients = 5;
	conf.messages = 1000;
	conf.errors = 20;
	conf.received = 10;
	conf.checkpoint = CHECKPOINT_ALL;
	conf.deliver_by = conf.priority.offered = true;
	conf.future_release = 86400;
	conf.command = conf.data = 300;
	conf.session = (how & 32) != 0 ? 100 : 7200;
	conf.vrfy = (how & 2) != 0;
	conf.greeting_delay = (how & 4) != 0 ? 5 : 0;
	if (how & 8)
		conf.proxies.n = parse_ip_net("192.0.2.1", &conf.proxies.net[0]);
	if (how & 16)
		conf.xclient.n = parse_ip_net("192.0.2.0/24", &conf.xclient.net[0]);
	*setup = (struct session_setup){ .conf = &conf, .size = conf.size };
	setup->service = (how & 1) != 0  ? SERVICE_LMTP :
	                 (more & 8) != 0 ? SERVICE_SUBMISSIONS :
	                 (more & 4) != 0 ? SERVICE_SUBMISSION : SERVICE_SMTP;
	/* ATRN and its port, where submission would be under TLS in clear's place. */
	if ((how & 1) == 0 && (more & 12) == 12)
		setup->service = SERVICE_ODMR;
	conf.atrn_submission = setup->demand = (more & 32) != 0;
	setup->may_secure = (more & 1) != 0 || setup->service == SERVICE_ODMR || setup->service == SERVICE_SUBMISSIONS;
	conf.mechanisms = MECHANISMS_DEFAULT;
	conf.auth_without_tls = (more & 2) != 0;
	dialogue.certificate = (more & 16) != 0;
	dialogue.channel = (more & 32) != 0;
	dialogue.tls = (enum dialogue_tls)(more >> 6);
	CHECK(parse_ip("192.0.2.1", &setup->client));
}

static void
run(const struct session_setup *setup, const char *p, const char *end)
{
	while (p < end && dialogue.n_pieces < DIALOGUE_PIECES - 2) {
		const char *s = p;

		while (p < end && *p != 1 && *p != 2)
			p++;
		if (p > s)
			dialogue_add(s, (size_t)(p - s));
		if (p < end && *p == 2)
			dialogue_add(NULL, 0);
		p += p < end;
	}
	dialogue_run(setup);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct session_setup setup;
	size_t len;
	char *said;

	if (size < 2 || size > 64 * 1024)
		return 0;
	choose(data[0], data[1], &setup);
	run(&setup, p + 2, p + size);
	if (!(data[0] & 128))
		return 0;
	len = dialogue.output_len;
	said = fuzz_string((const uint8_t *)dialogue.output, len);
	run(&setup, p + 2, p + size);
	CHECK(dialogue.output_len == len && memcmp(dialogue.output, said, len) == 0);
	free(said);
	return 0;
}
