#!/usr/bin/env python3
# suite: timeout=60
"""The fail2ban filter against lines that auth has really written, as syslog and the
journal show them: every guess counts once, nothing else does."""
import os
import shutil
import subprocess

from auth_talk import (PASSWORD, TOP, Scram, Tree, b64, case, expect, is_last,
                       run_cases, say, scram)

# How syslogd, fail2ban's journal backend, and a file with ISO dates show a line.
FORMS = {"syslog": "Nov 22 15:01:02 mx auth[123]: ",
         "journal": "2026-11-22T15:01:02.123456 mx auth[123]: ",
         "started by smtpd": "Nov 22 15:01:02 mx smtpd[123]: "}


def lines():
    """Real ones: (line, the address it has to be counted for, or None)."""
    tree = Tree(timeouts_command="1s")
    tree.password()
    auth = tree.start()
    evil = 'x" client=203.0.113.9 reason=password@here.test'
    for function, args, client, letter, counts in (
            (scram, (Scram("alice@here.test", "wrong"),), "192.0.2.1", "-", True),
            (scram, (Scram("nobody@here.test", "x"),), "2001:db8::2", "-", True),
            (scram, (Scram("no address", "x"),), "192.0.2.3", "-", True),
            (scram, (Scram('"%s"@here.test' % evil.split("@")[0].replace('"', '\\"'), "x"),),
             "192.0.2.4", "-", True),
            (say, ("EXTERNAL", b64("alice@here.test")), "192.0.2.5", "-", True),
            (say, ("PLAIN", "!"), "192.0.2.6", "m", False),
            (say, ("LOGIN", None, "*"), "192.0.2.7", "m", False),
            (scram, (Scram("alice@here.test", "x", "y"),), "192.0.2.8", "-", False),
            (scram, (Scram("alice@here.test", PASSWORD),), "192.0.2.9", "+", False),
            (scram, (Scram("nobody@here.test", "x"),), "local", "-", False)):
        a = function(auth, *args, client=client)
        is_last(a, letter)
        yield tree.lines("event=auth")[-1].strip(), client if counts else None


@case("the filter")
def _():
    if not shutil.which("fail2ban-regex"):
        return "fail2ban-regex is not installed"
    written = list(lines())
    folder = Tree.made[0].dir
    shutil.copytree("/etc/fail2ban", os.path.join(folder, "f2b"))
    shutil.copy(os.path.join(TOP, "units/fail2ban/filter.conf"),
                os.path.join(folder, "f2b/filter.d/postern.conf"))
    wanted = [client for _, client in written if client]
    for name, prefix in FORMS.items():
        path = os.path.join(folder, "mail.log")
        with open(path, "w") as f:
            f.write("".join(prefix + line + "\n" for line, _ in written))
        done = subprocess.run(["fail2ban-regex", "-c", os.path.join(folder, "f2b"), "-o", "ip",
                               path, os.path.join(folder, "f2b/filter.d/postern.conf")],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        expect(done.stdout.split() == wanted, name, wanted, done.stdout)


if __name__ == "__main__":
    run_cases()
