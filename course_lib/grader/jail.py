"""Shut a process in from the inside: fork_apart() and enter() for a notebook, restrict_files() by Landlock.

Linux only, by system calls through ctypes, so that the fork server needs nothing but the standard library for it. Every
step raises OSError if the kernel refuses it: a wall with a gap is found when it is built, not when it is needed.
"""

import contextlib
import ctypes
import errno
import os
import platform
import random
import resource
import signal
import struct
from functools import cache

NEWNS, NEWIPC, NEWUSER, NEWPID = 0x20000, 0x8000000, 0x10000000, 0x20000000
ANY_NEW = 0x7E020000 | 0x80  # every CLONE_NEW… flag, time namespaces included
MS_NOSUID, MS_NODEV, MS_REC, MS_PRIVATE = 2, 4, 16384, 1 << 18
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 4, 22, 24, 38
AF_UNIX = 1
MADV_COLLAPSE, LARGE_PAGE = 25, 2**21
LIBC = ctypes.CDLL(None, use_errno=True)
HOLDING_THE_LOCK = ctypes.PyDLL(None, use_errno=True)  # Python's own lock, as os.fork does

# What no notebook needs: name: number on x86_64, on aarch64.
DENIED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "process_madvise": (440, 440), "perf_event_open": (298, 241), "bpf": (321, 280),
    "userfaultfd": (323, 282), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "memfd_create": (319, 279), "memfd_secret": (447, 447), "shmget": (29, 194),
    "shmat": (30, 196), "semget": (64, 190), "msgget": (68, 186), "mq_open": (240, 180), "keyctl": (250, 219),
    "add_key": (248, 217), "request_key": (249, 218), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40),
    "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "fsopen": (430, 430), "fsmount": (432, 432),
    "open_tree": (428, 428), "move_mount": (429, 429), "mount_setattr": (442, 442), "swapon": (167, 224),
    "reboot": (169, 142), "kexec_load": (246, 104), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "quotactl": (179, 60), "acct": (163, 89),
}  # fmt: skip
SOCKET, CLONE, CLONE3, MMAP = (41, 198), (56, 220), (435, 435), (9, 222)
MAP_SHARED, MAP_ANONYMOUS = 0x1, 0x20
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
MACHINE = platform.machine()


def call(function, *args):
    """A function of the C library that answers −1 and sets errno."""
    result = function(*args)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def fork_apart():
    """A fork into new namespaces for users, mounts, semaphores and processes: 0 in the child, its pid in the parent.

    One clone instead of unshare and two forks: a fork of a process that has torch in it is most of what a submission
    costs. The fork server has one thread, so what os.fork does around the system call is all there is to do.
    """
    user, group = os.getuid(), os.getgid()
    state = random.getstate()
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = HOLDING_THE_LOCK.syscall(CLONE[MACHINES[MACHINE][0]], NEWUSER | NEWNS | NEWIPC | NEWPID | signal.SIGCHLD,
                                   None, None, None, None)  # fmt: skip
    if pid:
        ctypes.pythonapi.PyOS_AfterFork_Parent()
        if pid == -1:
            raise OSError(ctypes.get_errno(), "no namespaces")
        return pid
    try:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        random.setstate(state)
        for file, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            out = os.open(f"/proc/self/{file}", os.O_WRONLY)  # open() would touch, and so copy, many more pages
            os.write(out, text.encode())
            os.close(out)
    except BaseException:
        os._exit(1)  # a child without its own ids must not go on as if it were the parent
    return 0


def fork():
    """os.fork, but random.random() goes on where it was: Python would seed it anew, and no verdict could be repeated."""
    state = random.getstate()
    pid = os.fork()
    if pid == 0:
        random.setstate(state)
    return pid


