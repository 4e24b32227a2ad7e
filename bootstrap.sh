#!/bin/sh
# From a bare Debian to a mail server that runs, or to a full test run.
#
#   sh bootstrap.sh try      builds Postern, starts it on a spare port of this machine,
#                            sends it a message and shows what was delivered
#   sh bootstrap.sh check    installs what the tests need, then runs `make check`
#
# Packages that are missing are installed when this runs as root or sudo is there;
# otherwise the one command to run is named. Nothing else of the system is changed.
set -eu
cd "$(dirname "$0")"

# The compiler and the libraries. README.md names the same.
BUILD_PACKAGES='gcc make libc6-dev libinih-dev libidn2-dev libunistring-dev libsodium-dev
	libssl-dev libmd-dev libpam0g-dev libunbound-dev libevent-dev libcurl4-openssl-dev'
TRY_PACKAGES='ucspi-tcp'
# What the suites run: linters, entrances, clients, readers, containers. A suite whose
# program is missing says `skip`.
CHECK_PACKAGES='python3 git procps util-linux iproute2 libseccomp-dev
	clang libclang-rt-dev clang-tidy cppcheck shellcheck mandoc valgrind
	ucspi-tcp daemontools xinetd haproxy systemd systemd-container mmdebstrap
	swaks curl msmtp s-nail bsd-mailx mutt ca-certificates fetchmail git-email libmailtools-perl cron
	dovecot-imapd dovecot-lmtpd libsasl2-modules strace bash-completion
	nsd unbound ldnsutils dns-root-data fail2ban openssl libnet-ssleay-perl libauthen-sasl-perl libdigest-hmac-perl'

say() { printf '%s\n' "$@"; }
die() { printf 'bootstrap.sh: %s\n' "$*" >&2; exit 1; }

is_installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Runs its arguments as root; false where that cannot be had.
as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif ! command -v sudo >/dev/null 2>&1; then
		return 1
	elif [ -t 0 ]; then
		sudo "$@"
	else
		sudo -n "$@" 2>/dev/null
	fi
}

# A server that comes with a package is wanted for its programs only: it must not
# start, neither now (policy-rc.d) nor at the next boot.
POLICY=/usr/sbin/policy-rc.d
install_packages() {
	command -v dpkg-query >/dev/null 2>&1 ||
		die "this is no Debian; install what these packages hold, then run make: $*"
	missing=
	for package; do
		is_installed "$package" || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	command="apt-get install -y --no-install-recommends$missing"
	as_root true || die "packages are missing. As root, run:
  apt-get update && $command"
	say "Installing:$missing"
	quiet=
	if [ ! -e $POLICY ]; then
		quiet=yes
		printf '#!/bin/sh\nexit 101\n' | as_root tee $POLICY >/dev/null
		as_root chmod 755 $POLICY
		trap 'as_root rm -f $POLICY' EXIT
		trap 'exit 130' HUP INT TERM
	fi
	# Lists that are there may be old: fetch them only when they do not do.
	as_root env DEBIAN_FRONTEND=noninteractive $command >/dev/null 2>&1 || {
		as_root apt-get update >/dev/null || die 'apt-get update failed'
		as_root env DEBIAN_FRONTEND=noninteractive $command >/dev/null ||
			die "this failed: $command"
	}
	if [ -n "$quiet" ]; then
		as_root rm -f $POLICY
		trap - EXIT HUP INT TERM
	fi
	[ -d /run/systemd/system ] || return 0
	for package in dovecot-imapd:dovecot xinetd:xinetd haproxy:haproxy fail2ban:fail2ban; do
		case " $missing " in
		*" ${package%:*} "*) as_root systemctl disable "${package#*:}" >/dev/null 2>&1 || : ;;
		esac
	done
}

# build LOG [TARGET]...
build() {
	say 'Building ...'
	build_log=$1
	shift
	if ! make --no-print-directory -j2 "$@" >"$build_log" 2>&1; then
		cat "$build_log" >&2
		die 'the build failed; the compiler says why above'
	fi
}

