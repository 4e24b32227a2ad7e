#!/bin/sh
# suite: timeout=240
# Mail clients of others submit over TLS and AUTH: STARTTLS and TLS from the start, every
# mechanism by one client at least (POSTERN_LONG: by each that has it), to an smtpd that
# listens; then under tcpserver and xinetd.
. "$(dirname "$0")/lib.sh"

need clients_secure python3 openssl
tree=$tmp/tree
new_tree "$tree" || { fail clients_secure 'no tree'; exit 0; }
user=alice@here.test to=bob@here.test password='pass word=, 1'
export HOME="$tmp" MAILRC=/dev/null
sed -i '/^hostname/a mechanisms = SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN CRAM-MD5 DIGEST-MD5' \
	"$tree/postern.conf"
echo "$password" | "$BUILD/postern" -c "$tree/postern.conf" user passwd "$user" \
	--password-stdin --cram-md5 --digest-md5 >"$tmp/out" 2>&1 ||
	{ fail clients_secure "no password: $(cat "$tmp/out")"; exit 0; }

starttls=$(free_port) implicit=$(free_port)
start "$tmp/smtpd.log" "$BUILD/smtpd" -c "$tree/postern.conf" \
	-s submission -L "127.0.0.1:$starttls" -s submissions -L "127.0.0.1:$implicit"
listener=$started
wait_for is_listening "$starttls" || { fail clients_secure "$(tail -n 3 "$tmp/smtpd.log")"; exit 0; }
sent=0

client_message "$user" "$to"
# What openssl s_client sends of a message: without "R" at a line's start it is plain.
python3 - "$user" "$password" >"$tmp/plain" <<'END'
import base64, sys
print(base64.b64encode(("\0%s\0%s" % tuple(sys.argv[1:])).encode()).decode())
END

has() { command -v "$1" >/dev/null || { skip "secure: $1" 'not installed'; return 1; }; }

# client NAME message|longer|body COMMAND...: as in clients.sh; and its trace header says
# that it came over TLS from a login.
client() {
	name=$1 how=$2
	shift 2
	sent=$((sent + 1))
	if ! "$@" >"$tmp/out" 2>&1 </dev/null; then
		fail "secure: $name" "$(tail -n 3 "$tmp/out")"
		sent=$(count "$tree" bob)
		return
	fi
	wait_for has_messages "$tree" bob "$sent" ||
		{ fail "secure: $name" "no new message: $(tail -n 2 "$tmp/out")"; return; }
	new=$(newest "$tree" bob)
	if ! grep -q ' with \(UTF8SMTP\|ESMTP\)SA id ' "$new" || ! grep -q '^	tls TLS_' "$new"; then
		fail "secure: $name" "its header: $(sed -n '3,7p' "$new")"
	elif [ "$how" = body ]; then
		check "secure: $name" talk - - text "$tmp/body" "$new"
	else
		check "secure: $name" same_message "$tmp/$how" "$new"
	fi
}

# refused NAME WORDS COMMAND...: it fails, and says why.
refused() {
	name=$1 words=$2
	shift 2
	if "$@" >"$tmp/out" 2>&1 </dev/null; then
		fail "secure: $name" 'it was not refused'
	else
		check "secure: $name" grep -qi "$words" "$tmp/out"
	fi
}

# smtplib starttls|implicit PORT
smtplib() {
	python3 - "$1" "$2" "$user" "$password" "$to" "$tmp/message" "$tree/tls.crt" <<'END'
import smtplib, ssl, sys
how, port, user, password, to, message, trust = sys.argv[1:]
context = ssl.create_default_context(cafile=trust)
context.check_hostname = False        # the name is checked by curl and openssl
if how == "starttls":
    client = smtplib.SMTP("127.0.0.1", int(port), timeout=20)
    client.starttls(context=context)
else:
    client = smtplib.SMTP_SSL("127.0.0.1", int(port), timeout=20, context=context)
client.login(user, password)
with open(message, "rb") as f:
    client.sendmail(user, [to], f.read().replace(b"\n", b"\r\n"), ["BODY=8BITMIME"])
client.quit()
END
}
client 'smtplib, STARTTLS' message smtplib starttls "$starttls"
client 'smtplib, TLS from the start' message smtplib implicit "$implicit"

