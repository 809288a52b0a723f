"""The program behind the wall: a fork server that runs notebooks and lets their functions answer questions.

Started by exec with the number of a socket; it has no key and no seed, one thread, and imports torch once.

    fork server      obeys the grader alone: ["spawn", limits, packages] + socket, ["kill", pid]; no student code runs in it
      └─ notebook    a fork in namespaces of its own: runs the cells once, top to bottom, then answers or waits
           └─ copy   a fork of that for each part of a key: answers questions on a socket of its own, and dies

Nothing that comes from the two lower ones is believed: they only supply replies, and the grader judges.
"""

import ast
import builtins
import contextlib
import io
import linecache
import os
import signal
import socket
import sys
import time
import traceback
import types

import torch

from course_lib.grader import inert, jail, warm, wire
from course_lib.grader.magics import without_magics
from course_lib.observe import Failure, Reply, explain_failure, is_untouched, reply_of

PR_SET_CHILD_SUBREAPER = 36
PATIENCE_SECONDS = 2.0  # for a copy that crashed to be gone
PRINTED_LIMIT = 2000  # characters of a notebook's own output kept, which nobody reads but a person


def main(descriptor, isolation, readable, public, warmed):
    """Serve until the grader closes the socket.

    readable: what stays open where Landlock is the wall; public: the names that course_lib has for `import *`; warmed:
    False where only a few cells are to run.
    """
    if isolation == "landlock":
        if jail.landlock_version() < jail.SCOPED_SINCE:
            raise OSError(f"Landlock {jail.SCOPED_SINCE} is needed, this kernel has {jail.landlock_version()}")
        jail.restrict_files([os.getcwd(), "/dev/null"], readable)
    if sys.platform == "linux":
        jail.LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    torch.set_num_threads(1)
    if isolation != "none":
        jail.seccomp_program(jail.MACHINE)
    if warmed:
        warm.warm_up()
    warm.seed_generators()
    inert.install(public)
    sys.path[:] = [folder for folder in sys.path if not os.path.isdir(os.path.join(folder, "course_lib"))]
    warm.settle()
    grader = wire.Channel(socket.socket(fileno=descriptor))
    grader.send(["ready", os.getpid()])
    while True:
        try:
            (order, *rest), descriptors = grader.receive_with_fds()
        except wire.Closed:
            end_all()
            return
        if order == "spawn":
            limits, packages = rest
            warm.import_packages(packages)
            grader.send(["spawned", spawn(descriptors[0], grader.socket.fileno(), isolation, readable, limits)])
        elif order == "kill":
            grader.send(["gone", kill(rest[0])])


# --- the fork server's two deeds -------------------------------------------------------------------------------------


def spawn(descriptor, own_descriptor, isolation, readable, limits):
    """Fork a notebook process in namespaces of its own; its pid as this process sees it, 0 if that failed."""
    try:
        pid = jail.fork_apart() if isolation == "namespaces" else jail.fork()
    except OSError:
        traceback.print_exc()  # into the server's file of errors, for a person to find
        pid = 0
    else:
        if pid == 0:
            try:
                os.close(own_descriptor)
                os.setsid()  # kill(0, …) of a notebook must not reach the fork server
                end = wire.Channel(socket.socket(fileno=descriptor), wire.CELLS_BYTES)
                Notebook(end, isolation, limits, readable).serve()
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
    os.close(descriptor)
    return pid


def kill(pid):
    """End a notebook process and everything below it."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    status = 0
    with contextlib.suppress(ChildProcessError):
        _, status = os.waitpid(pid, 0)
    end_all()
    return status


def end_all():
    """Collect what has ended, and end what is left."""
    with contextlib.suppress(ChildProcessError):  # there is nobody left
        while os.waitpid(-1, os.WNOHANG)[0] or end_children():
            pass


def end_children():
    """End what a notebook left running: it comes to this process where there is no pid namespace. True if one ended."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children") as children:
            pids = [int(pid) for pid in children.read().split()]
    except OSError:
        return False
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    return bool(pids) and os.waitpid(-1, 0)[0] > 0


# --- the notebook process --------------------------------------------------------------------------------------------


