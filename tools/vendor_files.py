"""Record what is vendored: manifest.json names package, version, licence and SHA-256 of each file.

After new files were put in place (`npm pack`, then copy):  python tools/vendor_files.py
"""

import hashlib
import json
from pathlib import Path

VENDOR = (
    Path(__file__).resolve().parent.parent
    / "src"
    / "balans"
    / "web"
    / "static"
    / "balans"
    / "vendor"
)
MANIFEST = VENDOR / "manifest.json"
PACKAGES = {"uplot": {"package": "uplot", "version": "1.6.32", "licence": "MIT"}}


def manifest() -> str:
    """Return the text of the manifest for the files that are there.

    Raises
    ------
    ValueError
        If a folder has no licence beside its files, or no entry in `PACKAGES`.
    """
    entries = {}
    for folder in sorted(path for path in VENDOR.iterdir() if path.is_dir()):
        if folder.name not in PACKAGES or not (folder / "LICENSE").exists():
            raise ValueError(f"{folder.name}: no entry in PACKAGES, or no LICENSE")
        for path in sorted(folder.iterdir()):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            name = path.relative_to(VENDOR).as_posix()
            entries[name] = {**PACKAGES[folder.name], "sha256": digest}
    return json.dumps(entries, indent=2) + "\n"


def bring_up_to_date(*, check: bool) -> list[str]:
    """Return what is stale; unless `check`, write the manifest."""
    wanted = manifest()
    if check:
        fresh = MANIFEST.exists() and MANIFEST.read_text(encoding="utf-8") == wanted
        return [] if fresh else ["vendor/manifest.json: differs from the files beside it"]
    MANIFEST.write_text(wanted, encoding="utf-8")
    return []


if __name__ == "__main__":
    bring_up_to_date(check=False)
