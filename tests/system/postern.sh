#!/bin/sh
# suite: timeout=400
# The administrator's command, from outside: every command, what it refuses, what is on
# disk afterwards, and what `check` finds. As an ordinary user and, by root, in a tree
# with users of its own.
. "$(dirname "$0")/lib.sh"

KEEPER=61001 SESSION=61002 AUTH=61003 TLS=61004 USER_UID=61010
mkdir "$tmp/bin" && cp "$BUILD/postern" "$BUILD/smtpd" "$BUILD/tls" "$tmp/bin/" || exit 1
chmod -R a+rx "$tmp/bin"
# Itself, not a wrapper that looks for it anew each time; the library alone is enough.
python="$(python3 -c 'import sys; print(sys.executable)') -I -S"
run=

# postern ARG...: on the tree of this round, as its administrator.
postern() { $run "$tmp/bin/postern" -c "$tree/postern.conf" "$@"; }

# t CODE PATTERN NAME COMMAND...: the exit code, and a line that matches (if not empty).
t() {
	t_code=$1 t_pattern=$2 t_name="$round: $3"
	shift 3
	"$@" >"$tmp/out" 2>&1 </dev/null
	t_got=$?
	if [ $t_got -ne "$t_code" ]; then
		fail "$t_name" "exit $t_got: $(head -n 3 "$tmp/out")"
	elif [ -n "$t_pattern" ] && ! grep -qe "$t_pattern" "$tmp/out"; then
		fail "$t_name" "no '$t_pattern' in: $(head -n 5 "$tmp/out")"
	else
		ok "$t_name"
	fi
}

# is NAME COMMAND...: ok when it succeeds.
is() {
	is_name="$round: $1"
	shift
	if "$@" >"$tmp/is" 2>&1; then
		ok "$is_name"
	else
		fail "$is_name" "$(head -n 3 "$tmp/is")"
	fi
}

# is_out NAME TEXT: what the last `t` printed, whole.
is_out() {
	if [ "$(cat "$tmp/out")" = "$2" ]; then
		ok "$round: $1"
	else
		fail "$round: $1" "got $(cat "$tmp/out")"
	fi
}

# json NAME EXPRESSION COMMAND...: over j, the document it prints.
json() {
	json_name="$round: $1" json_expression=$2
	shift 2
	"$@" >"$tmp/json" 2>"$tmp/err" </dev/null
	if $python -c 'import json, sys
j = json.load(open(sys.argv[1], encoding="utf-8"))
sys.exit(0 if eval("(" + sys.argv[2] + ")") else "got " + json.dumps(j))' \
		"$tmp/json" "$json_expression" >"$tmp/out" 2>&1; then
		ok "$json_name"
	else
		fail "$json_name" "$(tail -n 1 "$tmp/out") $(cat "$tmp/err")"
	fi
}

# Every name, owner and mode beneath the tree, and what stands in the files. Where there is
# none, no two pictures are the same.
picture() {
	[ -d "$1/state" ] || date '+no tree at %N'
	(cd "$1" && find . -printf '%p %y %m %U %G\n' | sort && find . -type f |
		sort | xargs cat) 2>&1
}

mode() { [ "$(stat -c '%a %u' "$2")" = "$1" ]; }
put() { printf "$2" >"$1" && chown --reference="$(dirname "$1")" "$1"; }
dir() { mkdir -m 0700 "$1" && chown --reference="$(dirname "$1")" "$1"; }
is_whole() { [ -d "$tree/state" ] && ! find "$tree" -name '.new.*' -o -name '.old.*' | grep .; }
password() { pw=$1; shift; printf '%b' "$pw" | postern "$@" --password-stdin; }

cat >"$tmp/verify.py" <<'P'
"""verify.py FILE PASSWORD: the verifier file proves the password; both of its ways."""
import base64, ctypes, ctypes.util, hashlib, hmac, re, sys
lines = dict(line.split(" ", 1) for line in open(sys.argv[1], encoding="ascii").read().splitlines())
password = sys.argv[2].encode()
assert set(lines) == {"argon2id", "scram-sha-256", "changed"}, lines
assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lines["changed"]), lines
n, salt, stored, server = lines["scram-sha-256"].split(" ")
assert int(n) >= 10000
salt, stored, server = (base64.b64decode(s, validate=True) for s in (salt, stored, server))
assert len(salt) >= 16
salted = hashlib.pbkdf2_hmac("sha256", password, salt, int(n))
client = hmac.digest(salted, b"Client Key", "sha256")
assert hashlib.sha256(client).digest() == stored, "scram: stored key"
assert hmac.digest(salted, b"Server Key", "sha256") == server, "scram: server key"
assert lines["argon2id"].startswith("$argon2id$v=19$")
try:
    sodium = ctypes.CDLL("libsodium.so.23")
except OSError:
    sys.exit(0)
assert sodium.sodium_init() >= 0
assert sodium.crypto_pwhash_str_verify(lines["argon2id"].encode(), password,
                                       ctypes.c_ulonglong(len(password))) == 0, "argon2id"
P

cat >"$tmp/prompt.py" <<'P'
"""prompt.py ANSWER... -- COMMAND...: types at the prompts; exits as the command does.
An ANSWER of ^C is the interrupt key. Fails with 99 where an answer was echoed."""
import os, pty, select, sys, termios
cut = sys.argv.index("--")
answers, command = sys.argv[1:cut], sys.argv[cut + 1:]
pid, tty = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
seen = b""
left = list(answers)
while True:
    ready, _, _ = select.select([tty], [], [], 20)
    try:
        got = os.read(tty, 1000) if ready else b""
    except OSError:
        got = b""
    if not got:
        if not ready:
            os.kill(pid, 9)
        break
    seen += got
    if left and seen.endswith(b": "):
        answer = left.pop(0)
        os.write(tty, b"\x03" if answer == "^C" else answer.encode() + b"\n")
        seen += b"\n"
_, status = os.waitpid(pid, 0)
sys.stdout.write(seen.decode())
if any(a not in ("", "^C") and a.encode() in seen for a in answers):
    sys.exit(99)
sys.exit(os.waitstatus_to_exitcode(status))
P

