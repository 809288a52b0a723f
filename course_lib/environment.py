"""Get the Python that has everything the course needs: find() looks for one, set_up() makes or repairs .venv.

Standard library only. Every failure is a SetupError whose text is the one sentence to show.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements.txt"
INDIRECT = "# Pulled in by the above"  # the line of requirements.txt that ends what the course chose itself
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
LARGE_MEGABYTES = 400  # a CPU torch has about 200, a CUDA torch from 800 up
MUST_START = ("torch", "sympy", "matplotlib", "ipywidgets", "jupyterlab", "pytest", "course_lib")


class SetupError(Exception):
    """Set-up cannot go on; the text is one sentence that says what, why and what to do."""


class PipFailed(Exception):
    """pip ended with an error; `lines` is what it said."""

    def __init__(self, lines):
        super().__init__(lines)
        self.lines = lines


class LargeDownload(Exception):
    """pip was stopped before it fetched the CUDA build of torch."""


# --- what is required ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """One line of requirements.txt that applies on this platform."""

    name: str
    version: str
    chosen: bool  # by the course itself, not pulled in


def pins(text=None, platform=sys.platform):
    """The pinned packages for a platform, in the order of requirements.txt."""
    found, chosen = [], True
    for line in (read_requirements() if text is None else text).splitlines():
        chosen = chosen and not line.startswith(INDIRECT)
        line = line.partition("#")[0].strip()
        if not line or line.startswith("-"):
            continue
        match = re.fullmatch(r'([\w.-]+)==([\w.!+]+)(?:\s*;\s*sys_platform (==|!=) "(\w+)")?', line)
        if not match:
            raise SetupError(f"requirements.txt has {line!r}, wanted name==version with at most a sys_platform marker.")
        name, version, relation, where = match.groups()
        if not relation or (platform == where) == (relation == "=="):
            found.append(Pin(name=name, version=version, chosen=chosen))
    return found


def read_requirements():
    return REQUIREMENTS.read_text(encoding="utf-8")


def plain_name(name):
    """A package's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_version(name, path):
    """The version found on a search path, without a local suffix such as +cpu; None if absent."""
    for distribution in importlib.metadata.distributions(name=name, path=[str(entry) for entry in path]):
        if distribution.version:
            return distribution.version.partition("+")[0]
    return None


def mismatches(wanted, path):
    """Pairs (pin, installed version or None) for the pins that a search path does not fulfil."""
    versions = ((pin, installed_version(pin.name, path)) for pin in wanted)
    return [(pin, version) for pin, version in versions if version != pin.version]


def has_everything(path):
    return all(installed_version(pin.name, path) == pin.version for pin in pins() if pin.chosen)


# --- where it may be -----------------------------------------------------------------------------------------------


def python_in(folder):
    """The interpreter of an environment."""
    return folder / "Scripts" / "python.exe" if os.name == "nt" else folder / "bin" / "python"


def packages_in(folder):
    """The site-packages of an environment, None if there is none."""
    if os.name == "nt":
        found = [folder / "Lib" / "site-packages"]
    else:
        found = sorted(folder.glob("lib/python3*/site-packages"))
    found = [path for path in found if path.is_dir()]
    return found[-1] if found else None


def find():
    """An interpreter that has everything: this one, the active environment's, .venv's; None if there is none."""
    active = [os.environ.get("VIRTUAL_ENV"), os.environ.get("CONDA_PREFIX")]
    if Path(sys.prefix) != VENV and has_everything(sys.path):
        return Path(sys.executable)
    for folder in (Path(text) for text in active if text):
        packages = packages_in(folder)
        if folder != VENV and packages and python_in(folder).exists() and has_everything([packages]):
            return python_in(folder)
    return python_in(VENV) if is_ready(VENV) else None


def is_ready(folder):
    """Whether set-up ended, with these requirements, and the Python it used is still the same."""
    try:
        stamp = (folder / "course-ready").read_text(encoding="utf-8")
    except OSError:
        return False
    return stamp == stamp_text(python_version(python_in(folder)))


def stamp_text(version):
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    return f"requirements.txt {digest}\npython {version}\n"


