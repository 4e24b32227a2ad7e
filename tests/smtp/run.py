#!/usr/bin/env python3
# suite: timeout=240
"""Plays the transcripts *.smtp against a real smtpd; see FORMAT below.

tests/smtp/run.py [-v] [--once] [-j N] [FILE[:CASE]...]   all files when none is named

Run by root, every case is played twice: smtpd started by root, and by the user who
owns STATE. --once leaves the second away.
"""
FORMAT = r"""
A file holds cases; `case NAME` starts one, with a tree and an smtpd of its own:
host mx.test, domain here.test, mailboxes alice and bob. A line is one of

    # text                     for the reader
    S: TEXT                    smtpd sends this line and CRLF, exactly
    S*N: TEXT                  N times
    S> CODE                    smtpd sends one whole reply with this code
    C: TEXT                    the client sends this line and CRLF
    C| RAW                     the client sends these octets: \r \n \t \0 \xNN \\,
                               and \*N(RAW) for RAW repeated N times
    close                      smtpd closes, having sent nothing more
    eof [bare]                 the client closes its writing side; with TLS it says so
                               first (close_notify), unless `bare`
    tls [1.2|1.3] [with NAME]  the client starts TLS here, with the certificate NAME:
                               alice (of the authority) or stranger (of nobody)
    tls refused                it starts it, and smtpd closes
    scram USER PASSWORD [BINDING [AUTHORIZE]]
                               AUTH SCRAM-SHA-256 up to its last reply, or -PLUS with a
                               BINDING (tls-server-end-point); y: could have bound
    cram USER PASSWORD         the same with CRAM-MD5
    digest USER PASSWORD       and DIGEST-MD5
    connect                    the client leaves; what follows is a new connection
    drop                       the same, but with a reset instead of a close
    pause SECONDS              the client waits
    silence SECONDS            and nothing arrives meanwhile
    mail USER[@DOMAIN]         the next message in new/; `|` lines hold its text:
    | TEXT                     one line and LF (\ escapes as above; \c at the end of a
                               line: no LF); `| {lines}` stands for any lines
    links N                    the link count of that message
    queued DOMAIN              the next message for that domain in the queue; `|` lines
                               hold its envelope. `text` behind it: the message itself
    partial N                  so many messages wait in partial/ for their rest; M of N:
                               and M more are remembered ("1 of 2")
    read USER                  the last `mail` of that user moves to cur/
    none USER[@DOMAIN]         no message, or no further one, in new/, nothing in tmp/
    log TEXT                   a line of the log holds TEXT
    flush WORD                 the next word that flush has been told, with placeholders
    flush nothing              it has been told nothing, or nothing more
    exit N                     smtpd's exit code (0 where not said)

and before a connection

    conf [SECTION] KEY = VALUE     in postern.conf; `[SECTION] ` may be missing
    domain [NAME] [KEY = VALUE]    in domains/NAME.conf; here.test when missing
    user NAME[@DOMAIN] [PASSWORD [OPTION...]]
                                   makes a mailbox; OPTIONs are those of `postern user
                                   passwd`
    certificate [authority]        one for mx.test, so TLS can be had; authority: clients
                                   are asked for theirs
    holder NAME CERTIFICATE        whoever has that certificate may log in as NAME
    once                           who started smtpd makes no difference here
    without HELPER                 tls or auth is not installed
    stale HELPER                   its socket is there, and nobody listens
    waiting DOMAIN N [run|asked|SECONDS|closed]
                                   N messages for it in the queue; a run is under way, or
                                   its owner asked for it just now, or SECONDS ago; or
                                   nobody may read it
    forward NAME[@DOMAIN] ADDR...  writes its forward file; quotes as in sh
    fill NAME[@DOMAIN] OCTETS      puts an older message into its cur/
    service NAME                   -s NAME
    env NAME=VALUE                 in smtpd's environment
    client ADDRESS|none            who the client is; 127.0.0.1 where not said

Adjacent C: and C| lines leave in one write. In a line of the client, or of smtpd,
{b64 RAW} is RAW in base64. {id} is a message id: in `mail`, one
that smtpd has said in this case. {date} is a date of RFC 5322, {any} any text
without white space, {text} any text. A case fails when smtpd sends a line that is not in it, leaves a
message that is in no `mail`, a file outside of new/, or a log line event=error
that no `log` asks for.
"""