cat >"$tmp/deliver.py" <<'P'
"""deliver.py TO COMMAND...: one message through smtpd on a socket pair."""
import smtplib, socket, subprocess, sys
ours, theirs = socket.socketpair()
with subprocess.Popen(sys.argv[2:], stdin=theirs, stdout=theirs,
                      stderr=subprocess.DEVNULL):
    theirs.close()
    class Client(smtplib.SMTP):
        def _get_socket(self, host, port, timeout):
            return ours
    try:
        client = Client("x", 25, "client.test")
        client.sendmail("a@client.test", [sys.argv[1]], b"Subject: hello\r\n\r\nhello\r\n")
        client.quit()
    finally:
        ours.close()
P

deliver() { $python "$tmp/deliver.py" "$1" $run "$tmp/bin/smtpd" -c "$tree/postern.conf"; }

test_init() {
	init() { $run "$tmp/bin/postern" init "$@"; }
	tree=$home/t
	names="--hostname mx.test --domain here.test $owners"
	t 2 'hostname' 'init needs a host name' init "$tree" --domain here.test $owners
	t 2 'domain' 'init needs a domain' init "$tree" --hostname mx.test $owners
	t 2 'hostname' 'init refuses a bad host name' init "$tree" --hostname 'mx test' \
		--domain here.test $owners
	t 2 'no valid address' 'init refuses a bad user' init "$tree" $names --user 'a b' --no-password
	t 2 'goes with --user' 'init: a password belongs to a user' init "$tree" $names --no-password
	t 1 'No such file' 'init does not make parents' init "$home/none/t" $names
	is 'nothing was made' [ ! -e "$tree" ]
	t 0 "smtpd -c $tree/postern.conf" 'init says how to start' init "$tree" $names \
		--user alice --no-password
	is 'it says how to send' grep -q 'swaks --server .* --to alice@here.test' "$tmp/out"
	is 'it says how to go on' grep -q "$tree/postern.conf check" "$tmp/out"
	for part in auth mail tmp spool partial; do
		owner=$keeper; [ $part != auth ] || owner=$auth
		is "state/$part" mode "700 $owner" "$tree/state/$part"
	done
	is 'state/jail' mode "555 $jailer" "$tree/state/jail"
	is 'state' mode "$state_mode $keeper" "$tree/state"
	is 'the mailbox' mode "700 $keeper" "$tree/state/mail/here.test/alice"
	is 'postmaster is an alias' grep -qx alice@here.test "$tree/state/mail/here.test/postmaster/forward"
	is 'postern.conf' mode "644 $conf_owner" "$tree/postern.conf"
	t 0 'No findings' 'a new tree has no findings' postern check
	json 'nor in JSON' 'j == {"findings": []}' postern check --json
	picture "$tree" >"$tmp/before"
	t 1 'there already' 'init twice is refused' init "$tree" $names
	picture "$tree" >"$tmp/after"
	is 'and changes nothing' cmp "$tmp/before" "$tmp/after"
	rm "$tree/postern.conf"
	t 0 '' 'an interrupted init is finished by the next' init "$tree" $names --user alice --no-password
	picture "$tree" >"$tmp/after"
	is 'to the same tree' cmp "$tmp/before" "$tmp/after"
	is 'smtpd delivers into it' deliver alice@here.test
	is 'one message' [ "$(ls "$tree/state/mail/here.test/alice/Maildir/new" | wc -l)" -eq 1 ]
	is 'and to postmaster' deliver postmaster@here.test
	t 0 '' 'init without a user' init "$home/t2" $names
	is 'makes postmaster a mailbox' [ ! -e "$home/t2/state/mail/here.test/postmaster/forward" ]
	tree=$home/t2
	t 0 'No findings' 'without findings' postern check
	is 'smtpd delivers to <postmaster>' deliver postmaster
	sed -i 's/^#\([a-z-]* =\)/\1/' "$tree/postern.conf" "$tree/domains/here.test.conf"
	t 0 'No findings' 'the commented keys are good as they are' postern check
	t 0 "'$home/it.s \$x/postern.conf'" 'odd paths are quoted' init "$home/it.s \$x" $names
	tree=$home/t
}

test_usage() {
	t 2 'usage: postern' 'no command: overview' postern
	t 0 'user add ADDRESS' 'help' postern help
	t 0 'password-stdin  *read' 'help user add' postern help user add
	t 0 'alias remove' 'help alias' postern help alias
	t 2 'no command' 'help for what is not there' postern help users
	t 0 'usage: .* domain show NAME' '--help behind a command' postern domain show --help
	t 2 "no command 'frob'" 'unknown command' postern frob
	t 2 "no command 'user frob'" 'unknown subcommand' postern user frob
	t 2 'help user' 'a noun alone' postern user
	t 2 'usage: ' 'too few operands' postern user add
	t 2 'usage: ' 'too many operands' postern user add a@here.test b@here.test
	t 2 'does not go with' 'an option of another command' postern user list --force
	t 2 'unknown option' 'unknown option' postern user list --frob
	t 2 'unknown option' 'unknown short option' postern user list -x
	t 2 'expected' 'an option without its value' postern init x --hostname
	t 1 'cannot be opened' 'no configuration' "$tmp/bin/postern" -c /nonexistent/p.conf user list
	t 111 'writing the answer' 'a full disk behind stdout' sh -c "exec $run $tmp/bin/postern help >/dev/full"
	t 1 'exists already' '-- ends options' postern user add --no-password -- alice@here.test
	# No file of ours may become descriptor 1 or 2.
	is 'closed descriptors' sh -c "! $run $tmp/bin/postern -c $tree/postern.conf alias add z@here.test z@here.test <&- >&- 2>&-"
	is 'leave nothing' [ ! -e "$tree/state/mail/here.test/z" ]
	sed 's/^hostname.*/hostnam = x/' "$tree/postern.conf" >"$tmp/bad.conf"
	chmod 644 "$tmp/bad.conf"
	t 1 "bad.conf:6: unknown key 'hostnam'" 'errors of the configuration are shown' \
		$run "$tmp/bin/postern" -c "$tmp/bad.conf" user list
}

