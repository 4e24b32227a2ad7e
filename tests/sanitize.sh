#!/bin/sh
# suite: timeout=600 busy
# The same tests with AddressSanitizer and UndefinedBehaviorSanitizer in the programs,
# and in the long run the unit tests under valgrind, which sees reads of memory that was
# never set. A finding ends its process, and so fails a case. clang makes these programs,
# so that every source meets a second compiler; its warnings are findings, too.
#
# A session keeps its seccomp filter and has no stderr, so a finding inside it shows
# as `event=session-died`; the fuzz targets, or the same octets given to a unit test,
# then tell the line. Leaks are looked for in the unit tests only: the keeper and the
# session may not look at their own /proc, and allocate next to nothing. valgrind
# cannot run a session: its own system calls are none of those the filter allows.
set -u
cd "$(dirname "$0")/.." || exit 1
: "${BUILD:=$PWD/build}"
san=$BUILD/san
log=$BUILD/test/log/sanitize-build
mkdir -p "${log%/*}" "$san"
unset SMTPD WRAP
export UBSAN_OPTIONS=print_stacktrace=1

# Gives each case of a suite a name that says how it was run.
under() {
	how=$1
	shift
	"$@" 2>&1 | sed -E "s/^(ok|not ok|skip) /&$how: /"
}

# Runs a program that may end before it has printed all its cases.
whole() {
	whole=$1
	shift
	"$@" || echo "not ok $whole: exit code $?"
}

# Without optimization, in which what is undefined might vanish.
compiler=clang
echo 'int main(void) { return 0; }' >"$san/try.c"
clang -fsanitize=address,undefined -o "$san/try" "$san/try.c" 2>/dev/null || compiler=gcc
# A folder in this one by its short name, which the objects' dependencies have then.
if ! make --no-print-directory -s -j2 SAN=1 BUILD="${san#"$PWD"/}" CC=$compiler CFLAGS='-O0 -g1' \
	sanitized >"$log" 2>&1; then
	echo "not ok build with sanitizers: $(grep -m 1 -E 'error|warning|Stop' "$log")"
	tail -n 20 "$log" | sed 's/^/    /'
	exit 0
fi
if nm -D "$san/smtpd" | grep -q __asan_init && nm -D "$san/smtpd" | grep -q __ubsan_; then
	echo "ok smtpd has the sanitizers"
else
	echo "not ok smtpd has the sanitizers: no such symbols"
fi
if [ $compiler = gcc ]; then
	echo 'skip clang has no warning: no clang here that has sanitizers'
elif find "$san/obj" -name '*.err' -size +0 | grep -q .; then
	echo "not ok clang has no warning: $(find "$san/obj" -name '*.err' -size +0 | wc -l) files"
	find "$san/obj" -name '*.err' -exec cat {} + | sed -n '1,40s/^/    /p'
else
	echo 'ok clang has no warning'
fi

with_programs() {
	export ASAN_OPTIONS=detect_leaks=0
	under sanitized whole transcripts env BUILD="$san" tests/smtp/run.py --once
	under sanitized whole exact env BUILD="$san" tests/smtp/exact.py
}

with_modules() {
	for suite in tests/fuzz/*.sh tests/fuzz/*.py; do
		[ -x "$suite" ] &&
			under sanitized whole "$suite" env BUILD="$san" ASAN_OPTIONS=detect_leaks=0 "$suite"
	done
	export ASAN_OPTIONS=detect_leaks=1
	under sanitized whole units env BUILD="$san" "$san/test/units"
}

# Both wait more than they work.
with_modules >"$log.modules" 2>&1 &
with_programs
wait
cat "$log.modules"

# One case a unit: what it says for itself has been counted above.
under_valgrind() {
	name="valgrind: ${1##*/}"
	rm -f "$BUILD"/test/log/valgrind.*
	timeout 100 valgrind --error-exitcode=99 --leak-check=full \
		--errors-for-leak-kinds=definite --log-file="$BUILD/test/log/valgrind.%p" \
		"$1" >/dev/null 2>&1
	code=$?
	if grep -qs 'unhandled .* syscall' "$BUILD"/test/log/valgrind.*; then
		unknown="$unknown ${1##*/}"
	elif [ $code -ne 0 ]; then
		echo "not ok $name: exit code $code"
		grep -hE '^==[0-9]+== *[^ ]' "$BUILD"/test/log/valgrind.* | sed -n '1,40s/^/    /p'
	else
		echo "ok $name"
	fi
}

[ -n "${POSTERN_LONG:-}" ] || exit 0
if ! command -v valgrind >/dev/null 2>&1; then
	echo "skip valgrind: it is not installed"
	exit 0
fi
unknown=
for unit in "$BUILD"/test/unit_*; do
	[ -x "$unit" ] && [ -f "$unit" ] || continue
	under_valgrind "$unit"
done
[ -z "$unknown" ] ||
	echo "skip valgrind:$unknown: system calls that this valgrind does not know"
