#!/usr/bin/env python3
# suite: timeout=60
"""auth-pam with users of the system, by pam_unix: the users, their passwords and the PAM
service are mounted over this machine's own, in a mount namespace of the test's."""
import ctypes
import os
import shutil
import sys
import tempfile

from auth_talk import BUILD, ROOT, TLS, TOP, Tree, b64, case, check_log, expect, is_last, \
    plain, run_cases, say

PASSWORD = "canary Pencil 37"
SHADOW = 42
CLONE_NEWNS, MS_REC, MS_PRIVATE, MS_BIND = 0x20000, 0x4000, 1 << 18, 4096


def mount(source, target, flags):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(source, target, None, flags, None) == -1:
        raise OSError(ctypes.get_errno(), "mount")


def own_system():
    """Users joe, expired and root, with the same password, for this process only."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS) == -1:
        return False
    mount(b"none", b"/", MS_REC | MS_PRIVATE)
    folder = tempfile.mkdtemp(prefix="postern-pam.")
    os.chmod(folder, 0o755)
    home = os.path.join(folder, "home")
    os.mkdir(home)
    os.chown(home, 61020, 61020)
    crypt = ctypes.CDLL("libcrypt.so.1").crypt
    crypt.restype = ctypes.c_char_p
    word = crypt(PASSWORD.encode(), b"$5$rounds=1000$saltsaltsalt").decode()
    files = {"passwd": "root:x:0:0::/root:/bin/sh\njoe:x:61020:61020::%s:/bin/sh\n"
                       "expired:x:61021:61021::%s:/bin/sh\n" % (home, home),
             "shadow": "root:%s:19000:0:99999:7:::\njoe:%s:19000:0:99999:7:::\n"
                       "expired:%s:19000:0:99999:7::1:\n" % (word, word, word),
             "group": "root:x:0:\nshadow:x:42:\njoe:x:61020:\nstaff:x:50:joe\n"}
    for name, text in files.items():
        path = os.path.join(folder, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o640 if name == "shadow" else 0o644)
        os.chown(path, 0, SHADOW if name == "shadow" else 0)
        mount(path.encode(), b"/etc/" + name.encode(), MS_BIND)
    services = os.path.join(folder, "pam.d")
    os.mkdir(services)
    shutil.copy(os.path.join(TOP, "units/pam.d/postern"), services)
    with open(os.path.join(services, "any"), "w") as f:
        f.write("auth required pam_permit.so\naccount required pam_permit.so\n")
    mount(services.encode(), b"/etc/pam.d", MS_BIND)
    programs = os.path.join(folder, "bin")
    os.mkdir(programs)
    shutil.copy(os.path.join(BUILD, "auth-pam"), programs)
    return folder


def run(login, password, *program, env=None, ids=None, options=()):
    """(exit code, standard output, standard error)."""
    read, write = os.pipe()
    os.write(write, b"%s\0%s\0stamp\0" % (login.encode(), password.encode()))
    os.close(write)
    out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    pid = os.fork()
    if pid == 0:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
        os.dup2(read, 3)
        os.set_inheritable(3, True)
        os.closerange(4, 1024)
        if ids:
            os.setgroups([])
            os.setresgid(*[ids[1]] * 3)
            os.setresuid(*[ids[0]] * 3)
        os.execve(os.path.join(system, "bin", "auth-pam"),
                  ["auth-pam", *options, *(program or ("true",))],
                  dict({"PATH": "/usr/bin:/bin"}, **env or {}))
    os.close(read)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    texts = []
    for f in (out, err):
        f.seek(0)
        texts.append(f.read().decode())
        f.close()
    expect(PASSWORD not in "".join(texts), "the password is shown")
    return code, *texts


@case("the exit codes")
def _():
    for login, password, code in (("joe", PASSWORD, 0), ("joe", "wrong", 1), ("joe", "", 2),
                                  ("nobody-here", PASSWORD, 1), ("expired", PASSWORD, 1),
                                  ("root", PASSWORD, 1), ("root", "wrong", 1),
                                  ("joe@here.test", PASSWORD, 1), ("", PASSWORD, 2)):
        got = run(login, password)
        expect(got[0] == code or (password == "" and got[0] == 1), login, got)
    expect(run("joe", PASSWORD, "sh", "-c", "exit 5")[0] == 5, "the program's own")
    expect(run("joe", PASSWORD, "/nonexistent")[0] == 111, "no program")
    expect(run("joe", PASSWORD, options=("-s", "../x"))[0] == 2, "no service")
    expect(run("joe", PASSWORD, options=("-x",))[0] == 2, "no option")
    expect("root is no login" in run("root", PASSWORD)[2], "root is told of in the log")


@case("root is refused whatever PAM says; who is nobody here, too")
def _():
    expect(run("root", "anything", options=("-s", "any"))[0] == 1, "root")
    expect(run("joe", "anything", options=("-s", "any"))[0] == 0, "joe")
    expect(run("nobody-here", "anything", options=("-s", "any"))[0] == 111, "no such user")


@case("a login with the domain of -d")
def _():
    for login, code in (("joe@here.test", 0), ("joe@HERE.test", 0), ("joe", 0),
                        ("joe@there.test", 1), ("joe@", 1), ("joe@here.test@here.test", 1)):
        got = run(login, PASSWORD, options=("-d", "here.test"))
        expect(got[0] == code, login, got)


@case("the program runs as the user, at home, without our descriptors")
def _():
    script = "id -u; id -G; pwd; echo $USER $HOME $SHELL; for f in /proc/$$/fd/*; do " \
             "[ -e $f ] && echo -n ${f##*/} $(readlink $f)' '; done; true"
    code, out, _ = run("joe", PASSWORD, "sh", "-c", script)
    home = os.path.join(system, "home")
    lines = out.split("\n")
    expect(code == 0 and lines[0] == "61020" and sorted(lines[1].split()) == ["50", "61020"] and
           lines[2] == home and lines[3] == "joe %s /bin/sh" % home, lines)
    numbers = {word for word in lines[4].split() if word.isdigit()}
    expect(numbers == {"0", "1", "2"}, lines)


@case("without root: group shadow is enough to check, and not to become the user")
def _():
    code, out, err = run("joe", PASSWORD, "id", "-u", ids=(61003, SHADOW))
    expect((code, out) == (0, "61003\n"), code, out, err)
    expect(run("joe", "wrong", ids=(61003, SHADOW))[0] == 1, "wrong")
    expect(run("joe", PASSWORD, ids=(61003, 61003))[0] != 0, "nobody else can check")


@case("behind auth")
def _():
    tree = Tree(auth="%s /bin/true" % os.path.join(system, "bin", "auth-pam"))
    auth = tree.start()
    is_last(plain(auth, "joe", PASSWORD), "+", "joe@mx.here.test")
    is_last(plain(auth, "joe", "wrong"), "-")
    is_last(plain(auth, "root", PASSWORD), "-")
    is_last(plain(auth, "nobody-here", PASSWORD), "-")
    is_last(say(auth, "LOGIN", None, b64("joe"), b64(PASSWORD), **TLS), "+")
    check_log(tree)


if __name__ == "__main__":
    if not ROOT:
        print("skip auth-pam: needs root for users of its own")
        sys.exit(0)
    if not os.path.exists(os.path.join(BUILD, "auth-pam")):
        print("skip auth-pam: it was not built")
        sys.exit(0)
    system = own_system()
    if not system:
        print("skip auth-pam: no namespaces may be made here")
        sys.exit(0)
    run_cases()
    shutil.rmtree(system)