test_domain() {
	t 0 'other.test' 'domain add' postern domain add Other.TEST
	is 'its file' mode "644 $conf_owner" "$tree/domains/other.test.conf"
	t 1 'served already' 'domain add twice' postern domain add other.test
	t 0 'xn--bcher-kva.test' 'domain add takes U-labels' postern domain add 'Bücher.test'
	t 1 'served already' 'and knows them as A-labels' postern domain add xn--bcher-kva.test
	picture "$tree" >"$tmp/before"
	for name in ../x a/b . .. '' '-a' 'a..b' 'a_b' '[192.0.2.1]' 'a b' x@y "$(printf 'a\nb')" \
		"$(printf '%0100d.%0100d.%060d' 1 1 1)"; do
		t 2 'no domain name' "domain add '$(echo "$name" | tr '\n' '?')'" postern domain add -- "$name"
	done
	t 2 'too long for a file name' 'a domain longer than a file name' postern domain add \
		"$(printf '%063d.%063d.%063d.%060d' 1 1 1 1)"
	picture "$tree" >"$tmp/after"
	is 'bad names change nothing' cmp "$tmp/before" "$tmp/after"
	t 0 '' 'domain list' postern domain list
	is_out 'is sorted' "here.test
other.test
xn--bcher-kva.test"
	put "$tree/domains/other.test.conf" 'size = 1M\nquota = 10M 20\ncatchall = all\n'
	json 'domain list --json' '[d["domain"] for d in j][1:] == ["other.test", "xn--bcher-kva.test"] and
		j[1]["size"] == 1048576 and j[1]["quota_messages"] == 20 and j[0]["size"] is None' \
		postern domain list --json
	t 0 'catchall  *all' 'domain show' postern domain show other.test
	json 'domain show --json' 'j["catchall"] == "all" and j["mailboxes"] == 0' \
		postern domain show OTHER.test --json
	json 'it counts' 'j["mailboxes"] == 1 and j["aliases"] == 1' postern domain show here.test --json
	t 1 'not served' 'domain show of a stranger' postern domain show none.test
	put "$tree/domains/other.test.conf" 'size = much\n'
	t 1 "other.test.conf:1: bad value for 'size'" 'domain show tells errors' postern domain show other.test
	t 1 'not served' 'domain remove of a stranger' postern domain remove none.test
	t 0 'No longer' 'domain remove' postern domain remove other.test
	is 'its file is gone' [ ! -e "$tree/domains/other.test.conf" ]
	t 1 '1 mailboxes and 1 aliases' 'domain remove with mailboxes' postern domain remove here.test
	t 0 'stay in' 'with --force they stay' postern domain remove --force here.test
	is 'on disk' [ -d "$tree/state/mail/here.test/alice/Maildir" ]
	t 0 '' 'and come back' postern domain add here.test
	t 0 'alice@here.test' 'as they were' postern user list here.test
}

test_user() {
	t 0 'Made bob@here.test' 'user add with a password' password 'pencil\n' user add bob@here.test
	v=$tree/state/auth/here.test/bob
	is 'the verifier is private' mode "600 $auth" "$v"
	is 'and proves the password' $python "$tmp/verify.py" "$v" pencil
	is 'nothing is left behind' is_whole
	is 'no password on disk' sh -c "! grep -rq pencil '$tree'"
	picture "$tree" >"$tmp/before"
	t 1 'exists already' 'user add twice' password 'other\n' user add bob@here.test
	t 1 'exists already' 'case does not matter' password 'other\n' user add BOB@Here.Test
	t 2 'name that' 'a +tag is told' postern user add bob+x@here.test --no-password
	t 1 'not served' 'a domain that is not served' postern user add a@none.test --no-password
	t 2 'exclude' 'both password options' password 'x\n' user add c@here.test --no-password
	t 2 'no terminal' 'no terminal and no option' setsid $run "$tmp/bin/postern" -c "$tree/postern.conf" \
		user add c@here.test
	t 1 'empty' 'an empty password' password '\n' user add c@here.test
	t 1 'empty' 'no password at all' password '' user add c@here.test
	t 1 'longer than' 'a password too long' password "$(printf '%0256d' 1)\n" user add c@here.test
	t 1 'NUL' 'a password with a NUL' password 'a\0000b\n' user add c@here.test
	t 1 'RFC 4013' 'a password with a control' password 'a\007b\n' user add c@here.test
	t 1 'RFC 4013' 'a password that is no UTF-8' password 'a\0377b\n' user add c@here.test
	t 1 'RFC 4013' 'a password of mixed directions' password '\0330\0247\00061\n' user add c@here.test
	for name in '' alice @ @here.test alice@ a@b@here.test ../x@here.test .@here.test \
		..@here.test 'a b@here.test' a@../x 'a@[192.0.2.1]' "a@here.test/x" \
		"$(printf 'a\nb@here.test')" "$(printf 'a\377@here.test')" \
		"$(printf '%065d' 1)@here.test" "a@$(printf '%0256d' 1)"; do
		t 2 'expected' "user add '$(echo "$name" | tr '\n\377' '??')'" postern user add --no-password -- "$name"
	done
	picture "$tree" >"$tmp/after"
	is 'nothing of that changed anything' cmp "$tmp/before" "$tmp/after"

	mailbox() {
		t 0 '' "user add $1" postern user add --no-password -- "$1"
		is "is $2" [ -d "$tree/state/mail/here.test/$2" ]
		t 0 '' "user remove $1" postern user remove -- "$1"
		is 'and gone' [ ! -e "$tree/state/mail/here.test/$2" ]
	}
	mailbox 'a/b@here.test' 'a%2Fb'
	mailbox '"../../../x"@here.test' '%2E.%2F..%2F..%2Fx'
	mailbox '".."@here.test' '%2E.'
	mailbox '"a b"@here.test' 'a%20b'
	mailbox 'a%2Fb@here.test' 'a%252fb'
	mailbox 'Jürgen@here.test' 'j%C3%BCrgen'
	mailbox "$(printf 'ju\314\210rgen@here.test')" 'j%C3%BCrgen'
	mailbox '-a=b_c.d@here.test' '-a=b_c.d'
	mailbox "$(printf '%064d' 1)@here.test" "$(printf '%064d' 1)"
	picture "$tree" >"$tmp/after"
	is 'they come and go without a trace' cmp "$tmp/before" "$tmp/after"

	t 0 '' 'a mailbox in UTF-8' postern user add 'Jürgen@Bücher.test' --no-password
	t 2 'no valid address' 'quotes must be whole' postern user add 'x"y@here.test' --no-password
	t 0 '' 'a quote in a name' postern user add '"a\"b\\c"@bücher.test' --no-password
	t 0 '' 'user list' postern user list
	is_out 'is sorted' "alice@here.test  (no password: only receives)
bob@here.test
\"a\\\"b\\\\c\"@xn--bcher-kva.test  (no password: only receives)
jürgen@xn--bcher-kva.test  (no password: only receives)"
	json 'user list --json' '[u["local"] for u in j] == ["alice", "bob", "a\"b\\c", "jürgen"] and
		[u["password"] for u in j] == [False, True, False, False] and
		j[3]["directory"] == "j%C3%BCrgen"' postern user list --json
	t 0 '' 'user list DOMAIN' postern user list here.test
	is_out 'lists only that' "alice@here.test  (no password: only receives)
bob@here.test"
	t 2 'no domain name' 'user list of no domain' postern user list a/b
	t 0 '' 'user remove quotes' postern user remove '"a\"b\\c"@bücher.test'
	t 1 'no mailbox' 'only ASCII has no case' postern user remove 'JÜRGEN@bücher.test'
	t 0 '' 'user remove UTF-8' postern user remove 'JüRGEN@bücher.test'
}

