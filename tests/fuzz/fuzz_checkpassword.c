/* Descriptor 3 of the checkpassword interface, and the login in it. */
#include "auth/checkpassword.h"
#include "auth/login.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct interface_input *in = malloc(sizeof *in);
	const char *challenge, *response, *end;
	struct login l, again;

	CHECK(in != NULL);
	if (size > LIMIT_CHECKPASSWORD)
		size = LIMIT_CHECKPASSWORD;
	if (size > 0)
		memcpy(in->octets, data, size);
	in->octets[size] = '\0';
	end = in->octets + size;
	if (interface_split(in, size)) {
		CHECK(in->login == in->octets && in->second > in->login && in->third > in->second);
		CHECK(in->third + strlen(in->third) < end);
		for (int first = 0; first < 2; first++)
			if (checkpassword_is_response(in, first != 0, &challenge, &response))
				CHECK(strlen(response) == 32 && challenge[0] == '<');
		if (login_read(&l, in->login, "mx.test")) {
			CHECK(strchr(l.domain, '/') == NULL && strchr(l.mailbox, '/') == NULL);
			CHECK(l.mailbox[0] != '.' && l.domain[0] != '.');
			CHECK(login_read(&again, l.name, "x.test") && strcmp(again.name, l.name) == 0);
		}
	}
	free(in);
	return 0;
}