import concurrent.futures
import glob
import os
import re
import shlex
import socket
import struct
import sys
import time

sys.dont_write_bytecode = True
import secure  # noqa: E402
import tree as trees  # noqa: E402
from tree import Failure  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
REPLIES = os.path.join(HERE, "..", "..", "session", "reply.c")

# Replies that need a fault; the suite that shows each.
BY_FAULT = {
    "reply_broken": "tests/fault: the keeper is killed",
    "reply_no_space": "tests/fault: ENOSPC",
    "reply_busy": "tests/system/checkpoint.py: two connections",
    "reply_taken": "tests/system/checkpoint.py: two connections",
}
# Constants whose line is made at run time.
MADE = {
    "reply_greeting": r"220 mx\.test ESMTP$",
    "reply_hello": r"250[ -]mx\.test$",
    "reply_help": r"214[ -]2\.0\.0 .",
    "reply_chunk_ok": r"250 2\.0\.0 \d+ octets$",
    "reply_ok": r"250 2\.0\.0 ok$",
    "reply_stored": r"250 2\.0\.0 ok \{id\}$",
    "reply_etrn_count": r"253 2\.0\.0 OK, \d+ pending messages? started$",
    "reply_verified": r"250[ -]2\.1\.5 .*<.*@.*>$",
}
PLACEHOLDERS = {
    "{id}": rb"(?P<id>[0-9A-Za-z.]+)",
    "{date}": rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} "
              rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} "
              rb"\d\d:\d\d:\d\d \+0000",
    "{any}": rb"\S*",
    "{text}": rb"[^\r\n]*",
}
SETUP = {"conf", "domain", "user", "forward", "fill", "service", "env", "client",
         "certificate", "holder", "without", "stale", "once", "waiting"}
TEXTS = ("mail", "queued", "text")     # words that `|` lines may follow
TALK = {"S", "C", "tls", "scram", "cram", "digest", "close", "eof", "connect", "drop", "pause", "silence", "mail", "links", "partial", "read",
        "queued", "text", "none", "log", "exit", "flush"}
REPEAT = re.compile(r"\\\*(\d+)\(((?:[^()\\]|\\.)*)\)")
BASE64 = re.compile(r"\{b64 ([^}]*)\}")
ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.?)")
CONTROLS = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\", "(": "(", ")": ")"}


def unescape(text):
    """Octets of a RAW text; the file's own octets are UTF-8."""
    def one(match):
        what = match.group(1)
        if len(what) == 3:
            octet = int(what[1:], 16)
            # Above 0x7f: a lone surrogate, which encode() turns into that octet.
            return chr(octet + 0xDC00 if octet > 0x7F else octet)
        if what not in CONTROLS:
            raise Failure("unknown escape \\%s" % what)
        return CONTROLS[what]

    text = REPEAT.sub(lambda m: m.group(2) * int(m.group(1)), text)
    return ESCAPE.sub(one, text).encode("utf-8", "surrogateescape")


def with_base64(text):
    return BASE64.sub(lambda m: secure.b64(unescape(m.group(1))), text)


def pattern(text, raw=False):
    """A compiled pattern for a line with placeholders."""
    parts = re.split(r"(\{(?:id|date|any|text)\})", text)
    out = b""
    for part in parts:
        if part in PLACEHOLDERS:
            out += PLACEHOLDERS[part]
        else:
            out += re.escape(unescape(part) if raw else part.encode())
    return re.compile(out)


class Case:
    def __init__(self, file, name):
        self.name = "%s:%s" % (os.path.splitext(os.path.basename(file))[0], name)
        self.file = file
        self.steps = []      # (line number, word, argument)