test_password() {
	t 0 'Changed' 'user password' password 'I\0302\0255X\n' user password bob@here.test
	is 'RFC 4013 3: soft hyphen' $python "$tmp/verify.py" "$v" IX
	t 0 'Changed' 'a password in UTF-8' password '\0342\0205\0250\0302\0240a\n' user password bob@here.test
	is 'RFC 4013 3: roman nine and a wide space' $python "$tmp/verify.py" "$v" 'IX a'
	t 0 'Changed' 'only the first line counts' password 'two words \nmore\n' user password bob@here.test
	is 'spaces stay' $python "$tmp/verify.py" "$v" 'two words '
	t 0 '' '255 octets' password "$(printf '%0255d' 1)" user password bob@here.test
	t 1 'no mailbox' 'user password of nobody' password 'x\n' user password none@here.test
	cp "$v" "$tmp/verifier"
	ask() { $python "$tmp/prompt.py" "$@"; }
	p="$tmp/bin/postern -c $tree/postern.conf"
	t 0 'Password for bob@here.test' 'the prompt asks twice without echo' ask s3cret s3cret -- $run $p user password bob@here.test
	is 'and takes it' $python "$tmp/verify.py" "$v" s3cret
	t 1 'differ' 'two passwords that differ' ask s3cret other -- $run $p user password bob@here.test
	t 1 'empty' 'an empty answer' ask '' -- $run $p user password bob@here.test
	t 1 'interrupted' 'the interrupt key' ask '^C' -- $run $p user password bob@here.test
	t 1 'interrupted' 'at the second question' ask s3cret '^C' -- $run $p user password bob@here.test
	is 'leave the password' $python "$tmp/verify.py" "$v" s3cret
	t 0 'only receives' 'no password any more' postern user password bob@here.test --no-password
	is 'its verifier is gone' [ ! -e "$v" ]
	t 0 'only receives' 'twice is no mistake' postern user password bob@here.test --no-password
}

test_remove() {
	t 0 'messages in it: 0' 'user remove' postern user remove bob@here.test
	t 1 'no mailbox' 'user remove of nobody' postern user remove bob@here.test
	t 1 'holds 2 messages' 'user remove with mail in it' postern user remove alice@here.test
	is 'keeps all' [ "$(ls "$tree/state/mail/here.test/alice/Maildir/new" | wc -l)" -eq 2 ]
	password 'x\n' user add carl@here.test >/dev/null
	box=$tree/state/mail/here.test/carl
	for d in '' /.Sent /.Sent/cur; do dir "$box/Maildir$d"; done
	put "$box/Maildir/.Sent/cur/1:2,S" 'mail\n'
	t 1 'holds 1 messages' 'mail in a folder counts' postern user remove carl@here.test
	t 0 'messages in it: 1' '--force removes it' postern user remove carl@here.test --force
	is 'the mailbox' [ ! -e "$box" ]
	is 'and the verifier' [ ! -e "$tree/state/auth/here.test/carl" ]
	dir "$tree/state/auth/here.test" 2>/dev/null
	[ "$auth" = "$(stat -c %u "$tree/state/auth/here.test")" ] || chown "$auth" "$tree/state/auth/here.test"
	put "$tree/state/auth/here.test/lone" 'disabled\n'
	chmod 600 "$tree/state/auth/here.test/lone"
	t 1 'does not exist' 'check finds a password without a mailbox' postern check
	t 0 'only a password' 'user remove takes it away' postern user remove lone@here.test
	put "$tree/state/auth/here.test/lone" 'disabled\n'
	t 0 '' 'user add --no-password over a lone verifier' postern user add lone@here.test --no-password
	is 'does not inherit it' [ ! -e "$tree/state/auth/here.test/lone" ]
	postern user remove lone@here.test >/dev/null
	is 'nothing is left behind' is_whole
}

