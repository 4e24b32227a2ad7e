#!/usr/bin/env python3
# suite: timeout=300
"""Commands of `postern` killed at every system call that changes something, and that
call failing; between two of these the disk stays as it is. With --long killed at every
call.

Each run makes its tree anew from a copy, under tests/fault/inject.c, as an ordinary
user. Whatever the instruction it dies at: every file that a name of its own leads to
is whole, the old state or the new one, `check` says nothing else than that postern was
interrupted, and the same command again succeeds or says that it is done already.
"""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("BUILD", os.path.join(TOP, "build")))
LONG = os.environ.get("POSTERN_LONG") == "1"
USER = 61010
TEMPORARY = (".new.", ".old.")

# name, arguments, done: true of the contents of the tree (path -> text, None: directory)
MAIL = "state/mail/here.test/"
COMMANDS = [
    ("user add", ["user", "add", "bob@here.test", "--no-password"],
     lambda t: MAIL + "bob" in t),
    ("user add in a new domain", ["user", "add", "bob@two.test", "--no-password"],
     lambda t: "state/mail/two.test/bob" in t),
    ("alias add", ["alias", "add", "info@here.test", "alice@here.test"],
     lambda t: t.get(MAIL + "info/forward") == "alice@here.test\n"),
    ("alias add to an alias", ["alias", "add", "all@here.test", "carl@here.test"],
     lambda t: t.get(MAIL + "all/forward") == "# everybody\nalice@here.test\ncarl@here.test\n"),
    ("alias remove", ["alias", "remove", "all@here.test"],
     lambda t: MAIL + "all" not in t),
    ("user remove --force", ["user", "remove", "carl@here.test", "--force"],
     lambda t: MAIL + "carl" not in t and "state/auth/here.test/carl" not in t),
    ("user enable", ["user", "enable", "carl@here.test"],
     lambda t: t.get("state/auth/here.test/carl") == ""),
    ("domain add", ["domain", "add", "new.test"],
     lambda t: "deliver = maildir\n" in t.get("domains/new.test.conf", "")),
    ("domain remove", ["domain", "remove", "two.test"],
     lambda t: "domains/two.test.conf" not in t),
]


class Bad(Exception):
    """What a run left that it must not."""


