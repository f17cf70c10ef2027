"""Signing in and out."""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from typing_extensions import override

from balans.web.accounts.demo import DEMO_ACCOUNTS


class SignInForm(AuthenticationForm):
    """Name and password; a wrong pair gets one answer, whichever of both was wrong."""

    error_messages = {
        "invalid_login": _("Name or password is wrong."),
        "inactive": _("Name or password is wrong."),
    }


@method_decorator(login_not_required, name="dispatch")
class SignIn(LoginView):
    """The page that opens every other."""

    template_name = "accounts/login.html"
    authentication_form = SignInForm
    redirect_authenticated_user = True

    @override
    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Show the form again; the answer is no success for machines either."""
        return self.render_to_response(self.get_context_data(form=form), status=422)

    @override
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the demo accounts, in the demo only."""
        accounts = DEMO_ACCOUNTS if settings.DEMO else ()
        return super().get_context_data(demo_accounts=accounts, **kwargs)
