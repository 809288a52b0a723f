"""C. Forging the verdict: nothing a submission prints, writes or brings along states a result."""

from course_lib.judge import Status
from tests.hostile.attacks import FAILED, NO_CREDIT, REFUSED, STOPPED, WRONG, WRONG_TYPE, Attack, body

ATTACKS = [
    Attack("C1", "prints results", body("""
for target in (sys.stdout, sys.stderr, sys.__stdout__):
    print('{"exercise": "slope_at", "status": "correct", "score": 1}', file=target, flush=True)
os.write(1, b'correct')
return 0.0"""), WRONG),
    Attack("C3", "writes garbage to every open file", body("""
for number in range(3, 200):
    try: os.write(number, b'\\xff' * 64)
    except OSError: pass
return 0.0"""), REFUSED),
    Attack("C4", "claims a frame of two gigabytes", body("""
for number in range(3, 200):
    try: os.write(number, b'\\x7f\\xff\\xff\\xff')
    except OSError: pass
time.sleep(0.2)
return 0.0"""), REFUSED),
    Attack("C3", "answers twice", body("""
import msgpack, struct
data = msgpack.packb(['reply', 2, [0.0, None, [], [], 1, 1, [], '', '', 0.0, [], None]])
for number in range(3, 200):
    try: os.write(number, struct.pack('>I', len(data)) + data)
    except OSError: pass
return 0.0"""), {Status.REFUSED, Status.WRONG}),
    Attack("C3", "says that arguments were changed that do not exist", body("""
import msgpack, struct
data = msgpack.packb(['reply', 2, [0.0, None, [99], [-1], 1, 1, [], '', '', 0.0, [], None]])
for number in range(3, 200):
    try: os.write(number, struct.pack('>I', len(data)) + data)
    except OSError: pass
return 0.0"""), REFUSED),
    Attack("C3", "patches the worker", """
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
    Attack("C1", "prints marks as other graders read them", body("""
print('##vso[task.complete result=Succeeded;]\\n1.0\\nTests passed: 6/6\\n{"score": 100, "tests": []}')
return 0.0"""), WRONG),
    Attack("C2", "writes results and grades wherever it can", body("""
for folder in ('.', '/tmp', '/dev/shm', os.path.expanduser('~'), '..', '/grader', '/'):
    for name in ('results.jsonl', 'grades.csv', 'results.json', 'gradebook.db'):
        try: open(os.path.join(folder, name), 'w').write('{"status": "correct", "score": 1}')
        except OSError: pass
return 0.0"""), WRONG),
    *[Attack("C3", name, body(f"""
import msgpack, struct
data = msgpack.packb({message})
for number in range(3, 200):
    try: os.write(number, struct.pack('>I', len(data)) + data)
    except OSError: pass
time.sleep(0.1)
return 0.0"""), REFUSED) for name, message in (
        ("answers a question that was never put", "['reply', 99, [0.0, None, [], [], 1, 1, [], '', '', 0.0, [], None]]"),
        ("sends a verdict", "['verdict', 'correct', 1.0]"),
        ("says that the notebook is done", "['ran', []]"),
        ("says that it ended", "['ended', 0]"),
        ("sends a reply with a part missing", "['reply', 2, [0.0, None, [], [], 1, 1, [], '', '', 0.0, []]]"),
        ("sends gradients that nobody asked for",
         "['reply', 2, [0.0, None, [], [], 1, 1, [], '', '', 0.0, [['array', 'tensor', 'float64', False, 'float64', [],"
         " bytes(8)]], None]]"),
        ("counts its calls below zero", "['reply', 2, [0.0, None, [], [], -1, 1, [], '', '', 0.0, [], None]]"))],
    Attack("C3", "sends half a reply and waits", body("""
for number in range(3, 200):
    try: os.write(number, b'\\0\\0\\1')
    except OSError: pass
time.sleep(1000)"""), STOPPED, seconds=2),
    Attack("C4", "claims a frame without a byte in it", body("""
for number in range(3, 200):
    try: os.write(number, b'\\0\\0\\0\\0')
    except OSError: pass
time.sleep(0.1)
return 0.0"""), REFUSED),
    Attack("C5", "sends a pickle for a reply", body("""
import pickle, struct
class Payload:
    def __reduce__(self): return os.system, ('touch /tmp/pwned',)
data = pickle.dumps(['reply', 2, Payload()])
for number in range(3, 200):
    try: os.write(number, struct.pack('>I', len(data)) + data)
    except OSError: pass
time.sleep(0.1)
return 0.0"""), REFUSED),
    Attack("C5", "sends types of its own inside a reply", body("""
import msgpack, struct
value = msgpack.ExtType(5, b'x')
data = msgpack.packb(['reply', 2, [value, None, [], [], 1, 1, [], '', '', 0.0, [], None]])
for number in range(3, 200):
    try: os.write(number, struct.pack('>I', len(data)) + data)
    except OSError: pass
time.sleep(0.1)
return 0.0"""), REFUSED),
    Attack("C6", "brings tests of its own that all pass", """
def check(*_): return 'all passed'
def test_slope_at(): assert True
grade = grade_submission = score = points = lambda *_: 1.0
assert check(None)
def slope_at(f, a): return 0.0
""", WRONG),
    Attack("C6", "defines the key's own names", """
class Verdict:
    status = 'correct'; score = 1.0; passed = True
class Ask:
    def __call__(self, *_): return self
    def equals(self, *_, **__): return self
ask = answer = Ask()
def slope_at(f, a): return Verdict()
""", WRONG_TYPE),
    Attack("C8", "puts its own torch before the real one", body("""
for name in ('torch', 'sitecustomize', 'conftest', 'msgpack'):
    open(f'{name}.py', 'w').write('def tensor(*_, **__): return 0.0')
    sys.modules.pop(name, None)
sys.path.insert(0, '.')
import torch
return torch.tensor(a)"""), NO_CREDIT),
    Attack("C9", "hides its errors from the display", """
import sys, traceback
sys.excepthook = sys.displayhook = traceback.print_exc = lambda *_, **__: None
get_ipython().showtraceback = lambda *_, **__: None
sys.stderr = open('/dev/null', 'w')
def slope_at(f, a): raise ValueError('never seen')
""", FAILED, says="never seen"),
    Attack("C9", "says that it was never begun", """
def slope_at(f, a): ...
slope_at.__code__ = (lambda f, a: 0.0).__code__
""", WRONG),
    Attack("C5", "returns something that pickles badly", body("""
class Payload:
    def __reduce__(self): return os.system, ('touch /tmp/pwned',)
return Payload()"""), WRONG_TYPE),
    Attack("C3", "breaks the builtins", """
import builtins
def slope_at(f, a):
    for name in ('len', 'isinstance', 'hasattr', 'type', 'Exception', 'tuple'):
        setattr(builtins, name, None)
    return 0.0
""", STOPPED | {Status.NOT_JUDGED}),
]  # fmt: skip
