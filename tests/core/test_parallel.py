import os
import signal
import time
from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from ostinato.core import parallel
from ostinato.errors import DataError, OstinatoError


def here(workers=1, dask=None):
    return SimpleNamespace(workers=workers, dask=dask)


def square(x):
    return x * x


def square_slowly(x):
    time.sleep(0.1 if x % 3 == 0 else 0.01)
    return x * x, os.getpid()


def refuse_seven(x):
    if x == 7:
        raise DataError("seven.wav: is no audio")
    return x


def die_at_seven(x):
    if x == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def threads(_):
    assert np.ones((2, 2)).sum() == 4
    return sorted({library["num_threads"] for library in threadpool_info()})


def test_in_process_it_is_map_and_lazy():
    seen = []
    results = parallel.map(lambda x: seen.append(x) or x, range(5), here())
    assert next(results) == 0
    assert seen == [0]
    assert list(results) == [1, 2, 3, 4]


def test_processes_keep_the_order():
    results = list(parallel.map(square_slowly, range(20), here(2)))
    assert [value for value, _ in results] == [x * x for x in range(20)]
    assert len({process for _, process in results}) == 2
    assert os.getpid() not in {process for _, process in results}


def test_no_process_is_left_when_the_results_are_not_wanted():
    results = parallel.map(square_slowly, range(1000), here(2))
    _, worker = next(results)
    results.close()
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_few_items_are_worth_no_process():
    assert {p for _, p in parallel.map(square_slowly, range(4), here(2), items_per_process=4)} == {os.getpid()}
    assert list(parallel.map(square, [], here(2))) == []


def test_an_error_goes_through_and_names_the_file():
    results = parallel.map(refuse_seven, range(20), here(2))
    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(DataError, match=r"seven\.wav: is no audio"):
        next(results)


def test_a_killed_worker_is_told_from_an_error():
    with pytest.raises(OstinatoError, match=r"a worker process was killed.*lower compute\.workers"):
        list(parallel.map(die_at_seven, range(20), here(2)))


def test_few_items_are_under_way_at_once():
    submitted = []

    class Done:
        def __init__(self, item):
            submitted.append(item)
            self.item = item

        def result(self):
            return self.item

        def cancel(self):
            submitted.remove(self.item)

    results = parallel._submit_ahead(Done, range(1000), 8)
    for expected in range(10):
        assert next(results) == expected
        assert len(submitted) == expected + 8
    results.close()
    assert len(submitted) == 10


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("limit", [1, 2])
def test_threads_are_limited(workers, limit):
    assert list(parallel.map(threads, range(3), here(workers), threads=limit)) == [[limit]] * 3


def test_a_cluster_that_does_not_answer_is_named(monkeypatch):
    monkeypatch.setattr(parallel, "TIMEOUT", 0.5)
    with pytest.raises(
        OstinatoError, match=r"compute\.dask: no scheduler with a worker answers at tcp://127\.0\.0\.1:9"
    ):
        list(parallel.map(square, range(3), here(dask="tcp://127.0.0.1:9")))


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(parallel.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OstinatoError, match=r"pip install ostinato\[cluster\]"):
        list(parallel.map(square, range(3), here(dask="tcp://127.0.0.1:9")))


@pytest.mark.parametrize(
    ("chosen", "gpus"),
    [
        ("", []),
        ("-1", []),
        ("0,-1,1", ["0"]),
        (" 2, 3 ", ["2", "3"]),
        ("GPU-8932f937,MIG-7", ["GPU-8932f937", "MIG-7"]),
        ("none", []),
    ],
)
def test_gpus_are_those_that_cuda_reads_in_its_variable(monkeypatch, chosen, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert parallel.visible_gpus() == gpus


def test_gpus_are_those_that_the_driver_lists_or_none_without_one(monkeypatch, tmp_path):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert parallel.visible_gpus() == []
    driver = tmp_path / "nvidia-smi"
    driver.write_text('#!/bin/sh\necho "GPU 0: A"\necho "  MIG 1g"\necho "GPU 1: B"\n')
    driver.chmod(0o755)
    assert parallel.visible_gpus() == ["0", "1"]


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as scheduler:
        yield scheduler.scheduler_address


def test_a_cluster_is_given_batches_and_gives_results_in_order(cluster, monkeypatch):
    from distributed import Client

    submit, tasks = Client.submit, []
    monkeypatch.setattr(Client, "submit", lambda *given, **more: tasks.append(given) or submit(*given, **more))
    assert list(parallel.map(square, range(200), here(dask=cluster), batch=16)) == [x * x for x in range(200)]
    assert len(tasks) == 13
    tasks.clear()
    assert list(parallel.map(square, range(24), here(dask=cluster), batch=16)) == [x * x for x in range(24)]
    assert len(tasks) == 8  # four for each thread, so that neither waits long for the other


def test_an_error_in_a_batch_comes_after_the_results_before_it(cluster):
    results = parallel.map(refuse_seven, range(200), here(dask=cluster), batch=16)
    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(DataError, match=r"seven\.wav: is no audio"):
        next(results)
