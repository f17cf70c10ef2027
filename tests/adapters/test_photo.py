"""Photos of dials: plain, upright, small, and whatever else is sent is refused."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from balans.adapters.pictures.photo import SIDE, PhotoError, plain_photo


def picture(
    form: str, size: tuple[int, int] = (60, 40), mode: str = "RGB", **options: Any
) -> bytes:
    """A picture whose left half is red."""
    image = Image.new("RGB", size, (0, 0, 200))
    image.paste((200, 0, 0), (0, 0, size[0] // 2, size[1]))
    found = BytesIO()
    image.convert(mode).save(found, form, **options)
    return found.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    assert image.format == "JPEG"
    return image


@pytest.mark.parametrize(
    ("form", "mode"),
    [("JPEG", "RGB"), ("JPEG", "L"), ("PNG", "RGBA"), ("PNG", "P"), ("WEBP", "RGB")],
)
def test_any_photo_becomes_a_plain_jpeg(form: str, mode: str) -> None:
    image = opened(plain_photo(picture(form, mode=mode)))
    assert (image.size, image.mode) == ((60, 40), "RGB")
    left = image.getpixel((5, 20))
    assert isinstance(left, tuple)
    assert mode == "L" or left[0] > left[2] + 100


def test_metadata_stays_behind_and_the_photo_stands_upright() -> None:
    """The camera was turned: EXIF orientation 6; it also wrote where that was."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Camera"
    exif.get_ifd(0x8825)[2] = (47.0, 1.0, 2.0)
    data = picture("JPEG", exif=exif, comment=b"secret")
    assert b"Camera" in data
    found = plain_photo(data)
    image = opened(found)
    assert image.size == (40, 60)
    top = image.getpixel((20, 5))
    assert isinstance(top, tuple)
    assert top[0] > top[2] + 100
    assert dict(image.getexif()) == {}
    assert b"Exif" not in found
    assert b"secret" not in found


def test_large_photos_are_made_small() -> None:
    found = plain_photo(picture("JPEG", (8000, 6000)))
    assert opened(found).size == (SIDE, SIDE * 3 // 4)
    assert len(found) < 500_000


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "format"),
        (b"no picture at all", "format"),
        (picture("GIF"), "format"),
        (picture("JPEG")[:300], "format"),
        (bytes(20_000_001), "size"),
        (picture("PNG", (5_001, 5_000), mode="1"), "size"),
        (picture("WEBP", (5_001, 5_000)), "size"),
        (picture("JPEG", (10_000, 6_001), mode="L"), "size"),
        (picture("PNG", (10_000, 9_001), mode="1"), "size"),
    ],
)
def test_what_is_no_photo_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(PhotoError) as refused:
        plain_photo(data)
    assert refused.value.code == code


@settings(max_examples=150, deadline=None)
@given(
    form=st.sampled_from(["JPEG", "PNG", "WEBP"]),
    spoil=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=12),
    keep=st.integers(0, 10_000),
)
def test_spoilt_photos_are_refused_or_plain(
    form: str, spoil: list[tuple[int, int]], keep: int
) -> None:
    data = bytearray(picture(form))
    for place, value in spoil:
        data[place % len(data)] = value
    try:
        found = plain_photo(bytes(data[: keep or None]))
    except PhotoError:
        return
    assert opened(found).mode == "RGB"


@given(st.binary(max_size=400))
def test_random_bytes_raise_only_our_error(data: bytes) -> None:
    with pytest.raises(PhotoError):
        plain_photo(data)
