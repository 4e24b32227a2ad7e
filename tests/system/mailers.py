#!/usr/bin/env python3
# suite: timeout=120
"""Mail programs that call sendmail, each as it comes, with ours: s-nail, bsd-mailx, mutt,
git send-email, and cron, which mails what a job prints."""
import os
import pwd
import shutil
import signal
import subprocess
import time

from spool_talk import DEADLINE, OURS, Place, body, expect, header

place = Place()
ALICE = "alice@" + OURS
SENDMAIL = place.program("sendmail")
home = os.path.join(place.dir, "home")
os.mkdir(home)
os.chmod(home, 0o777)


class Missing(Exception):
    pass


def somebody():
    """A user that /etc/passwd knows, as mail programs want, and who may not touch the mail."""
    if os.getuid() != 0:
        return {}
    user = pwd.getpwnam("games")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def run(program, *args, text=b"", **more):
    if not shutil.which(program):
        raise Missing("no " + program)
    env = place.environment(HOME=home, LOGNAME="alice", USER="alice", LC_ALL="C.UTF-8",
                            EMAIL=ALICE, **more)
    p = subprocess.run([program, *args], input=text, env=env, cwd=home, timeout=DEADLINE,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **somebody())
    expect(p.returncode == 0, program, "exit", p.returncode, p.stdout.decode())


def one(subject, text):
    got = place.take()
    expect(len(got) == 1, "alice has %d messages" % len(got))
    expect(header(got[0], "subject") == [subject], header(got[0], "subject"))
    expect(text in body(got[0]), body(got[0]))
    for name in ("from", "to", "date", "message-id"):
        expect(len(header(got[0], name)) == 1, name, header(got[0], name))
    return got[0]


def mailer(name):
    """A case that is skipped where its program is missing."""
    def note(function):
        def guarded():
            try:
                function()
            except Missing as e:
                print("skip %s: %s" % (name, e))
                return
            print("ok " + name)
        guarded.name = name
        guards.append(guarded)
        return function
    return note


guards = []


@mailer("s-nail sends through sendmail")
def _():
    run("s-nail", "-S", "mta=file://" + SENDMAIL, "-S", "sendwait", "-s", "nail", "-c",
        "carl@away.test", ALICE, text=b"hello\n.\nmore\n")
    one("nail", b"hello\n.\nmore\n")
    expect([d for d, _ in place.queued()] == ["away.test"], "queue")
    place.clear_queue()


@mailer("bsd-mailx sends through sendmail")
def _():
    with open(os.path.join(home, ".mailrc"), "w") as f:
        f.write("set sendmail=%s\nset sendwait\n" % SENDMAIL)
    run("bsd-mailx", "-s", "bsd", ALICE, text=b"hello\n")
    one("bsd", b"hello\n")


@mailer("mutt sends through sendmail, a Bcc too")
def _():
    run("mutt", "-F", "/dev/null", "-e", 'set sendmail="%s -oem -oi"' % SENDMAIL, "-e",
        "set sendmail_wait=0", "-e", "set copy=no", "-s", "mutt \u00f6", "-b", "bob@" + OURS, ALICE,
        text="gr\u00fc\u00dfe\n".encode())
    expect(len(place.tree.messages("alice")) == 1, "alice has no message")
    message = one(header_of("alice"), b"")
    expect(b"Bcc" not in message and len(place.take("bob")) == 1, "Bcc")


def header_of(user):
    """What its subject is: how it is encoded is the program's affair."""
    with open(place.tree.messages(user)[0], "rb") as f:
        return header(f.read(), "subject")[0]


@mailer("git send-email sends a patch through sendmail")
def _():
    if not os.path.exists("/usr/lib/git-core/git-send-email"):
        raise Missing("no git send-email")
    patch = os.path.join(home, "0001.patch")
    with open(patch, "w") as f:
        f.write("From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\n"
                "From: Alice <%s>\nDate: Sun, 22 Nov 2026 12:00:00 +0000\n"
                "Subject: [PATCH] a change\n\nWhy.\n---\n a | 1 +\n\ndiff --git a/a b/a\n"
                "--- a/a\n+++ b/a\n@@ -0,0 +1 @@\n+x\n-- \n2.39\n" % ALICE)
    run("git", "send-email", "--quiet", "--confirm=never", "--suppress-cc=all", "--from", ALICE,
        "--to", ALICE, "--smtp-server", SENDMAIL, patch)
    one("[PATCH] a change", b"+x\n-- \n2.39\n")


CRON = r"""
set -e
mount --make-rprivate /
mount -t tmpfs none /run
mount -t overlay none -o lowerdir="$1/sbin":/usr/sbin /usr/sbin
mount --bind "$1/crontabs" /var/spool/cron/crontabs
mount --bind "$1/empty" /etc/cron.d
mount --bind "$1/crontab" /etc/crontab
exec cron -f
"""


@mailer("cron mails what a job prints")
def _():
    if os.getuid() != 0:
        raise Missing("only root can start cron")
    if not shutil.which("cron") or not os.path.isdir("/var/spool/cron/crontabs"):
        raise Missing("no cron")
    if subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL).returncode:
        raise Missing("no mount namespaces here")
    base = os.path.join(place.dir, "cron")
    for name in ("sbin", "crontabs", "empty"):
        os.makedirs(os.path.join(base, name), 0o755)
    with open(os.path.join(base, "sbin", "sendmail"), "w") as f:
        f.write("#!/bin/sh\nPOSTERN_CONF=%s exec %s \"$@\"\n" % (place.conf, SENDMAIL))
    os.chmod(f.name, 0o755)
    with open(os.path.join(base, "crontab"), "w"):
        pass
    # A fresh /run: what is for the start of the host is due at once.
    with open(os.path.join(base, "crontabs", "games"), "w") as f:
        f.write("MAILTO=alice\n@reboot printf 'one\\n.\\nthree\\n'\n")
    os.chmod(f.name, 0o600)
    shutil.chown(f.name, "games", "crontab")
    with open(place.log, "ab") as log:
        cron = subprocess.Popen(["unshare", "-m", "sh", "-c", CRON, "sh", base], stdout=log,
                                stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + DEADLINE
        while not place.tree.messages("alice"):
            if cron.poll() is not None:
                with open(place.log) as f:
                    raise Missing("cron does not run here: " + " ".join(f.read().split())[-150:])
            expect(time.monotonic() < until, "nothing came")
            time.sleep(0.1)
    finally:
        if cron.poll() is None:
            os.killpg(cron.pid, signal.SIGTERM)
        cron.wait(DEADLINE)
    with open(place.tree.messages("alice")[0], "rb") as f:
        message = f.read()
    expect(b"(from uid 5)" in message and body(message) == b"one\n.\nthree\n", message)
    expect("games@" + OURS in header(message, "from")[0] or
           "root@" + OURS in header(message, "from")[0], header(message, "from"))
    expect(header(message, "to") == [ALICE], header(message, "to"))


place.serve()
try:
    for guard in guards:
        try:
            guard()
        except Exception as e:
            print("not ok %s: %s" % (guard.name, " ".join(str(e).split())))
finally:
    place.remove()
