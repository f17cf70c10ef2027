"""Static files: their address carries a digest of their content, so browsers may keep them."""

import hashlib
from pathlib import Path


def version_of(folder: Path) -> str:
    """Return a short digest over names and content of all files below `folder`."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
