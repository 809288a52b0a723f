"""A tier is what survives the attempts, nothing else."""

import shutil
import sys

import pytest

from course_lib.grader import sandbox, tiers

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tiers of Linux")


def test_everything_is_refused_behind_the_strong_wall(server):
    assert tiers.went_through(server) == []


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
