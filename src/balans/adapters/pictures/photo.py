"""Photos of people, made plain: one JPEG of modest size, without metadata."""

import struct
from io import BytesIO
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

from balans.core.errors import InputError

UPLOAD_MAX: Final = 20_000_000
PIXELS_MAX: Final = 60_000_000
SIDE: Final = 1600
QUALITY: Final = 82
FORMATS: Final = ("JPEG", "PNG", "WEBP")
BROKEN: Final = (
    UnidentifiedImageError,
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    struct.error,
)
"""What Pillow raises on files that are none, or are cut or spoilt."""


class PhotoError(InputError):
    """What was given is no photo that can be used; ``code`` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def plain_photo(data: bytes) -> bytes:
    """Return the photo in `data` as JPEG, upright, at most 1600 pixels a side.

    Only the picture is kept: place, time and whatever else a camera wrote beside it is not.

    Raises
    ------
    PhotoError
        ``size`` (more than 20 MB, or more than 60 million pixels) or ``format`` (no JPEG, PNG or
        WebP, or a broken one).
    """
    if len(data) > UPLOAD_MAX:
        raise PhotoError("size", f"{len(data)} bytes: expected at most {UPLOAD_MAX}")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            upright = _upright(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError("size", f"expected at most {PIXELS_MAX} pixels") from error
    except BROKEN as error:
        raise PhotoError("format", "expected a photo as JPEG, PNG or WebP") from error
    upright.thumbnail((SIDE, SIDE))
    found = BytesIO()
    # a new image of the pixels alone: whatever else was in the file stays behind
    Image.frombytes("RGB", upright.size, upright.tobytes()).save(found, "JPEG", quality=QUALITY)
    return found.getvalue()


def _upright(image: Image.Image) -> Image.Image:
    if image.width * image.height > PIXELS_MAX:
        what = f"{image.width} x {image.height}: expected at most {PIXELS_MAX} pixels"
        raise PhotoError("size", what)
    return ImageOps.exif_transpose(image).convert("RGB")
