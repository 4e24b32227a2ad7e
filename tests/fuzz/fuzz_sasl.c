/*
 * Whole SASL exchanges. The first octet chooses the mechanism, the second what is known
 * of the client; then come its messages, each ended by a newline and sent as base64, or
 * as it is where the second octet says so. Nothing but EXTERNAL may succeed, since no
 * input knows our nonce and PLAIN's answers come from a program that is not there.
 */
#include <sodium.h>

#include "auth/sasl.h"
#include "auth/serve.h"
#include "auth/throttle.h"
#include "base/mechanism.h"
#include "tests/fuzz/fuzz.h"

static struct auth auth = { .dir = -1, .foreign = -1 };
static const uint8_t *input, *input_end;
static bool raw;

/* Delays are counted, nobody waits for them. */
int __wrap_nanosleep(const struct timespec *ts, struct timespec *left);
int
__wrap_nanosleep(const struct timespec *ts, struct timespec *left)
{
	(void)left;
	CHECK(ts->tv_sec >= 0 && ts->tv_sec <= LIMIT_AUTH_DELAY / 1000);
	return 0;
}

/* The next message; false at the end of the input. */
static bool
next(char out[LIMIT_SASL + 1])
{
	const uint8_t *lf;
	size_t len;

	if (input == input_end)
		return false;
	lf = memchr(input, '\n', (size_t)(input_end - input));
	len = (size_t)((lf != NULL ? lf : input_end) - input);
	if (raw) {
		if (len > LIMIT_SASL)
			len = LIMIT_SASL;
		memcpy(out, input, len);
		out[len] = '\0';
	} else {
		if (len > MESSAGE_MAX - 3)
			len = MESSAGE_MAX - 3;
		sodium_bin2base64(out, LIMIT_SASL + 1, input, len, sodium_base64_VARIANT_ORIGINAL);
	}
	input = lf != NULL ? lf + 1 : input_end;
	return true;
}

static enum outcome
ask(struct attempt *a, const char *challenge, char *response)
{
	CHECK(strlen(challenge) <= LIMIT_SASL);
	return next(response) ? OUTCOME_YES : attempt_fail(a, OUTCOME_GONE, "gone");
}

static void
start(void)
{
	static char dir[] = "mail.here.test";

	CHECK(sodium_init() != -1);
	fuzz_catch_log();
	auth.conf.mechanisms = ~0U;
	auth.dir = fuzz_scratch();
	fuzz_mkdir(auth.dir, "here.test");
	fuzz_put(auth.dir, "here.test/a", "disabled\n", 9);
	fuzz_put(auth.dir, "here.test/b", "changed 2026\n", 13);
	fuzz_put(auth.dir, "here.test/c", "damaged\n", 8);
	memcpy(auth.conf.hostname, dir, sizeof dir);
	CHECK(throttle_open(-1, auth.key) == 0);
}

static void
tell(struct attempt *a, unsigned facts)
{
	static const char word[] = "RUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUVFRUU=";

	a->tls = (facts & 1) != 0;
	a->verified = (facts & 2) != 0;
	if ((facts & 4) != 0)
		(void)text_copy(a->email, sizeof a->email, "B@here.test");
	if ((facts & 8) != 0)
		(void)text_copy(a->exporter, sizeof a->exporter, word);
	if ((facts & 16) != 0)
		(void)text_copy(a->endpoint, sizeof a->endpoint, word);
	raw = (facts & 32) != 0;
	if ((facts & 64) != 0)
		(void)next(a->initial);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct attempt a;
	unsigned bit = 0;
	enum outcome o;

	if (size < 2)
		return 0;
	if (auth.dir == -1)
		start();
	memset(&a, 0, sizeof a);
	a.auth = &auth;
	a.ask = ask;
	a.conn = -1;
	a.reason = "";
	input = data + 2;
	input_end = data + size;
	a.mechanism = mechanism_name(data[0] % 7, &bit);
	/* No argon2id: 64 MiB for each input is too much. */
	auth.conf.auth[0] = (bit & (MECHANISM_PLAIN | MECHANISM_LOGIN)) != 0 ? '/' : '\0';
	tell(&a, data[1]);
	o = sasl_run(&a, bit);
	CHECK(o != OUTCOME_YES || (bit == MECHANISM_EXTERNAL && a.verified && a.email[0] != '\0' &&
	                           strcmp(a.login.name, "b@here.test") == 0));
	CHECK(o == OUTCOME_YES || a.reason[0] != '\0');
	serve_log(&a, o);
	fuzz_check_log();
	return 0;
}
