"""What else stands in an honest notebook, before or after the answers: it costs nothing."""

from tests.grader.toys import DOUBLE, SLOPE, SQUARES

BEFORE = {
    "a first try": "def squares(x):\n    return 2 * x\nsquares(3)  # not yet",
    "a first try as a comment": "# def double(x):\n#     return 3 * x",
    "an answer tried before it is written": "double(1)",
    "a cell for each import": ["import torch", "import math", "math.pi"],
    "empty cells": ["", " ", "\n\n", "# notes"],
    "names of the course used for something else": "x = 5\na = 3\nf = None\nask = part = check = 1",
    "names of Python used for something else": "list = [1]\nsum = 3\ninput = 2\nid = 1\ntype = 'x'",
    "imports with a star": "from math import *\nfrom torch import *",
    "a long loop": "total = 0\nfor i in range(2_000_000):\n    total += i",
    "a training loop": """import torch
model = torch.nn.Linear(20, 20)
optimiser = torch.optim.Adam(model.parameters())
for _ in range(300):
    optimiser.zero_grad()
    loss = (model(torch.randn(64, 20)) ** 2).mean()
    loss.backward()
    optimiser.step()""",
    "a large table in memory": "import torch\nbig = torch.ones(8000, 4000)",
    "a thousand lines of output": "for i in range(1000): print(i)",
    "a display of everything": """from IPython.display import display, Markdown, clear_output
display(1, 'x', Markdown('# x'))
clear_output(wait=True)""",
    "warnings as errors": "import warnings\nwarnings.simplefilter('error')",
    "warnings silenced": "import warnings\nwarnings.filterwarnings('ignore')",
    "print options": "import torch, numpy as np\ntorch.set_printoptions(precision=2)\nnp.set_printoptions(precision=1)",
    "deterministic algorithms": "import torch\ntorch.use_deterministic_algorithms(True)",
    "float32 for everything": "import torch\ntorch.set_default_dtype(torch.float32)",
    "many threads": "import torch\ntorch.set_num_threads(8)\nm = torch.ones(900, 900)\nfor _ in range(3): m = m @ m / 900",
    "threads between operations": "import torch\ntorch.set_num_interop_threads(2)",
    "plots of several kinds": """import matplotlib.pyplot as plt, numpy as np
plt.style.use('ggplot')
x = np.linspace(0, 1, 50)
fig, axes = plt.subplots(2, 2)
axes[0, 0].imshow(np.eye(3)); axes[0, 1].hist(x); axes[1, 0].contour(np.outer(x, x))
plt.savefig('picture.png')
plt.close('all')""",
    "an animation": """import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation
fig, ax = plt.subplots()
moving = FuncAnimation(fig, lambda i: ax.plot([0, i]), frames=3)""",
    "widgets with observers": """import ipywidgets as w
slider, out = w.IntSlider(value=3), w.Output()
slider.observe(lambda change: None, names='value')
@out.capture()
def show(x): print(x)
w.interactive(show, x=slider)
with out: print(slider.value)""",
    "an install cell": "!pip install -q torch\n%pip install numpy\n!python --version",
    "Colab": """try:
    from google.colab import drive
    drive.mount('/content/drive')
except ImportError:
    pass
import os
IN_COLAB = 'COLAB_GPU' in os.environ""",
    "settings of IPython": "%load_ext autoreload\n%autoreload 2\n%matplotlib widget\n%config InlineBackend.figure_format = 'svg'",
    "timed and captured cells": ["%%timeit\nsum(range(10))", "%%capture out\nprint('x')"],
    "help asked": "?print\nlen?\nlen??\nhelp(len)",
    "shell words": ["cd ~", "ls -la", "pwd"],
    "prose in a code cell": "The slope is the limit of the secant.",
    "other languages": ["%%javascript\nalert(1)", "%%html\n<b>x</b>", "%%latex\n$x^2$", "%%writefile notes.txt\nhello"],
    "time and chance": "import time, random, uuid\nstart = time.time()\nrandom.shuffle([1, 2])\nname = uuid.uuid4()",
    "environment and paths": "import os, sys\nos.environ['HOME'] = '/tmp'\nsys.path.append('..')\nos.getcwd()\nos.listdir('.')",
    "another folder": "import os\nos.makedirs('work', exist_ok=True)\nos.chdir('work')",
    "a process of its own": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'print(1)'], capture_output=True)",
    "a pool of processes": "from multiprocessing import Pool\nwith Pool(2) as pool:\n    print(pool.map(abs, [-1, 2]))",
    "a data loader": """import torch
from torch.utils.data import DataLoader, TensorDataset
for (x,) in DataLoader(TensorDataset(torch.ones(8, 2)), batch_size=4, shuffle=True): pass""",
    "a data loader with workers": """import torch
from torch.utils.data import DataLoader
loader = list(DataLoader(torch.ones(8, 2), batch_size=4, num_workers=1))""",
    "saved and loaded": "import torch\ntorch.save({'w': torch.ones(3)}, 'w.pt')\nw = torch.load('w.pt')['w']",
    "inference mode": "import torch\nwith torch.inference_mode():\n    y = torch.ones(3) * 2",
    "gradients switched off and on": "import torch\ntorch.set_grad_enabled(False)\ntorch.set_grad_enabled(True)",
    "anomaly detection left on": "import torch\ntorch.autograd.set_detect_anomaly(True)",
    "garbage collected": "import gc\ngc.collect()\ngc.disable()",
    "recursion limit raised": "import sys\nsys.setrecursionlimit(10_000)",
    "rich output": "class Nice:\n    def _repr_html_(self): return '<b>nice</b>'\nNice()",
    "types": "from typing import Callable, Optional\nimport torch\nTensor = torch.Tensor\nMap = Callable[[Tensor], Tensor]",
    "a module of their own": "open('helper.py', 'w').write('two = 2')\nimport sys\nsys.path.insert(0, '.')\nimport helper",
    "an event loop": "import asyncio\nasync def soon(): return 1\nawait soon()",
    "an asynchronous loop": "import asyncio\nawait asyncio.sleep(0.01)\nasync def later():\n    return 2\nx = await later()",
    "a waiting student": "import time\ntime.sleep(0.2)",
    "a logger": "import logging\nlogging.basicConfig(level=logging.DEBUG)\nlogging.debug('x')",
    "an exception handled": "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    print(error)",
    "a quiz of the course": "from course_lib import check, predict, recall, reveal\npredict('01-slope', 2.0)\nreveal('01-slope')",
    "a SymPy derivation": "import sympy as sp\nx = sp.symbols('x')\nsp.diff(sp.exp(x**2) * sp.sin(x), x)",
    "a table of pandas that is not there": "import pandas as pd\ndf = pd.DataFrame({'a': [1]})\ndf.plot()",
    "profiling": "import cProfile\ncProfile.run('sum(range(1000))')",
    "a memory of a former version": "from importlib import reload\nimport math\nreload(math)",
}

