#!/usr/bin/env python3
# suite: timeout=250
"""A run of a queue killed at every system call of its runner (at some of them, unless
--long), then run again. Of six messages with all kinds of outcomes: none is sent not
at all, and twice only where the crash fell between the peer's 250 and the mark in the
envelope; who failed is told of it, and so is who asked to hear of its relaying, twice only where
the report came before the mark.

tests/fault/flush_crash.py [N...]      only those calls
"""
import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
from flush_talk import BUILD, Bad, Hop, Tree, expect  # noqa: E402
from delivery import Skip, need_ptrace  # noqa: E402

INJECT = os.path.join(BUILD, "test", "inject")
LONG = "POSTERN_LONG" in os.environ
STRIDE = 1 if LONG else 19
D = "dest.test"
TAKEN = ["a@" + D, "b@" + D, "c@" + D, "d@" + D]
RELAYED = "d@" + D
FAILED = {"bad1@" + D: "alice@src.test", "bad2@" + D: "pm@mx.src.test",
          "laterold@" + D: "carl@src.test"}


class Run:
    def __init__(self):
        self.hop = Hop()
        self.tree = Tree(sending_connections_per_destination=1)
        self.tree.domain(D, "deliver = smtp:[127.0.0.1]:%d" % self.hop.port)
        put = self.tree.put
        put(D, "a@" + D, "bad1@" + D, "later1@" + D)
        put(D, "b@" + D)
        put(D, "laterold@" + D, sender="carl@src.test", age=6 * 86400)
        put(D, "bad2@" + D, sender="<>")
        put(D, RELAYED, sender="dora@src.test", notify="SUCCESS")
        put(D, "c@" + D, body=b"Subject: x\n\n" + b"y" * 70000 + b"\n")

    def close(self):
        self.hop.close()
        self.tree.remove()

    def disturb(self, n, action):
        """What inject says, as lists of words; and what it and flush say beside that."""
        r, w = os.pipe()
        with tempfile.TemporaryFile() as err, \
                subprocess.Popen([INJECT, "-f", "flock", "-r", str(w), "session", str(n), action] +
                                 self.tree.argv(D), pass_fds=(w,), stdin=subprocess.DEVNULL,
                                 stderr=err, stdout=subprocess.DEVNULL) as run:
            os.close(w)
            with os.fdopen(r) as f:
                words = [line.split() for line in f]
            run.wait(60)
            err.seek(0)
            said = err.read().decode("utf-8", "replace")
        expect(run.returncode == 0, "inject: exit", run.returncode, said)
        return words, said

    def check_whole(self, words, said):
        """Nothing was disturbed: all was done. Returns the number of calls."""
        expect(all(self.hop.received(a) == 1 for a in TAKEN), "an undisturbed run does not send:",
               words, said)
        return max(int(w[2]) for w in words if w[:2] == ["calls", "session"])

    def states(self):
        """{address: (state, its octets)} of all envelopes that are left."""
        out = {}
        folder = os.path.join(self.tree.spool, D)
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if name.endswith(".e"):
                with open(os.path.join(folder, name)) as f:
                    for line in f:
                        if line.startswith("to "):
                            out[line.split()[-1]] = line[3]
        return out


def told(tree, counts):
    for to, _ in tree.reports():
        counts[to] = counts.get(to, 0) + 1


def check(n, action):
    """Returns whether the call came, and whether something went out twice."""
    run = Run()
    try:
        words, said = run.disturb(n, action)
        if not any(w[0] == "hit" for w in words):
            calls = run.check_whole(words, said)
            expect(calls < n, "of", calls, "calls none was disturbed")
            return False, False
        after = run.states()
        reports = {}
        told(run.tree, reports)
        before = {a: run.hop.received(a) for a in TAKEN}
        again = {}
        for _ in range(2):
            run.tree.flush("--now", D)
            told(run.tree, again)
        for a in TAKEN:
            sent = run.hop.received(a)
            expect(sent >= 1, a, "was never sent")
            window = before[a] == 1 and after.get(a) == "."
            expect(sent == 1 or (window and sent == 2), a, "was sent", sent, "times; marked",
                   after.get(a))
            expect(window or before[a] == 1 or after.get(a) == ".", a, "is marked unsent")
        for a, to in [*FAILED.items(), (RELAYED, "dora@src.test")]:
            all_told = reports.get(to, 0) + again.get(to, 0)
            window = reports.get(to, 0) == 1 and after.get(a) == (".R"[a == RELAYED])
            expect(all_told == 1 or (window and all_told == 2), to, "was told", all_told,
                   "times; marked", after.get(a))
        left = run.states()
        expect(left.pop("later1@" + D) == "." and
               all(state in "DF" for state in left.values()), "left:", left)
        names = os.listdir(os.path.join(run.tree.spool, D))
        envelopes = [x for x in names if x.endswith(".e")]
        expect(len(envelopes) == 1 and "bad" not in names, names)
        # A message whose envelope has gone is tidied after a while (relay/queue_order.c).
        expect(all(x in ("lock", "retry") or x[-2:] in (".e", ".m") for x in names), names)
        return True, any(run.hop.received(a) > 1 for a in TAKEN)
    finally:
        run.close()


def count_calls():
    run = Run()
    try:
        return run.check_whole(*run.disturb(0, "kill"))
    finally:
        run.close()


def main():
    try:
        need_ptrace()
    except Skip as why:
        print("skip flush killed: %s" % why)
        return
    total = count_calls()
    wanted = [int(a) for a in sys.argv[1:]] or range(1, total + 20, STRIDE)
    for action in ("kill", "after"):
        runs = twice = 0
        troubles = []
        for n in wanted:
            try:
                came, double = check(n, action)
            except (Bad, OSError, subprocess.TimeoutExpired) as e:
                troubles.append("call %d: %s" % (n, e))
                came, double = True, False
                if len(troubles) > 4:
                    break
            # The last calls may fall away: how often a clock is read is not the same each time.
            runs += came
            twice += double
        if not troubles and runs < len(wanted) // 2:
            troubles.append("only %d runs met a call, of %d calls" % (runs, total))
        name = "a runner killed %s a system call" % ("before" if action == "kill" else "after")
        if troubles:
            print("not ok %s: %s" % (name, "; ".join(troubles).replace("\n", " ")[:900]))
        else:
            print("ok %s (%d runs, %d with something sent twice)" % (name, runs, twice))
        sys.stdout.flush()


main()