if has swaks; then
	by_swaks() {
		swaks --server 127.0.0.1 --from "$user" --to "$to" --ehlo client.test \
			--auth-user "$user" --data "@$tmp/message" "$@"
	}
	swaks --support >"$tmp/swaks" 2>/dev/null
	sed -i 's/Basic AUTH/AUTH PLAIN AUTH LOGIN/' "$tmp/swaks"
	if grep -q '^=== TLS supported' "$tmp/swaks"; then
		for mechanism in PLAIN LOGIN CRAM-MD5 DIGEST-MD5; do
			grep -q "^===.*$mechanism.* supported" "$tmp/swaks" ||
				{ skip "secure: swaks, $mechanism" 'it lacks a Perl module'; continue; }
			client "swaks, STARTTLS, $mechanism" longer by_swaks --port "$starttls" -tls \
				--auth "$mechanism" --auth-password "$password"
		done
		client 'swaks, TLS from the start' longer by_swaks --port "$implicit" -tlsc \
			--auth PLAIN --auth-password "$password"
		client 'swaks, pipelining' longer by_swaks --port "$starttls" -tls --pipeline \
			--auth LOGIN --auth-password "$password"
		refused 'swaks, a wrong password' '535 5.7.8' by_swaks --port "$starttls" -tls \
			--auth PLAIN --auth-password wrong
	else
		skip 'secure: swaks' 'it lacks Net::SSLeay'
	fi
	refused 'swaks without TLS' '530 5.7.0\|538 5.7.11\|did not advertise' by_swaks \
		--port "$starttls" --auth PLAIN --auth-password "$password"
fi

if has curl; then
	by_curl() {
		scheme=$1 port=$2
		shift 2
		curl -sS --crlf --cacert "$tree/tls.crt" --resolve "mx.here.test:$port:127.0.0.1" \
			"$scheme://mx.here.test:$port/client.test" --mail-from "$user" --mail-rcpt "$to" \
			--user "$user:$password" --upload-file "$tmp/message" "$@"
	}
	client 'curl, STARTTLS' message by_curl smtp "$starttls" --ssl-reqd
	client 'curl, TLS 1.2' message by_curl smtp "$starttls" --ssl-reqd --tls-max 1.2
	client 'curl, TLS from the start' message by_curl smtps "$implicit"
	for mechanism in ${POSTERN_LONG:+LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-256}; do
		curl -V | grep -q gsasl || [ "$mechanism" != SCRAM-SHA-256 ] || continue
		client "curl, $mechanism" message by_curl smtps "$implicit" \
			--login-options "AUTH=$mechanism"
	done
	refused 'curl, a server of another name' 'certificate\|SSL' curl -sS --ssl-reqd \
		--cacert "$tree/tls.crt" --resolve "other.test:$starttls:127.0.0.1" \
		"smtp://other.test:$starttls/" --mail-from "$user" --mail-rcpt "$to" \
		--upload-file "$tmp/message"
fi

if has msmtp; then
	printf '#!/bin/sh\nprintf "%%s\\n" "%s"\n' "$password" >"$tmp/ask"
	chmod 700 "$tmp/ask"
	by_msmtp() {
		msmtp --file=/dev/null --host=127.0.0.1 --from="$user" --domain=client.test \
			--user="$user" --passwordeval="$tmp/ask" --tls=on \
			--tls-trust-file= --tls-certcheck=off "$@" "$to" <"$tmp/message"
	}
	for mechanism in scram-sha-256 ${POSTERN_LONG:+plain login cram-md5 digest-md5}; do
		msmtp --version | tr ' ' '\n' | grep -qx -e "$mechanism" ||
			{ skip "secure: msmtp, $mechanism" 'it lacks it'; continue; }
		client "msmtp, STARTTLS, $mechanism" message by_msmtp --port="$starttls" \
			--tls-starttls=on --auth="$mechanism"
	done
	client 'msmtp, TLS from the start' message by_msmtp --port="$implicit" \
		--tls-starttls=off --auth=scram-sha-256
fi

if has s-nail; then
	by_snail() {
		s-nail -:/ -Sv15-compat -Smta="$1" -Ssmtp-auth="$3" -S "$2" -Shostname=client.test \
			-Stls-verify=ignore -Sttycharset=utf-8 -Smime-encoding=8b -r "$user" \
			-s 'by a client' "$to" <"$tmp/body"
	}
	secret=$(python3 -c 'import sys, urllib.parse as u; print(u.quote(sys.argv[1], "") + ":" +
u.quote(sys.argv[2], ""))' "$user" "$password")
	client 's-nail, STARTTLS, LOGIN' body by_snail "smtp://$secret@127.0.0.1:$starttls" \
		smtp-use-starttls login
	client 's-nail, TLS from the start, PLAIN' body by_snail \
		"smtps://$secret@127.0.0.1:$implicit" nosmtp-use-starttls plain
	client 's-nail, CRAM-MD5' body by_snail "smtp://$secret@127.0.0.1:$starttls" \
		smtp-use-starttls cram-md5
