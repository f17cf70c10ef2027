"""Photos of people, made plain: one JPEG of modest size, without metadata."""

import struct
from io import BytesIO
from typing import Final

from PIL import Image, ImageOps, UnidentifiedImageError

from balans.core.errors import InputError

UPLOAD_MAX: Final = 20_000_000
PIXELS_MAX: Final = 60_000_000
PIXELS_WHOLE_MAX: Final = 25_000_000
"""Of formats that have to be held whole in memory, 4 bytes a pixel, before they are made small."""
SIDE: Final = 1600
QUALITY: Final = 82
FORMATS: Final = ("JPEG", "PNG", "WEBP")
JPEGS: Final = ("JPEG", "MPO")  # phones write several pictures into one JPEG
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
        ``size`` (more than 20 MB, or more than 60 million pixels, 25 million unless it is a JPEG)
        or ``format`` (no JPEG, PNG or WebP, or a broken one).
    """
    if len(data) > UPLOAD_MAX:
        raise PhotoError("size", f"{len(data)} bytes: expected at most {UPLOAD_MAX}")
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            upright = _small_and_upright(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PhotoError("size", f"expected at most {PIXELS_MAX} pixels") from error
    except BROKEN as error:
        raise PhotoError("format", "expected a photo as JPEG, PNG or WebP") from error
    found = BytesIO()
    # a new image of the pixels alone: whatever else was in the file stays behind
    Image.frombytes("RGB", upright.size, upright.tobytes()).save(found, "JPEG", quality=QUALITY)
    return found.getvalue()


def _small_and_upright(image: Image.Image) -> Image.Image:
    most = PIXELS_MAX if image.format in JPEGS else PIXELS_WHOLE_MAX
    if image.width * image.height > most:
        raise PhotoError("size", f"{image.width} x {image.height}: expected at most {most} pixels")
    if image.format not in JPEGS:
        image = image.convert("RGB")
    image.thumbnail((SIDE, SIDE))  # a JPEG is read at a fraction of its size
    return ImageOps.exif_transpose(image).convert("RGB")
