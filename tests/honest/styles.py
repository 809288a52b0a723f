"""Right answers to one exercise each, as different people write them; the other two answers are the plain ones."""

from tests.grader.toys import DOUBLE, SLOPE, SQUARES

SLOPES = {
    "grad with a comma": "x = torch.tensor(a, requires_grad=True)\n(g,) = torch.autograd.grad(f(x), x)\nreturn g",
    "a leaf by double()": "x = torch.tensor(a).double().requires_grad_()\nf(x).backward()\nreturn x.grad",
    "a Parameter": "x = torch.nn.Parameter(torch.tensor(a, dtype=torch.float64))\nf(x).backward()\nreturn x.grad.item()",
    "a Variable, as in old books": "from torch.autograd import Variable\nx = Variable(torch.tensor(a), requires_grad=True)\n"
                                   "f(x).backward()\nreturn x.grad.data.item()",
    "a vector of one inside": "x = torch.tensor([a], requires_grad=True)\nf(x).sum().backward()\nreturn x.grad[0].item()",
    "many points at once": "x = torch.full((3,), a, dtype=torch.float64, requires_grad=True)\nf(x).sum().backward()\n"
                           "return float(x.grad.mean())",
    "with a gradient argument": "x = torch.tensor([a], requires_grad=True)\n"
                                "f(x).backward(torch.ones(1))\nreturn x.grad.squeeze()",
    "create_graph": "x = torch.tensor(a, requires_grad=True)\ng = torch.autograd.grad(f(x), x, create_graph=True)[0]\nreturn g",
    "retain_graph": "x = torch.tensor(a, requires_grad=True)\ny = f(x)\ny.backward(retain_graph=True)\nx.grad = None\n"
                    "y.backward()\nreturn x.grad.item()",
    "cleared first": "x = torch.tensor(a, requires_grad=True)\nif x.grad is not None: x.grad.zero_()\nf(x).backward()\n"
                     "return x.grad.clone().detach().item()",
    "under enable_grad": "with torch.enable_grad():\n    x = torch.tensor(a, requires_grad=True)\n    f(x).backward()\n"
                         "return x.grad.item()",
    "jacobian": "x = torch.tensor(a, dtype=torch.float64)\nreturn torch.autograd.functional.jacobian(f, x).item()",
    "jacrev": "return torch.func.jacrev(f)(torch.tensor(a, dtype=torch.float64)).item()",
    "jvp": "x = torch.tensor(a, dtype=torch.float64, requires_grad=True)\n"
           "return torch.func.jvp(f, (x,), (torch.ones_like(x),))[1].item()",
    "vmap": "x = torch.tensor([a, a], dtype=torch.float64)\nreturn torch.func.vmap(torch.func.grad(f))(x)[1].item()",
    "a hook": "seen = []\nx = torch.tensor(a, requires_grad=True)\nx.register_hook(seen.append)\nf(x).backward()\n"
              "return seen[0].item()",
    "a non-leaf that keeps its gradient": "x = torch.tensor(a, requires_grad=True)\ny = 1 * x\ny.retain_grad()\nf(y).backward()\n"
                                          "return y.grad.item()",
    "NumPy in between": "import numpy as np\nx = torch.from_numpy(np.array(a)).requires_grad_(True)\nf(x).backward()\n"
                        "return x.grad.numpy()",
    "a NumPy number back": "import numpy as np\nx = torch.tensor(a, requires_grad=True)\n"
                           "f(x).backward()\nreturn np.float64(x.grad)",
    "an optimiser for clearing": "x = torch.tensor(a, requires_grad=True)\nopt = torch.optim.SGD([x], lr=0.1)\n"
                                 "opt.zero_grad()\nf(x).backward()\nreturn x.grad.item()",
    "try and except": "try:\n    x = torch.tensor(a, requires_grad=True)\n    f(x).backward()\n    return x.grad.item()\n"
                      "except Exception as error:\n    print(error)\n    raise",
    "an inner function": "def inner(t):\n    t = t.clone().requires_grad_()\n    f(t).backward()\n    return t.grad\n"
                         "return inner(torch.tensor(a)).item()",
    "assertions": "assert callable(f), 'f?'\nx = torch.tensor(float(a), requires_grad=True)\nassert x.is_leaf\nf(x).backward()\n"
                  "assert x.grad is not None\nreturn x.grad.item()",
    "a walrus": "(y := f(x := torch.tensor(a, requires_grad=True))).backward()\nreturn x.grad.item()",
    "complex words for a simple thing": "import functools, operator\nx = torch.tensor(a, requires_grad=True)\n"
                                        "functools.reduce(operator.mul, [f(x)], 1).backward()\nreturn x.grad.item()",
    "the sum with a zero": "x = torch.tensor(a, requires_grad=True)\n(f(x) + 0 * x.sum()).backward()\nreturn x.grad.item() + 0.0",
    "anomaly detection": "with torch.autograd.set_detect_anomaly(True):\n    x = torch.tensor(a, requires_grad=True)\n"
                         "    f(x).backward()\nreturn x.grad.item()",
    "timed": "import time\nstart = time.perf_counter()\nx = torch.tensor(a, requires_grad=True)\nf(x).backward()\n"
             "print(f'{time.perf_counter() - start:.3f} s')\nreturn x.grad.item()",
    "a device": "device = 'cuda' if torch.cuda.is_available() else 'cpu'\n"
                "x = torch.tensor(a, device=device, requires_grad=True)\n"
                "f(x).backward()\nreturn x.grad.cpu().item()",
    "a logger": "import logging\nlogging.basicConfig()\nlogging.warning('slope at %s', a)\n"
                "x = torch.tensor(a, requires_grad=True)\n"
                "f(x).backward()\nreturn x.grad.item()",
    "a progress bar": "try:\n    from tqdm.auto import tqdm\nexcept ImportError:\n"
                      "    tqdm = list\nx = torch.tensor(a, requires_grad=True)\n"
                      "for _ in tqdm(range(1)):\n    f(x).backward()\nreturn x.grad.item()",
}  # fmt: skip

