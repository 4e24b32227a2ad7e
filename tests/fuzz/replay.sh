#!/bin/sh
# suite: timeout=300
# Every fuzz target over its committed corpus: what was once found stays mended.
set -u
cd "$(dirname "$0")/../.." || exit 1
: "${BUILD:=$PWD/build}"
for source in tests/fuzz/fuzz_*.c; do
	name=${source#tests/fuzz/fuzz_}
	name=${name%.c}
	if ! out=$("$BUILD/test/replay_$name" "tests/fuzz/corpus/$name" 2>&1); then
		echo "not ok fuzz/$name: $(printf '%s\n' "$out" | grep -v '^#' | head -n 1)" \
			"$(printf '%s\n' "$out" | grep '^#' | tail -n 1)"
		printf '%s\n' "$out" | tail -n 30 | sed 's/^/    /'
		continue
	fi
	printf '%s\n' "$out" | tail -n 1
done