class Notebook:
    """Runs the cells in a module called __main__ and forks a copy of itself for each part of a key."""

    def __init__(self, grader, isolation, limits, readable):
        self.grader, self.pid = grader, os.getpid()
        self.output = Capped()
        jail.enter(isolation, limits, readable)
        torch.set_num_threads(1)
        sys.stdout = sys.stderr = self.output
        for number, mode in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
            null = os.open("/dev/null", mode)
            os.dup2(null, number)
            os.close(null)
        sys.stdin = open(0)
        self.module = types.ModuleType("__main__")
        self.module.__dict__.update(__builtins__=builtins, display=lambda *_, **__: None, get_ipython=inert.Inert)
        sys.modules["__main__"] = self.module

    def serve(self):
        try:
            while True:
                (order, *rest), descriptors = self.grader.receive_with_fds()
                if order == "run":
                    self.run(*rest)
                elif order == "part":
                    self.fork_copy(descriptors[0])
                elif order == "stop":
                    self.grader.send(["ended", self.end_copy(*rest)])
                else:
                    torch.set_num_threads(1)
                    self.grader.send(answered(self.pid, order, *rest, namespace=self.module.__dict__))
        except wire.Closed:
            os._exit(0)

    def run(self, cells, skipped):
        """Run the cells; a broken one costs only itself."""
        broken, removed = [], []
        for number, source in enumerate(cells, start=1):
            if number in skipped:
                continue
            self.grader.send(["cell", number])
            failure = self.run_cell(number, source, removed)
            if os.getpid() != self.pid:
                os._exit(0)  # a copy that the cell forked: there must be one notebook process
            if failure:
                broken.append([number, wire.pack_failure(failure)])
        self.end_others()
        self.grader.send(["ran", broken[:50], [wire.clean(line, 80) for line in removed[:20]]])

    def run_cell(self, number, source, removed):
        name = f"<cell {number}>"
        try:
            code = compile_cell(source, name, removed)
            waiting = eval(code, self.module.__dict__)
            if waiting is not None:  # the cell has an await of its own, as Jupyter allows
                import asyncio

                asyncio.run(waiting)
        except SystemExit as error:
            return Failure(type="SystemExit", message=f"the cell asked Python to stop ({error})")
        except BaseException as error:  # KeyboardInterrupt and GeneratorExit are a student's too
            return explain(error, name)
        return None

    def fork_copy(self, descriptor):
        self.copy = jail.fork()
        if self.copy == 0:
            try:
                torch.set_num_threads(1)
                os.setpgid(0, 0)
                self.grader.close()
                answer_questions(wire.Channel(socket.socket(fileno=descriptor)), self.module.__dict__)
            finally:
                os._exit(70)
        os.close(descriptor)

    def end_copy(self, silent):
        """Kill the copy and whatever it or the cells left running; how the copy had ended by then.

        silent: it has closed its end of the line, so it is probably about to end by itself, and that takes a moment.
        """
        done, status = os.waitpid(self.copy, os.WNOHANG)
        patience = time.monotonic() + PATIENCE_SECONDS
        while silent and not done and time.monotonic() < patience:
            time.sleep(0.001)
            done, status = os.waitpid(self.copy, os.WNOHANG)
        if not self.end_others():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.copy, signal.SIGKILL)
            if not done:
                os.waitpid(self.copy, 0)
        return status if done else -1

    def end_others(self):
        """End everything else in this process's namespace; False if it has none of its own."""
        if self.pid != 1:
            return False
        until = time.monotonic() + PATIENCE_SECONDS
        # A pool of processes that is still open starts new ones as often as its old ones are ended.
        with contextlib.suppress(ChildProcessError, ProcessLookupError):
            while time.monotonic() < until:
                os.kill(-1, signal.SIGKILL)
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
                time.sleep(0.001)
        return True


def compile_cell(source, name, removed):
    """The cell's code, and its lines remembered so that a failure can show them.

    Evaluated, it is None, or a coroutine where the cell has an await outside of its functions.
    """
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    try:
        return compile(source, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except SyntaxError:
        plain, commands = without_magics(source)
        if not commands:
            raise
        code = compile(plain, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        removed.extend(commands)
        return code


def explain(error, name):
    try:
        code = types.SimpleNamespace(__code__=types.SimpleNamespace(co_filename=name))
        return explain_failure(error, code)
    except BaseException:
        return Failure(type=type(error).__name__, message="an error that cannot be shown")


class Capped(io.TextIOBase):
    """A stream that keeps the beginning and forgets the rest."""

    def __init__(self):
        self.text = ""

    def writable(self):
        return True

    def write(self, text):
        if len(self.text) < PRINTED_LIMIT:
            self.text += str(text)[: PRINTED_LIMIT - len(self.text)]
        return len(text)


# --- a copy that answers ---------------------------------------------------------------------------------------------


def answer_questions(grader, namespace):
    """One reply per order, until the grader has no more."""
    pid = os.getpid()
    while True:
        try:
            order = grader.receive()
        except wire.Closed:
            return
        grader.send(answered(pid, *order, namespace=namespace))


def answered(pid, order, number, name, *data, namespace):
    """The message that answers an order, with the order's number. A process that the answer forked ends here."""
    if name not in namespace:
        return ["missing", number]
    if order == "untouched":
        message = ["untouched", number, untouched(namespace[name], *data)]
    elif order == "question":
        message = ["reply", number, portable_reply(namespace[name], wire.unpack_value(*data, wire.QUESTIONS))]
    else:
        message = ["replies", number, *rehearsed(namespace[name], *data)]
    if os.getpid() != pid:
        os._exit(0)
    return message


def rehearsed(answer, given, questions):
    """Whether the answer is untouched, and if not, the packed replies to all questions; none if that does not work."""
    if untouched(answer, given):
        return True, b""
    try:
        replies = [wire.pack_reply(reply_of(answer, wire.unpack_value(one, wire.QUESTIONS))) for one in questions]
        packed = wire.encode(["replies", *replies])[wire.HEAD_BYTES :]
        return False, packed if len(packed) < wire.FRAME_BYTES - wire.MIB else b""
    except BaseException:
        return False, b""


def untouched(answer, given):
    try:
        return bool(is_untouched(answer, given))
    except BaseException:
        return False


def portable_reply(answer, args):
    """The packed Reply to one question; an answer that the wire cannot carry is a failure of the answer."""
    try:
        reply = reply_of(answer, args)
        packed = wire.pack_reply(reply)
        frame = wire.encode(["reply", 0, packed])
        if len(frame) > wire.FRAME_BYTES:
            raise wire.WireError(f"it needs {len(frame) / wire.MIB:.0f} MiB")
        wire.decode(frame[wire.HEAD_BYTES :])
        return packed
    except wire.WireError as error:
        failure = Failure(type="AnswerTooLarge", message=f"the answer cannot be taken along: {error}")
    except BaseException as error:
        failure = Failure(type=type(error).__name__, message=wire.clean(shown(error)))
    return wire.pack_reply(Reply(failure=failure))


def shown(error):
    try:
        return str(error)
    except BaseException:
        return "an error that cannot be shown"