test_alias() {
	postern user add bob@here.test --no-password >/dev/null
	f=$tree/state/mail/here.test/info/forward
	t 0 'forwards to alice@here.test bob@here.test' 'alias add' postern alias add info@here.test \
		alice@here.test bob@here.test
	is 'its file' mode "600 $keeper" "$f"
	picture "$tree" >"$tmp/before"
	t 1 'already' 'alias add twice' postern alias add info@here.test Bob@HERE.test
	t 2 'twice' 'a target twice' postern alias add info@here.test a@here.test A@here.test
	t 1 'no mailbox nobody@here.test' 'a target that is not there' postern alias add info@here.test nobody@here.test
	t 2 'no valid address' 'a target that is no address' postern alias add info@here.test nobody
	t 2 'no valid address' 'a target with a newline' postern alias add info@here.test "$(printf 'a@b\nc@d')"
	t 1 'can keep no copy' 'an alias keeps no copy' postern alias add info@here.test info@here.test
	t 1 'can keep no copy' 'a new one neither' postern alias add new@here.test new@here.test
	t 1 'not served' 'an alias elsewhere' postern alias add a@none.test bob@here.test
	t 1 'is a mailbox' 'alias add on a mailbox' postern alias add bob@here.test alice@here.test
	t 1 'is an alias' 'user add on an alias' postern user add info@here.test --no-password
	t 1 'is an alias' 'user password on an alias' postern user password info@here.test --no-password
	t 1 'is an alias' 'user remove on an alias' postern user remove info@here.test
	t 1 'forwards nothing' 'alias remove on a mailbox' postern alias remove bob@here.test
	t 1 'no alias' 'alias remove of nobody' postern alias remove none@here.test
	t 1 'does not forward' 'a target that is none' postern alias remove info@here.test carl@here.test
	picture "$tree" >"$tmp/after"
	is 'nothing of that changed anything' cmp "$tmp/before" "$tmp/after"
	t 0 '' 'a chain' postern alias add chain@here.test info@here.test
	t 0 '' 'a circle that reaches somebody' postern alias add info@here.test chain@here.test
	t 0 '' 'one target out' postern alias remove info@here.test alice@here.test chain@here.test
	t 1 'without a target' 'not the last one' postern alias remove info@here.test bob@here.test
	t 0 '' 'an alias to itself by a chain' postern alias add info@here.test chain@here.test
	put "$f" '# sales\nchain@here.test\n# end'
	t 1 'circle' 'a circle that reaches nobody' postern alias add loop@here.test info@here.test
	t 0 '' 'a target without a newline before' postern alias add info@here.test bob@here.test
	is 'comments stay' [ "$(cat "$f")" = '# sales
chain@here.test
# end
bob@here.test' ]
	t 0 '' 'a middle line goes' postern alias remove info@here.test chain@here.test
	is 'and only that' [ "$(cat "$f")" = '# sales
# end
bob@here.test' ]
	t 0 'note: .*cannot send' 'a target elsewhere is taken with a note' postern alias add info@here.test X@else.test
	t 0 '' 'a mailbox may forward and keep a copy' postern alias add bob@here.test bob@here.test alice@here.test
	t 0 'bob@here.test .*forwards too' 'it is still a mailbox' postern user list
	t 0 '' 'alias list' postern alias list here.test
	is_out 'is sorted' 'bob@here.test: bob@here.test alice@here.test
chain@here.test: info@here.test
info@here.test: bob@here.test X@else.test
postmaster@here.test: alice@here.test'
	json 'alias list --json' '[a["targets"] for a in j][:2] == [["bob@here.test", "alice@here.test"],
		["info@here.test"]] and j[0]["keeps_copy"] and not j[1]["keeps_copy"]' postern alias list --json
	json 'domains without aliases' 'j == []' postern alias list bücher.test --json
	t 1 'would be an alias' 'the own address stays' postern alias remove bob@here.test bob@here.test
	t 0 '' 'the last other target' postern alias remove bob@here.test alice@here.test
	is 'leaves a plain mailbox' [ ! -e "$tree/state/mail/here.test/bob/forward" ]
	t 0 '' 'out with the target elsewhere' postern alias remove info@here.test X@else.test
	is 'mail goes through the chain' deliver chain@here.test
	t 0 '' 'alias remove' postern alias remove chain@here.test
	is 'its directory is gone' [ ! -e "$tree/state/mail/here.test/chain" ]
	dir "$tree/state/mail/here.test/info/Maildir"
	dir "$tree/state/mail/here.test/info/Maildir/new"
	put "$tree/state/mail/here.test/info/Maildir/new/1" 'old\n'
	t 1 'from before' 'an alias with mail in it' postern alias remove info@here.test
	t 0 '' '--force removes it' postern alias remove --force info@here.test
	is 'nothing is left behind' is_whole
	t 0 'No findings' 'and check finds nothing' postern check
}

# finds PATTERN NAME: check exits 1 with one finding more, which says what to do.
finds() {
	t 1 "$1" "check finds $2" postern check
	grep -A1 -e "$1" "$tmp/out" | grep -q '^  do: .' || fail "$round: $2" 'nothing to do is said'
	json 'valid JSON' 'all(set(f) == {"level", "where", "problem", "do"} and all(f.values())
		for f in j["findings"]) and len(j["findings"]) >= 1' postern check --json
}

