"""The state file: written whole or not at all, and for its own town only."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from balans.simulator import state
from balans.simulator.town import demo_town

SPEC = demo_town()


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "town.npz"
    parts = {"a": {"x": np.arange(3), "y": np.array(7)}, "b": {"x": np.array(["on", ""])}}
    state.save(path, SPEC, parts)
    found = state.load(path, SPEC)
    assert found is not None
    assert {(p, n): found[p][n].tolist() for p in found for n in found[p]} == {
        ("a", "x"): [0, 1, 2],
        ("a", "y"): 7,
        ("b", "x"): ["on", ""],
    }
    assert [file.name for file in path.parent.iterdir()] == ["town.npz"]


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert state.load(tmp_path / "town.npz", SPEC) is None


def test_the_state_of_another_town_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "town.npz"
    state.save(path, demo_town(seed=2), {"a": {"x": np.arange(3)}})
    with pytest.raises(state.StateError, match=r"town\.npz: belongs to another town"):
        state.load(path, SPEC)


def test_a_failed_save_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "town.npz"
    state.save(path, SPEC, {"a": {"x": np.arange(3)}})

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        state.save(path, SPEC, {"a": {"x": np.arange(9)}})
    found = state.load(path, SPEC)
    assert found is not None
    assert found["a"]["x"].tolist() == [0, 1, 2]


@given(data=st.binary(max_size=300), zipped=st.booleans())
def test_any_bytes_are_refused_as_damaged(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, *, zipped: bool
) -> None:
    path = tmp_path_factory.mktemp("s") / "town.npz"
    path.write_bytes((b"PK\x03\x04" if zipped else b"") + data)
    with pytest.raises(state.StateError, match=r"town\.npz"):
        state.load(path, SPEC)
