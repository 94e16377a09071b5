"""Start-up wrapper of every child process: it dies with its parent, and never runs PostgreSQL as root.

Run by path with ``python -I -S child.py PARENT SIGNAL [--own DIR …] -- PROGRAM ARGUMENT…``; becomes PROGRAM. It is a
program of its own rather than a ``preexec_fn`` because the parent has threads.
"""

import ctypes
import os
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
USER_INSIDE = 1000
NOBODY = 65534


def main(arguments: list[str]) -> None:
    split = arguments.index("--")
    parent, signal = int(arguments[0]), int(arguments[1])
    owned = [Path(path) for path in arguments[2:split] if path != "--own"]
    program = arguments[split + 1 :]
    if owned and os.geteuid() == 0:
        leave_root(owned)
    if sys.platform == "linux":
        # After the change of user, which clears it.
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit("the parent process is gone")
    os.execvp(program[0], program)  # noqa: S606 -- no shell is wanted


def leave_root(owned: list[Path]) -> None:
    """Becomes an ordinary user: inside a user namespace where the kernel allows it, else by setuid."""
    if enter_user_namespace():
        return
    for path in owned:
        give(path, NOBODY)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def enter_user_namespace() -> bool:
    """Maps root outside to an ordinary user inside, so that files stay root's. False where it is refused."""
    if sys.platform != "linux" or not namespaces_allowed():
        return False
    group = os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
        return False
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{USER_INSIDE} 0 1")
    Path("/proc/self/gid_map").write_text(f"{USER_INSIDE} {group} 1")
    return True


def namespaces_allowed() -> bool:
    """Tries the whole change in a throw-away process: half of it cannot be undone."""
    child = os.fork()
    if child == 0:
        try:
            group = os.getegid()
            if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
                os._exit(1)
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{USER_INSIDE} 0 1")
            Path("/proc/self/gid_map").write_text(f"{USER_INSIDE} {group} 1")
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def give(path: Path, uid: int) -> None:
    """Makes a folder and everything in it belong to ``uid``."""
    for folder, _, files in os.walk(path):
        os.chown(folder, uid, uid)
        for name in files:
            os.chown(Path(folder) / name, uid, uid, follow_symlinks=False)


if __name__ == "__main__":
    main(sys.argv[1:])
