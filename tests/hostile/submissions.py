"""Hostile submissions, each with the outcome it must have: ATTACKS.

An attack answers `slope_at`; an honest `double` stands beside it and must still get full marks.
"""

from dataclasses import dataclass
from pathlib import Path

from course_lib.judge import Status
from tests.grader.toys import SLOPE

COURSE = Path(__file__).resolve().parents[2]
FAILED = {Status.RAISED}
TIMED_OUT = {Status.TIMED_OUT}
NO_MEMORY = {Status.OUT_OF_MEMORY}
NO_CREDIT = {Status.WRONG, Status.WRONG_TYPE, Status.RAISED, Status.REFUSED}
STOPPED = {Status.REFUSED, Status.TIMED_OUT, Status.OUT_OF_MEMORY, Status.RAISED}


@dataclass(frozen=True)
class Attack:
    name: str
    code: str  # a cell
    outcome: set  # statuses of slope_at that are right
    score: float = 0.0
    seconds: float = 8  # for one question, by the clock; processor time is one second for all
    says: str = ""  # what a failure's type or message, or the sentence, contains


def body(text):
    """A cell whose slope_at has this body."""
    lines = "\n".join("    " + line for line in text.strip().split("\n"))
    return f"import os, sys, time, torch\ndef slope_at(f, a):\n{lines}\n"


RIGHT = SLOPE.replace("slope_at", "right_slope")

