"""Run the course from a terminal: python3 -m course_lib lab, test, doctor, list, build, grade, replay, release …

Starts on the standard library alone, makes or finds the environment that has the rest, and runs again inside it.
Keep this file readable for Python 3.6: an old Python must get as far as the sentence that says it is too old.
"""

import argparse
import importlib
import os
import subprocess
import sys
import threading
import time
import webbrowser

WANTED_PYTHON = (3, 11)
RUNS_IN = "COURSE_LIB_PYTHON"  # the interpreter we re-executed: tells the second start that the choice is made
FIRST_LESSON = "notebooks/00_start_here.ipynb"
PASSED_ON = ("lab", "test")  # verbs whose arguments belong to JupyterLab or pytest
WITHOUT_SETUP = ("doctor",)  # verbs that must answer even where nothing is installed


class OneSentenceParser(argparse.ArgumentParser):
    """Says what is wrong with a command in one sentence and exits with 2."""

    def error(self, message):
        self.exit(2, "{}: {}. Try: {} --help\n".format(self.prog, message.rstrip("."), self.prog))


def main(arguments=None):
    """Do what the command line asks; the exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    complaint = python_too_old(sys.version_info)
    if complaint:
        return fail(complaint)
    options = read_command(arguments)
    from course_lib import environment

    try:
        chosen = choose_python(environment, options)
        if chosen is not None and not is_running(chosen):
            return run_again(chosen, arguments, environment)
        environment.make_importable()
        return run_verb(options)
    except environment.SetupError as error:
        return fail(error)
    except KeyboardInterrupt:
        print("\nStopped. Nothing is broken: the same command goes on from here.", file=sys.stderr)
        return 130


def fail(sentence):
    print(sentence, file=sys.stderr)
    return 2


def python_too_old(version):
    """The sentence for a Python that is too old, or None."""
    if tuple(version[:2]) >= WANTED_PYTHON:
        return None
    return (
        "The course needs Python {}.{} or newer and this is Python {} ({}): install one from "
        "https://www.python.org/downloads/ and start again with it, for example: python3.12 -m course_lib lab"
    ).format(WANTED_PYTHON[0], WANTED_PYTHON[1], ".".join(str(part) for part in version[:3]), sys.executable)


# --- the command line ----------------------------------------------------------------------------------------------


def read_command(arguments):
    """Arguments as a namespace with a verb; for lab and test, `rest` holds what JupyterLab or pytest shall get."""
    parser = command_parser()
    for position, word in enumerate(arguments):
        if word in PASSED_ON and arguments[position + 1 : position + 2] not in (["-h"], ["--help"]):
            options = parser.parse_args(arguments[: position + 1])
            options.rest = arguments[position + 1 :]
            return options
        if not word.startswith("-"):
            break
    return parser.parse_args(arguments)


def command_parser():
    parser = OneSentenceParser(prog="python3 -m course_lib", description="A course on gradients in PyTorch.")
    parser.add_argument("--yes", action="store_true", help="set up even if a download of gigabytes is needed")
    # Without metavar an unknown verb is answered with a list; `required` has no keyword before Python 3.7.
    verbs = parser.add_subparsers(dest="verb", title="verbs", metavar="VERB")
    verbs.required = True

    verbs.add_parser("lab", help="open the lessons in JupyterLab (sets everything up on first use)")
    verbs.add_parser("test", help="run all tests; further arguments go to pytest")
    verbs.add_parser("doctor", help="say what is installed, what is missing and how to get it")

    verb = verbs.add_parser("list", help="list the exercises")
    verb.add_argument("--json", action="store_true", help="as a JSON array")

    verb = verbs.add_parser("build", help="make exercises/ from solutions/")
    verb.add_argument("--check", action="store_true", help="change nothing, fail if something is stale")
    verb.add_argument("--run", action="store_true", help="also run lessons and solutions and store their outputs")

    verb = verbs.add_parser("grade", help="grade submissions: files, folders, zips")
    verb.add_argument("paths", metavar="PATH", nargs="+", help="notebook, folder or zip")
    verb.add_argument("--out", metavar="DIR", required=True, help="where results, report and journal go")
    verb.add_argument("--seed-file", metavar="FILE", help="holds the secret seed of this course run")
    verb.add_argument("--workers", metavar="N", type=positive, help="how many at once (default: one per core)")
    verb.add_argument("--scheduler", metavar="ADDRESS", help="grade on the workers of this Dask scheduler")
    verb.add_argument("--min-tier", choices=("strong", "weak", "none"), help="the weakest sandbox to accept")

    verb.add_argument("--lms", metavar="TEMPLATE.csv", help="also fill in this table, as Canvas or Moodle exports it")
    verb.add_argument("--lms-column", metavar="TITLE", help="which of its columns takes the scores")

    verb = verbs.add_parser("replay", help="one verdict again, from the journal")
    verb.add_argument("dir", metavar="DIR", help="the --out of an earlier grade")
    verb.add_argument("student", metavar="STUDENT")
    verb.add_argument("exercise", metavar="EXERCISE")

    verb = verbs.add_parser("release", help="zip what students get: no solutions, no tests")
    verb.add_argument("--out", metavar="FILE.zip", required=True)

    verb = verbs.add_parser("gradescope", help="zip an autograder for Gradescope; it holds a secret seed")
    verb.add_argument("--out", metavar="FILE.zip", required=True)
    verb.add_argument("--min-tier", choices=("strong", "weak", "none"), default="weak", help="the weakest sandbox to accept")
    return parser


def positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("{!r} is not a whole number from 1 up".format(text))
    return int(text)


# --- the right interpreter -----------------------------------------------------------------------------------------


def choose_python(environment, options):
    """The interpreter to run in, set up if need be; None where the verb does with this one."""
    if os.environ.get(RUNS_IN) == sys.executable:
        return None
    if options.verb in WITHOUT_SETUP:
        return environment.find()
    return environment.find() or environment.set_up(allow_large=options.yes)


def is_running(python):
    # Not realpath: the interpreter of a venv is a link to the one it was made from.
    return os.path.abspath(str(python)) == os.path.abspath(sys.executable)


def run_again(python, arguments, environment):
    """This command in another interpreter; returns only on Windows, with its exit code."""
    command = [str(python), "-m", "course_lib"] + arguments
    variables = environment.variables_for(python)
    variables[RUNS_IN] = str(python)
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execve(command[0], command, variables)
    child = subprocess.Popen(command, env=variables)
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            continue  # the child got the same Ctrl-C and ends in its own way


# --- the verbs -----------------------------------------------------------------------------------------------------


def run_verb(options):
    code = VERBS[options.verb](options)
    return 0 if code is None else int(code)


def part(name):
    """A module of the course that a copy for students may lack."""
    from course_lib.environment import SetupError

    try:
        return importlib.import_module("course_lib." + name)
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("course_lib"):
            raise
        raise SetupError(
            "This copy of the course has no {}: it is probably the one for students; "
            "use the instructor's copy for this command.".format(error.name)
        )


def lab(options):
    """JupyterLab on the first lesson, without the question about news."""
    from course_lib.environment import ROOT

    os.chdir(str(ROOT))
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel of this environment, not one in the home folder
    # Holds the setting without which JupyterLab asks about news, whatever its own news_url says.
    paths = [str(ROOT / "course_lib" / "jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(path for path in paths if path)
    arguments = lab_arguments(options.rest, ROOT, has_screen(), is_root())
    if "--no-browser" in arguments:
        threading.Thread(target=print_address, daemon=True).start()
    from jupyterlab.labapp import main as start

    return start(arguments)


def lab_arguments(rest, root, screen, as_root):
    """What JupyterLab is started with; what the user adds comes last and wins."""
    arguments = [
        "--ServerApp.root_dir={}".format(root),
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
    ]
    if (root / FIRST_LESSON).exists() and all(word.startswith("-") for word in rest):
        arguments.append("--LabApp.default_url=/lab/tree/{}".format(FIRST_LESSON))
    if not screen and "--no-browser" not in rest:
        arguments.append("--no-browser")
    if as_root and "--allow-root" not in rest:
        arguments.append("--allow-root")  # containers; JupyterLab would only refuse
    return arguments + list(rest)


def has_screen():
    """Whether a browser window can be opened here."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    try:
        webbrowser.get()
    except webbrowser.Error:
        return False
    return True


