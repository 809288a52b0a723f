"""B. Subverting the comparison: only plain numbers of a fixed schema cross, and shape, dtype and values are compared."""

from tests.hostile.attacks import NO_CREDIT, PARTIAL, REFUSED, RIGHT, WRONG, WRONG_TYPE, Attack, body

ATTACKS = [
    Attack("B1", "returns an object that equals everything", body("""
class Same(float):
    def __eq__(self, other): return True
    def __abs__(self): return 0.0
    __sub__ = __rsub__ = __mul__ = __le__ = __lt__ = __eq__
return Same(0.1)"""), WRONG_TYPE),
    Attack("B2", "returns a tensor with operators that lie", body("""
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        result = super().__torch_function__(func, types, args, kwargs or {})
        return torch.tensor(True) if func in (torch.Tensor.__eq__, torch.Tensor.__le__) else result
return torch.zeros(()).as_subclass(Liar)"""), NO_CREDIT),
    Attack("B2", "returns a dict that changes when it is read", body("""
class Shifty(dict):
    def items(self): os._exit(0)
return Shifty(a=1)"""), WRONG_TYPE),
    Attack("B3", "returns NaN", body("return float('nan')"), WRONG),
    Attack("B3", "returns infinity", body("return float('inf')"), WRONG),
    Attack("B4", "returns a vector that would broadcast", body("return torch.zeros(7)"), WRONG_TYPE),
    Attack("B6", "returns a boolean", body("return True"), WRONG_TYPE),
    Attack("B6", "returns a complex number", body("return 1j"), WRONG_TYPE),
    Attack("B6", "returns a complex tensor", body("return torch.tensor(1j)"), WRONG_TYPE),
    Attack("B6", "returns a whole number of a million digits", body("return 1 << 3_000_000"), WRONG_TYPE),
    Attack("B6", "returns text for a number", body("return '0.5'"), WRONG_TYPE),
    Attack("B6", "returns the function itself", body("return slope_at"), WRONG_TYPE),
    Attack("B5", "returns a half-precision zero", body("return torch.tensor(0, dtype=torch.bfloat16)"), WRONG),
    Attack("B1", "returns mock.ANY", body("from unittest.mock import ANY; return ANY"), WRONG_TYPE),
    Attack("B1", "returns a mock that answers everything", body("from unittest.mock import MagicMock; return MagicMock()"),
           WRONG_TYPE),
    Attack("B2", "returns an array that converts itself", body("""
class Chameleon:
    def __array__(self, *_, **__): return torch.zeros(()).numpy()
    def __float__(self): return 0.1
return Chameleon()"""), WRONG_TYPE),
    Attack("B2", "returns an array whose class compares as it likes", body("""
import numpy as np
class Liar(np.ndarray):
    def __eq__(self, other): return True
    def __array_ufunc__(self, *_, **__): return np.bool_(True)
return np.zeros(()).view(Liar)"""), NO_CREDIT),
    Attack("B2", "returns a text with its own length", body("""
class Text(str):
    def __len__(self): return 3
    def __getitem__(self, key): os._exit(0)
return Text('x' * 10**6)"""), NO_CREDIT),
    Attack("B2", "returns a list that is never the same", body("""
class Endless(list):
    def __iter__(self):
        while True: yield 0.0
return Endless([0.0])"""), WRONG_TYPE),
    Attack("B3", "returns a tensor of NaN", body("return torch.tensor(float('nan'), dtype=torch.float64)"), WRONG),
    Attack("B3", "returns minus infinity as a NumPy number", body("import numpy as np; return -np.float64('inf')"), WRONG),
    Attack("B4", "returns the right number in a vector of one", RIGHT + body("return torch.tensor([right_slope(f, a)])"),
           WRONG_TYPE, score=0.5),
    Attack("B4", "returns the right number in a table of one", RIGHT + body("""
import numpy as np
return np.array([[right_slope(f, a)]])"""), WRONG_TYPE, score=0.5),
    Attack("B4", "returns the right number in a list", RIGHT + body("return [right_slope(f, a)]"), WRONG_TYPE, score=0.5),
    Attack("B4", "returns a column for a row", "def squares(x):\n    return (x * x)[:, None]", WRONG_TYPE, answers="squares"),
    Attack("B4", "returns one number for all", "def squares(x):\n    return (x * x)[0]", WRONG_TYPE, answers="squares"),
    Attack("B5", "rounds to half precision for a wider tolerance", RIGHT + body(
        "return torch.tensor(right_slope(f, a), dtype=torch.float16)"), PARTIAL, score=0.5),
    Attack("B5", "rounds to bfloat16 for a wider tolerance", RIGHT + body(
        "return torch.tensor(right_slope(f, a), dtype=torch.bfloat16)"), PARTIAL, score=0.5),
    Attack("B5", "rounds to whole numbers", RIGHT + body("return round(right_slope(f, a))"), PARTIAL, score=0.5),
    Attack("B6", "returns an array of objects", body("import numpy as np; return np.array(0.5, dtype=object)"), WRONG_TYPE),
    Attack("B6", "returns a sparse tensor", "def squares(x):\n    return (x * x).to_sparse()", WRONG_TYPE, answers="squares"),
    Attack("B6", "returns a tensor without numbers", body("return torch.empty((), device='meta')"), NO_CREDIT),
    Attack("B6", "returns a date", body("import numpy as np; return np.datetime64('2026-01-01')"), WRONG_TYPE),
    Attack("B6", "returns bytes", body("return b'0.5'"), WRONG_TYPE),
    Attack("B6", "returns itself, running", "def slope_at(f, a):\n    yield 0.5", WRONG_TYPE),
    *[Attack("B7", f"sends an array {lie}", body(f"""
import msgpack, struct
value = ['array', 'tensor', 'float64', False, 'float64', {shape}, b'\\0' * 16]
data = msgpack.packb(['reply', 2, [value, None, [], [], 1, 1, [], '', '', 0.0, [], None]])
for number in range(3, 200):
    try: os.write(number, struct.pack('>I', len(data)) + data)
    except OSError: pass
return 0.0"""), REFUSED) for lie, shape in (
        ("with fewer bytes than its shape needs", "[5]"), ("with more bytes than its shape needs", "[]"),
        ("of a negative size", "[-2, -1]"), ("of a hundred dimensions", "[1] * 100"), ("of sizes without end", "[2**40, 0]"),
        ("whose shape is text", "'two'"))],
    Attack("B8", "zeroes its input and returns it", "def squares(x):\n    return x.zero_()", WRONG, answers="squares"),
    Attack("B8", "empties its input", "def squares(x):\n    x.resize_(0)\n    return x", NO_CREDIT, answers="squares"),
    Attack("B8", "makes the function it was given a constant", body("""
type(f).__call__ = lambda self, x: x * 0
x = torch.tensor(a, requires_grad=True)
f(x).backward()
return x.grad.item()"""), NO_CREDIT),
]  # fmt: skip
