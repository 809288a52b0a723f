"""What a sandbox must forbid, each as a function that tries it and says True if it went through.

This file is not imported by the grader: its text is sent into a sandbox as the cell of a notebook (see tiers.py).
"""

import ctypes
import mmap
import os
import signal
import socket
import time


def ordinary_work(unused):
    """What must go through: a derivative, a temporary file, a process."""
    import torch

    x = torch.tensor(3.0, requires_grad=True)
    (x * x).backward()
    with open("note.txt", "w") as out:
        out.write("6")
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return x.grad.item() == float(open("note.txt").read())


def connect(port, name):
    """Reach a port of this machine, or a socket without a file."""
    done = False
    for family, address in ((socket.AF_INET, ("127.0.0.1", port)), (socket.AF_UNIX, "\0" + name)):
        try:
            with socket.socket(family) as end:
                end.settimeout(2)
                end.connect(address)
                done = True
        except OSError:
            pass
    return done


def read(path):
    """Read a file, or list a folder."""
    try:
        return bool(os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1))
    except OSError:
        return False


def write(path):
    """Make a file."""
    try:
        with open(path, "w") as out:
            out.write("was here")
        return True
    except OSError:
        return False


def open_settings(paths):
    """Open kernel settings for writing; nothing is written."""
    done = False
    for path in paths:
        try:
            os.close(os.open(path, os.O_WRONLY))
            done = True
        except OSError:
            pass
    return done


def reach_process(pid):
    """See, trace or end another process."""
    if pid in (os.getpid(), 1):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    done = libc.ptrace(16, pid, None, None) == 0
    try:
        done |= bool(open(f"/proc/{pid}/environ", "rb").read(1))
    except OSError:
        pass
    try:
        os.kill(pid, signal.SIGTERM)
        return True
    except OSError:
        return done


def new_namespace(unused):
    """Get powers in a namespace of one's own."""
    return ctypes.CDLL(None).unshare(0x10000000) == 0


def share_memory(unused):
    """Memory between processes that has no file and so no size limit."""
    try:
        return len(mmap.mmap(-1, 2**12)) > 0
    except OSError:
        return False


def take_memory(size):
    """More memory than allowed, touched nowhere."""
    try:
        return bool(bytearray(size))
    except MemoryError:
        return False


def fill_disk(size):
    """A larger file than allowed."""
    try:
        with open("large", "wb") as out:
            for _ in range(size // 2**20):
                out.write(b"x" * 2**20)
        return True
    except OSError:
        return False


def make_processes(count):
    """More processes than allowed."""
    for _ in range(count):
        try:
            if os.fork() == 0:
                time.sleep(20)
                os._exit(0)
        except OSError:
            return False
    time.sleep(1)  # long enough for a watch from outside to see them
    return True
