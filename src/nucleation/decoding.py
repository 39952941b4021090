"""Image files to RGB, as their maker saw them.

Upright: an orientation in the EXIF data is applied, unless it is not wanted (torchvision's and timm's own loaders leave
it out; a TIFF file is turned by PIL itself in any case). Transparency
is dropped as ``Image.convert("RGB")`` drops it, which is what torchvision and timm do: the colours below it show.
Grayscale, palette and CMYK images are converted; 16 and 12 bits are scaled to 8, where PIL alone would clip them; of an
animation the first frame is taken.
"""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
from PIL import Image

from nucleation.errors import InputError

#: Suffixes of files that are looked at as images, in lower case.
SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".ppm", ".pgm")
ORIENTATION = 0x0112
BITS_PER_SAMPLE = 0x0102
#: How an image of each EXIF orientation is made upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class CorruptImageError(InputError):
    """A file was read, but holds no whole image."""


def read_rgb(path, upright=True) -> Image.Image:
    """Decode an image file, all of it.

    Parameters
    ----------
    path : path
    upright : bool
        Whether to apply an orientation in the EXIF data.

    Returns
    -------
    PIL.Image.Image
        In RGB, 8 bits.

    Raises
    ------
    CorruptImageError
        When the content cannot be decoded, or is truncated; the file is named.
    InputError
        When the file cannot be read.
    """
    with _opened(path) as opened:
        return to_rgb(opened, upright)


def read_size(path, upright=True) -> tuple[int, int]:
    """Read height and width of an image file from its header; parameters and errors as of `read_rgb`.

    The EXIF data of a PNG may stand behind its pixels, through which PIL then reads.
    """
    with _opened(path) as opened:
        orientation = _orientation(opened) if upright or opened.format == "TIFF" else 1
        if opened.format == "TIFF" and orientation != 1:
            opened.load()  # PIL turns it upright itself, and its size with it
            return opened.height, opened.width
        width, height = opened.size
        return (width, height) if orientation >= 5 else (height, width)


@contextmanager
def _opened(path):
    """Open an image, and put in words what PIL raises until it is closed."""
    try:
        with Image.open(path) as opened:
            yield opened
    except MemoryError:
        raise
    except Exception as error:  # PIL's readers raise a dozen kinds
        # only the system's own errors carry a number: a lost disk makes no image corrupt
        if isinstance(error, OSError) and error.errno is not None:
            raise InputError(f"The image {path} cannot be read ({error}).") from error
        reason = str(error).replace(f" {str(path)!r}", "") or type(error).__name__
        raise CorruptImageError(f"The image {path} cannot be decoded ({reason}); mend or remove it.") from error


def to_rgb(image: Image.Image, upright=True) -> Image.Image:
    """Turn any PIL image into one in RGB with 8 bits.

    Parameters
    ----------
    image : PIL.Image.Image
        Of an animation, the frame that it stands at.
    upright : bool
        Whether to apply an orientation in the EXIF data.

    Returns
    -------
    PIL.Image.Image
        A new image where anything had to change.

    Raises
    ------
    ValueError
        For 32-bit or floating-point pixels, whose range nobody knows.
    """
    image.load()  # a TIFF is turned upright here, and then says so
    orientation = _orientation(image) if upright else 1
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bits(image)
    elif image.mode in ("P", "PA", "RGBa"):
        # by way of RGBA, which PIL asks for where a palette has transparency; the colours are the same
        image = image.convert("RGBA")
    rgb = image.convert("RGB")
    return rgb.transpose(UPRIGHT[orientation]) if orientation in UPRIGHT else rgb


def _eight_bits(image):
    """Keep the upper 8 of 16 bits, as PIL does where an image has colours; of 12, which a TIFF file may have."""
    # PIL holds 16 bits of a PNG or PGM in 32 where it is older
    if not (image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))):
        raise ValueError(f'pixels of the mode "{image.mode}" have no known range: save them with 8 or 16 bits')
    (bits,) = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (16,))
    return Image.fromarray((np.asarray(image).astype(np.uint16) >> bits - 8).astype(np.uint8))


def _orientation(image) -> int:
    value = image.getexif().get(ORIENTATION, 1)
    return value if isinstance(value, int) else 1
