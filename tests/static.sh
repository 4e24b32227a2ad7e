#!/bin/sh
# suite: timeout=400 busy
# What can be said of the sources without running them: the include rule, calls
# that have no place here, warnings of the compiler and of two linters, the manual
# pages, the scripts. Each check prints one line; its findings stand below it.
# clang's warnings are those of the build with sanitizers (tests/sanitize.sh).
set -u
cd "$(dirname "$0")/.." || exit 1
: "${BUILD:=$PWD/build}"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
out=$tmp/out

modules=
for dir in */; do
	dir=${dir%/}
	case $dir in
	tests | build*) continue ;;
	esac
	[ -n "$(find "$dir" -name '*.c')" ] && modules="$modules $dir"
done

# check NAME COMMAND...: ok when the command says nothing and exits 0
check() {
	title=$1
	shift
	if "$@" >"$out" 2>&1 && [ ! -s "$out" ]; then
		echo "ok $title"
	else
		echo "not ok $title: $(wc -l <"$out") lines, the first: $(head -n 1 "$out")"
		sed -n '1,40s/^/    /p' "$out"
	fi
}

# needs PROGRAM NAME: false, and a skip line, where it is missing
needs() {
	command -v "$1" >/dev/null 2>&1 && return 0
	echo "skip $2: no $1"
	return 1
}

# The sources without comments and string contents, as file:line:text.
strip() {
	awk '
	FNR == 1 { comment = 0 }
	{
		line = $0
		gsub(/\\\\/, "", line)
		gsub(/\\"/, "", line)
		gsub(/"[^"]*"/, "\"\"", line)
		text = ""
		while (length(line) > 0) {
			if (comment) {
				at = index(line, "*/")
				if (at == 0) break
				line = substr(line, at + 2)
				comment = 0
				continue
			}
			at = index(line, "/*")
			if (at == 0) { text = text line; break }
			text = text substr(line, 1, at - 1)
			line = substr(line, at + 2)
			comment = 1
		}
		sub(/\/\/.*/, "", text)
		print FILENAME ":" FNR ":" text
	}' "$@"
}

# DESIGN.md 3: who may include whom. Root files wire all of them.
include_rule() {
	for dir in $modules; do
		case $dir in
		base) allowed='base' ;;
		admin) allowed='base|keeper|auth|admin' ;;
		spool) allowed='base|keeper|spool' ;;
		post) allowed='base|post|spool' ;;
		*) allowed="base|$dir" ;;
		esac
		grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' $dir/*.[ch] |
			grep -vE "\"($allowed)/[a-z0-9_]+\.h\"\$"
	done
	grep -nE '#[[:space:]]*include' ./*.c $(printf '%s/*.[ch] ' $modules) | grep -F '..'
	true
}

one_main() {
	strip $(printf '%s/*.c ' $modules) | grep -E ':(int )?main\('
	for f in *.c; do
		[ "$(strip "$f" | grep -cE ':(int )?main\(')" = 1 ] || echo "$f: not one main()"
	done
	true
}

forbidden='strcpy|stpcpy|strcat|strncpy|strncat|sprintf|vsprintf|gets|v?[fs]?scanf'
forbidden="$forbidden|ato[ifl]|atoll|strtok|system|popen|exec[lv]pe?|tmpnam|tempnam|mktemp"
forbidden="$forbidden|alloca|s?rand|s?random|setjmp|longjmp|getpw[a-z]+|getgr[a-z]+|chmod|chown"
forbidden_calls() {
	strip ./*.c $(printf '%s/*.[ch] ' $modules) >"$tmp/stripped"
	grep -E "(^|[^A-Za-z0-9_])($forbidden)[[:space:]]*\(" "$tmp/stripped" |
		grep -vE '^(\./)?(postern\.c|admin/[a-z_]+\.c):.*[^a-z](f?chown|f?chmod|getpw[a-z]+|getgr[a-z]+)(at)?\(' |
		grep -vE '^(\./)?auth-pam\.c:.*[^a-z]getpwnam\(' |
		grep -vE '^auth/interface\.c:.*[^a-z]execvp\('
	true
}

no_typedef_struct() {
	strip $(printf '%s/*.[ch] ' $modules) ./*.c | grep -E 'typedef[[:space:]]+(struct|union|enum)'
	true
}

# The session opens nothing, connects nothing, allocates nothing: by its symbols.
# confine.c is what runs before it is confined; probe.c is empty but in its test build.
banned='malloc|calloc|realloc|free|strdup|asprintf|open|open64|openat|openat64|creat|fopen'
banned="$banned|freopen|opendir|socket|connect|bind|listen|accept4?|fork|vfork|execv?e?l?"
banned="$banned|posix_spawn|mmap|munmap|fcntl|fcntl64|ioctl|kill|ptrace|getaddrinfo|syslog"
banned="$banned|getpwnam|getpwuid|f?printf|__f?printf_chk|puts|fputs|setuid|unlink|rename|stat"
session_symbols() {
	for f in session/*.c; do
		f=$BUILD/obj/${f%.c}.o
		case ${f##*/} in
		confine.o | probe.o) continue ;;
		esac
		[ -s "$f" ] || echo "$f: not there"
		nm -u "$f" | awk '{ print $2 }' | grep -xE "$banned" | sed "s,^,${f##*/}: ,"
	done
	true
}