def become_user():
    """Once for all: to do it in each child, after a fork of Python, takes far longer."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)


def run(words, **more):
    return subprocess.run(words, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=60, check=False, **more)


class Trees:
    def __init__(self, top):
        self.top = top
        os.chmod(self.top, 0o755)
        for name in ("postern", "inject"):
            source = {"postern": os.path.join(BUILD, "postern"),
                      "inject": os.path.join(BUILD, "test", "inject")}[name]
            shutil.copy(source, os.path.join(self.top, name))
            os.chmod(os.path.join(self.top, name), 0o755)
        self.home = os.path.join(self.top, "home")
        os.mkdir(self.home)
        if os.geteuid() == 0:
            os.chown(self.home, USER, USER)
        self.tree = os.path.join(self.home, "t")
        self.first = os.path.join(self.home, "first")

    def postern(self, *args):
        return run([os.path.join(self.top, "postern"), "-c",
                    os.path.join(self.tree, "postern.conf"), *args])

    def make(self):
        done = run([os.path.join(self.top, "postern"), "init", self.tree, "--hostname",
                    "mx.test", "--domain", "here.test", "--user", "alice", "--no-password"])
        if done.returncode != 0:
            raise Bad("init: " + done.stdout)
        for args in (["domain", "add", "two.test"],
                     ["user", "add", "carl@here.test", "--no-password"],
                     ["alias", "add", "all@here.test", "alice@here.test"]):
            done = self.postern(*args)
            if done.returncode != 0:
                raise Bad("%s: %s" % (" ".join(args), done.stdout))
        for path, text in (("mail/here.test/all/forward", "# everybody\nalice@here.test"),
                           ("mail/here.test/carl/Maildir/new/1", "mail\n"),
                           ("mail/here.test/carl/Maildir/cur/2:2,S", "mail\n"),
                           ("auth/here.test/carl", "disabled\n")):
            self.put(os.path.join(self.tree, "state", path), text)
        run(["cp", "-a", self.tree, self.first])

    def put(self, path, text):
        parent = os.path.dirname(path)
        run(["mkdir", "-m", "0700", "-p", parent])
        if path.endswith("1"):
            run(["mkdir", "-m", "0700", os.path.join(parent, "../cur"),
                 os.path.join(parent, "../tmp")])
        run(["sh", "-c", 'umask 077; printf %s "$1" >"$2"', "-", text, path])

    def restore(self):
        shutil.rmtree(self.tree)
        run(["cp", "-a", self.first, self.tree])

    def disturbed(self, args, n, action, *options):
        """The command under inject; its report, split into words by line."""
        read, write = os.pipe()
        with os.fdopen(read) as report:
            try:
                run([os.path.join(self.top, "inject"), "-r", str(write), *options, "keeper",
                     str(n), action, os.path.join(self.top, "postern"), "-c",
                     os.path.join(self.tree, "postern.conf"), *args], pass_fds=[write])
            finally:
                os.close(write)
            return [line.split() for line in report]

    def contents(self):
        """path -> text, or None for a directory; temporary names left out."""
        found = {}
        for at, dirs, files in os.walk(self.tree):
            dirs[:] = [d for d in dirs if not d.startswith(TEMPORARY)]
            for name in dirs + files:
                path = os.path.join(at, name)
                if name.startswith(TEMPORARY):
                    continue
                text = None
                if name in files:
                    with open(path, encoding="utf-8") as f:
                        text = f.read()
                found[os.path.relpath(path, self.tree)] = text
        return found

    def judge(self, args, done, before):
        after = self.contents()
        for path, text in after.items():
            if path in before and text != before[path] and not done(after):
                raise Bad("%s is neither old nor new" % path)
            if path not in before and text is not None and not done(after):
                raise Bad("%s is there before the command is done" % path)
        check = self.postern("check", "--json")
        if check.returncode not in (0, 1):
            raise Bad("check: " + check.stdout)
        for word in ("half made", "is no address", "damaged", "leads to no"):
            if word in check.stdout:
                raise Bad("check finds %s: %s" % (word, check.stdout))
        again = self.postern(*args)
        if again.returncode not in (0, 1) or not done(self.contents()):
            raise Bad("the same again: exit %d, %s" % (again.returncode, again.stdout))


CHANGES = {"write", "mkdirat", "renameat", "renameat2", "linkat", "unlinkat", "fsync",
           "fchmod", "exit_group"}
O_CREAT = 0x40


def is_change(words):
    """call WHO N NAME ARG0 ARG1 ARG2 ARG3 = RESULT"""
    return words[3] in CHANGES or (words[3] == "openat" and int(words[6], 16) & O_CREAT)


def calls_of(report):
    """The numbers of all calls, and of those that change something."""
    calls = [w for w in report if w[0] == "call" and w[1] == "keeper"]
    if not calls:
        raise Bad("inject reports no calls: %r" % report)
    return [int(w[2]) for w in calls], [int(w[2]) for w in calls if is_change(w)]


def disturb(trees, args, done, action, calls):
    """Each of these calls disturbed; how many were."""
    before = trees.contents()
    hits = 0
    for n in calls:
        report = trees.disturbed(args, n, action)
        hits += any(words[0] == "hit" for words in report)
        try:
            trees.judge(args, done, before)
        except Bad as e:
            raise Bad("%s at call %d: %s" % (action, n, e)) from None
        trees.restore()
    return hits


def disturb_all(trees):
    """The exit code."""
    try:
        trees.make()
        for name, args, done in COMMANDS:
            try:
                if done(trees.contents()):
                    raise Bad("the test is wrong: done before it began")
                calls, changes = calls_of(trees.disturbed(args, 0, "kill", "-t"))
                if not done(trees.contents()):
                    raise Bad("not done without a disturbance")
                trees.restore()
                hits = disturb(trees, args, done, "kill", calls if LONG else changes)
                print("ok %s, killed at %d calls" % (name, hits))
                errors = ("ENOSPC", "EIO", "EMFILE")
                for i, error in enumerate(errors):
                    disturb(trees, args, done, error, changes if LONG else changes[i::3])
                print("ok %s, %d calls failing" % (name, len(changes)))
            except Bad as e:
                print("not ok %s: %s" % (name, str(e).replace("\n", " ")))
                trees.restore()
            sys.stdout.flush()
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def main():
    if not os.path.exists(os.path.join(BUILD, "test", "inject")):
        print("skip postern killed at every call: tests/fault/inject is not built")
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the runner's time-out
    top = tempfile.mkdtemp(prefix="postern-crash.")
    try:
        trees = Trees(top)
        pid = os.fork()
        if pid == 0:
            become_user()
            os._exit(disturb_all(trees))
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        shutil.rmtree(top, ignore_errors=True)
    sys.exit(status)


main()
