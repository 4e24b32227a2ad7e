"""A tree with spool, sendmail and spool's socket; for spool.py and its like, no suite."""
import os
import shutil
import socket
import subprocess
import sys
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "smtp"))
import tree as trees  # noqa: E402

STRANGER = 61003      # a user of the host who is neither root nor the mail's owner
DEADLINE = 20 * trees.SLOW
OURS = trees.DOMAIN


class Bad(Exception):
    pass


def expect(good, *what):
    if not good:
        raise Bad(" ".join(w if isinstance(w, str) else repr(w) for w in what))


def who(name):
    """Popen's words for a user: owner, stranger, root; nothing where we are but one."""
    if os.getuid() != 0 or name == "root":
        return {}
    uid = trees.KEEPER_UID if name == "owner" else STRANGER
    return {"user": uid, "group": uid, "extra_groups": []}


class Place:
    def __init__(self):
        self.tree = trees.Tree()
        self.dir = self.tree.dir
        self.conf = os.path.join(self.dir, "postern.conf")
        self.bin = os.path.join(self.dir, "bin")
        os.mkdir(self.bin, 0o755)
        build = os.path.dirname(trees.default_smtpd())
        for name in ("spool", "smtpd", "postern", "flush"):
            shutil.copy(os.path.join(build, name), self.bin)
        os.symlink("spool", os.path.join(self.bin, "sendmail"))
        self.tree.set_conf("", "local-domain", OURS)
        self.log = os.path.join(self.dir, "log")
        self.socket = os.path.join(self.dir, "spool.sock")
        self.service = None

    def program(self, name):
        return os.path.join(self.bin, name)

    def environment(self, **more):
        env = {"PATH": self.bin + ":/usr/bin:/bin", "POSTERN_CONF": self.conf}
        env.update(more)
        return env

    def serve(self, uid="owner"):
        """spool -l on a socket for everybody, as its unit has it."""
        self.tree.set_conf("sockets", "spool", self.socket)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        listener.bind(self.socket)
        os.chmod(self.socket, 0o666)
        listener.listen(64)

        def place():
            os.dup2(listener.fileno(), 3)

        with open(self.log, "ab") as log:
            self.service = subprocess.Popen(
                ["/bin/sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" -l -c "$1"',
                 self.program("spool"), self.conf], preexec_fn=place, stderr=log,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=(3,),
                **who(uid))
        listener.close()

    def stop(self):
        if self.service:
            self.service.terminate()
            self.service.wait(DEADLINE)
            self.service = None
            os.unlink(self.socket)
            del self.tree.conf[("sockets", "spool")]
            self.tree.write_conf()

    def spool(self, message, envelope, user="owner", error=None, named=False, options=("-v",),
              close=True):
        """(exit code, standard error, what came on the error descriptor). envelope: octets for
        a pipe, or an open file."""
        m, e, c = os.pipe(), os.pipe(), os.pipe()
        if hasattr(envelope, "fileno"):
            os.dup2(envelope.fileno(), e[0])
            envelope = b""

        def place():
            os.dup2(m[0], 0)
            os.dup2(e[0], 1)
            if error is not None:
                os.dup2(c[1], error)

        env = self.environment(**({"ERROR_FD": str(error)} if named else {}))
        p = subprocess.Popen([self.program("spool"), *options], stderr=subprocess.PIPE,
                             preexec_fn=place, env=env,
                             pass_fds=() if error is None else (error,), **who(user))
        for fd in (m[0], e[0], c[1]):
            os.close(fd)
        try:
            for fd, data in ((m[1], message), (e[1], envelope)):
                if data is not None:
                    os.set_blocking(fd, True)
                    with os.fdopen(fd, "wb", closefd=close) as f:
                        f.write(data)
        except BrokenPipeError:
            pass
        _, err = p.communicate(timeout=DEADLINE)
        told = os.read(c[0], 4096)
        os.close(c[0])
        if not close:
            os.close(m[1])
            os.close(e[1])
        return p.returncode, err.decode("utf-8", "replace"), told

    def sendmail(self, *args, text=b"", user="owner", name="sendmail", **env):
        """(exit code, standard output, standard error)."""
        p = subprocess.run([self.program(name), *args], input=text, capture_output=True,
                           env=self.environment(**env), timeout=DEADLINE, **who(user))
        return p.returncode, p.stdout.decode(), p.stderr.decode("utf-8", "replace")

    def postern(self, *args):
        p = subprocess.run([self.program("postern"), "-c", self.conf, *args],
                           capture_output=True, timeout=DEADLINE)
        return p.returncode, p.stdout.decode(), p.stderr.decode()

    def take(self, user="alice"):
        """The messages of a mailbox, which is empty afterwards."""
        found = []
        for path in self.tree.messages(user):
            trees.check_name(path)
            with open(path, "rb") as f:
                found.append(f.read())
            os.unlink(path)
        return found

    def queued(self):
        """{(domain, id): (envelope's lines, message)}, and no half of one."""
        found = {}
        spool = os.path.join(self.tree.state, "spool")
        for domain in os.listdir(spool):
            names = set(os.listdir(os.path.join(spool, domain))) - {"lock", "retry"}
            for name in names:
                other = name[:-1] + ("e" if name.endswith("m") else "m")
                expect(other in names, "half of a message:", domain, name)
            for name in names:
                if name.endswith(".e"):
                    base = os.path.join(spool, domain, name[:-1])
                    with open(base + "e") as e, open(base + "m", "rb") as m:
                        found[domain, name[:-2]] = e.read().splitlines(), m.read()
        return found

    def waiting(self):
        """The files in the queues, while flush may be at work there."""
        spool = os.path.join(self.tree.state, "spool")
        return [name for _, _, names in os.walk(spool) for name in names
                if name not in ("lock", "retry")]

    def clear_queue(self):
        shutil.rmtree(os.path.join(self.tree.state, "spool"))
        os.mkdir(os.path.join(self.tree.state, "spool"), 0o700)
        self.tree._own(os.path.join(self.tree.state, "spool"))

    def remove(self):
        self.stop()
        self.tree.remove()


cases = []


def case(name):
    def note(function):
        cases.append((name, function))
        return function
    return note


def run_cases():
    for name, function in cases:
        try:
            function()
            print("ok " + name)
        except (Bad, trees.Failure) as e:
            print("not ok %s: %s" % (name, e))
        except Exception as e:  # a test that breaks has failed
            print("not ok %s: %s" % (name, " ".join(repr(e).split())))
            traceback.print_exc()
        sys.stdout.flush()


def body(message):
    return message.partition(b"\n\n")[2]


def header(message, name):
    """The values of a field, unfolded."""
    lines = message.partition(b"\n\n")[0].decode("utf-8", "replace")
    lines = lines.replace("\n ", " ").replace("\n\t", " ").split("\n")
    return [line.partition(":")[2].strip() for line in lines
            if line.lower().startswith(name.lower() + ":")]