# Messages of clients that were cut off: a healthy one, and what may be wrong with it.
test_check_partial() {
	p=$s/partial key=0123456789abcdef-0123456789abcdef0123456789abcdef
	head='postern-partial 1\nmark R %020d %020d 1795346553\nid 1.1\nfile 1.1\nname 1.M1.mx.test\nowner address 192.0.2.1\nhelo c.test\ntransid <1@c.test>\nsize 0\nrecipients 1\nend\n'
	put "$p/$key.p" "$(printf "$head" 0 0)\n"; put "$p/$key.1.1.m" x; put "$p/$key.1.1.e" x
	chmod 600 "$p"/*
	t 0 'No findings' 'a message that was cut off is none' postern check
	touch -d '5 days ago' "$p/$key.1.1.e"
	t 0 'No findings' 'its envelope may be older' postern check
	chmod 640 "$p/$key.1.1.m"; finds "$key.1.1.m: its mode is 0640" 'one that others read'
	chmod 600 "$p/$key.1.1.m"; touch -d '5 days ago' "$p"/*
	finds "$key.p: its client has not come back" 'one that nobody removed'
	put "$p/$key.p" 'frob\n'; finds "$key.p: it is damaged" 'a damaged one'
	put "$p/core" x; finds 'partial/core: Postern has nothing' 'a foreign file in partial/'
	rm "$p"/*; dir "$p/$key.p"; finds "$key.p: Postern has only files" 'a directory there'
	rmdir "$p/$key.p"
	put "$p/$key.1.1.m" x; chmod 600 "$p/$key.1.1.m"; truncate -s 17G "$p/$key.1.1.m"
	finds 'partial: it is full: 1 messages, 17408 MiB' 'one that is full'
	rm "$p"/*
}

# What would make flush --fetch fail.
test_check_provider() {
	cp -p "$tree/postern.conf" "$tmp/keep.conf"
	provider() {
		cp -p "$tmp/keep.conf" "$tree/postern.conf"
		printf '[provider b]\nhost = odmr.isp.test\nlogin = b.login\ndomains = here.test\n[provider a]\n%b' \
			"$1" >>"$tree/postern.conf"
	}
	login() { printf "$1" >"$tree/b.login"; chown --reference="$s" "$tree/b.login"; chmod 600 "$tree/b.login"; }
	login 'l@isp.test\npass word\n'
	good='host = odmr.isp.test\nlogin = b.login\n'
	provider "$good"; t 0 'No findings' 'two providers' postern check
	provider "${good}tls = starttls\nmode = etrn\ndomains = here.test @here.test #queue\n"
	t 0 'No findings' 'ETRN' postern check
	provider 'login = b.login\n'; finds "missing key 'host' of provider 'a'" 'one without a host'
	provider "${good}mode = etrn\n"; finds "missing key 'domains' of provider 'a'" 'ETRN for nothing'
	provider "host = mx.test\nlogin = b.login\n"; finds 'provider a: its host is this host' 'itself'
	provider "host = 192.0.2.1\nlogin = b.login\n"; finds 'prove the address 192.0.2.1' 'an address'
	provider "host = isp\nlogin = b.login\n"; finds 'host isp is asked for' 'half a name'
	provider "${good}port = 587\n"; finds 'port 587 and tls = implicit' 'TLS where there is none'
	provider "${good}tls = starttls\nport = 465\n"; finds 'port 465 and tls = starttls' 'and the other way'
	provider "${good}domains = else.test\n"; finds 'provider a: else.test is not served' 'a domain not ours'
	provider "${good}domains = @here.test\n"; finds '@here.test is of ETRN' 'what is of ETRN'
	provider "${good}mode = etrn\ndomains = @else.test\n"; finds 'no domain below else.test' 'none below it'
	put "$tree/domains/held.test.conf" 'deliver = hold\n'
	provider "${good}domains = held.test\n"; finds 'not be delivered here, but held' 'a domain on hold'
	rm "$tree/domains/held.test.conf"
	provider "host = odmr.isp.test\nlogin = none.login\n"; finds 'none.login: the owner of STATE cannot read' 'no login'
	provider "$good"
	chmod 640 "$tree/b.login"; finds 'b.login: others may read or write it (mode 0640)' 'a login others read'
	login 'l@isp.test\n'; finds 'b.login: expected two lines' 'a login without a password'
	login 'l@isp.test\r\npass\r\n'; finds 'b.login: its lines end in CRLF' 'a login from elsewhere'
	rm "$tree/b.login"; mkfifo -m 600 "$tree/b.login"; chown --reference="$s" "$tree/b.login"
	t 1 'b.login' 'check does not hang on a FIFO there' timeout 20 $run "$tmp/bin/postern" -c "$tree/postern.conf" check
	rm "$tree/b.login"
	cp -p "$tmp/keep.conf" "$tree/postern.conf"
}

test_check() {
	s=$tree/state m=$tree/state/mail/here.test
	put "$s/tmp/old" x && touch -d '3 days ago' "$s/tmp/old"
	finds 'tmp/old: untouched' 'a stale file in tmp/'
	put "$s/tmp/old" x
	t 0 '' 'a fresh one is none' postern check
	rm "$s/tmp/old"
	dir "$s/tmp/d"; finds 'tmp/d: it is no file' 'a directory in tmp/'; rmdir "$s/tmp/d"
	rm -r "$m/alice/Maildir/cur"; finds 'Maildir/cur: it is missing' 'a half-made Maildir'
	dir "$m/alice/Maildir/cur"
	chmod 777 "$m/alice/Maildir/new"; finds 'Maildir/new: its mode is 0777' 'an open Maildir'
	chmod 700 "$m/alice/Maildir/new"
	chmod 750 "$s/auth"; finds 'auth: its mode is 0750' 'readable verifiers'; chmod 700 "$s/auth"
	chmod 777 "$s"; finds 'state: its mode is 0777' 'an open STATE'; chmod "$state_mode" "$s"
	chmod 666 "$tree/postern.conf"; finds 'postern.conf: its mode is 0666' 'an open configuration'
	chmod 644 "$tree/postern.conf"
	chmod 755 "$s/jail"; finds 'jail: its mode is 0755' 'a jail one may write to'
	put "$s/jail/x" x; chmod 555 "$s/jail"; finds 'jail: it is not empty' 'a jail with something in it'
	chmod 755 "$s/jail"; rm "$s/jail/x"; chmod 555 "$s/jail"
	mv "$s/partial" "$s/par"; finds 'partial: No such file' 'a missing directory'
	finds 'par: Postern has nothing' 'a foreign one'; mv "$s/par" "$s/partial"
	test_check_partial
	test_check_provider
	put "$m/file" x; finds 'here.test/file: .*no directory' 'a foreign file'; rm "$m/file"
	dir "$m/Upper"; finds 'Upper: no address' 'a name no address leads to'; rmdir "$m/Upper"
	dir "$m/a%0Ab"; finds 'a%0Ab: no address' 'a name with a newline in it'; rmdir "$m/a%0Ab"
	dir "$m/.new.123"; finds 'interrupted' 'what an interrupted postern left'; rmdir "$m/.new.123"
	dir "$m/$(printf 'e\033[31m\nx')"; finds 'e.x1B\[31m.x0Ax: ' 'a name that would drive a terminal'
	rmdir "$m/$(printf 'e\033[31m\nx')"
	ln -s alice "$m/carl"; finds 'carl: it is a symbolic link' 'a mailbox behind a link'; rm "$m/carl"
	mv "$m/bob" "$tree/bob"; ln -s "$tree/bob" "$m/bob"
	t 1 'symbolic link' 'user remove follows no link' postern user remove bob@here.test
	t 1 '' 'user add neither' postern user add bob@here.test --no-password
	t 1 '' 'alias add neither' postern alias add bob@here.test bob@here.test alice@here.test
	rm "$m/bob"; mv "$tree/bob" "$m/bob"
	mv "$s/mail/here.test" "$tree/here.test"; ln -s "$tree/here.test" "$s/mail/here.test"
	t 1 '' 'no link instead of a domain' postern user add carl@here.test --no-password
	is 'nothing was made behind it' [ ! -e "$tree/here.test/carl" ]
	rm "$s/mail/here.test"; mv "$tree/here.test" "$s/mail/here.test"
	dir "$m/fwd"
	put "$m/fwd/forward" 'not an address\n'; finds 'line 1 is no address' 'a bad line in a forward file'
	finds 'leads to no mailbox' 'that it leads nowhere'
	put "$m/fwd/forward" 'none@here.test\n'; finds 'there is no mailbox none@here.test' 'a target that is gone'
	put "$m/fwd/forward" 'a@else.test\n'; finds 'not served here' 'a target elsewhere'
	dir "$m/fwd2"; put "$m/fwd/forward" 'fwd2@here.test\n'; put "$m/fwd2/forward" 'fwd@here.test\n'
	finds 'in a circle' 'a circle'
	put "$m/fwd2/forward" 'alice@here.test\n'; t 0 '' 'a chain is none' postern check
	for i in 2 3 4 5 6 7 8 9 10 11; do
		[ -d "$m/fwd$i" ] || dir "$m/fwd$i"
		put "$m/fwd$i/forward" "fwd$((i + 1))@here.test\n"
	done
	dir "$m/fwd12"
	finds 'through more than 10' 'a chain too long'
	rm -r "$m"/fwd[2-9] "$m"/fwd1?
	rm "$m/fwd/forward"; mkfifo "$m/fwd/forward"; chown --reference="$m/fwd" "$m/fwd/forward"
	t 1 '' 'check does not hang on a FIFO' timeout 20 $run "$tmp/bin/postern" -c "$tree/postern.conf" check
	rm "$m/fwd/forward"; dd if=/dev/zero of="$m/fwd/forward" bs=1k count=129 2>/dev/null
	chown --reference="$m/fwd" "$m/fwd/forward"
	finds 'cannot be read: it is too large' 'a forward file too large'
	rm -r "$m/fwd"
	dir "$s/mail/gone.test"; dir "$s/mail/gone.test/a"
	finds 'gone.test: it holds 1 mailboxes' 'mailboxes of a domain not served'; rm -r "$s/mail/gone.test"
	put "$s/mail/note" x; finds 'mail/note' 'a foreign file in mail/'; rm "$s/mail/note"
	put "$tree/domains/other.test.conf" 'frob = 1\n'
	finds "other.test.conf: .*unknown key 'frob'" 'an error in a domain file'
	put "$tree/domains/other.test.conf" 'catchall = none\n'; finds 'catchall, none' 'a catchall that is not there'
	rm "$tree/domains/other.test.conf"
	put "$tree/domains/Other.test.conf" ''; finds 'Other.test.conf: it is never read' 'a file never read'
	rm "$tree/domains/Other.test.conf"
	sed -i 's/^postmaster.*/postmaster = none@here.test/' "$tree/postern.conf"
	postern alias remove postmaster@here.test >/dev/null
	finds 'postmaster@.* reaches no mailbox' 'a postmaster that is not there'
	sed -i 's/^postmaster.*/postmaster = a@else.test/' "$tree/postern.conf"
	finds 'not in a domain' 'a postmaster elsewhere'
	sed -i 's/^postmaster.*/postmaster = alice@here.test/' "$tree/postern.conf"
	cp -p "$tree/postern.conf" "$tmp/keep.conf"
	echo 'frob = 1' >>"$tree/postern.conf"; finds "unknown key 'frob'" 'an error in postern.conf'
	sed -i 's/^state = .*/state = nowhere/' "$tree/postern.conf"; sed -i '/^frob/d' "$tree/postern.conf"
	finds 'nowhere: No such file' 'no STATE'
	cp -p "$tmp/keep.conf" "$tree/postern.conf"
	password 'x\n' user add vera@here.test >/dev/null
	v=$s/auth/here.test/vera
	chmod 644 "$v"; finds 'vera: its mode is 0644' 'a readable verifier'; chmod 600 "$v"
	put "$v" 'argon2id $argon2i$x\n'; finds 'argon2id line is damaged' 'a damaged verifier'
	put "$v" 'scram-sha-256 100 QQ== QQ== QQ==\n'; finds 'scram-sha-256 line is damaged' 'a weak verifier'
	put "$v" 'frob\n'; finds 'unknown line' 'an unknown line in a verifier'
	put "$v" 'disabled'; finds 'does not end in a newline' 'a cut verifier'
	postern user remove vera@here.test >/dev/null
	if [ "$round" = root ]; then
		mv "$tree/tls.crt" "$tree/cert"; finds 'tls.crt' 'a certificate that is gone'
		mv "$tree/cert" "$tree/tls.crt"
	fi
	t 0 'No findings' 'all is well again' postern check
}