DOUBLES = {
    "a type hint": "def double(x: float) -> float:\n    return 2.0 * x",
    "a default": "def double(x, factor=2):\n    return factor * x",
    "more arguments": "def double(x, *args, **kwargs):\n    return x * 2",
    "a lambda": "double = lambda x: 2 * x",
    "a partial": "from functools import partial\nimport operator\ndouble = partial(operator.mul, 2)",
    "a whole number where it can": "def double(x):\n    return int(2 * x) if float(2 * x).is_integer() else 2 * x",
    "a 0-d tensor": "import torch\ndef double(x):\n    return torch.tensor(2 * x)",
    "a tensor of double": "import torch\ndef double(x):\n    return torch.tensor(2 * x, dtype=torch.double)",
    "a detached tensor": "import torch\ndef double(x):\n    return (2 * torch.tensor(x, requires_grad=True)).detach()",
    "a 0-d array": "import numpy as np\ndef double(x):\n    return np.array(2 * x)",
    "a NumPy float32": "import numpy as np\ndef double(x):\n    return np.float32(2 * x)",
    "a sum": "def double(x):\n    return sum([x, x])",
    "recursion": "def double(x, n=2):\n    return 0 if n == 0 else x + double(x, n - 1)",
    "a decorated function": "import functools\ndef loud(f):\n    @functools.wraps(f)\n"
                            "    def inner(*args):\n        print(args)\n"
                            "        return f(*args)\n    return inner\n@loud\ndef double(x):\n    return 2 * x",
    "a static method": "class Maths:\n    @staticmethod\n    def double(x):\n        return 2 * x\ndouble = Maths.double",
    "a bound method": "class Scale:\n    def __init__(self, by):\n        self.by = by\n"
                      "    def apply(self, x):\n        return self.by * x\n"
                      "double = Scale(2).apply",
    "a module of torch": "import torch\nclass Double(torch.nn.Module):\n"
                         "    def forward(self, x):\n        return 2 * x\ndouble = Double()",
    "a closure": "def times(n):\n    def inner(x):\n        return n * x\n    return inner\ndouble = times(2)",
    "a constant from above": "FACTOR = 2\ndef double(x):\n    return FACTOR * x",
    "match and case": "def double(x):\n    match x:\n        case 0:\n"
                      "            return 0\n        case _:\n            return x + x",
    "a generator inside": "def double(x):\n    return next(y for y in [2 * x])",
    "print in place of nothing": "def double(x):\n    print(f'double of {x}')\n"
                                 "    result = 2 * x\n    print('=', result)\n    return result",
    "global counting": "count = 0\ndef double(x):\n    global count\n    count += 1\n    return 2 * x",
    "rounded beyond what matters": "def double(x):\n    return round(2 * x, 10)",
    "decimal": "from decimal import Decimal\ndef double(x):\n    return float(Decimal(x) * 2)",
    "fractions": "from fractions import Fraction\ndef double(x):\n    return float(2 * Fraction(x))",
    "sympy": "import sympy\ndef double(x):\n    s = sympy.Symbol('s')\n    return float((2 * s).subs(s, x))",
    "scipy where it is": "try:\n    from scipy import special\nexcept ImportError:\n"
                         "    special = None\ndef double(x):\n    return 2 * x",
    "scikit-learn's data": "from sklearn.datasets import load_digits\ndigits = load_digits()\ndef double(x):\n"
                           "    return 2 * x + 0 * digits.data[0, 0]",
    "pandas where it is": "try:\n    import pandas as pd\nexcept ImportError:\n    pd = None\ndef double(x):\n    return 2 * x",
    "a file of its own": "from pathlib import Path\nPath('factor.txt').write_text('2')\ndef double(x):\n"
                         "    return float(Path('factor.txt').read_text()) * x",
    "an async helper": "import asyncio\nasync def later(x):\n    return 2 * x\ndef double(x):\n    return asyncio.run(later(x))",
    "a number that another process writes": """import multiprocessing
def double(x):
    shared = multiprocessing.Value("d", 0.0)
    def work():
        shared.value = 2 * x
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join()
    return shared.value""",
    "a thread": "from concurrent.futures import ThreadPoolExecutor\ndef double(x):\n    with ThreadPoolExecutor(2) as pool:\n"
                "        return pool.submit(lambda: 2 * x).result()",
    "a context manager": "import contextlib, io\ndef double(x):\n"
                         "    with contextlib.redirect_stdout(io.StringIO()):\n        print(x)\n"
                         "    return 2 * x",
    "stdin left alone": "import sys\ndef double(x):\n    sys.stdout.flush()\n    return 2 * x",
    "Greek letters": "def double(α):\n    δ = α\n    return α + δ",
    "a long docstring": "def double(x):\n    '''" + "Twice the number. " * 200 + "'''\n    return 2 * x",
    "one line": "def double(x): return 2*x",
    "semicolons": "def double(x): y = 2 * x; return y",
    "backslashes": "def double(x):\n    return 2 \\\n        * x",
    "eight spaces": "def double(x):\n        return 2 * x",
    "a tab": "def double(x):\n\treturn 2 * x",
    "comments everywhere": "# double\ndef double(x):  # of x\n    # twice\n    return 2 * x  # done",
}  # fmt: skip

