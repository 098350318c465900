"""Simulators that the tests share: each is compiled once a session, in a cache folder of the session's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.sim.components import Calculator, Mixer
from trine.sim.build import build
from trine.sim.cache import Cache
from trine.sim.library import Library
from trine.sim.model import NativeModel


def pytest_configure(config: pytest.Config) -> None:
    """A component that is only constructed, to be refused, is no mistake here; LUNA uses what Amaranth drops."""
    config.addinivalue_line("filterwarnings", "ignore::amaranth.hdl.UnusedElaboratable")
    config.addinivalue_line("filterwarnings", "ignore:.*amaranth.hdl:DeprecationWarning")


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Cache:
    """One cache for all workers of a parallel run, which so compile nothing twice."""
    folder = tmp_path_factory.getbasetemp()
    return Cache((folder if worker_id == "master" else folder.parent) / "simulators")


@pytest.fixture(scope="session")
def mixer(cache: Cache) -> Library:
    """The simulator of Mixer."""
    return build(Mixer, cache=cache)


@pytest.fixture(scope="session")
def traced_mixer(cache: Cache) -> Library:
    """The same, able to write waveforms."""
    return build(Mixer, cache=cache, trace=True)


@pytest.fixture(scope="session")
def calculator(cache: Cache) -> Library:
    """The simulator of Calculator."""
    return build(Calculator, cache=cache)


@pytest.fixture
def open_mixer(mixer: Library, request: pytest.FixtureRequest) -> Callable[..., NativeModel]:
    """Makes models of Mixer that are closed when the test ends."""

    def make(seed: int | None = 0) -> NativeModel:
        model = NativeModel(mixer, seed=seed)
        request.addfinalizer(model.close)
        return model

    return make


@pytest.fixture
def no_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a C++ compiler."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("CXX", raising=False)