test_race() {
	for i in 1 2 3 4 5 6; do
		postern user add race@here.test --no-password >"$tmp/race.$i" 2>&1 &
		postern alias add all@here.test alice@here.test >"$tmp/alias.$i" 2>&1 &
		postern user add "race$i@here.test" --no-password >/dev/null 2>&1 &
	done
	wait
	is 'one of six makes a mailbox' [ "$(grep -l '^Made' "$tmp"/race.[1-6] | wc -l)" -eq 1 ]
	is 'one of six makes an alias' [ "$(grep -l 'from now on' "$tmp"/alias.[1-6] | wc -l)" -eq 1 ]
	t 0 '' 'others do not suffer' postern user list
	is 'all six are there' [ "$(grep -c '^race[1-6]@' "$tmp/out")" -eq 6 ]
	t 0 'No findings' 'and all is whole' postern check
}

test_completion() {
	completion() {
		PATH="$tmp/bin:$PATH" bash -c 'source "$1"; COMP_LINE=$2 COMP_POINT=${#2}
			COMP_WORDBREAKS=" "; COMP_CWORD=1; COMP_WORDS=(postern); _postern
			printf "%s\n" "${COMPREPLY[@]}"' - "$top/units/postern.bash-completion" "$1"
	}
	t 0 '^user$' 'completes commands' completion 'postern u'
	t 0 '^password$' 'completes subcommands' completion 'postern user '
	t 0 '^--password-stdin$' 'completes options' completion 'postern user add --p'
	t 0 '^--login$' 'completes send' completion 'postern send --to mx.test --l'
	# It knows every command and every option that there is.
	$run "$tmp/bin/postern" help | sed -n 's/^  \([a-z]*\( [a-z]\{1,\}\)\{0,1\}\) .*/\1/p' >"$tmp/commands"
	is 'commands are listed' [ "$(wc -l <"$tmp/commands")" -gt 25 ]
	while read -r noun verb; do
		t 0 "^$noun\$" "completes $noun" completion "postern $noun"
		[ -z "$verb" ] || t 0 "^$verb\$" "completes $noun $verb" completion "postern $noun $verb"
		completion "postern $noun $verb${verb:+ }-" | sort >"$tmp/offered"
		$run "$tmp/bin/postern" help $noun $verb | sed 's/[^a-z0-9-]/ /g' | tr ' ' '\n' |
			grep -xe '--[a-z][a-z0-9-]*' | sort -u | grep -vxFf "$tmp/offered" >"$tmp/lacks"
		is "completes the options of $noun $verb" [ ! -s "$tmp/lacks" ]
	done <"$tmp/commands"
	flush_completion() {
		bash -c 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _postern_flush
			printf "%s\n" "${COMPREPLY[@]}"' - "$top/units/postern.bash-completion" flush "$@"
	}
	for option in $(sed -n 's/^#define USAGE "usage: flush//p' "$top/flush.c" | tr -cs 'a-zA-Z-' '\n' |
		grep -e '^-'); do
		t 0 "^$option\$" "completes flush $option" flush_completion "$option"
	done
	printf '[provider isp-1]\nhost = x\n[tls x]\n[provider other]\n' >"$tmp/provider.conf"
	t 0 '^isp-1$' 'completes flush --fetch' flush_completion -c "$tmp/provider.conf" --fetch i
	[ -z "$run" ] || return 0
	t 0 '^alice@here.test$' 'completes addresses' completion "postern -c $tree/postern.conf user remove al"
	t 0 '^here.test$' 'completes domains' completion "postern -c $tree/postern.conf domain show h"
}

