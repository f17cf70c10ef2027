"""All generated files of the repository in one list: write them, or check that they are fresh.

python tools/generated.py            write
python tools/generated.py --check    fail when one is stale
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "balans.web.settings")

import api_table
import compile_messages
import copy_look
import vendor_files

GENERATORS: dict[str, Callable[..., list[str]]] = {
    "translations": compile_messages.bring_up_to_date,
    "look of the gateway's page": copy_look.bring_up_to_date,
    "operations of the API": api_table.bring_up_to_date,
    "vendored files": vendor_files.bring_up_to_date,
}
"""To add one: a function ``bring_up_to_date(*, check) -> findings``, and a line here."""


def main() -> int:
    """Run every generator; return 1 when one has findings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    check = parser.parse_args().check
    failed = False
    for name, bring_up_to_date in GENERATORS.items():
        for finding in bring_up_to_date(check=check):
            failed = True
            print(f"{name}: {finding}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
