"""Submissions go to processes here or to the workers of a Dask scheduler, and what befalls those is no student's fault."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from course_lib.grader import batch, conditions, pool
from course_lib.grader.conditions import UsageError
from course_lib.grader.sandbox import SandboxError
from course_lib.grader.tiers import Probed
from tests.grader.toys import DOUBLE, QUICK, SLOPE, SQUARES, notebook

CATALOGUE = "tests.grader.toys:catalogue"


@pytest.fixture
def class_of_three(tmp_path, monkeypatch):
    monkeypatch.setattr(conditions, "probe", lambda: Probed(tier="strong", isolation="namespaces"))
    monkeypatch.setattr(batch, "hide_memory", lambda: None)
    (tmp_path / "in").mkdir()
    for i, double in enumerate((DOUBLE, "def double(x):\n    return 3 * x", "def double(x):\n    return x + x")):
        (tmp_path / "in" / f"s{i}_01_toys.ipynb").write_bytes(notebook(SLOPE, SQUARES, double))
    return tmp_path


def statuses(folder, **more):
    batch.grade([folder / "in"], folder / "out", catalogue=CATALOGUE, limits=QUICK, **more)
    rows = map(json.loads, (folder / "out" / "results.jsonl").read_text().splitlines())
    return [row["status"] for row in rows if row["exercise"] in ("slope_at", "double")]


RIGHT = ["correct", "correct", "correct", "wrong", "correct", "correct"]


def fake_dask(monkeypatch, **about):
    """A module `distributed` whose client hands everything to a thread of this process."""
    closed = []
    client = SimpleNamespace(
        nthreads=lambda: {"tcp://worker": 1}, get_executor=lambda: ThreadPoolExecutor(1), close=lambda: closed.append(1)
    )
    fake = SimpleNamespace(Client=lambda address, timeout: client)
    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(**vars(fake) | about))
    return closed


def test_a_scheduler_gets_the_same_work_and_gives_the_same_rows(class_of_three, monkeypatch, server):
    closed = fake_dask(monkeypatch)
    monkeypatch.setattr(pool, "probe", lambda: Probed(tier="strong", isolation="namespaces"))
    monkeypatch.setattr(pool, "Server", lambda tier, isolation: server)
    monkeypatch.setattr(server, "close", lambda: None)
    assert statuses(class_of_three, scheduler="tcp://somewhere:8786") == RIGHT
    assert closed == [1]
    pool.end_worker()


def test_a_worker_elsewhere_with_a_weaker_sandbox_judges_nothing(class_of_three, monkeypatch, caplog):
    fake_dask(monkeypatch)
    monkeypatch.setattr(pool, "probe", lambda: Probed(tier="weak", isolation="landlock"))
    assert set(statuses(class_of_three, scheduler="tcp://somewhere:8786")) == {"not_judged"}
    assert "weaker than 'strong'" in caplog.text


def test_a_scheduler_that_is_not_there_and_dask_that_is_not_there_are_said_in_one_sentence(class_of_three, monkeypatch):
    def nobody(address, timeout):
        raise OSError

    fake_dask(monkeypatch, Client=nobody)
    with pytest.raises(UsageError, match="no Dask scheduler at tcp://nowhere:1"):
        statuses(class_of_three, scheduler="tcp://nowhere:1")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match="pip install distributed"):
        statuses(class_of_three, scheduler="tcp://nowhere:1")


def test_a_job_goes_to_another_process_as_it_is():
    import pickle

    job = pool.Job(seed="s", tier="strong", isolation="fresh", limits=QUICK, catalogue=CATALOGUE, elsewhere=True)
    assert pickle.loads(pickle.dumps(job)) == job
    assert issubclass(SandboxError, Exception) and str(pickle.loads(pickle.dumps(SandboxError("gone")))) == "gone"


@pytest.mark.skipif(sys.platform != "linux", reason="the strong tier")
def test_a_real_cluster_grades_with_two_workers(class_of_three):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        assert statuses(class_of_three, scheduler=cluster.scheduler_address) == RIGHT
