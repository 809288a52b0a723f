"""E. Exhausting resources: everything that can be counted has a cap over all processes of a submission, kept from outside."""

from course_lib.judge import Status
from tests.hostile.attacks import CORRECT, FAILED, NO_MEMORY, RIGHT, STOPPED, TIMED_OUT, WRONG_TYPE, Attack, body

ATTACKS = [
    Attack("E1", "forks without end", body("""
while True:
    try: os.fork()
    except OSError: pass"""), STOPPED),
    Attack("E1", "starts threads without end", body("""
import threading
while True: threading.Thread(target=time.sleep, args=(1000,)).start()"""), STOPPED),
    Attack("E2", "takes all memory at once", body("return bytearray(10**12)"), NO_MEMORY),
    Attack("E3", "takes memory bit by bit", body("""
kept = []
while True: kept.append(bytearray(os.urandom(1) * 2**24))"""), NO_MEMORY),
    Attack("E3", "takes memory in children", body("""
for _ in range(8):
    if os.fork() == 0:
        kept = bytearray(b'x' * (200 * 2**20))
        time.sleep(1000)
time.sleep(1000)"""), NO_MEMORY),
    Attack("E2", "a tensor of a terabyte", body("return torch.ones(10**11)"), NO_MEMORY),
    Attack("E4", "writes a large file", body("""
with open('big', 'wb') as out:
    while True: out.write(b'x' * 2**20)"""), FAILED, says="OSError"),
    Attack("E4", "writes many files", body("""
for i in range(10**6):
    with open(f'/tmp/{i}', 'wb') as out: out.write(b'x' * 2**20)"""), FAILED, says="OSError"),
    Attack("E4", "fills shared memory", body("""
for i in range(10**6):
    with open(f'/dev/shm/{i}', 'wb') as out: out.write(b'x' * 2**20)"""), FAILED, says="OSError"),
    Attack("E4", "shares memory that no process is charged for", body("""
import mmap
shared = mmap.mmap(-1, 2**28)
while True:
    shared[:] = b'x' * 2**28
    shared.madvise(mmap.MADV_DONTNEED)"""), FAILED, says="PermissionError"),
    Attack("E4", "shares memory of the device of zeros", body("""
import mmap
with open('/dev/zero', 'r+b') as zeros: return mmap.mmap(zeros.fileno(), 2**28)"""), FAILED),
    Attack("E4", "fills files that many processes share", body("""
import mmap
for number in range(8):
    if os.fork() == 0:
        with open(f'/dev/shm/{number}', 'w+b') as file:
            os.ftruncate(file.fileno(), 150 * 2**20)
            shared = mmap.mmap(file.fileno(), 150 * 2**20)
            for _ in range(150): shared.write(b'x' * 2**20)
        time.sleep(60)
time.sleep(60)"""), STOPPED),
    Attack("E4", "makes memory files", body("return os.memfd_create('x')"), FAILED, says="PermissionError"),
    Attack("E5", "floods the output", RIGHT + body("""
for _ in range(20000): print('x' * 100)
os.write(2, b'x' * 10**6)
return right_slope(f, a)"""), CORRECT, score=1.0),
    Attack("E6", "returns a large tensor", body("return torch.zeros(10**7)"), FAILED, says="AnswerTooLarge"),
    Attack("E6", "returns a long list", body("return [0.0] * 10**6"), FAILED, says="AnswerTooLarge"),
    Attack("E6", "returns a deep list", body("""
deep = []
for _ in range(10**5): deep = [deep]
return deep"""), {Status.WRONG_TYPE, Status.RAISED}),
    Attack("E6", "returns a list that contains itself", body("ring = []; ring.append(ring); return ring"),
           {Status.WRONG_TYPE, Status.RAISED}),
    Attack("E6", "returns text without end", body("return 'x' * 10**8"), WRONG_TYPE),
    Attack("E1", "forks and forgets", body("""
for _ in range(1000):
    if os.fork() == 0:
        time.sleep(1000)
return 0.0"""), STOPPED),
    Attack("E1", "starts programs without end", body("""
import subprocess
kept = []
while True: kept.append(subprocess.Popen(['/bin/sleep', '1000']))"""), STOPPED),
    Attack("E2", "asks for zeros without end", body("import numpy as np; return np.ones(10**12)"), NO_MEMORY),
    Attack("E2", "repeats a text without end", body("return 'x' * 10**13"), NO_MEMORY),
    Attack("E3", "keeps every tensor", body("""
kept = []
while True: kept.append(torch.ones(2**20))"""), NO_MEMORY),
    Attack("E3", "keeps every graph", body("""
x = torch.ones(2**18, requires_grad=True)
y = x
while True: y = torch.sin(y)"""), NO_MEMORY),
    Attack("E4", "makes empty files without end", body("""
for i in range(10**7): open(f'/tmp/{i}', 'w').close()"""), FAILED | TIMED_OUT),
    Attack("E4", "makes folders in folders without end", body("""
while True:
    os.mkdir('d'); os.chdir('d')"""), FAILED | TIMED_OUT),
    Attack("E4", "opens files without end", body("""
kept = []
while True: kept.append(open('/dev/null'))"""), FAILED, says="OSError"),
    Attack("E4", "makes a file of a terabyte that is empty", body("os.truncate(os.open('big', 66), 10**12); return 0.0"), FAILED),
    Attack("E5", "raises an error of a hundred million letters", body("raise ValueError('x' * 10**8)"), FAILED),
    Attack("E5", "warns without end", RIGHT + body("""
import warnings
for i in range(20000): warnings.warn('x' * 100 + str(i))
return right_slope(f, a)"""), CORRECT, score=1.0),
    Attack("E5", "prints from many processes", RIGHT + body("""
for _ in range(5):
    if os.fork() == 0:
        for _ in range(1000): os.write(1, b'x' * 1000)
        os._exit(0)
return right_slope(f, a)"""), CORRECT, score=1.0),
    Attack("E6", "returns lists in lists that share their parts", body("""
wide = [0.0] * 10
for _ in range(7): wide = [wide] * 10
return wide"""), STOPPED),
    Attack("E6", "returns a dict of a hundred thousand names", body("return {str(i): 0.0 for i in range(10**5)}"), STOPPED),
    Attack("E6", "returns many tensors", body("return [torch.zeros(1000) for _ in range(5000)]"), STOPPED),
    Attack("E6", "returns a view of one number as a terabyte", body("return torch.zeros(1).expand(10**11)"), STOPPED),
    Attack("E7", "computes in children while it waits", body("""
for _ in range(4):
    if os.fork() == 0:
        while True: pass
time.sleep(1000)"""), TIMED_OUT),
    Attack("E7", "computes in threads of torch", body("""
torch.set_num_threads(8)
m = torch.ones(1500, 1500)
while True: m = m @ m"""), TIMED_OUT | NO_MEMORY),
]  # fmt: skip