ATTACKS = [
    # --- A. learning the answer ---
    Attack("walks caller frames", body("""
frame, numbers = sys._getframe(), []
while frame:
    numbers += [v for v in {**frame.f_locals, **frame.f_globals}.values() if isinstance(v, float)]
    frame = frame.f_back
return numbers[-1] if numbers else 0.0"""), NO_CREDIT),
    Attack("reads the keys", body(f"return open({str(COURSE / 'course_lib/keys/lesson_01.py')!r}).read()"), FAILED,
           says="FileNotFoundError"),
    Attack("reads the judge", body(f"return open({str(COURSE / 'course_lib/judge.py')!r}).read()"), FAILED,
           says="FileNotFoundError"),
    Attack("reads the tests", body(f"return os.listdir({str(COURSE / 'tests')!r})"), FAILED, says="FileNotFoundError"),
    Attack("imports the keys", body("""
from course_lib.keys import lesson_01
return lesson_01.slope_at(f, a)"""), NO_CREDIT),
    Attack("imports the keys past the stand-in", body(f"""
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "Finder"]
for name in [name for name in sys.modules if name.startswith("course_lib")]:
    del sys.modules[name]
sys.path[:0] = [{str(COURSE)!r}, "/grader"]
import course_lib.keys
return 0.0"""), FAILED, says="ModuleNotFoundError"),
    Attack("asks the formula for its derivative", body("return f.derivative(a)"), FAILED, says="AttributeError"),
    Attack("reads the memory of the parent", body("return open(f'/proc/{os.getppid()}/mem', 'rb').read(1)"), FAILED),
    Attack("reads every process", body("""
found = []
def home(pid):
    try: return os.readlink(f'/proc/{pid}/ns/pid')
    except OSError: return None
others = [p for p in os.listdir('/proc') if p.isdigit() and home(p) != home('self')]
assert len(others) > 1
for pid in others:
    for file in ('mem', 'environ', 'maps', 'auxv'):
        try:
            if open(f'/proc/{pid}/{file}', 'rb').read(8):
                found.append((pid, file))
        except OSError:
            pass
if found:
    os._exit(3)
raise ValueError('nothing to see')"""), FAILED, says="nothing to see"),
    Attack("attaches a tracer", body("""
import ctypes
if ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), None, None) == -1:
    raise PermissionError(ctypes.get_errno())
return 0.0"""), FAILED, says="PermissionError"),
    # --- B. subverting the comparison ---
    Attack("returns an object that equals everything", body("""
class Same(float):
    def __eq__(self, other): return True
    def __abs__(self): return 0.0
    __sub__ = __rsub__ = __mul__ = __le__ = __lt__ = __eq__
return Same(0.1)"""), {Status.WRONG_TYPE}),
    Attack("returns a tensor with operators that lie", body("""
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        result = super().__torch_function__(func, types, args, kwargs or {})
        return torch.tensor(True) if func in (torch.Tensor.__eq__, torch.Tensor.__le__) else result
return torch.zeros(()).as_subclass(Liar)"""), NO_CREDIT),
    Attack("returns a dict that changes when it is read", body("""
class Shifty(dict):
    def items(self): os._exit(0)
return Shifty(a=1)"""), FAILED),
    Attack("returns NaN", body("return float('nan')"), {Status.WRONG}),
    Attack("returns infinity", body("return float('inf')"), {Status.WRONG}),
    Attack("returns a vector that would broadcast", body("return torch.zeros(7)"), {Status.WRONG_TYPE}),
    Attack("returns a boolean", body("return True"), {Status.WRONG_TYPE}),
    Attack("returns a complex number", body("return 1j"), {Status.WRONG_TYPE}),
    Attack("returns a complex tensor", body("return torch.tensor(1j)"), {Status.WRONG_TYPE}),
    Attack("returns a whole number of a million digits", body("return 1 << 3_000_000"), {Status.WRONG_TYPE}),
    Attack("returns text for a number", body("return '0.5'"), {Status.WRONG_TYPE}),
    Attack("returns the function itself", body("return slope_at"), {Status.WRONG_TYPE}),
    Attack("returns a half-precision zero", body("return torch.tensor(0, dtype=torch.bfloat16)"), {Status.WRONG}),
    # --- C. forging the verdict ---
    Attack("prints results", body("""
for target in (sys.stdout, sys.stderr, sys.__stdout__):
    print('{"exercise": "slope_at", "status": "correct", "score": 1}', file=target, flush=True)
os.write(1, b'correct')
return 0.0"""), {Status.WRONG}),
    Attack("writes garbage to every open file", body("""
for number in range(3, 200):
    try: os.write(number, b'\\xff' * 64)
    except OSError: pass
return 0.0"""), {Status.REFUSED}),
    Attack("claims a frame of two gigabytes", body("""
for number in range(3, 200):
    try: os.write(number, b'\\x7f\\xff\\xff\\xff')
    except OSError: pass
time.sleep(0.2)
return 0.0"""), {Status.REFUSED}),
    Attack("answers twice", body("""
import msgpack, struct
data = msgpack.packb(['reply', 2, [0.0, None, [], [], 1, 1, [], '', '', 0.0, [], None]])
for number in range(3, 200):
    try: os.write(number, struct.pack('>I', len(data)) + data)
    except OSError: pass
return 0.0"""), {Status.REFUSED, Status.WRONG}),
    Attack("says that arguments were changed that do not exist", body("""
import msgpack, struct
data = msgpack.packb(['reply', 2, [0.0, None, [99], [-1], 1, 1, [], '', '', 0.0, [], None]])
for number in range(3, 200):
    try: os.write(number, struct.pack('>I', len(data)) + data)
    except OSError: pass
return 0.0"""), {Status.REFUSED}),
    Attack("patches the worker", """
import gc, types
for thing in gc.get_objects():
    if isinstance(thing, types.ModuleType) and getattr(thing, '__name__', '').startswith('course_lib'):
        for name in ('observe', 'describe', 'pack_reply', 'is_untouched'):
            if hasattr(thing, name):
                try: setattr(thing, name, lambda *_, **__: True)
                except Exception: pass
def slope_at(f, a):
    return 0.0
""", NO_CREDIT | {Status.OPEN}),
    # --- D. ending, escaping, stalling ---
    Attack("leaves by os._exit", body("os._exit(0)"), FAILED, says="ended Python itself"),
    Attack("leaves by sys.exit", body("sys.exit(0)"), FAILED, says="SystemExit"),
    Attack("raises KeyboardInterrupt", body("raise KeyboardInterrupt"), FAILED, says="KeyboardInterrupt"),
    Attack("raises GeneratorExit", body("raise GeneratorExit"), FAILED),
    Attack("raises an error that cannot be shown", body("""
class Bad(Exception):
    def __str__(self): raise self
    __repr__ = __str__
raise Bad"""), FAILED),
    Attack("crashes the interpreter", body("import ctypes; ctypes.string_at(0)"), FAILED, says="signal 11"),
    Attack("aborts", body("os.abort()"), FAILED, says="signal 6"),
    Attack("overflows the stack", body("""
sys.setrecursionlimit(10**9)
def deeper(n): return deeper(n + 1)
return deeper(0)"""), STOPPED),
    Attack("loops", body("while True: pass"), TIMED_OUT),
    Attack("loops and catches everything", body("""
while True:
    try:
        while True: pass
    except BaseException: pass"""), TIMED_OUT),
    Attack("loops in C", body("import re; re.match(r'(a+)+$', 'a' * 60 + 'b')"), TIMED_OUT),
    Attack("multiplies for ever", body("""
m = torch.ones(3000, 3000)
while True: m = m @ m"""), TIMED_OUT),
    Attack("sleeps", body("time.sleep(1000)"), TIMED_OUT, seconds=2, says="no answer within"),
    Attack("waits for input", body("return float(input('slope? '))"), FAILED, says="EOFError"),
    Attack("ignores signals", body("""
import signal
for number in range(1, 64):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass"""), TIMED_OUT),
    Attack("kills all it can see", body("""
import signal
for pid in (-1, 0, 1, os.getppid()):
    try: os.kill(pid, signal.SIGKILL)
    except OSError: pass
return 0.0"""), STOPPED | {Status.WRONG}),
    Attack("closes every open file", body("os.closerange(0, 256); return 0.0"), FAILED),
    Attack("answers on after its turn", RIGHT + body("""
if os.fork() == 0:
    os.setsid()
    time.sleep(1000)
return right_slope(f, a)"""), {Status.CORRECT}, score=1.0),
    Attack("leaves threads behind", RIGHT + body("""
import threading
threading.Thread(target=time.sleep, args=(1000,)).start()
return right_slope(f, a)"""), {Status.CORRECT}, score=1.0),
    Attack("forks and answers twice", RIGHT + body("""
os.fork()
return right_slope(f, a)"""), {Status.CORRECT}, score=1.0),
    # --- E. exhausting ---
    Attack("forks without end", body("""
while True:
    try: os.fork()
    except OSError: pass"""), STOPPED),
    Attack("starts threads without end", body("""
import threading
while True: threading.Thread(target=time.sleep, args=(1000,)).start()"""), STOPPED),
    Attack("takes all memory at once", body("return bytearray(10**12)"), NO_MEMORY),
    Attack("takes memory bit by bit", body("""
kept = []
while True: kept.append(bytearray(os.urandom(1) * 2**24))"""), NO_MEMORY),
    Attack("takes memory in children", body("""
for _ in range(8):
    if os.fork() == 0:
        kept = bytearray(b'x' * (200 * 2**20))
        time.sleep(1000)
time.sleep(1000)"""), NO_MEMORY),
    Attack("a tensor of a terabyte", body("return torch.ones(10**11)"), NO_MEMORY),
    Attack("writes a large file", body("""
with open('big', 'wb') as out:
    while True: out.write(b'x' * 2**20)"""), FAILED, says="OSError"),
    Attack("writes many files", body("""
for i in range(10**6):
    with open(f'/tmp/{i}', 'wb') as out: out.write(b'x' * 2**20)"""), FAILED, says="OSError"),
    Attack("fills shared memory", body("""
for i in range(10**6):
    with open(f'/dev/shm/{i}', 'wb') as out: out.write(b'x' * 2**20)"""), FAILED, says="OSError"),
    Attack("makes memory files", body("return os.memfd_create('x')"), FAILED, says="PermissionError"),
    Attack("floods the output", RIGHT + body("""
for _ in range(20000): print('x' * 100)
os.write(2, b'x' * 10**6)
return right_slope(f, a)"""), {Status.CORRECT}, score=1.0),
    Attack("returns a large tensor", body("return torch.zeros(10**7)"), FAILED, says="AnswerTooLarge"),
    Attack("returns a long list", body("return [0.0] * 10**6"), FAILED, says="AnswerTooLarge"),
    Attack("returns a deep list", body("""
deep = []
for _ in range(10**5): deep = [deep]
return deep"""), {Status.WRONG_TYPE, Status.RAISED}),
    Attack("returns a list that contains itself", body("ring = []; ring.append(ring); return ring"),
           {Status.WRONG_TYPE, Status.RAISED}),
    Attack("returns text without end", body("return 'x' * 10**8"), {Status.WRONG_TYPE}),
    # --- F. reaching out ---
    Attack("calls home", body("import urllib.request; return urllib.request.urlopen('http://example.com').read()"),
           FAILED, says="URLError"),
    Attack("opens a socket", body("import socket; return socket.create_connection(('127.0.0.1', 22), 1).fileno()"),
           FAILED, says="PermissionError"),
    Attack("writes into the system", body("open('/usr/x', 'w'); return 0.0"), FAILED, says="OSError"),
    Attack("writes beside the worker", body("open('/grader/course_lib/observe.py', 'a'); return 0.0"), FAILED,
           says="OSError"),
    Attack("writes into the packages", body("open(torch.__file__, 'a'); return 0.0"), FAILED, says="OSError"),
    Attack("writes kernel settings", body("os.open('/proc/sys/vm/swappiness', os.O_WRONLY); return 0.0"), FAILED,
           says="OSError"),
    Attack("writes into devices", body("open('/dev/x', 'w'); return 0.0"), FAILED, says="OSError"),
    Attack("mounts", body("""
import ctypes
if ctypes.CDLL(None, use_errno=True).mount(b'tmpfs', b'/usr', b'tmpfs', 0, None) == -1:
    raise PermissionError
return 0.0"""), FAILED, says="PermissionError"),
    Attack("makes a namespace", body("""
import ctypes
if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == -1:
    raise PermissionError
return 0.0"""), FAILED, says="PermissionError"),
    Attack("loads a pickle", body("""
import pickle
class Payload:
    def __reduce__(self): return os._exit, (0,)
return pickle.loads(pickle.dumps(Payload()))"""), FAILED, says="ended Python itself"),
    Attack("returns something that pickles badly", body("""
class Payload:
    def __reduce__(self): return os.system, ('touch /tmp/pwned',)
return Payload()"""), {Status.WRONG_TYPE}),
    Attack("breaks the builtins", """
import builtins
def slope_at(f, a):
    for name in ('len', 'isinstance', 'hasattr', 'type', 'Exception', 'tuple'):
        setattr(builtins, name, None)
    return 0.0
""", STOPPED | {Status.NOT_JUDGED}),
]  # fmt: skip