# Speaks SMTP over descriptors 6 and 7, as tcpclient opens them: no other tool is needed.
talk() {
	cr=$(printf '\r')
	expect() {
		while read -r reply <&6; do
			case $reply in
			$1-*) ;;
			$1*) return 0 ;;
			*) die "the server said: ${reply%"$cr"}" ;;
			esac
		done
		die "the server closed the connection"
	}
	expect 220
	while [ $# -gt 1 ]; do
		printf '%s\r\n' "$2" >&7
		expect "$1"
		shift 2
	done
}

send_by_hand() {
	talk 250 'EHLO localhost' 250 'MAIL FROM:<you@client.test>' \
		250 "RCPT TO:<$1>" 354 DATA \
		250 "From: You <you@client.test>$NL""To: <$1>$NL""Subject: Hello$NL$NL""It works.$NL." \
		221 QUIT
}
NL=$(printf '\r\nx')
NL=${NL%x}

send() {
	if command -v curl >/dev/null 2>&1; then
		printf 'From: You <you@client.test>\r\nTo: <%s>\r\nSubject: Hello\r\n\r\nIt works.\r\n' "$2" |
			curl -sS --url "smtp://127.0.0.1:$1/localhost" --mail-from you@client.test \
				--mail-rcpt "$2" --upload-file -
	else
		tcpclient -RHl0 127.0.0.1 "$1" sh ./bootstrap.sh send_by_hand "$2"
	fi
}

finish_try() {
	trap - EXIT HUP INT TERM
	[ -z "$server" ] || kill "$server" 2>/dev/null || :
	rm -rf "$dir"
}

try() {
	install_packages $BUILD_PACKAGES $TRY_PACKAGES
	server=
	dir=$(mktemp -d)
	trap finish_try EXIT
	trap 'exit 130' HUP INT TERM
	build "$dir/make.log"

	# Started as root, smtpd needs two users without privilege. Any two numbers do for
	# a tree that is removed again.
	users=
	if [ "$(id -u)" -eq 0 ]; then
		users='--owner 61001 --session-user 61002'
		chmod 755 "$dir"
	fi
	say "Making a tree in $dir/tree"
	build/postern init "$dir/tree" --hostname localhost --domain example.test \
		--user you --no-password $users >"$dir/init.log" 2>&1 ||
		{ cat "$dir/init.log" >&2; die 'postern init failed'; }

	# Port 0: the kernel picks a spare one, and tcpserver prints it.
	tcpserver -1 -RHl0 127.0.0.1 0 build/smtpd -c "$dir/tree/postern.conf" \
		>"$dir/port" 2>"$dir/log" &
	server=$!
	tries=0
	while [ ! -s "$dir/port" ]; do
		tries=$((tries + 1))
		[ $tries -le 50 ] || { cat "$dir/log" >&2; die 'tcpserver did not start'; }
		sleep 0.1
	done
	port=$(cat "$dir/port")
	say "smtpd listens on 127.0.0.1 port $port; sending a message to you@example.test"
	send "$port" you@example.test || { cat "$dir/log" >&2; die 'the message was refused'; }
	show_delivered
}

show_delivered() {
	for file in "$dir"/tree/state/mail/example.test/you/Maildir/new/*; do
		[ -f "$file" ] || die "no message in ${file%/*}"
		say '' "Delivered to ${file#"$dir"/}:" ''
		sed 's/^/    /' "$file"
	done
	say '' 'The log of it:' ''
	sed 's/^/    /' "$dir/log"
	cat <<-EOT

	That was all; the server is stopped and its tree removed. To go on:
	  make install                    the programs, manual pages and units (as root)
	  build/postern help              the administrator's command
	  build/postern init DIR --hostname mx.example.org --domain example.org
	                                  a tree that stays; it says how to start a server
	  README.md                       systemd, tcpserver and xinetd, step by step
	EOT
}

check() {
	install_packages $BUILD_PACKAGES $CHECK_PACKAGES
	log=$(mktemp)
	build "$log" tests headers
	rm -f "$log"
	exec make --no-print-directory -s check
}

case ${1-} in
try) try ;;
check) check ;;
send_by_hand) send_by_hand "$2" ;;
*)
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '/^set/d'
	[ $# -eq 0 ] || exit 2
	;;
esac
