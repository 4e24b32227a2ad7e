# Shared by the scripts that run inside the container; not a suite itself. Its paths are
# the installed ones.
# shellcheck shell=sh disable=SC2034
set -u
state=/var/lib/postern
new=$state/mail/here.test/alice/Maildir/new
out=/run/check.out

ok() { echo "ok $1"; }
fail() { echo "not ok $1: $2" | tr '\n' ' '; echo; }
check() {
	check_name=$1
	shift
	if "$@" >"$out" 2>&1; then
		ok "$check_name"
	else
		fail "$check_name" "$(tail -n 5 "$out" | cut -c 1-300)"
		return 1
	fi
}
wait_for() {
	tries=0
	until "$@" >/dev/null 2>&1; do
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || return 1
		sleep 0.1
	done
}
talk() { python3 /tests/talk.py "$@"; }
delivered() { [ "$(find "$1" -type f | wc -l)" -eq "$2" ]; }

message() {
	printf 'Subject: %s\r\nFrom: <a@client.test>\r\n\r\nline\r\n..dots\r\n' "$1" >/run/message
}

# The stored message is the sent one, and nothing is left in tmp/.
arrived() {
	delivered "$1" 1 && talk - - same /run/message "$(find "$1" -type f)" &&
		[ -z "$(find "$state/tmp" -type f)" ]
}

configure() {
	echo secret | postern init /etc/postern --hostname mx.here.test --domain here.test \
		--user alice --password-stdin
}

is_quiet() { "$@" >"$out.noise" 2>&1 && [ ! -s "$out.noise" ] || { cat "$out.noise"; false; }; }

# may_not_read USER FILE: it is there, and that user can run programs, but not read it.
may_not_read() {
	[ -s "$2" ] && setpriv --reuid "$1" --regid "$1" --clear-groups true &&
		! setpriv --reuid "$1" --regid "$1" --clear-groups cat "$2"
}

# exposure_at_most LIMIT UNIT: in the words of systemd-analyze, without starting it.
exposure_at_most() {
	systemd-analyze security --offline=yes --no-pager "/usr/local/lib/systemd/system/$2" |
		tail -n 1 | tee /dev/stderr | awk -v limit="$1" '
		{ for (i = 1; i <= NF; i++) if ($i ~ /^[0-9.]+$/) good = $i <= limit }
		END { exit !good }'
}