def parse(file):
    cases = []
    with open(file, encoding="utf-8") as f:
        lines = f.read().split("\n")
    for number, line in enumerate(lines, 1):
        where = "%s:%d" % (file, number)
        if line.startswith("#") or not line:
            continue
        if line.startswith("case "):
            cases.append(Case(file, line[5:].strip()))
            continue
        if not cases:
            sys.exit(where + ": no case yet")
        steps = cases[-1].steps
        match = re.match(r"(?:(C)|S(?:\*(\d+))?):(?: (.*))?$", line)
        if match:
            text = with_base64(match.group(3) or "")
            if not match.group(1):
                steps += [(number, "S", text)] * int(match.group(2) or 1)
                continue
            word, data = "C", text.encode() + b"\r\n"
        elif line.startswith("C|"):
            word, data = "C", unescape(with_base64(line[3:]))
        elif line.startswith("S> "):
            steps.append((number, "reply", line[3:]))
            continue
        elif line == "|" or line.startswith("| "):
            if not steps or steps[-1][1] not in TEXTS:
                sys.exit(where + ": a | line without mail, queued or text")
            steps[-1][2][1].append(line[2:])
            continue
        else:
            word, _, argument = line.partition(" ")
            if word not in SETUP | TALK or word in ("S", "C"):
                sys.exit(where + ": not understood: " + line)
            steps.append((number, word, (argument, []) if word in TEXTS else argument))
            continue
        if steps and steps[-1][1] == "C":
            steps[-1] = (steps[-1][0], "C", steps[-1][2] + data)
        else:
            steps.append((number, "C", data))
    return cases