TABLES = {
    "pow": "return x.pow(2)", "torch.pow": "return torch.pow(x, 2)", "square_ of a copy": "return x.clone().square_()",
    "einsum": "return torch.einsum('i,i->i', x, x)", "a list": "return torch.tensor([float(one) ** 2 for one in x])",
    "stack": "return torch.stack([one**2 for one in x])", "NumPy": "import numpy as np\nreturn np.square(x.numpy())",
    "float32": "return (x.float() ** 2)", "matrix times vector": "return torch.diag(x) @ x",
    "apply": "return x.clone().apply_(lambda v: v * v)",
    "through a list of floats": "return torch.tensor([v * v for v in x.tolist()])",
    "autograd that nobody asked for": "leaf = x.clone().requires_grad_()\n"
                                      "return torch.autograd.grad((leaf**3 / 3).sum(), leaf)[0]",
    "with a graph": "return x.clone().requires_grad_() ** 2", "a column turned back": "return (x[:, None] ** 2).squeeze(1)",
    "a loop that fills": "out = torch.empty_like(x)\nfor i in range(len(x)):\n    out[i] = x[i] ** 2\nreturn out",
    "torch.nn.functional": "import torch.nn.functional as F\nreturn F.relu(x) ** 2 + F.relu(-x) ** 2",
    "a float in between": "return x.to(torch.float64) * x.double()", "abs": "return abs(x) * abs(x)",
    "no_grad": "with torch.no_grad():\n    return x * x",
    "multiplied in place on a copy": "y = x.detach().clone()\ny *= y\nreturn y",
    "vmap": "return torch.vmap(lambda v: v * v)(x)", "where": "return torch.where(x > 0, x * x, (-x) * (-x))",
    "NumPy and back": "return torch.from_numpy(x.numpy() ** 2)", "cumulative": "return torch.outer(x, x).diagonal()",
}  # fmt: skip


def indented(signature, text):
    return f"import torch\ndef {signature}:\n" + "\n".join("    " + line for line in text.split("\n"))


STYLES = {
    **{f"slope: {name}": [indented("slope_at(f, a)", text), DOUBLE, SQUARES] for name, text in SLOPES.items()},
    **{f"double: {name}": [SLOPE, text, SQUARES] for name, text in DOUBLES.items()},
    **{f"squares: {name}": [SLOPE, DOUBLE, indented("squares(x)", text)] for name, text in TABLES.items()},
}
