/* The floor of every server under tcpserver: start, greet, end. Linked statically. */
#include "tests/bench/greet.h"

int
main(void)
{
	return greet(0, 1) ? 0 : 111;
}
