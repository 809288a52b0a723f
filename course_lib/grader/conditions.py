"""Settle what a run needs before it grades anything: a sandbox that is good enough, the secret seed, the exercises."""

import ctypes
import os
import secrets
import sys
import tempfile

from course_lib.grader.sandbox import TIERS, probe

PR_SET_DUMPABLE = 4
SEED_CHARACTERS = 16  # fewer cannot be a secret
COURSE = "course_lib.exercise:all_exercises"


class UsageError(Exception):
    """Nothing was graded, and why, in one sentence."""


def hide_memory():
    """Nothing of the same user may look into this process: it holds the seed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def sufficient(wanted):
    """What the sandbox here is; UsageError if it is below the one wanted."""
    if os.name == "nt":
        raise UsageError("Submissions are graded in forks, which Windows does not have: grade inside WSL, or on Linux.")
    probed = probe()
    if TIERS.index(probed.tier) < TIERS.index(wanted):
        remedy = "Install bubblewrap" if sys.platform == "linux" else "Grade on Linux"
        raise UsageError(
            f"The sandbox here is {probed.tier!r}, wanted is {wanted!r} ({'; '.join(probed.reasons)}). "
            f"{remedy}, or accept the weaker one with --min-tier {probed.tier}."
        )
    return probed


def read_seed(path, *, may_create=True):
    """The secret that chooses the questions; made on first use, readable by its owner only."""
    if may_create and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")  # whole or not there, whoever is killed
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_hex(32) + "\n")
        os.replace(name, path)
    try:
        seed = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"The seed file {path} cannot be read.") from None
    if len(seed) < SEED_CHARACTERS:
        raise UsageError(
            f"The seed in {path} is shorter than {SEED_CHARACTERS} characters: delete the file to get a new one."
        )
    return seed


def load_catalogue(name):
    """{name: Exercise} from "module:function"."""
    module, _, function = name.partition(":")
    return getattr(__import__(module, fromlist=[function]), function)()
