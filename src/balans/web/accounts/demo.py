"""The accounts of the demo town; only there they exist, and the login page names them."""

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """A name and password that anybody may know."""

    username: str
    password: str
    title: Promise


DEMO_ACCOUNTS: Final = (
    DemoAccount("operator", "operator-demo", _("Operator")),
    DemoAccount("resident", "resident-demo", _("Resident of a flat")),
    DemoAccount("installer", "installer-demo", _("Installer")),
    DemoAccount("dispatcher", "dispatcher-demo", _("Dispatcher of disconnections")),
    DemoAccount("colleague", "colleague-demo", _("Second dispatcher, who approves")),
)