AFTER = {
    "a last line that shows the answer": ["slope_at", "double", "squares"],
    "tests of their own": """import unittest
class TestDouble(unittest.TestCase):
    def test(self): self.assertEqual(double(2), 4)
unittest.main(argv=[''], exit=False)""",
    "doctests": "import doctest\ndoctest.testmod()",
    "a wrong assertion of their own": "assert double(2) == 5, 'why?'",
    "an interrupted cell": "raise KeyboardInterrupt",
    "a syntax error": "for i in range(3)\n    print(i)",
    "a stray bracket": "print(double(3)))",
    "an answer called wrongly": "slope_at(1, 2)",
    "a quick end": "import sys\nsys.exit()",
    "a question that is never answered": "name = input('Your name: ')",
    "another name for an answer": "mine = double\nbest = squares",
    "the answers in use": "import torch\n[double(i) for i in range(100)]\nslope_at(torch.sin, 0.5)",
    "a picture of the answer": "import matplotlib.pyplot as plt\nplt.plot([double(x) for x in range(5)])\nplt.show()",
    "a cell for the teacher": "print('I did not understand 1.4, sorry!')",
    "an answer wrapped and kept": "import functools\ndouble = functools.lru_cache(double)",
    "merge marks in another cell": "<<<<<<< HEAD\nx = 1\n=======\nx = 2\n>>>>>>> theirs",
    "a class that does not work": "class Half(\n    def __init__(self): pass",
}


def cells(more):
    return more if isinstance(more, list) else [more]


BESIDE = {
    **{f"before: {name}": [*cells(more), SLOPE, DOUBLE, SQUARES] for name, more in BEFORE.items()},
    **{f"after: {name}": [SLOPE, DOUBLE, SQUARES, *cells(more)] for name, more in AFTER.items()},
}
