#!/bin/sh
# suite: timeout=120
# A real Dovecot, with a configuration of its own on a free port, reads over IMAP what
# smtpd delivered: messages equal, flags work, both keep one Maildir++ quota file.
. "$(dirname "$0")/lib.sh"

need dovecot dovecot python3
[ -x /usr/lib/dovecot/imap ] || { skip dovecot 'dovecot-imapd is not installed'; exit 0; }
new_tree "$tmp/tree" || { fail dovecot 'no tree'; exit 0; }
echo 'quota = 10M 100' >>"$tmp/tree/domains/here.test.conf"
serve "$tmp/tree" || { fail dovecot "no smtpd: $(tail -n 3 "$tmp/serve.log")"; exit 0; }

uid=$(stat -c %u "$tmp/tree/state")
gid=$(stat -c %g "$tmp/tree/state")
imap=$(free_port)
cat >"$tmp/dovecot.conf" <<EOF
base_dir = $tmp/dovecot
state_dir = $tmp/dovecot-state
log_path = $tmp/dovecot.log
ssl = no
disable_plaintext_auth = no
protocols = imap
listen = 127.0.0.1
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:~/Maildir
mail_plugins = quota
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=$uid gid=$gid home=$tmp/tree/state/mail/here.test/%n
}
service imap-login {
  inet_listener imap {
    port = $imap
  }
  inet_listener imaps {
    port = 0
  }
}
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=10M:messages=100
}
EOF
if ! is_root; then
	me=$(id -un)
	cat >>"$tmp/dovecot.conf" <<-EOF
	default_internal_user = $me
	default_internal_group = $(id -gn)
	default_login_user = $me
	service anvil {
	  chroot =
	}
	service imap-login {
	  chroot =
	}
	service stats {
	  chroot =
	}
	EOF
fi
start "$tmp/dovecot.out" dovecot -F -c "$tmp/dovecot.conf"
if ! wait_for is_listening "$imap"; then
	fail dovecot "does not start: $(tail -n 3 "$tmp/dovecot.out" "$tmp/dovecot.log" 2>/dev/null)"
	exit 0
fi
python3 "$here/imap.py" "$port" "$imap" "$tmp/tree/state/mail/here.test" ||
	fail dovecot "$(tail -n 3 "$tmp/dovecot.log")"
