# Shared by the suites of this folder, which source it; not a suite itself.
# Gives: $top, $BUILD, $tmp (removed at the end), ok, fail, skip, check, need, free_port,
# start/stop for background programs, wait_for, new_tree, talk, serve, hold.
# shellcheck shell=sh disable=SC2034

set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
BUILD=${BUILD:-$top/build}
cache=${XDG_CACHE_HOME:-/var/cache}/postern-check
pids=
at_end=:
tmp=$(mktemp -d "${TMPDIR:-/tmp}/postern-system.XXXXXX") || exit 1
chmod 755 "$tmp"

cleanup() {
	trap - EXIT INT TERM
	$at_end
	for pid in $pids; do
		kill "$pid" 2>/dev/null
		wait "$pid" 2>/dev/null
	done
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

ok() { echo "ok $1"; }
fail() { echo "not ok $1: $2" | tr '\n' ' '; echo; }
skip() { echo "skip $1: $2"; }

# check NAME COMMAND...: ok when the command succeeds; its output is the reason if not.
check() {
	check_name=$1
	shift
	if "$@" >"$tmp/check.out" 2>&1; then
		ok "$check_name"
	else
		fail "$check_name" "$(tail -n 5 "$tmp/check.out" | cut -c 1-300)"
		return 1
	fi
}

# lacks WORDS FILE: grep finds none of them, though there is something to be found.
lacks() { [ -s "$2" ] && ! grep "$1" "$2"; }

# need SUITE PROGRAM...: ends the suite with a skip where one is not installed.
need() {
	need_name=$1
	shift
	for program; do
		command -v "$program" >/dev/null && continue
		skip "$need_name" "$program is not installed"
		exit 0
	done
}

is_root() { [ "$(id -u)" -eq 0 ]; }

free_port() {
	python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# start LOG COMMAND...: in the background; its pid is $started, and it ends with us.
start() {
	start_log=$1
	shift
	"$@" >"$start_log" 2>&1 </dev/null &
	started=$!
	pids="$pids $started"
}

stop() {
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	pids=$(echo " $pids " | sed "s/ $1 / /")
}

# wait_for COMMAND...: at most 10 seconds for it to succeed.
wait_for() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || return 1
		sleep 0.1
	done
}

talk() { python3 "$here/talk.py" "$@"; }

# serve TREE: smtpd for it on $port of the loopback, by what is installed.
serve() {
	port=$(free_port)
	if command -v tcpserver >/dev/null; then
		start "$tmp/serve.log" tcpserver -R -H -l 0 -c 100 127.0.0.1 "$port" \
			"$BUILD/smtpd" -c "$1/postern.conf"
	else
		start "$tmp/serve.log" systemd-socket-activate --inetd --accept \
			-l "127.0.0.1:$port" "$BUILD/smtpd" -c "$1/postern.conf"
	fi
	server=$started
	wait_for is_listening "$port"
}

# hold PORT: keeps one connection open past its MAIL until let_go; $keeper is the child of
# $server, the program that accepted it. Sessions before must have ended.
hold() {
	wait_for is_childless "$server"
	rm -f "$tmp/held"
	talk 127.0.0.1 "$1" hold 10 >"$tmp/held" &
	held=$!
	wait_for grep -q ready "$tmp/held"
	keeper=$(ps -o pid= --ppid "$server" | tr -d ' ')
}

is_childless() { [ -z "$(ps -o pid= --ppid "$1")" ]; }

let_go() {
	kill "$held"
	wait "$held" 2>/dev/null
}

# uids PORT: of the two processes of one connection, "61001 61002 ".
uids() {
	hold "$1"
	# Where there is a certificate a starter waits for its tls and auth.
	ps -o uid=,comm= -p "$keeper" --ppid "$keeper" | awk '$2 == "smtpd" { print $1 }' |
		sort | tr '\n' ' '
	let_go
}

is_listening() { talk 127.0.0.1 "$1" listening; }

# new_tree DIR: a working tree for here.test with the mailboxes alice and bob. With
# privilege it belongs to two numbers that are nobody's.
new_tree() {
	owners=
	is_root && owners='--owner 61001 --session-user 61002 --auth-user 61003'
	# shellcheck disable=SC2086
	"$BUILD/postern" init "$1" --hostname mx.here.test --domain here.test $owners &&
		tree_user "$1" alice && tree_user "$1" bob
} >/dev/null

tree_user() { "$BUILD/postern" -c "$1/postern.conf" user add "$2@here.test" --no-password; }

# messages TREE USER: the files in new/, oldest first.
messages() { ls -1tr "$1/state/mail/here.test/$2/Maildir/new/"* 2>/dev/null; }
count() { messages "$1" "$2" | wc -l; }
newest() { messages "$1" "$2" | tail -n 1; }
has_messages() { [ "$(count "$1" "$2")" -eq "$3" ]; }

# client_message FROM TO: what clients are to send, with what they and servers trip over.
# $tmp/body is the text alone; $tmp/message is complete, so that nothing is added; swaks
# adds an empty line to what it reads from a file: $tmp/longer.
client_message() {
	{
		printf '.\n..\n.leading dot\nUmlaut \303\274\n\n'
		printf 'x%.0s' $(seq 900)
		printf '\nlast line\n'
	} >"$tmp/body"
	{
		printf 'From: <%s>\nTo: <%s>\nSubject: by a client\n' "$1" "$2"
		printf 'Date: Fri, 02 Jan 2026 03:04:05 +0000\nMessage-ID: <1@client.test>\n'
		printf 'MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n'
		printf 'Content-Transfer-Encoding: 8bit\n\n'
		cat "$tmp/body"
	} >"$tmp/message"
	{ cat "$tmp/message"; echo; } >"$tmp/longer"
}

# same_message SENT STORED: the stored file is the sent one behind our trace headers.
same_message() { talk - - same "$1" "$2"; }

# unpack_postfix: $place is Debian's package, unpacked into the cache and not installed.
unpack_postfix() {
	place=$cache/postfix-$(dpkg --print-architecture)
	mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ] || place=$tmp/postfix
	[ -d "$place" ] && return
	mkdir "$tmp/debs" && chmod 777 "$tmp/debs" || return
	(cd "$tmp/debs" && apt-get download -q $(apt-get install -s -q \
		--no-install-recommends postfix | awk '/^Inst/ { print $2 }')) || return
	for package in "$tmp/debs"/*.deb; do
		dpkg -x "$package" "$place.$$" || return
	done
	mv "$place.$$" "$place"
}

# configure_postfix_site PORT DOMAIN: a Postfix that takes a domain's mail into
# /var/mail/site, in $tmp/conf.
configure_postfix_site() {
	mkdir "$tmp/conf"
	cat >"$tmp/conf/main.cf" <<-END
		compatibility_level = 3.6
		myhostname = $2
		mydestination =
		inet_interfaces = loopback-only
		inet_protocols = ipv4
		maillog_file = /var/log/postfix.log
		mynetworks =
		smtpd_relay_restrictions = reject_unauth_destination
		virtual_mailbox_domains = $2
		virtual_mailbox_base = /var/mail
		virtual_mailbox_maps = static:site/
		virtual_uid_maps = static:61092
		virtual_gid_maps = static:61092
		default_transport = error
	END
	for service in "127.0.0.1:$1 inet n - n - - smtpd" 'cleanup unix n - n - 0 cleanup' \
		'qmgr unix n - n 300 1 qmgr' 'rewrite unix - - n - - trivial-rewrite' \
		'bounce unix - - n - 0 bounce' 'defer unix - - n - 0 bounce' \
		'trace unix - - n - 0 bounce' 'error unix - - n - - error' \
		'virtual unix - n n - - virtual' 'anvil unix - - n - 1 anvil' \
		'postlog unix-dgram n - n - 1 postlogd' 'proxymap unix - - n - - proxymap'; do
		echo "$service"
	done >"$tmp/conf/master.cf"
}
