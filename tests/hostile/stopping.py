"""D. Ending, escaping or stalling: the limit is kept from outside, and no reply is never a pass."""

from tests.hostile.attacks import CORRECT, FAILED, NO_MEMORY, RIGHT, STOPPED, TIMED_OUT, WRONG, WRONG_TYPE, Attack, body

ATTACKS = [
    Attack("D2", "leaves by os._exit", body("os._exit(0)"), FAILED, says="ended Python itself"),
    Attack("D1", "leaves by sys.exit", body("sys.exit(0)"), FAILED, says="SystemExit"),
    Attack("D1", "raises KeyboardInterrupt", body("raise KeyboardInterrupt"), FAILED, says="KeyboardInterrupt"),
    Attack("D1", "raises GeneratorExit", body("raise GeneratorExit"), FAILED),
    Attack("D1", "raises an error that cannot be shown", body("""
class Bad(Exception):
    def __str__(self): raise self
    __repr__ = __str__
raise Bad"""), FAILED),
    Attack("D2", "crashes the interpreter", body("import ctypes; ctypes.string_at(0)"), FAILED, says="signal 11"),
    Attack("D2", "aborts", body("os.abort()"), FAILED, says="signal 6"),
    Attack("D2", "overflows the stack", body("""
sys.setrecursionlimit(10**9)
def deeper(n): return deeper(n + 1)
return deeper(0)"""), STOPPED),
    Attack("D5", "loops", body("while True: pass"), TIMED_OUT),
    Attack("D6", "loops and catches everything", body("""
while True:
    try:
        while True: pass
    except BaseException: pass"""), TIMED_OUT),
    Attack("D7", "loops in C", body("import re; re.match(r'(a+)+$', 'a' * 60 + 'b')"), TIMED_OUT),
    Attack("D7", "multiplies for ever", body("""
m = torch.ones(3000, 3000)
while True: m = m @ m"""), TIMED_OUT),
    Attack("D8", "sleeps", body("time.sleep(1000)"), TIMED_OUT, seconds=2, says="no answer within"),
    Attack("D8", "waits for input", body("return float(input('slope? '))"), FAILED, says="EOFError"),
    Attack("D6", "ignores signals", body("""
import signal
for number in range(1, 64):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: pass"""), TIMED_OUT),
    Attack("D4", "kills all it can see", body("""
import signal
for pid in (-1, 0, 1, os.getppid()):
    try: os.kill(pid, signal.SIGKILL)
    except OSError: pass
return 0.0"""), STOPPED | WRONG),
    Attack("D2", "closes every open file", body("os.closerange(0, 256); return 0.0"), FAILED),
    Attack("D3", "answers on after its turn", RIGHT + body("""
if os.fork() == 0:
    os.setsid()
    time.sleep(1000)
return right_slope(f, a)"""), CORRECT, score=1.0),
    Attack("D3", "leaves threads behind", RIGHT + body("""
import threading
threading.Thread(target=time.sleep, args=(1000,)).start()
return right_slope(f, a)"""), CORRECT, score=1.0),
    Attack("D3", "forks and answers twice", RIGHT + body("""
os.fork()
return right_slope(f, a)"""), CORRECT, score=1.0),
    Attack("D1", "quits as in a console", body("quit()"), FAILED),
    Attack("D1", "raises an exception of its own above all others", body("""
class Above(BaseException): pass
raise Above('no handler catches this')"""), FAILED, says="Above"),
    Attack("D1", "raises a group of exceptions", body("raise BaseExceptionGroup('two', [SystemExit(0), KeyboardInterrupt()])"),
           FAILED),
    Attack("D1", "stops every iteration", body("raise StopIteration"), FAILED, says="StopIteration"),
    Attack("D2", "replaces itself by another program", body("os.execv('/bin/true', ['true'])"), FAILED),
    Attack("D2", "ends itself by a signal", body("os.kill(os.getpid(), 9)"), FAILED | NO_MEMORY),
    Attack("D2", "stops itself for good", body("import signal; os.kill(os.getpid(), signal.SIGSTOP)"), TIMED_OUT, seconds=2),
    Attack("D3", "goes on when it is taken away", RIGHT + body("""
import atexit
atexit.register(time.sleep, 1000)
return right_slope(f, a)"""), CORRECT, score=1.0),
    Attack("D3", "loops when its result is thrown away", body("""
class Sticky:
    def __del__(self):
        while True: pass
return Sticky()"""), WRONG_TYPE | TIMED_OUT),
    Attack("D3", "wakes up by an alarm", RIGHT + body("""
import signal
signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
signal.setitimer(signal.ITIMER_REAL, 30)
return right_slope(f, a)"""), CORRECT, score=1.0),
    Attack("D4", "kills its parent", body("os.kill(os.getppid(), 9); return 0.0"), STOPPED | WRONG),
    Attack("D4", "kills its group", body("os.killpg(0, 9); return 0.0"), STOPPED | WRONG),
    Attack("D4", "signals every number there is", body("""
for pid in range(2, 5000):
    if pid != os.getpid():
        try: os.kill(pid, 9)
        except OSError: pass
return 0.0"""), STOPPED | WRONG),
    Attack("D5", "loops while it is shown", body("""
class Slow:
    def __repr__(self):
        while True: pass
return Slow()"""), TIMED_OUT),
    Attack("D5", "never ends its list", body("""
import itertools
return sum(itertools.count())"""), TIMED_OUT),
    Attack("D6", "loops while it is left", body("""
try: return 0.0
finally:
    while True: pass"""), TIMED_OUT),
    Attack("D6", "calls itself again when it is interrupted", body("""
try:
    while True: pass
except BaseException: return slope_at(f, a)"""), TIMED_OUT),
    Attack("D7", "raises a number to a power without end", body("return 3 ** 10**9 % 2"), TIMED_OUT),
    Attack("D7", "sorts without end", body("""
numbers = torch.rand(10**6)
while True: numbers = numbers.sort(descending=True).values"""), TIMED_OUT),
    Attack("D8", "waits for a line that nobody writes", body("os.read(os.pipe()[0], 1)"), TIMED_OUT, seconds=2),
    Attack("D9", "computes for ever where it is defined", body("return 0.0") + "while True: pass\n", TIMED_OUT,
           says="Code cell 1"),
    Attack("D9", "computes for ever before it is defined", "while sum(range(10**6)): pass\n" + body("return 0.0"), TIMED_OUT,
           says="Code cell 1"),
    Attack("D10", "computes with many threads before it answers", """
import torch
torch.set_num_threads(4)
m = torch.ones(700, 700)
(m @ m).sum()
""" + RIGHT + body("""
(m @ m).sum()
return right_slope(f, a)"""), CORRECT, score=1.0),
    Attack("D10", "keeps a lock that a thread holds", """
import threading, time
lock = threading.Lock()
threading.Thread(target=lambda: (lock.acquire(), time.sleep(1000)), daemon=True).start()
time.sleep(0.1)
""" + body("""
lock.acquire()
return 0.0"""), TIMED_OUT, seconds=2),
]  # fmt: skip
