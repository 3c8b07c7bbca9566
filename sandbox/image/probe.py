# ruff: noqa: B018, SIM115
"""Looks at its own cell from inside, as a hostile program would.

It is run in mode `run`; its last line is its report.
"""

import ctypes
import os
import resource
import socket
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)


def refused(action: Callable[[], object]) -> bool:
    """Whether the system refuses it."""
    try:
        return action() is False
    except (OSError, ValueError):
        return True


def call(*args: object) -> bool:
    """A system call by its number on x86-64; False if refused."""
    return libc.syscall(*args) != -1


def adoption_is_filtered() -> bool:
    """Whether the filter refuses CLONE_PARENT before the kernel refuses CLONE_SIGHAND alone.

    By CLONE_PARENT a child would become the runner's.
    """
    return libc.syscall(56, 0x8000 | 0x800 | 17, 0, 0, 0, 0) == -1 and ctypes.get_errno() == 1


def status(name: str) -> str | None:
    """A line of the kernel's account of this process; not every kernel has each."""
    with open("/proc/self/status") as file:
        return next((line.split()[1] for line in file if line.startswith(name + ":")), None)


def writable() -> list[str]:
    """Top-level folders and device folders in which a file can be made."""
    folders = []
    for place in [
        "/",
        *("/" + name for name in os.listdir("/")),
        "/dev/shm",
        "/dev/mqueue",
        "/proc/sys/kernel",
        "/var/tmp",
        "/run/lock",
    ]:
        if os.path.isdir(place):
            path = os.path.join(place, "probe")
            try:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
                os.unlink(path)
                folders.append(place)
            except OSError:
                pass
    return folders


def mounts() -> list[str]:
    """Mount points that hold files of the host: none but the three that Docker always makes."""
    known = ("/proc", "/sys", "/dev", "/tmp", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts")
    with open("/proc/self/mountinfo") as file:
        points = [line.split()[4] for line in file]
    return [
        point
        for point in points
        if point != "/" and not any(point == k or point.startswith(k + "/") for k in known)
    ]


x86 = os.uname().machine == "x86_64"
tmp, shm, root = os.statvfs("/tmp"), os.statvfs("/dev/shm"), os.statvfs("/")
parent = os.getppid()
report = {
    "uid": min(os.getresuid() + os.getresgid()),
    "groups": os.getgroups(),
    "capabilities": [status(name) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")],
    "no_new_privileges": status("NoNewPrivs"),
    "seccomp": status("Seccomp"),
    "routes": len(open("/proc/self/net/route").read().splitlines()) - 1
    if os.path.exists("/proc/self/net/route")
    else 0,
    "devices": sorted(
        line.split(":")[0].strip() for line in open("/proc/self/net/dev").read().splitlines()[2:]
    ),
    "sockets": [
        f
        for f in (2, 10, 16, 17, 40)
        if not refused(lambda f=f: socket.socket(f, socket.SOCK_DGRAM).close())
    ],
    "unix_connect": refused(lambda: socket.socket(socket.AF_UNIX).connect("\0nobody")),
    "io_uring": not x86 or refused(lambda: call(425, 8, ctypes.create_string_buffer(200))),
    "ptrace": refused(lambda: libc.ptrace(16, parent, 0, 0) != -1)
    and (not x86 or refused(lambda: call(310, parent, 0, 0, 0, 0, 0))),
    "namespaces": refused(lambda: libc.unshare(0x10000000) != -1),
    "mounting": refused(lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) != -1),
    "adoption": not x86 or adoption_is_filtered(),
    "renice": all(
        refused(lambda w=w: os.setpriority(w, os.getuid() if w == 2 else parent, 1))
        for w in (0, 1, 2)
    ),
    "bpf": not x86 or refused(lambda: call(321, 0, 0, 0)),
    "keys": not x86 or refused(lambda: call(250, 0, -3, 0)),
    "shared_memory": refused(lambda: libc.shmget(77, 4096, 0o1600) != -1),
    "root_again": all(refused(lambda c=c: c(0)) for c in (os.setuid, os.setgid)),
    "neighbour": refused(lambda: os.setuid(os.getuid() + 1)),
    "kill_runner": all(refused(lambda p=p: os.kill(p, 0)) for p in (1, parent)),
    "read_runner": all(
        refused(lambda p=p, n=n: open(f"/proc/{p}/{n}", "rb").read(1))
        for p in (1, parent)
        for n in ("mem", "environ", "fd/0", "maps")
    ),
    "raise_limits": refused(lambda: resource.setrlimit(resource.RLIMIT_CPU, (10**6, 10**6))),
    "read_only": bool(root.f_flag & os.ST_RDONLY),
    "writable": writable(),
    "semaphores": [
        shm.f_blocks * shm.f_frsize,
        shm.f_files,
        bool(shm.f_flag & 8),
        bool(shm.f_flag & os.ST_NOSUID),
        bool(shm.f_flag & 4),
    ],
    "scratch": [
        tmp.f_blocks * tmp.f_frsize,
        tmp.f_files,
        bool(tmp.f_flag & 8),
        bool(tmp.f_flag & os.ST_NOSUID),
        bool(tmp.f_flag & 4),
    ],
    "host_mounts": mounts(),
    "descriptors": [fd for fd in range(256) if not refused(lambda fd=fd: os.fstat(fd))],
    "oom_score": int(open("/proc/self/oom_score_adj").read()),
    "limits": {
        name: resource.getrlimit(getattr(resource, "RLIMIT_" + name))[1]
        for name in ("CPU", "AS", "FSIZE", "NPROC", "NOFILE", "STACK", "CORE", "MEMLOCK")
    },
    "queue_bytes": resource.getrlimit(12)[1],
}
report
