"""The private keys with which a head-end signs: files that nobody but its user may read.

One folder for each tenant, one file for each key, named after what the wire calls it: 32 bytes in
base64. A head-end signs with the oldest key that still counts, so that gateways have learnt the
next one long before it is used.
"""

import base64
import binascii
import os
import re
import stat
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from balans.adapters.signing import SigningKey
from balans.core.errors import InputError
from balans.storage.signing_keys import KeyRing

SUFFIX: Final = ".key"
NAME: Final = re.compile(r"\A[0-9a-f]{16}\Z")
TENANT: Final = re.compile(r"\A[A-Za-z0-9_.-]{1,64}\Z")


class KeyFolder:
    """The folder of private keys, made when the first key is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep(self, tenant_code: str, key: SigningKey) -> Path:
        """Write a new key; return its file.

        Raises
        ------
        InputError
            If the folder cannot be written to, or the key is there already.
        """
        file = self._of(tenant_code) / f"{key.id}{SUFFIX}"
        try:
            for folder in (self.path, file.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(number, "wb") as out:
                out.write(base64.b64encode(key.private) + b"\n")
                out.flush()
                os.fsync(out.fileno())
        except OSError as error:
            raise InputError(f"{file}: {error.strerror}") from error
        return file

    def load(self, tenant_code: str) -> dict[str, SigningKey]:
        """Return the private keys of a tenant, by what the wire calls them.

        Raises
        ------
        InputError
            Naming a file that others may read, or that holds no key, or another than it says.
        """
        folder = self._of(tenant_code)
        if not folder.is_dir():
            return {}
        names = sorted(one for one in folder.iterdir() if NAME.match(one.name[: -len(SUFFIX)]))
        return {key.id: key for key in map(_read, names)}

    def has(self, tenant_code: str, ident: str) -> bool:
        """Return whether the private half of a key is here."""
        return (self._of(tenant_code) / f"{ident}{SUFFIX}").is_file()

    def _of(self, tenant_code: str) -> Path:
        if not TENANT.match(tenant_code) or set(tenant_code) <= {"."}:
            raise InputError(f"tenant {tenant_code!r}: no name of a folder")
        return self.path / tenant_code


def signer_of(ring: KeyRing, private: Mapping[str, SigningKey], now: datetime) -> SigningKey | None:
    """Return the key to sign with at `now`; None if none of those that count is here."""
    return next(iter(signers_of(ring, private, now)), None)


def signers_of(
    ring: KeyRing, private: Mapping[str, SigningKey], now: datetime
) -> Iterable[SigningKey]:
    """Yield the keys that count at `now` and whose private half is here, the oldest first."""
    for one in ring.keys:
        if one.holds(now) and one.ident in private:
            yield private[one.ident]


def _read(file: Path) -> SigningKey:
    try:
        mode = stat.S_IMODE(file.stat().st_mode)
        if mode & 0o077:
            raise InputError(f"{file}: mode {mode:03o}: others may read it; expected 600")
        key = SigningKey.of(base64.b64decode(file.read_bytes().strip(), validate=True))
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    except binascii.Error as error:
        raise InputError(f"{file}: is not base64") from error
    if file.name != f"{key.id}{SUFFIX}":
        raise InputError(f"{file}: holds key {key.id}")
    return key