def python_version(python):
    """Major and minor version that an interpreter says it has; None if it does not start."""
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        # -S: site-packages are not needed for the answer, and this runs at every start.
        answer = subprocess.run([python, "-I", "-S", "-c", question], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def make_importable():
    """Let kernels that this process starts import the course from an environment that does not hold it."""
    if not is_course_in(packages_in(Path(sys.prefix))):
        os.environ.update(variables_with_root(os.environ))


def variables_for(python):
    """Environment variables to run an interpreter with."""
    variables = dict(os.environ)
    variables.pop("PYTHONHOME", None)
    if not is_course_in(packages_in(Path(python).parent.parent)):
        variables = variables_with_root(variables)
    return variables


def is_course_in(packages):
    if packages is None:
        return False
    return (packages / "course_lib.pth").exists() or installed_version("course-lib", [packages]) is not None


def variables_with_root(variables):
    path = [part for part in variables.get("PYTHONPATH", "").split(os.pathsep) if part]
    if str(ROOT) not in path:
        path.insert(0, str(ROOT))
    return {**variables, "PYTHONPATH": os.pathsep.join(path)}


# --- making and repairing .venv ------------------------------------------------------------------------------------


def set_up(*, allow_large=False, progress=None):
    """Make or repair .venv; its interpreter."""
    progress = progress or Progress(steps=4)
    try:
        VENV.mkdir(exist_ok=True)
        with only_one(VENV / "setup.lock", progress):
            if is_ready(VENV):  # somebody else did it while we waited
                return python_in(VENV)
            fill(progress, allow_large or os.environ.get("COURSE_ALLOW_LARGE_TORCH") == "1")
    except PipFailed as failure:
        raise SetupError(explain(failure.lines)) from None
    except OSError as error:
        raise SetupError(
            f"Set-up could not write {error.filename or VENV}: {error.strerror}. "
            "Free some space, or copy the course to a folder of your own, and run the same command again."
        ) from None
    finally:
        progress.close()
    return python_in(VENV)


def fill(progress, allow_large):
    """The steps of set-up, the stamp last."""
    (VENV / "course-ready").unlink(missing_ok=True)
    (VENV / "setup.log").write_text("", encoding="utf-8")
    progress.step("Making the environment .venv")
    if not is_healthy(VENV):
        wipe(VENV)
        create(VENV)
    python, packages = python_in(VENV), packages_in(VENV)
    drop_half_installed(packages)

    progress.step("Getting PyTorch, the CPU build")
    if sys.platform.startswith("linux"):
        # Elsewhere the default build is already the one for CPUs.
        install_torch(python, packages, progress, allow_large)

    wanted = pins()
    progress.step(f"Installing {len(wanted)} packages")
    install_pins(python, packages, wanted, progress)
    write_path_file(packages)

    progress.step("Checking that everything starts")
    check_imports(python)
    (VENV / "course-ready").write_text(stamp_text(python_version(python)), encoding="utf-8")
    progress.done()


def is_healthy(folder):
    """Whether an environment's own Python and pip start."""
    if packages_in(folder) is None or python_version(python_in(folder)) is None:
        return False
    answer = subprocess.run([python_in(folder), "-I", "-m", "pip", "--version"], capture_output=True, text=True)
    return answer.returncode == 0


def wipe(folder):
    """Empty a broken environment, except for the lock and the log that this run holds."""
    for entry in folder.iterdir():
        if entry.name in ("setup.lock", "setup.log"):
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def create(folder):
    """A new environment with pip, from the running Python."""
    complaint = venv_missing()
    if complaint:
        raise SetupError(complaint)
    answer = subprocess.run([sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True)
    if answer.returncode == 0:
        return
    said = (answer.stdout + answer.stderr).strip()
    if "ensurepip" in said:
        raise SetupError(advise_venv_package())
    last = said.splitlines()[-1] if said else f"exit code {answer.returncode}"
    raise SetupError(f"{sys.executable} could not make an environment in {folder}: {last}")


def venv_missing():
    """The sentence for a Python that came without venv or ensurepip, or None."""
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        return None
    return advise_venv_package()


def advise_venv_package():
    version = "{}.{}".format(*sys.version_info[:2])
    return (
        f"This Python ({sys.executable}) cannot make environments because its venv part is not installed: "
        f"on Debian and Ubuntu run `sudo apt install python{version}-venv`, then the same command again."
    )


def drop_half_installed(packages):
    """Make pip install again what an interruption left without the list of its files, which pip writes last."""
    for record in packages.glob("*.dist-info"):
        if not (record / "RECORD").exists():
            shutil.rmtree(record)


def write_path_file(packages):
    """Make `import course_lib` work in every notebook."""
    # A relative path survives a move of the folder, and letters that the locale cannot spell.
    try:
        line = os.path.relpath(ROOT, packages)
    except ValueError:  # Windows: another drive
        line = str(ROOT)
    (packages / "course_lib.pth").write_text(line + "\n", encoding="utf-8")


def check_imports(python):
    statement = "import " + ", ".join(MUST_START)
    answer = subprocess.run(
        [python, "-I", "-c", statement], capture_output=True, text=True, cwd=ROOT, env=variables_for(python)
    )
    if answer.returncode != 0:
        last = (answer.stderr.strip().splitlines() or ["no message"])[-1]
        raise SetupError(
            f"Everything is installed but does not start ({last}): delete the folder {VENV} and run the command again."
        )


# --- pip -----------------------------------------------------------------------------------------------------------


def install_torch(python, packages, progress, allow_large):
    """The CPU build of torch; what pip finds elsewhere if PyTorch's own index does not answer."""
    version = next(pin.version for pin in pins() if pin.name == "torch")
    if installed_version("torch", [packages]) == version:
        return
    wanted = f"torch=={version}"

    def show(line):
        progress.tick(told(line))

    try:
        run_pip(
            python, "--no-deps", "--retries", "0", "--timeout", "8", "--index-url", CPU_INDEX, wanted,
            on_line=show, on_wait=progress.tick,
        )  # fmt: skip
        return
    except PipFailed:
        progress.note(f"PyTorch's own index of CPU builds did not deliver; taking what pip finds for {wanted}.")

    def show_or_stop(line):
        if not allow_large and is_large(line):
            raise LargeDownload
        show(line)

    constraints = VENV / "constraints.txt"
    constraints.write_text(pip_lines(pins()), encoding="utf-8")
    try:
        run_pip(python, "--constraint", str(constraints), wanted, on_line=show_or_stop, on_wait=progress.tick)
    except LargeDownload:
        raise SetupError(
            f"Only the build of {wanted} for graphics cards was found, a download of several gigabytes that the course "
            "does not need: try again later, or accept it with `python3 -m course_lib --yes lab` "
            "or COURSE_ALLOW_LARGE_TORCH=1."
        ) from None


def is_large(line):
    """Whether a line of pip announces the CUDA build."""
    if re.match(r"Collecting (nvidia|cuda)-", line):
        return True
    size = re.match(r"Downloading .*torch-\S+\.whl \((\d+(?:\.\d+)?) (MB|GB)\)", line)
    return bool(size) and (size[2] == "GB" or float(size[1]) > LARGE_MEGABYTES)


def install_pins(python, packages, wanted, progress):
    """All pinned packages, skipping those already there."""
    names = {plain_name(pin.name): pin for pin in wanted}
    seen = set()
    unpacking = False

    def show(line):
        nonlocal unpacking
        unpacking = unpacking or line.startswith("Installing collected packages")
        match = re.match(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)==", line)
        pin = names.get(plain_name(match[1])) if match else None
        if pin:
            seen.add(pin.name)
            progress.tick(f"{pin.name} {pin.version} ({len(seen)}/{len(wanted)})")

    def wait():
        # While pip unpacks it says nothing; what has arrived can be counted.
        there = len(list(packages.glob("*.dist-info/RECORD"))) - 1  # pip itself
        progress.tick(f"unpacking ({min(max(there, 0), len(wanted))}/{len(wanted)})" if unpacking else "")

    listed = VENV / "constraints.txt"
    listed.write_text(pip_lines(wanted), encoding="utf-8")
    run_pip(python, "--requirement", str(listed), on_line=show, on_wait=wait)


def pip_lines(wanted):
    """The pins as pip reads them, without the line that installs the course: a path file does that, offline too."""
    return "".join(f"{pin.name}=={pin.version}\n" for pin in wanted)


def run_pip(python, *arguments, on_line, on_wait):
    """Run `pip install`, handing on its lines as they come and calling on_wait while it is silent."""
    command = [str(python), "-I", "-m", "pip", "install", "--no-input", "--progress-bar", "off", *arguments]
    # A user's pip settings for another place to install to would miss the environment.
    variables = {**variables_for(python), "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    lines = []
    with open(VENV / "setup.log", "a", encoding="utf-8") as log:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, encoding="utf-8", errors="replace", env=variables, cwd=ROOT,
        )  # fmt: skip
        try:
            for line in lines_or_silence(child.stdout):
                if line is None:
                    on_wait()
                    continue
                log.write(line + "\n")
                lines.append(line.strip())
                on_line(line.strip())
            code = child.wait()
        except BaseException:  # Ctrl-C too: pip must not go on alone
            child.terminate()
            child.wait()
            raise
    if code != 0:
        raise PipFailed(lines)


def lines_or_silence(stream, seconds=0.5):
    """The lines of a stream, and None whenever none came for a while."""
    arrived = queue.SimpleQueue()

    def read():
        for line in stream:
            arrived.put(line.rstrip("\n"))
        arrived.put(StopIteration)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = arrived.get(timeout=seconds)
        except queue.Empty:
            line = None
        if line is StopIteration:
            return
        yield line


def told(line):
    """What a line of pip says, short enough for a progress line."""
    match = re.match(r"(?:Downloading|Using cached) (?:\S*/)?(\S+) (\(.*\))", line)
    return f"{match[1].split('-')[0]} {match[2]}" if match else ""


REASONS = (
    (r"No space left on device", "the disk is full", "free about 2 GB"),
    (r"CERTIFICATE_VERIFY_FAILED|SSLError", "the secure connection was refused", "check the clock and the proxy"),
    (r"407 Proxy|ProxyError|Cannot connect to proxy", "the proxy refused the connection", "set HTTPS_PROXY"),
    (
        r"NewConnectionError|NameResolutionError|ConnectTimeout|ReadTimeout|ConnectionReset|ConnectionError|"
        r"Failed to establish|Temporary failure in name resolution|getaddrinfo failed|Network is unreachable|"
        r"Connection broken|IncompleteRead|timed out",
        "the package index cannot be reached",
        "connect to the internet",
    ),
    (
        r"No matching distribution found|Could not find a version",
        "a package is not offered for this Python and machine",
        "use a 64-bit Python 3.11 to 3.13",
    ),
)


def explain(lines):
    """One sentence for a run of pip that failed."""
    cause, remedy, guilty = "pip stopped", "look there for the cause", []
    for pattern, reason, advice in REASONS:
        guilty = [line for line in lines if re.search(pattern, line)]
        if guilty:
            cause, remedy = reason, advice
            break
    guilty = guilty or [line for line in lines if line.startswith("ERROR:")] or lines[-1:] or ["pip said nothing"]
    return (
        f"Set-up failed because {cause} ({shortened(guilty[0])}): {remedy} and run the same command again, which keeps "
        f"what is already installed; everything pip said is in {VENV / 'setup.log'}."
    )


def shortened(line, characters=160):
    """The heart of an error line of pip."""
    core = re.search(r"\[Errno -?\d+\] [^')]+", line)
    text = core[0] if core else line.removeprefix("ERROR:").strip()
    return text if len(text) <= characters else text[:characters] + "…"


# --- one at a time, and how far ------------------------------------------------------------------------------------


@contextlib.contextmanager
def only_one(path, progress):
    """Hold a file's lock, waiting while another set-up holds it; a process that dies lets go by itself."""
    with open(path, "a+b") as file:
        waiting = False
        while not try_lock(file):
            if not waiting:
                progress.note("Another set-up is running in this folder; waiting for it to end.")
                waiting = True
            time.sleep(0.3)
        yield


def try_lock(file):
    try:
        if os.name == "nt":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


class Progress:
    """Named steps with time: one moving line on a terminal, a plain line now and then elsewhere."""

    def __init__(self, *, steps, stream=None, clock=time.monotonic, plain_seconds=10):
        self.steps = steps
        self.stream = stream or sys.stderr
        self.clock = clock
        self.plain_seconds = plain_seconds
        self.moving = self.stream.isatty()
        self.number = 0
        self.title = None
        self.detail = ""
        self.started = self.begun = self.shown = clock()

    def step(self, title):
        """Begin the next step, ending the one before."""
        self.close()
        self.number += 1
        self.title, self.detail = title, ""
        self.started = self.shown = self.clock()
        self.show()

    def tick(self, detail=""):
        """Say how far the step is; without detail only the time moves."""
        self.detail = detail or self.detail
        if self.moving or self.clock() - self.shown >= self.plain_seconds:
            self.show()

    def note(self, sentence):
        """A line of its own."""
        self.end_line()
        print("      " + sentence, file=self.stream, flush=True)

    def close(self):
        """End the current step as it is."""
        if self.title and self.moving:
            self.show()
            self.end_line()
        self.title = None

    def done(self):
        self.close()
        print(f"Ready after {spoken(self.clock() - self.begun)}.", file=self.stream, flush=True)

    def show(self):
        self.shown = self.clock()
        seconds = self.shown - self.started
        text = f"[{self.number}/{self.steps}] {self.title} … {self.detail}".rstrip()
        if seconds >= 1:
            text += f"  {spoken(seconds)}"
        if self.moving:
            width = shutil.get_terminal_size().columns - 1
            print("\r\x1b[K" + text[:width], end="", file=self.stream, flush=True)
        else:
            print(text, file=self.stream, flush=True)

    def end_line(self):
        if self.moving and self.title:
            print(file=self.stream, flush=True)


def spoken(seconds):
    """A span of time as 8 s or 2 min 05 s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