def is_root():
    return hasattr(os, "geteuid") and os.geteuid() == 0


def print_address(patience_seconds=60):
    """Once our server answers, say where it is, on a line of its own."""
    from jupyter_server.serverapp import list_running_servers

    until = time.time() + patience_seconds
    while time.time() < until:
        for server in list_running_servers():
            if server.get("pid") == os.getpid():
                print("\nOpen this address in a browser:\n\n    {}\n".format(address(server)), flush=True)
                return
        time.sleep(0.2)


def address(server):
    """Where the first lesson is on a running server, token included."""
    url = server["url"] + "lab/tree/" + FIRST_LESSON
    return url + "?token=" + server["token"] if server.get("token") else url


def test(options):
    """pytest in this process, from the course's folder."""
    from course_lib.environment import ROOT

    os.chdir(str(ROOT))
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # pytest already uses every core
    import pytest

    return pytest.main(options.rest)


def doctor(options):
    return part("doctor").main()


def list_exercises(options):
    return part("exercise").main_list(options.json)


def build(options):
    return part("build").main(options.check, options.run)


def grade(options):
    return part("grader.batch").main(options)


def replay(options):
    return part("grader.replay").main(options)


def release(options):
    return part("build").main_release(options.out)


def gradescope(options):
    return part("grader.gradescope").main(options)


VERBS = {
    "lab": lab,
    "test": test,
    "doctor": doctor,
    "list": list_exercises,
    "build": build,
    "grade": grade,
    "replay": replay,
    "release": release,
    "gradescope": gradescope,
}


if __name__ == "__main__":
    sys.exit(main())