class Player:
    """Plays one case."""

    def __init__(self, case, owner):
        self.case = case
        self.owner = owner
        self.tree = trees.Tree(owner)
        self.conn = None
        self.service = "smtp"
        self.client = "127.0.0.1"
        self.env = {}
        self.without = ()
        self.exit = 0
        self.logs = ""
        self.wanted = []       # texts of `log`
        self.ids = set()
        self.taken = set()
        self.queued = set()             # paths beneath STATE     # messages seen by `mail`
        self.last = None

    def connection(self):
        if self.conn is None:
            self.conn = trees.Connection(self.tree, self.service, self.client, self.env,
                                         self.owner, self.without)
        return self.conn

    def leave(self, reset=False):
        """Ends a connection: nothing unread may be left on it."""
        conn, self.conn = self.conn, None
        if conn is None:
            return
        try:
            if reset:
                conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     struct.pack("ii", 1, 0))
            else:
                conn.shut_writing()
                conn.wait_eof()
                if conn.received:
                    raise Failure("smtpd also sent %r" % bytes(conn.received[:200]))
            code = conn.finish()
        finally:
            conn.kill()
            self.logs += conn.log()
        if code != self.exit:
            raise Failure("exit code %d, expected %d" % (code, self.exit))

    def end(self):
        self.leave()
        for text in self.wanted:
            if text not in self.logs:
                raise Failure("no log line holds %r" % text)
        for line in self.logs.splitlines():
            if "event=error" in line and not any(w in line for w in self.wanted):
                raise Failure("logged " + line)
        left = [p for p in self.tree.leftovers() if p not in self.queued]
        if left:
            raise Failure("left behind: " + " ".join(left[:5]))
        extra = set(self.tree.all_new()) - self.taken
        if extra:
            raise Failure("mail that the case does not mention: " + " ".join(extra))

    # One method for each word.

    def do_conf(self, argument):
        match = re.match(r"(?:\[(\w+)\] )?([\w-]+) = (.*)$", argument)
        self.tree.set_conf(match.group(1) or "", match.group(2), match.group(3))

    def do_domain(self, argument):
        words, equals, value = argument.partition(" = ")
        words = words.split()
        key = words.pop() if equals else None
        self.tree.set_domain(words[0] if words else trees.DOMAIN, key, value)

    def do_user(self, argument):
        user, *words = argument.split()
        if not words:
            self.tree.add_user(user)
        elif len(words) == 1:
            self.tree.add_password(user, words[0])
        else:
            self.tree.add_user(user)
            self.tree.postern("user", "passwd", "%s@%s" % (user, trees.DOMAIN),
                              "--password-stdin", *words[1:], text=words[0] + "\n")

    def do_certificate(self, argument):
        self.tree.add_certificate()
        if argument == "authority":
            self.tree.set_conf("", "tls-client-ca", "ca.pem")

    def do_holder(self, argument):
        user, name = argument.split()
        self.tree.postern("user", "certificate", "%s@%s" % (user, trees.DOMAIN),
                          os.path.join(secure.certificates(), name + ".pem"))

    def do_stale(self, argument):
        path = os.path.join(self.tree.dir, argument + ".socket")
        if argument == "flush":
            self.tree.flush.close()
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
            sock.bind(path)
        self.tree.set_conf("sockets", argument, path)

    def do_once(self, _):
        pass

    def do_waiting(self, argument):
        domain, number, *how = argument.split()
        self.queued.add(os.path.join("spool", domain))
        for path in self.tree.add_waiting(domain, int(number), *how):
            self.queued.add(os.path.relpath(path, self.tree.state))

    def do_flush(self, argument):
        word = self.tree.flush_word(0.2 if argument == "nothing" else trees.DEADLINE)
        if argument == "nothing":
            if word is not None:
                raise Failure("flush was told %r" % word)
        elif word is None or not pattern(argument).fullmatch(word):
            raise Failure("flush was told %r" % word)

    def do_without(self, argument):
        self.without += (argument,)

    def do_tls(self, argument):
        match = re.fullmatch(r"(?:(refused)|(1\.[23])?(?:(?:^| )with (\w+))?)", argument)
        if self.connection().start_tls(match.group(2), match.group(3)) == bool(match.group(1)):
            raise Failure("smtpd closed in the handshake" if not match.group(1) else
                          "the handshake went well")

    def challenge(self):
        """The text of a 334; None when another reply is there, which stays unread."""
        conn = self.connection()
        line = conn.line()
        if not line.startswith(b"334 "):
            conn.received[:0] = line
            return None
        return line[4:].rstrip(b"\r\n").decode()

    def exchange(self, first, *answers):
        """Sends each answer (made from the challenge before it) while there are any."""
        self.do_C(first.encode() + b"\r\n")
        for answer in answers:
            challenge = self.challenge()
            if challenge is None:
                return
            self.do_C(answer(challenge).encode() + b"\r\n")

    def do_scram(self, argument):
        user, password, binding, authorize, *_ = argument.split() + ["", ""]
        plus = binding not in ("", "y")
        client = secure.Scram(user, password, binding,
                              self.connection().tls.end_point() if plus else b"", authorize)

        def check(challenge):
            if not client.is_server(challenge):
                raise Failure("the server does not prove itself: " + challenge)
            return ""
        self.exchange("AUTH SCRAM-SHA-256%s %s" % ("-PLUS" * plus, client.first()),
                      client.final, check)

    def do_cram(self, argument):
        user, password = argument.split()
        self.exchange("AUTH CRAM-MD5", lambda c: secure.cram_md5(user, password, c))

    def do_digest(self, argument):
        user, password = argument.split()
        proof = []

        def answer(challenge):
            text, want = secure.digest_md5(user, password, challenge)
            proof.append(want)
            return text

        def check(challenge):
            if challenge != proof[0]:
                raise Failure("the server does not prove itself: " + challenge)
            return ""
        self.exchange("AUTH DIGEST-MD5", answer, check)

    def do_forward(self, argument):
        user, *lines = shlex.split(argument)
        self.tree.set_forward(user, lines)

    def do_fill(self, argument):
        user, octets = argument.split()
        self.tree.fill(user, int(octets))

    def do_service(self, argument):
        self.service = argument

    def do_env(self, argument):
        name, _, value = argument.partition("=")
        self.env[name] = value

    def do_client(self, argument):
        self.client = argument

    def do_exit(self, argument):
        self.exit = int(argument)

    def do_log(self, argument):
        self.wanted.append(argument)

    def do_S(self, text):
        line = self.connection().line()
        match = pattern(text + "\r\n").fullmatch(line)
        if not match:
            raise Failure("expected %r, got %r" % (text + "\r\n", line[:600].decode(
                "utf-8", "backslashreplace")))
        if "id" in match.groupdict():
            self.ids.add(match.group("id"))

    def do_reply(self, code):
        reply = self.connection().reply()
        if not reply.startswith(code):
            raise Failure("expected a reply %s, got %r" % (code, reply))

    def do_C(self, data):
        # A server that has closed tells more by what it said: S and close look.
        self.connection().send(data)

    def do_close(self, _):
        conn = self.connection()
        conn.wait_eof()
        if conn.received:
            raise Failure("instead of closing smtpd sent %r" % bytes(conn.received[:200]))
        if conn.broken:
            raise Failure("closed by a reset: " + conn.broken)
        if conn.tls and not conn.tls.notified:
            raise Failure("closed without close_notify")
        self.leave()

    def do_eof(self, argument):
        self.connection().shut_writing(notify=argument != "bare")

    def do_connect(self, _):
        self.leave()
        self.connection()

    def do_drop(self, _):
        self.leave(reset=True)

    def do_pause(self, argument):
        self.connection()
        time.sleep(float(argument))

    def do_silence(self, argument):
        conn = self.connection()
        if conn.wait_input(float(argument)):
            raise Failure("expected silence, got %r" % (bytes(conn.received) or "a close"))

    def do_mail(self, argument):
        user, lines = argument
        fresh = [p for p in self.tree.messages(user) if p not in self.taken]
        if not fresh:
            raise Failure("no mail for " + user)
        trees.check_name(fresh[0])
        self.taken.add(fresh[0])
        self.last = fresh[0]
        if lines:
            with open(fresh[0], "rb") as f:
                self.compare(f.read(), lines)

    def compare(self, text, lines):
        at = start = 0
        skipping = False
        for line in lines:
            if line == "{lines}":
                skipping = True
                start = at
                continue
            bare = line.endswith("\\c")
            wanted = pattern(line[:-2] if bare else line + r"\n", raw=True)
            match = wanted.match(text, at)
            while not match and skipping and b"\n" in text[at:]:
                at = text.index(b"\n", at) + 1
                match = wanted.match(text, at)
            if not match:
                raise Failure("mail: expected %r in %r" %
                              (line, text[start if skipping else at:][:300]))
            if "id" in match.groupdict() and match.group("id") not in self.ids:
                raise Failure("mail: id %r was never said" % match.group("id"))
            skipping = False
            at = match.end()
        if not skipping and at != len(text):
            raise Failure("mail goes on with %r" % text[at:at + 200])

    def do_partial(self, argument):
        messages, _, all_of_them = argument.partition(" of ")
        folder = os.path.join(self.tree.state, "partial")
        wanted = (int(messages), int(all_of_them or messages))
        names = os.listdir(folder)
        found = tuple(sum(n.endswith(s) for n in names) for s in (".m", ".p"))
        if found != wanted:
            raise Failure("in partial/: " + " ".join(sorted(names)))
        self.queued |= {os.path.join("partial", n) for n in names}

    def do_read(self, _):
        path = self.last.replace("/new/", "/cur/") + ":2,S"
        os.rename(self.last, path)
        self.last = path

    def do_queued(self, argument):
        """The envelope; its message is in self.last."""
        domain, lines = argument
        folder = os.path.join("spool", domain)
        path = os.path.join(self.tree.state, folder)
        names = os.listdir(path) if os.path.isdir(path) else []
        fresh = sorted(n[:-2] for n in names
                       if n.endswith(".e") and os.path.join(folder, n) not in self.queued)
        if not fresh:
            raise Failure("nothing queued for " + domain)
        self.queued |= {folder} | {os.path.join(folder, fresh[0] + end) for end in (".e", ".m")}
        self.last = os.path.join(path, fresh[0] + ".m")
        if not os.path.exists(self.last):
            raise Failure("an envelope without its message")
        with open(os.path.join(path, fresh[0] + ".e"), "rb") as f:
            text = f.read()
        if lines:
            self.compare(text, lines)

    def do_text(self, argument):
        with open(self.last, "rb") as f:
            self.compare(f.read(), argument[1])

    def do_links(self, argument):
        count = os.stat(self.last).st_nlink
        if count != int(argument):
            raise Failure("%d links, expected %s" % (count, argument))

    def do_none(self, user):
        fresh = [p for p in self.tree.messages(user) if p not in self.taken]
        tmp = os.path.join(self.tree.user_dir(user), "Maildir", "tmp")
        if fresh or (os.path.isdir(tmp) and os.listdir(tmp)):
            raise Failure("mail for " + user)


