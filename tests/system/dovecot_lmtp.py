"""A real Dovecot that delivers by LMTP, in a folder of its own, for one suite."""
import glob
import os
import socket
import subprocess
import tempfile
import time

CONFIGURATION = """base_dir = %(w)s/run
state_dir = %(w)s/state
log_path = %(w)s/log
ssl = no
protocols = lmtp
first_valid_uid = 1
first_valid_gid = 1
auth_username_format = %%n
mail_location = maildir:~/Maildir
passdb {
  driver = passwd-file
  args = %(w)s/users
}
userdb {
  driver = passwd-file
  args = %(w)s/users
}
service lmtp {
  unix_listener %(w)s/lmtp {
    mode = 0666
  }
  inet_listener lmtp {
    address = 127.0.0.1
    port = %(port)d
  }
}
"""
DEADLINE = 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def missing():
    """Why it cannot run here, or None."""
    if os.geteuid() != 0:
        return "only root can be several users"
    return None if os.path.exists("/usr/lib/dovecot/lmtp") else "no dovecot-lmtpd"


class Dovecot:
    def __init__(self, *names, settings=""):
        self.work = tempfile.mkdtemp(prefix="postern-dovecot.")
        os.chmod(self.work, 0o755)
        self.port = free_port()
        self.path = os.path.join(self.work, "lmtp")
        with open(os.path.join(self.work, "users"), "w") as f:
            for name in names:
                os.makedirs(os.path.join(self.work, "mail", name))
                f.write("%s::65534:65534::%s/mail/%s::\n" % (name, self.work, name))
        subprocess.run(["chown", "-R", "65534:65534", os.path.join(self.work, "mail")], check=True)
        conf = os.path.join(self.work, "dovecot.conf")
        with open(conf, "w") as f:
            f.write(CONFIGURATION % {"w": self.work, "port": self.port} + settings)
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", "dovecot", "-F", "-c",
                                         conf])
        until = time.monotonic() + DEADLINE
        while not os.path.exists(self.path):
            if time.monotonic() > until or self.process.poll() is not None:
                raise AssertionError("no Dovecot: " + self.log())
            time.sleep(0.05)

    def log(self):
        with open(os.path.join(self.work, "log")) as f:
            return f.read()[-500:]

    def new(self, name):
        return os.path.join(self.work, "mail", name, "Maildir/new")

    def take(self, name):
        found = []
        for path in sorted(glob.glob(self.new(name) + "/*")):
            with open(path, "rb") as f:
                found.append(f.read())
            os.unlink(path)
        return found

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE)
        subprocess.run(["rm", "-rf", self.work], check=True)
