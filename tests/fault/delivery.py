"""For the suites of this folder, no suite itself: a client that walks through a
delivery in step with smtpd, so that a run repeats call for call, and what inject says.
"""
import os
import re
import socket
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "smtp"))
import secure  # noqa: E402
import tree as trees  # noqa: E402

BUILD = os.environ.get("BUILD") or os.path.dirname(trees.default_smtpd())
INJECT = os.path.join(BUILD, "test", "inject")
DEADLINE = 20
LOGIN, PASSWORD = "alice@" + trees.DOMAIN, "wonder"


class Bad(Exception):
    """What must not be."""


class Skip(Exception):
    """Why something can't be shown here."""


class Gone(Exception):
    """The connection ended, by 421 or without."""


def need_ptrace():
    """Some containers forbid it."""
    with open(os.devnull, "w") as null:
        run = subprocess.run([INJECT, "-r", str(null.fileno()), "keeper", "0", "kill", "true"],
                             pass_fds=(null.fileno(),), stderr=subprocess.PIPE)
    if run.returncode != 0:
        raise Skip("ptrace(2) is not allowed here: " + run.stderr.decode().strip())


class Message:
    """One message of the script and what became of it."""

    def __init__(self, body, recipients):
        self.body = body                # with CRLF, without dot-stuffing
        self.recipients = recipients    # (address, mailboxes it leads to)
        self.accepted = []              # of those whose RCPT got a 250: the mailboxes
        self.codes = []                 # the final reply for each of them

    def promised(self, mailbox):
        return any(code == 250 and mailbox in boxes
                   for code, boxes in zip(self.codes, self.accepted))

    def is_stored(self):
        return len(self.accepted) == len(self.recipients) and \
            self.codes == [250] * len(self.recipients)


class Client:
    def __init__(self, sock, lmtp=False):
        sock.settimeout(DEADLINE)
        self.sock = sock
        self.lmtp = lmtp
        self.received = b""
        self.codes = []
        self.text = b""                 # of the last reply's last line

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass                        # what it still had to say can be read

    def line(self):
        while b"\n" not in self.received:
            try:
                data = self.sock.recv(65536)
            except (ConnectionResetError, ssl.SSLError):
                data = b""
            except socket.timeout:
                raise Bad("no reply and no close in %d s" % DEADLINE) from None
            if not data:
                if self.received:
                    raise Bad("half a line: %r" % self.received)
                raise Gone
            self.received += data
        line, _, self.received = self.received.partition(b"\n")
        return line

    def reply(self):
        while True:
            line = self.line()
            match = re.fullmatch(rb"([2-5]\d\d)([ -])[ -~]*\r", line)
            if not match:
                raise Bad("no SMTP: %r" % line)
            if match.group(2) == b" ":
                break
        code = int(match.group(1))
        self.text = line[4:].rstrip(b"\r")
        # LMTP has one for each recipient, 421 or not (RFC 2033 4.2).
        if self.codes[-1:] == [421] and not (self.lmtp and code == 421):
            raise Bad("a reply after 421: %r" % line)
        self.codes.append(code)
        if code == 421:
            self.reply()                # nothing may follow: ends by Gone
        if code >= 500:
            raise Bad("a refusal for good: %r" % line)
        return code

    def say(self, *lines):
        self.send(b"".join(line.encode() + b"\r\n" for line in lines))
        return [self.reply() for _ in lines]

    def deliver(self, message, send_body):
        if self.say("MAIL FROM:<a@client.test>") != [250]:
            return
        codes = self.say(*["RCPT TO:<%s>" % a for a, _ in message.recipients])
        message.accepted = [boxes for code, (_, boxes) in zip(codes, message.recipients)
                            if code == 250]
        if message.accepted and send_body(message.body):
            # RFC 2033 4.2: a reply for each. A list that grows, as it may be cut off.
            for _ in message.accepted:
                again = message.codes and not self.lmtp
                message.codes.append(message.codes[0] if again else self.reply())

    def by_data(self, body):
        if self.say("DATA") != [354]:
            return False
        self.send(re.sub(rb"(?m)^\.", b"..", body) + b".\r\n")
        return True

    def by_bdat(self, body):
        half = len(body) // 2
        self.send(b"BDAT %d\r\n" % half + body[:half])
        if self.reply() != 250:
            return False
        self.send(b"BDAT %d LAST\r\n" % (len(body) - half) + body[half:])
        return True

    def secure(self):
        """TLS, then a login: False where there is none of them, which is no refusal."""
        if self.say("STARTTLS") != [220]:
            return False
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(os.path.join(secure.certificates(), "mx.pem"))
        try:
            self.sock = context.wrap_socket(self.sock, server_hostname=trees.HOST)
        except socket.timeout:
            raise Bad("no handshake and no close in %d s" % DEADLINE) from None
        except OSError:
            raise Gone from None
        scram = secure.Scram(LOGIN, PASSWORD)
        if self.say("EHLO client.test") != [250] or \
                self.say("AUTH SCRAM-SHA-256 " + scram.first()) != [334] or \
                self.say(scram.final(self.text)) != [334]:
            return False
        if not scram.is_server(self.text):
            raise Bad("the server does not prove itself")
        return self.say("") == [235]

    def play(self, messages, use_tls=False):
        """The first message by DATA, the second by BDAT."""
        try:
            hello = ("LHLO" if self.lmtp else "EHLO") + " client.test"
            if self.reply() == 220 and self.say(hello) == [250]:
                if use_tls:
                    self.secure()
                self.deliver(messages[0], self.by_data)
                self.say("RSET")
                self.deliver(messages[1], self.by_bdat)
                self.say("QUIT")
            self.reply()
        except Gone:
            pass


class Report:
    """What inject says of a run."""

    def __init__(self, text):
        self.calls = {}                 # who: how many
        self.ends = {}                  # who: "exit 0" or "signal 9"
        self.hit = self.skipped = None  # name of the disturbed call
        self.trace = []                 # (who, name, arguments, result)
        for line in text.splitlines():
            word = line.split()
            if word[0] == "calls":
                self.calls[word[1]] = int(word[2])
            elif word[0] == "end":
                self.ends[word[1]] = " ".join(word[2:])
            elif word[0] == "hit":
                self.hit = word[3]
            elif word[0] == "skip":
                self.skipped = word[3]
            elif word[0] == "call":
                self.trace.append((word[1], word[3], [int(w, 16) for w in word[4:8]],
                                   int(word[9])))