fi

if has mutt; then
	cat >"$tmp/muttrc" <<-END
		set smtp_pass="$password" from=$user hostname=client.test copy=no
		set ssl_verify_host=no certificate_file=$tree/tls.crt
		set charset=utf-8 send_charset=utf-8 allow_8bit=yes
	END
	by_mutt() {
		mutt -n -F "$tmp/muttrc" -e "set smtp_url=$1" -e "$2" -e "set smtp_authenticators=$3" \
			-s 'by a client' "$to" <"$tmp/body"
	}
	# Left to itself a mutt with GNU SASL takes SCRAM-SHA-256-PLUS, for which it lacks the
	# channel's data, and gives up.
	client 'mutt, STARTTLS, SCRAM-SHA-256' body by_mutt "smtp://$user@127.0.0.1:$starttls" \
		'set ssl_starttls=yes ssl_force_tls=yes' scram-sha-256
	client 'mutt, TLS from the start, PLAIN' body by_mutt "smtps://$user@127.0.0.1:$implicit" \
		'set ssl_starttls=no' plain
fi

# Line by line, each after a reply, as openssl s_client passes them on.
by_openssl() {
	{
		sleep 0.5
		for line in 'EHLO client.test' "AUTH PLAIN $(cat "$tmp/plain")" \
			"MAIL FROM:<$user>" "rcpt to:<$to>" DATA; do
			printf '%s\r\n' "$line"
			sleep 0.3
		done
		# s_client takes a line that begins with R or Q for a command of its own.
		sed -e 's/^\./../' -e 's/$/\r/' "$tmp/message"
		printf '.\r\nQUIT\r\n'
		sleep 0.5
	} | openssl s_client -connect "$@" -CAfile "$tree/tls.crt" -verify_return_error \
		-verify_hostname mx.here.test -servername mx.here.test -quiet -no_ign_eof
}
client 'openssl s_client, STARTTLS' message by_openssl "127.0.0.1:$starttls" -starttls smtp
client 'openssl s_client, TLS from the start' message by_openssl "127.0.0.1:$implicit"

check 'secure: all of them came' has_messages "$tree" bob "$sent"
check 'secure: the password is not in the log' lacks "$password" "$tmp/smtpd.log"
check 'secure: nor is it in base64' lacks "$(cat "$tmp/plain")" "$tmp/smtpd.log"
check 'secure: no error is in the log' lacks event=error "$tmp/smtpd.log"
stop "$listener"

# -- the other entrances -----------------------------------------------------------

if has tcpserver; then
	for service in submission submissions; do
		port=$(free_port)
		start "$tmp/tcpserver.log" tcpserver -R -H -l 0 127.0.0.1 "$port" \
			"$BUILD/smtpd" -c "$tree/postern.conf" -s "$service"
		wait_for is_listening "$port"
		how=starttls
		[ "$service" = submissions ] && how=implicit
		client "tcpserver, $service" message smtplib "$how" "$port"
	done
	check 'secure: tcpserver, no error in the log' lacks event=error "$tmp/tcpserver.log"
fi

if has xinetd; then
	who=root
	is_root || who=$(id -un)
	: >"$tmp/xinetd.conf"
	for service in submission submissions; do
		port=$(free_port)
		[ "$service" = submission ] && first=$port
		cat >>"$tmp/xinetd.conf" <<-END
			service $service
			{
				type = UNLISTED
				port = $port
				bind = 127.0.0.1
				protocol = tcp
				socket_type = stream
				wait = no
				user = $who
				server = $BUILD/smtpd
				server_args = -c $tree/postern.conf -s $service
			}
		END
	done
	start "$tmp/xinetd.log" xinetd -dontfork -f "$tmp/xinetd.conf" -filelog "$tmp/xinetd.filelog" \
		-pidfile "$tmp/xinetd.pid"
	wait_for is_listening "$port"
	client 'xinetd, submission' message smtplib starttls "$first"
	client 'xinetd, submissions' message smtplib implicit "$port"
fi
