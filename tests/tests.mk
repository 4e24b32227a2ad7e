# What `make check`, `make fuzz` and `make bench` need built.

UNITS = $(patsubst tests/unit/%.c,$(BUILD)/test/unit_%,$(wildcard tests/unit/*.c))
FUZZERS = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
TOOLS = $(patsubst tests/fault/%.c,$(BUILD)/test/%,$(wildcard tests/fault/*.c)) \
	$(patsubst tests/bench/%.c,$(BUILD)/test/%,$(wildcard tests/bench/*.c))
FUZZ_SECONDS ?= 60

# Of a test, what it does matters, not how fast: it is compiled without optimization.
TEST_CFLAGS = $(ALL_CFLAGS) -O0 -U_FORTIFY_SOURCE -MMD -MP
# Reading DNS needs the resolver's library, modules of tls/ need OpenSSL.
TEST_LIBS = $(POSTERN_LIBS) -lresolv -lssl -lcrypto
link_test = $(CC) $(TEST_CFLAGS) $(ALL_LDFLAGS) $(FUZZ_WRAP) -o $@ $(filter %.o %.a,$^) $(TEST_LIBS)

# All unit tests are one program, since linking many took longer than running them. It
# runs the test by whose name it is called, or all of them.
UNIT_NAMES = $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
$(BUILD)/test/obj:
	@mkdir -p $@
$(BUILD)/test/obj/unit_%.o: tests/unit/%.c | $(BUILD)/test/obj
	$(CC) $(TEST_CFLAGS) -Dmain=unit_$* -c -o $@ $<
# The folder is newer when a test came or went.
$(BUILD)/test/obj/units.o: tests/units.c tests/unit | $(BUILD)/test/obj
	$(CC) $(TEST_CFLAGS) -DNAMES='$(patsubst %,X(%),$(UNIT_NAMES))' -c -o $@ $<
$(BUILD)/test/units: $(UNIT_NAMES:%=$(BUILD)/test/obj/unit_%.o) $(BUILD)/test/obj/units.o \
		$(BUILD)/modules.a
	rm -f $(BUILD)/test/unit_*
	$(link_test)
$(UNITS): $(BUILD)/test/units
	@ln -sf units $@

$(BUILD)/test/%: tests/fault/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< -lseccomp

$(BUILD)/test/%: tests/bench/%.c $(wildcard tests/bench/*.h)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $<

# The runner's side of the router; it looks for sts beside itself.
$(BUILD)/test/route: tests/system/route.c $(BUILD)/modules.a $(BUILD)/sts
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/modules.a $(RELAY_LIBS)
	ln -sf ../sts $(@D)/sts

# The sender alone, static as flush is: what it needs is what its seccomp filter has to let by.
$(BUILD)/test/sender: tests/system/sender_main.c $(call objects,$(SENDER) $(BASE))
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(STATIC_AUTH) -o $@ $^ -linih -lidn2 -lunistring -lsodium

$(BUILD)/test/tlsload: tests/bench/tlsload.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -pthread -o $@ $< -lssl -lcrypto

# The library alone, with the settings of tls.
$(BUILD)/test/tlslib: tests/bench/tlslib.c $(BUILD)/modules.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/modules.a $(TLS_LIBS)

# The floors are static programs, as smtpd is one; inject starts thousands of times.
$(BUILD)/test/greet $(BUILD)/test/floor $(BUILD)/test/inject: ALL_LDFLAGS += $(STATIC)

# The session with one more command, XTRY, that tries what the sandbox forbids.
PROBED = $(shell grep -lE 'POSTERN_PROBE|session/probe\.h' session/*.c)
$(BUILD)/test/smtpd-probe: $(call objects,smtpd.c $(FRONT) $(SESSION) $(KEEPER) $(BASE))
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DPOSTERN_PROBE $(ALL_LDFLAGS) $(STATIC) -o $@ $(PROBED) \
		$(filter-out $(call objects,$(PROBED)),$^) $(SMTPD_LIBS)

# Replays a corpus with the plain compiler; libFuzzer drives the same function. Some
# targets stand between a module and the kernel: what they wrap is named here, and they
# are programs of their own.
WRAPPING = session bdat packet hop sasl
REPLAYED = $(filter-out $(WRAPPING),$(FUZZERS))
$(addprefix $(BUILD)/test/obj/replay_,$(addsuffix .o,$(WRAPPING))): FUZZ_NAME = LLVMFuzzerTestOneInput
$(BUILD)/test/obj/replay_%.o: FUZZ_NAME = fuzz_$*
$(BUILD)/test/obj/replay_%.o: tests/fuzz/fuzz_%.c | $(BUILD)/test/obj
	$(CC) $(TEST_CFLAGS) -DLLVMFuzzerTestOneInput=$(FUZZ_NAME) -c -o $@ $<
$(BUILD)/test/obj/replay.o: tests/fuzz/replay.c | $(BUILD)/test/obj
	$(CC) $(TEST_CFLAGS) -c -o $@ $<
$(BUILD)/test/obj/replays.o: tests/fuzz/replays.c tests/fuzz | $(BUILD)/test/obj
	$(CC) $(TEST_CFLAGS) -DNAMES='$(patsubst %,X(%),$(REPLAYED))' -c -o $@ $<
$(BUILD)/test/replays: $(REPLAYED:%=$(BUILD)/test/obj/replay_%.o) $(BUILD)/test/obj/replays.o \
		$(BUILD)/test/obj/replay.o $(BUILD)/modules.a
	$(link_test)
$(REPLAYED:%=$(BUILD)/test/replay_%): $(BUILD)/test/replays
	@ln -sf replays $@
$(WRAPPING:%=$(BUILD)/test/replay_%): $(BUILD)/test/replay_%: $(BUILD)/test/obj/replay_%.o \
		$(BUILD)/test/obj/replay.o $(BUILD)/modules.a
	$(link_test)

$(foreach t,session bdat,$(BUILD)/test/replay_$t build-fuzz/fuzz_$t): \
	FUZZ_WRAP = -Wl,--wrap=ppoll,--wrap=recvmsg,--wrap=clock_now
$(BUILD)/test/replay_packet build-fuzz/fuzz_packet: \
	FUZZ_WRAP = -Wl,--wrap=poll,--wrap=recvmsg

$(BUILD)/test/replay_hop build-fuzz/fuzz_hop: \
	FUZZ_WRAP = -Wl,--wrap=ppoll

$(BUILD)/test/replay_sasl build-fuzz/fuzz_sasl: \
	FUZZ_WRAP = -Wl,--wrap=nanosleep

FUZZ_SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all
ifneq ($(BUILD),build-fuzz)
build-fuzz/modules.a: FORCE
	@$(MAKE) --no-print-directory BUILD=build-fuzz CC=clang HARDEN= CFLAGS='-O1 -g' \
		SANITIZE='-fsanitize=fuzzer-no-link $(FUZZ_SANITIZE)' $@
endif
build-fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(wildcard tests/fuzz/*.h) build-fuzz/modules.a
	clang -std=gnu17 -I. -D_GNU_SOURCE $(WARN) -g -O1 -fsanitize=fuzzer $(FUZZ_SANITIZE) \
		$(FUZZ_WRAP) -o $@ $< build-fuzz/modules.a $(TEST_LIBS)

tests: all $(UNITS) $(TOOLS) $(BUILD)/test/sender $(BUILD)/test/smtpd-probe $(BUILD)/test/route \
		$(FUZZERS:%=$(BUILD)/test/replay_%)

check: tests headers
	tests/run

check-long: tests headers
	tests/run --long

fuzz: $(FUZZERS:%=build-fuzz/fuzz_%)
	tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)

bench: tests
	tests/bench/run --plot $(BUILD)/clients.svg

.PHONY: tests sanitized FORCE

# What tests/sanitize.sh runs, and the other sources for the compiler's warnings.
sanitized: $(addprefix $(BUILD)/,smtpd postern tls auth) $(UNITS) \
	$(FUZZERS:%=$(BUILD)/test/replay_%) $(call objects,$(PROGRAMS:%=%.c))
