"""Photos of dials."""

from decimal import Decimal
from typing import Annotated

from django.http import HttpResponse
from ninja import Field, File, Form, Schema
from ninja.files import UploadedFile

from balans.adapters.pictures.photo import UPLOAD_MAX, plain_photo
from balans.storage import access, lookups, manual
from balans.storage.access import NotVisibleError, Right
from balans.storage.api_keys import Scope
from balans.storage.manual import Dial
from balans.web.api.askers import ApiRequest
from balans.web.api.operations import Operations
from balans.web.api.problems import TooBigError
from balans.web.api.validity import DialOut, dial_out
from balans.web.api.values import PER_UNIT, Note, Number, PointCode, When, moment
from balans.web.clock import site_clock

operations = Operations("Validity")


class DialForm(Schema):
    """What the face of the meter showed, in the unit of the point; without `at` now."""

    dial: Annotated[Decimal, Field(ge=0, lt=10**12, max_digits=18, decimal_places=6)]
    at: When = None
    note: Note = ""


@operations.post("/points/{code}/photos", Scope.WRITE_READINGS, DialOut)
def hand_in_photo(
    request: ApiRequest, code: PointCode, photo: File[UploadedFile], form: Form[DialForm]
) -> DialOut:
    """Hand in what the face of the meter showed, with a photo (JPEG, PNG or WebP) of it.

    Only the picture is kept: place, time and whatever else a camera wrote beside it is not.
    """
    person = request.auth.person
    point = access.point_for(person, code, Right.REPORT)
    if (photo.size or 0) > UPLOAD_MAX:
        raise TooBigError(f"photo: more than {UPLOAD_MAX // 10**6} MB")
    now = site_clock().now()
    zone = lookups.node(point.node_id).timezone
    at = now if form.at is None else moment("at", form.at, zone)
    jpeg = plain_photo(photo.read())
    dial = Dial(at=at, value=form.dial * PER_UNIT, note=form.note, photo=jpeg)
    return dial_out(manual.hand_in(person, point, dial, now))


@operations.get("/dials/{number}/photo", Scope.READ_READINGS, str, media_type="image/jpeg")
def get_photo(request: ApiRequest, number: Number) -> HttpResponse:
    """Give the photo of a dial."""
    jpeg = manual.photo_of(request.auth.person, number)
    if jpeg is None:
        raise NotVisibleError(f"dial {number}: has no photo")
    return HttpResponse(jpeg, content_type="image/jpeg")
