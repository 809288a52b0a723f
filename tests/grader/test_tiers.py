"""A tier is what survives the attempts, nothing else."""

import shutil
import sys

import pytest

from course_lib.grader import sandbox, tiers
from course_lib.judge import Status
from tests.grader.toys import DOUBLE, SLOPE, grade

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tiers of Linux")


def test_everything_is_refused_behind_the_strong_wall(server):
    assert tiers.went_through(server) == []


@pytest.mark.skipif(
    sandbox.place_inside(sandbox.ROOT) != str(sandbox.ROOT), reason="the course lies below /tmp, which is private inside"
)
def test_a_hole_in_the_wall_is_found_and_the_tier_is_lost(monkeypatch):
    whole = sandbox.bubblewrap

    def with_a_hole(folder):
        words = whole(folder)
        at = words.index("--proc")
        keys = str(sandbox.ROOT / "course_lib" / "keys")
        return [*words[:at], "--ro-bind", keys, keys, *words[at:]]

    monkeypatch.setattr(sandbox, "bubblewrap", with_a_hole)
    monkeypatch.setitem(sandbox.ISOLATIONS, "strong", ("namespaces",))
    monkeypatch.setitem(sandbox.ISOLATIONS, "weak", ())
    probed = tiers.probe()
    assert probed.tier == "none"
    assert probed.reasons == ("not strong: inside it one still can read the keys",)


def test_without_bubblewrap_it_is_not_strong_and_says_what_to_install(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(sandbox.ISOLATIONS, "weak", ())
    probed = tiers.probe()
    assert probed.tier == "none" and "apt install bubblewrap" in probed.reasons[0]


@pytest.mark.parametrize(("tier", "isolation"), [("strong", "fresh"), ("weak", "landlock"), ("none", "none")])
def test_honest_work_passes_and_a_crash_stays_alone_in_every_other_tier_too(tier, isolation):
    crash = "def double(x):\n    import os\n    os._exit(0)"
    try:
        server = sandbox.Server(tier, isolation)
    except sandbox.SandboxError as error:
        pytest.skip(str(error))
    with server:
        assert [verdict.status for verdict in grade(server, SLOPE, DOUBLE).values()] == [Status.CORRECT] * 2
        assert [verdict.status for verdict in grade(server, SLOPE, crash).values()] == [Status.CORRECT, Status.RAISED]


def test_a_sandbox_in_which_nothing_runs_is_not_taken_for_a_strong_one(monkeypatch):
    whole = sandbox.copy_inside

    def broken(folder):
        whole(folder)
        with open(folder / "course_lib" / "grader" / "jail.py", "a") as jail:
            jail.write("\ndef enter(*_):\n    raise OSError\n")

    monkeypatch.setattr(sandbox, "copy_inside", broken)
    monkeypatch.setitem(sandbox.ISOLATIONS, "strong", ("namespaces",))
    monkeypatch.setitem(sandbox.ISOLATIONS, "weak", ())
    assert tiers.probe().tier == "none"