def play(case, owner=False):
    """The case's result line, and more for -v."""
    name = case.name + (" (by the owner of STATE)" if owner else "")
    player = Player(case, owner)
    number = 0
    try:
        for number, word, argument in case.steps:
            getattr(player, "do_" + word)(argument)
        number = 0
        player.end()
    except (Failure, OSError, ValueError) as e:
        where = "line %d" % number if number else "at the end"
        return "not ok %s: %s: %s" % (name, where, e), player.logs + (
            player.conn.log() if player.conn else "")
    finally:
        if player.conn:
            player.conn.kill()
        player.tree.remove()
    return "ok " + name, player.logs


def coverage(files):
    """One case: every reply of session/reply.c is said in some transcript."""
    said = []
    for file in files:
        for case in parse(file):
            said += [text for _, word, text in case.steps if word == "S"]
    with open(REPLIES, encoding="utf-8") as f:
        source = f.read()
    found = re.findall(r"^const struct reply (\w+) = \{ (\d+), (NULL|\"[\d.]+\"),\s+"
                       r"\"(.*)\" \};", source, re.M)
    if len(found) != source.count("\nconst struct reply reply_"):
        return "not ok coverage: session/reply.c has rows that this script cannot read"
    unsaid = []
    for name, code, enhanced, text in found:
        words = code + "[ -]" + ("" if enhanced == "NULL" else
                                 re.escape(enhanced.strip('"')) + " ") + re.escape(text)
        rule = re.compile(MADE.get(name, words))
        if not any(rule.match(line) for line in said) and name not in BY_FAULT:
            unsaid.append(name)
    gone = [n for n in list(BY_FAULT) + list(MADE) if n not in [row[0] for row in found]]
    if unsaid:
        return "not ok coverage: in no transcript: " + " ".join(unsaid)
    if gone:
        return "not ok coverage: no longer in session/reply.c: " + " ".join(gone)
    return "ok coverage"


def main():
    args = sys.argv[1:]
    verbose = "-v" in args
    jobs = int(args[args.index("-j") + 1]) if "-j" in args else 4
    if "-h" in args or "--help" in args:
        print(__doc__ + FORMAT)
        return
    names = [a for i, a in enumerate(args)
             if not a.startswith("-") and (i == 0 or args[i - 1] != "-j")]
    files = sorted(glob.glob(os.path.join(HERE, "*.smtp")))
    cases = []
    for name in names or files:
        file, _, only = name.partition(":")
        found = [c for c in parse(file) if not only or c.name.endswith(":" + only)]
        if not found:
            sys.exit("no such case: " + name)
        cases += found
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        if trees.is_root() and "--once" not in args:
            runs = [(case, owner) for owner in (False, True) for case in cases
                    if not owner or all(word != "once" for _, word, _ in case.steps)]
        else:
            runs = [(case, False) for case in cases]
        for result, log in pool.map(lambda r: play(*r), runs):
            print(result, flush=True)
            if verbose or not result.startswith("ok"):
                for line in log.splitlines()[-30:]:
                    print("    " + line)
    if not names:
        print(coverage(files))


if __name__ == "__main__":
    main()