def enter(isolation, limits, readable):
    """The last thing before the first line of a notebook: private files, no powers, no rare system calls, limits.

    isolation: see sandbox.ISOLATIONS; readable: the folders that Landlock leaves open.
    """
    memory_bytes, tmp_bytes, file_bytes, processes, cpu_seconds, folder = limits
    in_use = address_space()  # later it may be out of sight
    if isolation == "namespaces":
        call(LIBC.mount, None, b"/", None, MS_REC | MS_PRIVATE, None)
        for place in (b"/tmp", b"/dev/shm"):
            options = f"size={tmp_bytes},nr_inodes=4096,mode=700".encode()
            call(LIBC.mount, b"tmpfs", place, b"tmpfs", MS_NOSUID | MS_NODEV, options)
        drop_capabilities()
    if isolation != "none":
        call(LIBC.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if isolation == "landlock":
            restrict_files([folder, "/dev/null"], readable)
        elif landlock_version():  # a second lock on the same door
            restrict_files(["/tmp", "/dev/shm", "/dev/null"])
        deny_system_calls()
    os.chdir(folder)
    os.umask(0o077)
    limit(in_use, memory_bytes, file_bytes, processes, cpu_seconds)


def use_large_pages():
    """Move this process's memory to pages of 2 MiB where the kernel can: a fork then copies far fewer entries."""
    LIBC.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    with contextlib.suppress(OSError), open("/proc/self/maps") as maps:
        for line in maps.readlines():
            span, access, _, _, _, *name = line.split()
            if access == "rw-p" and name in ([], ["[heap]"]):
                start, end = (int(address, 16) for address in span.split("-"))
                for place in range(-(-start // LARGE_PAGE) * LARGE_PAGE, end - LARGE_PAGE + 1, LARGE_PAGE):
                    LIBC.madvise(place, LARGE_PAGE, MADV_COLLAPSE)  # refused here and there, which costs nothing


def address_space():
    """How many bytes of addresses this process has in use; 0 where that cannot be known."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def limit(in_use, memory_bytes, file_bytes, processes, cpu_seconds):
    """Limits for this process; memory beyond what is in use; processes count within the user namespace."""
    wanted = {
        resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: file_bytes, resource.RLIMIT_NOFILE: 256,
        resource.RLIMIT_CPU: cpu_seconds,
    }  # fmt: skip
    if in_use:  # Linux; elsewhere an address-space limit is not kept or breaks the loader
        wanted[resource.RLIMIT_AS] = in_use + memory_bytes
        wanted[resource.RLIMIT_NPROC] = processes
    for what, most in wanted.items():
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def drop_capabilities():
    for capability in range(64):
        if LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == -1:
            break  # past the last one this kernel knows
    version_3 = struct.pack("Ii", 0x20080522, 0)
    call(LIBC.capset, version_3, b"\0" * 24)


# --- system calls ----------------------------------------------------------------------------------------------------


def deny_system_calls():
    """Install the filter for this process and all that come from it."""
    program = seccomp_program(MACHINE)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    call(LIBC.prctl, PR_SET_SECCOMP, 2, header, 0, 0)


@cache
def seccomp_program(machine):
    """The filter as bytes: DENIED answers EPERM, sockets are local, clone makes no namespaces, other ABIs are fatal.

    Memory that processes share has to have a file, so that the size of /dev/shm limits it: a page without one that is
    given back with madvise is kept all the same, and no process is charged for it any more. The fork server makes the
    filter once for all notebooks.
    """
    if machine not in MACHINES:
        raise OSError(errno.ENOSYS, f"no filter of system calls for {machine}")
    column, architecture = MACHINES[machine]
    allow, kill = 0x7FFF0000, 0x80000000

    def refuse(number):
        return 0x00050000 | number

    load, equal, at_least, any_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06
    steps = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, kill), (load, 0, 0, 0)]
    steps += [(at_least, 0, 1, 0x40000000), (give, 0, 0, refuse(errno.ENOSYS))]  # the x32 ABI
    for numbers in DENIED.values():
        steps += [(equal, 0, 1, numbers[column]), (give, 0, 0, refuse(errno.EPERM))]
    steps += [(equal, 0, 1, CLONE3[column]), (give, 0, 0, refuse(errno.ENOSYS))]  # libc then uses clone
    steps += [
        (equal, 0, 4, SOCKET[column]), (load, 0, 0, 16), (equal, 0, 1, AF_UNIX), (give, 0, 0, allow),
        (give, 0, 0, refuse(errno.EACCES)),
        (equal, 0, 3, CLONE[column]), (load, 0, 0, 16), (any_bit, 0, 1, ANY_NEW & ~0x80),
        (give, 0, 0, refuse(errno.EPERM)),
        (load, 0, 0, 0), (equal, 0, 4, MMAP[column]), (load, 0, 0, 40), (any_bit, 0, 2, MAP_SHARED),
        (any_bit, 0, 1, MAP_ANONYMOUS), (give, 0, 0, refuse(errno.EPERM)),
        (give, 0, 0, allow),
    ]  # fmt: skip
    return b"".join(struct.pack("HBBI", *step) for step in steps)


# --- Landlock --------------------------------------------------------------------------------------------------------

RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
READ = 0x1 | 0x4 | 0x8  # execute, read a file, list a folder
WRITE = 0x2 | 0x10 | 0x20 | 0x1FC0  # write a file, remove, make any kind of entry
WRITE_SINCE = {2: 0x2000, 3: 0x4000, 5: 0x8000}  # version: link elsewhere, truncate, control a device
ON_FILES = 0x1 | 0x2 | 0x4 | 0x4000 | 0x8000  # what a rule on a single file may say
SCOPED_SINCE = 6  # signals and abstract sockets


def landlock_version():
    """0 where the kernel has no Landlock."""
    return max(0, LIBC.syscall(RULESET, None, ctypes.c_size_t(0), 1))


def restrict_files(writable, readable=None):
    """From now on only these can be written and, if given, read; no TCP, and no signal to a process outside."""
    version = landlock_version()
    if version < 1:
        raise OSError(errno.ENOSYS, "this kernel has no Landlock")
    write = WRITE | sum(bit for since, bit in WRITE_SINCE.items() if version >= since)
    handled = write if readable is None else write | READ
    sizes = 8 if version < 4 else 16 if version < SCOPED_SINCE else 24
    rules = call(LIBC.syscall, RULESET, struct.pack("QQQ", handled, 0x3, 0x3)[:sizes], ctypes.c_size_t(sizes), 0)
    allowed = [(place, handled) for place in writable] + [(place, READ) for place in readable or ()]
    for place, access in allowed:
        with contextlib.suppress(FileNotFoundError):
            _allow(rules, place, access)
    call(LIBC.prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    call(LIBC.syscall, RESTRICT_SELF, rules, 0)
    os.close(rules)


def _allow(rules, place, access):
    descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    try:
        access &= -1 if os.path.isdir(place) else ON_FILES
        call(LIBC.syscall, ADD_RULE, rules, 1, struct.pack("=Qi", access, descriptor), 0)
    finally:
        os.close(descriptor)
