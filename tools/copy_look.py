"""The look of the web pages for the page of the gateway, which must not need them.

The gateway runs where neither Django nor the pages are; so what both share is copied.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "src" / "balans"
WEB = ROOT / "web" / "static" / "balans"
PAGE = ROOT / "gateway" / "page" / "static"
SHEETS = ("css/base.css", "css/components.css")


def _wanted() -> dict[Path, bytes]:
    sheets = b"".join((WEB / name).read_bytes() for name in SHEETS)
    return {PAGE / "look.css": sheets, PAGE / "icon.svg": (WEB / "icon.svg").read_bytes()}


def bring_up_to_date(*, check: bool) -> list[str]:
    """Write the copies, or with `check` tell which of them differ from what they copy."""
    findings = []
    for path, content in _wanted().items():
        if path.exists() and path.read_bytes() == content:
            continue
        if check:
            findings.append(f"{path.name} is stale: run python tools/generated.py")
        else:
            path.write_bytes(content)
    return findings
