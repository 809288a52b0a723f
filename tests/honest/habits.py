"""Habits in whole notebooks that cost nothing: HABITS, the cells that define slope_at, double and squares."""

from tests.grader.toys import DOUBLE, SLOPE, SQUARES

HABITS = {
    "plain": [SLOPE, DOUBLE, SQUARES],
    "prints and warns": [
        "import sys\nfrom warnings import warn\nprint('hello'); warn('careful')",
        SLOPE.replace("    return", "    print('slope', a); print('!', file=sys.stderr); warn('')\n    return"),
        DOUBLE, SQUARES],
    "float32": [
        SLOPE.replace("dtype=torch.float64, ", ""), DOUBLE,
        "import torch\ndef squares(x):\n    return x.to(torch.float32) ** 2"],
    "tensors for numbers": [
        SLOPE.replace("x.grad.item()", "x.grad"), "import numpy as np\ndef double(x):\n    return np.float64(2 * x)",
        "def squares(x):\n    return (x * x).numpy()"],
    "still requires grad": [
        SLOPE, "import torch\ndef double(x):\n    return 2 * torch.tensor(x, dtype=torch.float64, requires_grad=True)",
        "def squares(x):\n    return x.clone().requires_grad_() ** 2"],
    "rearranged": [
        "import torch\ndef slope_at(f, a):\n    x = torch.tensor(a, dtype=torch.float64, requires_grad=True)\n"
        "    return torch.autograd.grad(f(x), x)[0].item()",
        "double = lambda x: x + x", "import torch\nsquares = torch.square"],
    "torch.func": [
        "import torch\nfrom torch.func import grad\ndef slope_at(f, a):\n"
        "    return grad(f)(torch.tensor(a, dtype=torch.float64)).item()", DOUBLE, SQUARES],
    "plots": [
        "import matplotlib.pyplot as plt\n%matplotlib inline\nfig, ax = plt.subplots()\nax.plot([1, 2])\nplt.show()",
        SLOPE, DOUBLE, SQUARES],
    "a slow loop": [
        SLOPE,
        "def double(x):\n    total = 0.0\n    for _ in range(200_000):\n        total += 1e-5 * x\n    return total",
        "import torch\ndef squares(x):\n    return torch.stack([entry * entry for entry in x])"],
    "helpers after their use": [
        "def double(x):\n    return helper(x) * 2", "def helper(x):\n    return x", SLOPE, SQUARES],
    "an await in the cell of an answer": [
        SLOPE, "import asyncio\nawait asyncio.sleep(0)\ndef double(x):\n    return two * x\ntwo = await asyncio.sleep(0, 2)",
        "%matplotlib inline\nimport torch\nasync def squared(x):\n    return x * x\nnine = await squared(3)\n"
        "def squares(x):\n    return x ** 2"],
    "answered twice, last one right": ["def double(x):\n    return 3 * x", SLOPE, SQUARES, DOUBLE],
    "accents": ["größe = 2\ndef double(x):\n    '''Verdoppelt – naïvement ✓'''\n    return größe * x", SLOPE, SQUARES],
    "CRLF": [SLOPE.replace("\n", "\r\n"), DOUBLE.replace("\n", "\r\n"), SQUARES.replace("\n", "\r\n")],
    "a failing later cell": [SLOPE, DOUBLE, SQUARES, "double(1, 2, 3)", "raise RuntimeError"],
    "a package that is not there": ["import seaborn_of_the_future as sns", SLOPE, DOUBLE, SQUARES],
    "a seed": ["import torch, random, numpy as np\ntorch.manual_seed(1); random.seed(1); np.random.seed(1)",
               SLOPE, DOUBLE, SQUARES],
    "default dtype": ["import torch\ntorch.set_default_dtype(torch.float64)",
                      SLOPE.replace("dtype=torch.float64, ", ""), DOUBLE, SQUARES],
    "threads": ["import torch\ntorch.set_num_threads(2)\na = torch.ones(600, 600)\n(a @ a).sum()", SLOPE,
                "import torch\ndef double(x):\n    b = torch.ones(600, 600) @ torch.ones(600, 600)\n"
                "    return 2 * x + 0 * float(b[0, 0])", SQUARES],
    "main guard": [SLOPE, DOUBLE + "\n\nif __name__ == '__main__':\n    print(double(2))\nelse:\n    del double",
                   SQUARES],
    "course helpers": [
        "from course_lib import check, hint, plots\nfrom course_lib import *\nimport course_lib\n"
        "import course_lib.plots as cp\nfrom course_lib.explore import tangent_zoom",
        SLOPE, "check(slope_at)",
        "hint(slope_at)\nprogress()\ntangent_zoom(lambda x: x)\ncp.plot_tangent(abs, at=0.0)\n"
        "if not check(slope_at).passed:\n    print('so far')\nwith course_lib.anything() as it:\n    it[0].go(x=1)",
        DOUBLE, SQUARES],
    "widgets": [
        "from ipywidgets import interact\nfrom IPython.display import display, HTML\ndisplay(HTML('<b>x</b>'))\n"
        "import ipywidgets as widgets\nwidgets.VBox([widgets.FloatSlider(min=0)])",
        SLOPE, DOUBLE, "@interact(x=(0, 1))\ndef squares(x):\n    return x * x"],
    "magics": ["%timeit -n 1 pass\n%time y = 3\n!ls\nfiles = !ls\n%load_ext autoreload\nprint?",
               "%%time\n" + SLOPE.lstrip(), "%%bash\nls", DOUBLE, SQUARES, "get_ipython().run_line_magic('who', '')"],
    "lines that look like magics": ['text = """\n%d of\n!important\n"""\nassert "%d" in text', SLOPE, DOUBLE, SQUARES],
    "input is changed as well": [SLOPE, DOUBLE, "def squares(x):\n    x *= x\n    return x"],
    "a class with __call__": [
        SLOPE, "class Doubler:\n    def __call__(self, x):\n        return 2 * x\ndouble = Doubler()", SQUARES],
    "a cached function": [SLOPE, "import functools\n@functools.cache\ndef double(x):\n    return 2 * x", SQUARES],
    "no_grad left on": ["import torch\ntorch.set_grad_enabled(False)", SLOPE, DOUBLE, SQUARES],
    "a temporary file": [SLOPE,
                         "from pathlib import Path\ndef double(x):\n    Path('note.txt').write_text(str(2 * x))\n"
                                "    return float(Path('note.txt').read_text())", SQUARES],
    "dataclasses": ["from dataclasses import dataclass\n@dataclass\nclass Two:\n    factor: float = 2.0",
                    SLOPE, "def double(x: float) -> float:\n    return Two().factor * x", SQUARES],
}  # fmt: skip
