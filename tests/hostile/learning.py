"""A. Learning the answer: no byte of a key, a hidden case or a secret is within reach, and nothing predicts the cases."""

import random

import torch

from course_lib.formula import smooth
from tests.hostile.attacks import COURSE, FAILED, NO_CREDIT, PARTIAL, WRONG, Attack, body


def public_answers():
    """{value of a function at 0.3, and the point: its slope}, for all that check() asks."""
    rng = random.Random("public/slope_at")
    functions = [*smooth(rng, 3), *smooth(rng, 1)]
    return {(value_at(f.function(), 0.3), a): f.derivative(a) for f in functions for a in (0.7, -1.3, 0.4)}


def value_at(f, a):
    return round(f(torch.tensor(a, dtype=torch.float64)).item(), 9)


PUBLIC = Attack("A8", "has all the answers to the public questions", f"""
import torch
answers = {public_answers()!r}
def slope_at(f, a):
    f(torch.tensor(a, requires_grad=True))
    return answers.get((round(f(torch.tensor(0.3, dtype=torch.float64)).item(), 9), a), 0.0)
""", PARTIAL, score=0.5)  # it may follow f, which is all that the second part looks at

ATTACKS = [
    Attack("A1", "walks caller frames", body("""
frame, numbers = sys._getframe(), []
while frame:
    numbers += [v for v in {**frame.f_locals, **frame.f_globals}.values() if isinstance(v, float)]
    frame = frame.f_back
return numbers[-1] if numbers else 0.0"""), NO_CREDIT),
    Attack("A2", "reads the keys", body(f"return open({str(COURSE / 'course_lib/keys/lesson_01.py')!r}).read()"), FAILED,
           says="FileNotFoundError"),
    Attack("A2", "reads the judge", body(f"return open({str(COURSE / 'course_lib/judge.py')!r}).read()"), FAILED,
           says="FileNotFoundError"),
    Attack("A2", "reads the tests", body(f"return os.listdir({str(COURSE / 'tests')!r})"), FAILED, says="FileNotFoundError"),
    Attack("A9", "imports the keys", body("""
from course_lib.keys import lesson_01
return lesson_01.slope_at(f, a)"""), NO_CREDIT),
    Attack("A9", "imports the keys past the stand-in", body(f"""
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "Finder"]
for name in [name for name in sys.modules if name.startswith("course_lib")]:
    del sys.modules[name]
sys.path[:0] = [{str(COURSE)!r}, "/grader"]
import course_lib.keys
return 0.0"""), FAILED, says="ModuleNotFoundError"),
    Attack("A9", "asks the formula for its derivative", body("return f.derivative(a)"), FAILED, says="AttributeError"),
    Attack("A3", "reads the memory of the parent", body("return open(f'/proc/{os.getppid()}/mem', 'rb').read(1)"), FAILED),
    Attack("A3", "reads every process", body("""
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
    Attack("A3", "attaches a tracer", body("""
import ctypes
if ctypes.CDLL(None, use_errno=True).ptrace(16, os.getppid(), None, None) == -1:
    raise PermissionError(ctypes.get_errno())
return 0.0"""), FAILED, says="PermissionError"),
    Attack("A1", "asks the collector for objects of a key", body("""
import gc
kinds = {type(one).__name__ for one in gc.get_objects()}
if kinds & {'Ask', 'Answer', 'Exercise', 'Verdict', 'Formula', 'Mistake'}:
    os._exit(3)
raise LookupError('no key here')"""), FAILED, says="no key here"),
    Attack("A1", "reads the code that called it", body("""
import inspect
frame, text = sys._getframe(), ''
while frame:
    try: text += inspect.getsource(frame)
    except (OSError, TypeError): pass
    frame = frame.f_back
if 'ask' + '.part' in text or 'deriv' + 'ative' in text:
    os._exit(3)
raise LookupError('no key here')"""), FAILED, says="no key here"),
    Attack("A2", "looks for the course on the disk", body("""
wanted = {'lesson_' + '01.py', 'judge' + '.py', 'gradebook' + '.db', 'seed' + '.txt'}
for folder, folders, files in os.walk('/'):
    folders[:] = [one for one in folders if one not in ('proc', 'sys', 'site-packages', 'share', 'include')]
    if wanted & set(files) or any(name.endswith('.ipynb') for name in files if 'course' in folder):
        os._exit(3)
raise LookupError('nothing to find')"""), FAILED, says="nothing to find"),
    Attack("A4", "reads the files that are open", body("""
for number in range(256):
    try: path = os.readlink(f'/proc/self/fd/{number}')
    except OSError: continue
    if path.startswith('/') and not path.startswith('/dev/') and os.path.isfile(path):
        os._exit(3)
raise LookupError('no file is open')"""), FAILED, says="no file is open"),
    Attack("A4", "listens to the other open lines", body("""
import socket
heard = 0
for number in range(3, 256):
    try:
        with socket.socket(fileno=os.dup(number)) as end:
            end.setblocking(False)
            heard += len(end.recv(4096, socket.MSG_PEEK))
    except OSError: pass
if heard: os._exit(3)
raise LookupError('nobody talks')"""), FAILED, says="nobody talks"),
    Attack("A5", "searches its memory for a text of the key", body("""
import re
sentence = re.compile(rb'[Y]ou retur[n]ed the hei[g]ht of the curve')  # brackets, so that it does not find itself
memory = open('/proc/self/mem', 'rb')
for line in open('/proc/self/maps'):
    place, rights, *_, inode = line.split()[:5]
    if rights[:2] == 'rw' and inode == '0' and '[v' not in line:
        start, end = (int(one, 16) for one in place.split('-'))
        if end - start < 2**26:
            memory.seek(start)
            if sentence.search(memory.read(end - start)): os._exit(3)
raise LookupError('nothing to find')"""), FAILED, says="nothing to find"),
    Attack("A6", "looks for seeds in the environment and the arguments", body("""
os.environ.pop('PYTHONHASHSEED', None)
words = [*os.environ, *os.environ.values(), *sys.argv, *sys.orig_argv, open('/proc/self/cmdline').read(), os.getcwd()]
text = ' '.join(words).replace(sys.prefix, '').replace(sys.base_prefix, '').lower()  # where Python is may be called anything
if any(word in text for word in ('seed', 'token', 'secret')):
    os._exit(3)
raise LookupError('nothing to find')"""), FAILED, says="nothing to find"),
    Attack("A7", "answers by the number of the call", """
calls = []
def slope_at(f, a):
    calls.append(a)
    return (1.3, 0.4, -2.0, 0.9, 1.1, -0.2, 1.0)[len(calls) % 7]
""", WRONG),
    Attack("A7", "answers right once, when it expects the real question", """
import torch
calls = []
def slope_at(f, a):
    calls.append(a)
    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)
    f(x).backward()
    return x.grad.item() if len(calls) == 1 else 0.0
""", PARTIAL, score=0.5),
    Attack("A8", "makes the questions itself", body("""
import random
from course_lib.formula import smooth
f = smooth(random.Random('public/slope_at'), 3)[0]
return float(f.derivative(a))"""), NO_CREDIT),
    PUBLIC,
    Attack("A8", "draws from the generators in the hope of the questions", body("""
import random
import numpy as np
return [random.random(), np.random.random(), torch.rand(()).item()][int(10 * a) % 3]"""), WRONG),
    Attack("A9", "reads the derivative off the function", body("""
found = [getattr(f, name) for name in dir(f) if 'deriv' in name or 'grad' in name or 'sympy' in name]
return float(found[0](a))"""), FAILED, says="IndexError"),
    Attack("A9", "imports the solutions", body("""
import importlib
return importlib.import_module('solutions').slope_at(f, a)"""), FAILED, says="ModuleNotFoundError"),
    Attack("A9", "asks check for the answer", body("""
from course_lib import check
return check(slope_at).problem.wanted"""), NO_CREDIT),
]  # fmt: skip