# Whole cells that go wrong; slope_at is defined in another cell and must be right, with `double` beside it.
BROKEN_CELLS = {
    "raises": "1 / 0",
    "is no Python": "def def def",
    "has merge marks": "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> theirs",
    "leaves by sys.exit": "import sys; sys.exit(1)",
    "leaves by os._exit": "import os; os._exit(0)",
    "loops": "while True: pass",
    "kills its group": "import os; os.kill(0, 9)",
    "takes all memory": "kept = bytearray(10**12)",
    "forks once": "import os\nos.fork()",
    "forks until it fails": "import os\nwhile True: os.fork()",
    "forks without end": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "installs a package": "!pip install something\n%pip install something\nimport something_missing",
    "is a shell script": "%%bash\nrm -rf /",
    "has a null byte": "x = '\0'",
    "floods the output": "print('x' * 10**7)\nimport os\nos.write(1, b'x' * 10**6)",
    "ends in a prompt": "input('your name? ')",
    "nests deeply": "x = " + "(" * 1000 + ")" * 1000,
    "breaks print": "import sys; sys.stdout = sys.stderr = None",
    "writes to the grader": "import os\nfor n in range(3, 100):\n"
                            "    try: os.write(n, b'\\0\\0\\0\\1x')\n    except OSError: pass",
}
