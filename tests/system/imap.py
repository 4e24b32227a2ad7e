"""The cases of dovecot.sh: deliver by SMTP, look by IMAP; not a suite itself.

imap.py SMTP-PORT IMAP-PORT MAIL-FOLDER
"""
import glob
import imaplib
import os
import re
import smtplib
import sys

SMTP, IMAP = int(sys.argv[1]), int(sys.argv[2])
MAILDIR = os.path.join(sys.argv[3], "alice", "Maildir")
QUOTA_FILE = os.path.join(MAILDIR, "maildirsize")
MESSAGES = {
    "plain": b"Subject: plain\r\n\r\nhello\r\n",
    "dots": b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n",
    "8-bit": "Subject: ümlaut\r\n\r\nÄ Ö Ü €\r\n".encode(),
    "empty": b"\r\n",
    "long": b"Subject: long\r\n\r\n" + b"y" * 998 + b"\r\n" + b"z" * 100000 + b"\r\n",
}


def case(name):
    def wrap(run):
        try:
            run()
            print("ok dovecot: " + name, flush=True)
        except Exception as e:  # whatever it is, it is this case's
            print("not ok dovecot: %s: %s %s" % (name, type(e).__name__, str(e)[:300]),
                  flush=True)
    return wrap


def expect(is_so, what):
    if not is_so:
        raise AssertionError(what)


def send(data):
    with smtplib.SMTP("127.0.0.1", SMTP, timeout=20) as client:
        client.sendmail("a@client.test", ["alice@here.test"], data)


def files(folder):
    return sorted(glob.glob(os.path.join(MAILDIR, folder, "*")))


def quota_file():
    with open(QUOTA_FILE, "rb") as f:
        return f.read()


def expect_same_count(client):
    """The mailbox, the sum in maildirsize and Dovecot's answer agree."""
    found = files("new") + files("cur")
    octets, n = sum(os.stat(f).st_size for f in found), len(found)
    head, *rows = quota_file().splitlines()
    expect(head == b"10485760S,100C", "first line %r" % head)
    sums = tuple(sum(int(row.split()[i]) for row in rows) for i in (0, 1))
    expect(sums == (octets, n), "maildirsize has octets and messages %s, the mailbox %s" %
           (sums, (octets, n)))
    answer = repr(client.getquotaroot("INBOX")[1])
    got = re.search(r"STORAGE (\d+) 10240 MESSAGE (\d+) 100", answer)
    expect(got and int(got[2]) == n and abs(int(got[1]) - octets / 1024) <= 1,
           "Dovecot says %s of %d octets, %d messages" % (answer, octets, n))


for message in MESSAGES.values():
    send(message)
imap = imaplib.IMAP4("127.0.0.1", IMAP, timeout=20)
imap.login("alice", "secret")


@case("maildirsize is understood and not rewritten")
def _():
    before = os.stat(QUOTA_FILE).st_ino, quota_file()
    expect_same_count(imap)
    expect(before == (os.stat(QUOTA_FILE).st_ino, quota_file()), "it was rewritten")


@case("all messages are there")
def _():
    expect(imap.select()[1] == [b"%d" % len(MESSAGES)], "wrong number")


@case("messages and their sizes are equal")
def _():
    for i, (name, sent) in enumerate(MESSAGES.items(), 1):
        facts, got = imap.fetch(str(i), "(RFC822.SIZE BODY.PEEK[])")[1][0]
        expect(got.endswith(sent), "%s differs: %r" % (name, got[-80:]))
        trace = got[:len(got) - len(sent)]
        expect(re.fullmatch(rb"Return-Path: <a@client\.test>\r\nDelivered-To: .*\r\n"
                            rb"Received: .*\r\n(?:[ \t].*\r\n)*", trace), trace)
        size = int(re.search(rb"RFC822.SIZE (\d+)", facts)[1])
        expect(size == len(got), "%s: size %d of %d octets" % (name, size, len(got)))


@case("flags become part of the names")
def _():
    imap.store("1", "+FLAGS", r"(\Seen \Flagged)")
    names = [os.path.basename(f) for f in files("cur")]
    expect(sum(n.endswith(":2,FS") for n in names) == 1, names)


@case("a new message shows in an open mailbox")
def _():
    send(b"Subject: later\r\n\r\nlater\r\n")
    imap.noop()
    expect(imap.response("EXISTS")[1][-1] == b"%d" % (len(MESSAGES) + 1), "not seen")


@case("after an expunge both count the same")
def _():
    imap.store("2:3", "+FLAGS", r"(\Deleted)")
    imap.expunge()
    expect(len(files("cur") + files("new")) == len(MESSAGES) - 1, "files stay")
    expect_same_count(imap)
    send(b"Subject: after\r\n\r\nafter\r\n")
    expect_same_count(imap)


@case("what Dovecot appends counts too")
def _():
    imap.append("INBOX", None, None, b"Subject: own\r\n\r\n" + b"a" * 5000 + b"\r\n")
    expect_same_count(imap)
    send(b"Subject: last\r\n\r\nlast\r\n")
    expect_same_count(imap)


imap.logout()