all_tests() {
	test_init
	test_usage
	test_domain
	test_user
	test_password
	test_remove
	test_alias
	test_check
	test_race
	test_completion
}

# What only root meets: owners, and users that are not the owner.
test_root() {
	is 'auth/ has an owner of its own' mode "700 $AUTH" "$tree/state/auth"
	is 'the owner of the mail cannot look into it' [ -z "$(setpriv --reuid $KEEPER \
		--regid $KEEPER --clear-groups ls "$tree/state/auth" 2>&1 | grep -v 'Permission denied')" ]
	t 0 '' 'user add' password 'x\n' user add carl@here.test
	is 'verifiers are its' mode "600 $AUTH" "$tree/state/auth/here.test/carl"
	t 0 '^carl@here.test$' 'user list still knows' postern user list
	t 0 'No findings' 'check too' postern check
	t 0 '' 'user remove' postern user remove carl@here.test
	run="setpriv --reuid $USER_UID --regid $USER_UID --clear-groups"
	t 1 'belongs to uid 61001' 'another user is refused' postern user list
	t 1 'it was not looked at' 'and told by check' postern check
	t 1 'Permission denied' 'he adds no domain' postern domain add evil.test
	run="setpriv --reuid $KEEPER --regid $KEEPER --clear-groups"
	t 1 'belongs to uid 61003' 'the owner of the mail does not set passwords' \
		password 'x\n' user add carl@here.test
	run=
	is 'no mailbox came of it' [ ! -e "$tree/state/mail/here.test/carl" ]
	s=$tree/state
	chown 0:0 "$s"
	t 1 'belongs to root' 'STATE of root is refused' postern user list
	finds 'belongs to root' 'STATE of root'
	chown $KEEPER:0 "$s"
	t 1 'belongs to root' "root's group too" postern user list
	chown $KEEPER:$KEEPER "$s"
	chown 0 "$s/mail/here.test/alice"
	finds 'alice: it belongs to root, expected uid 61001' 'a mailbox of another'
	chown $KEEPER "$s/mail/here.test/alice"
	chown $KEEPER "$s/jail"; finds 'jail: it belongs to uid 61001' 'a jail of the keeper'; chown 0 "$s/jail"
	chown $KEEPER "$s/jail.owner"; finds "jail.owner: the session's user is the owner" 'a session without a uid of its own'
	rm "$s/jail.owner"; finds 'jail.owner' 'no session user'
	sed -i '1i session-user = 61002' "$tree/postern.conf"
	t 0 '' 'session-user instead of it' postern check
	chown 65534 "$tree/domains/here.test.conf"
	finds 'here.test.conf: it belongs to' 'a domain file of another'
	chown 0 "$tree/domains/here.test.conf"
	chmod 600 "$tree/postern.conf"; finds 'owner of STATE cannot read' 'a configuration smtpd cannot read'
	chmod 644 "$tree/postern.conf"
	t 2 'user of its own' 'init: session and mail are two users' "$tmp/bin/postern" init "$home/x" \
		--hostname mx.test --domain here.test --owner 61001 --session-user 61001
	t 2 'without privilege' 'init: not root' "$tmp/bin/postern" init "$home/x" \
		--hostname mx.test --domain here.test --owner root --session-user 61001
	t 1 'no user .nosuch' 'init: a user that is not there' "$tmp/bin/postern" init "$home/x" \
		--hostname mx.test --domain here.test --owner nosuch --session-user 61001
	t 2 'passwords need a user of their own' 'init: passwords and mail are two users' \
		"$tmp/bin/postern" init "$home/x" --hostname mx.test --domain here.test \
		--owner 61001 --session-user 61002 --auth-user 61001
	t 2 'key needs a user of its own' 'init: key and passwords are two users' \
		"$tmp/bin/postern" init "$home/x" --hostname mx.test --domain here.test \
		--owner 61001 --session-user 61002 --auth-user 61003 --tls-user 61003
	t 1 'no user .nosuch.*--auth-user' 'init: no user for the passwords' \
		"$tmp/bin/postern" init "$home/x" --hostname mx.test --domain here.test \
		--owner 61001 --session-user 61002 --auth-user nosuch
	is 'nothing was made' [ ! -e "$home/x" ]
	if ! getent passwd postern-auth >/dev/null; then
		t 0 'chown -R postern-auth:postern-auth' 'init: without a user for the passwords, it says so' \
			"$tmp/bin/postern" init "$home/x" --hostname mx.test --domain here.test \
			--owner 61001 --session-user 61002
		t 1 'auth: it belongs to the owner of the mail' 'and so does check' \
			"$tmp/bin/postern" -c "$home/x/postern.conf" check
	fi
	[ -d /proc/self/ns ] && unshare -m true 2>/dev/null || return 0
	# Another mount below STATE: links into it fail, and check says so first.
	t 1 'alice: it is on another filesystem' 'check finds a mailbox on another mount' unshare -m sh -c \
		"mount --bind '$s/mail/here.test/alice' '$s/mail/here.test/alice' && exec '$tmp/bin/postern' -c '$tree/postern.conf' check"
	t 1 'tmp.*: .*filesystem' 'and tmp/ on another' unshare -m sh -c \
		"mount -t tmpfs tmpfs '$s/tmp' && chown $KEEPER '$s/tmp' && exec '$tmp/bin/postern' -c '$tree/postern.conf' check"
}

auth=
owners= home=$tmp/home
mkdir "$home"
keeper=$(id -u) conf_owner=$(id -u) state_mode=700 round=user
if is_root; then
	chown $USER_UID:$USER_UID "$home"
	run="setpriv --reuid $USER_UID --regid $USER_UID --clear-groups"
	keeper=$USER_UID conf_owner=$USER_UID
fi
jailer=$keeper auth=$keeper
all_tests
if is_root; then
	run= round=root home=$tmp/root owners="--owner $KEEPER --session-user $SESSION --auth-user $AUTH"
	mkdir "$home"
	keeper=$KEEPER conf_owner=0 jailer=0 auth=$AUTH state_mode=711
	all_tests
	test_root
else
	skip 'root: all of it' 'needs root'
fi