# Of each source, what the compiler said when it made the object that is tested.
compiler_said() {
	for f in *.c $(printf '%s/*.c ' $modules); do
		cat "$BUILD/obj/${f%.c}.err"
	done
}

defines='-std=gnu17 -I. -D_GNU_SOURCE -DSYSCONFDIR=\"/etc\" -DLOCALSTATEDIR=\"/var\"'
run_cppcheck() {
	cppcheck --std=c17 --enable=warning,performance,portability --inline-suppr --quiet \
		--error-exitcode=1 -j2 \
		-I. -D_GNU_SOURCE -D__x86_64__ -U__aarch64__ $modules ./*.c
}

# Minutes for all files, so one that was clean is looked at again only when it, a
# header or the rules have changed. One process each: clang-tidy 14 misreads va_list
# after another file.
run_clang_tidy() {
	stamps=$BUILD/test/tidy
	mkdir -p "$stamps"
	newest=$(ls -t .clang-tidy tests/static.sh $(printf '%s/*.h ' $modules) | head -n 1)
	# What a stranger's octets reach first, at every check; all of it in the long one.
	files=$(ls session/*.c keeper/*.c)
	[ -z "${POSTERN_LONG:-}" ] || files=$(ls $(printf '%s/*.c ' $modules) *.c)
	for f in $files; do
		stamp=$stamps/$(echo "$f" | tr / _)
		[ -e "$stamp" ] && [ -z "$(find "$f" "$newest" -newer "$stamp")" ] ||
			echo "$f $stamp"
	done | xargs -r -n 2 -P 2 sh -c '
		found=$(clang-tidy --quiet "$1" -- '"$defines"' 2>&1 | grep -E "(error|warning): ")
		if [ -z "$found" ]; then touch "$2"; else echo "$found"; fi' "$0"
}

unused_replies() {
	sed -n 's/^const struct reply \(reply_[a-z0-9_]*\) .*/\1/p' session/reply.c >"$tmp/replies"
	[ -s "$tmp/replies" ] || echo "session/reply.c: no replies found"
	strip session/*.c | grep -v 'const struct reply reply_' >"$tmp/uses"
	while read -r name; do
		grep -qE "&$name([^a-z0-9_]|\$)" "$tmp/uses" || echo "$name is used nowhere"
	done <"$tmp/replies"
}

manual_pages() {
	ls man/*.[1-9] >/dev/null || return 1
	mandoc -T lint -W warning man/*.[1-9]
}

# All scripts that git knows, or soon will.
scripts() {
	git ls-files -co --exclude-standard 2>/dev/null || find . -type f -not -path './build*'
}

list_scripts() {
	scripts | sed 's,^\./,,' | while read -r f; do
		[ -f "$f" ] || continue
		case $(head -n 1 "$f" | tr -d '\0') in
		'#!'*bash*) echo "bash $f" ;;
		'#!'*python*) echo "python $f" ;;
		'#!'*sh) echo "sh $f" ;;
		*) case $f in
			*.sh) echo "sh $f" ;;
			*.py) echo "python $f" ;;
			*.bash-completion) echo "bash $f" ;;
			esac ;;
		esac
	done
}

script_syntax() {
	while read -r kind f; do
		[ "$kind" = python ] || $kind -n "$f" || echo "$f"
	done <"$tmp/scripts"
	sed -n 's/^python //p' "$tmp/scripts" | python3 -c 'import ast, sys
for f in sys.stdin.read().splitlines():
	try:
		ast.parse(open(f, encoding="utf-8").read(), f)
	except (SyntaxError, ValueError) as e:
		print("%s: %s" % (f, e))'
}

run_shellcheck() {
	awk '$1 != "python" { print $2 }' "$tmp/scripts" |
		xargs shellcheck -S warning -f gcc \
		-e SC1007,SC1090,SC1091,SC2148,SC2034,SC2046,SC2086,SC2154,SC2155
}

check 'include rule' include_rule
check 'one main() in each root file, none elsewhere' one_main
check 'no forbidden call' forbidden_calls
check 'no typedef for structs' no_typedef_struct
check 'no reply is unused' unused_replies
list_scripts >"$tmp/scripts"
check 'scripts parse' script_syntax
needs shellcheck shellcheck && check shellcheck run_shellcheck
needs mandoc 'manual pages' && check 'manual pages' manual_pages
check 'the compiler has no warning' compiler_said
check 'the session calls nothing that it may not' session_symbols
needs cppcheck cppcheck && check cppcheck run_cppcheck
needs clang-tidy clang-tidy && check clang-tidy run_clang_tidy
