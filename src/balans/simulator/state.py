"""The state file: what a stopped town needs to go on as if it had never stopped."""

import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np

from balans.core.errors import InputError
from balans.simulator.arrays import Snapshot
from balans.simulator.spec import TownSpec

FORMAT = 1


class StateError(InputError):
    """The state file is damaged, or belongs to another town."""

    code = "town_state"


def digest_of(spec: TownSpec) -> str:
    """Return a fingerprint of everything that `spec` says.

    Plants, limits that do not stand and supplies are no part of the representation, so that a
    town without any keeps its fingerprint.
    """
    free = "".join(f" free={site.code}" for site in spec.sites if not site.standing)
    plants = " ".join(f"{load.name}={load.plant}" for load in spec.loads if load.plant)
    cut = "".join(f" supply={one.module} {one.by_hand}" for one in spec.supplies)
    return hashlib.sha256(f"{FORMAT} {spec!r}{plants}{free}{cut}".encode()).hexdigest()


def save(path: Path, spec: TownSpec, parts: dict[str, Snapshot]) -> None:
    """Replace the file at `path` by the state in `parts`; a crash leaves the old or the new one."""
    arrays = {
        f"{part}.{name}": array for part, state in parts.items() for name, array in state.items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, digest=np.array(digest_of(spec)), **arrays)
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".new")
    with written.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)


def load(path: Path, spec: TownSpec) -> dict[str, Snapshot] | None:
    """Return the parts saved at `path`, None when there is no such file.

    Raises
    ------
    StateError
        If the file is damaged or was written by a town with another specification.
    """
    if not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            arrays = dict(data)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise StateError(f"{path}: damaged ({error}); begin anew without it") from error
    if str(arrays.pop("digest", "")) != digest_of(spec):
        raise StateError(f"{path}: belongs to another town")
    parts: dict[str, Snapshot] = {}
    for key, array in arrays.items():
        part, name = key.split(".")
        parts.setdefault(part, {})[name] = array
    return parts
