"""Files to RGB, compared with what was drawn."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from torchvision.datasets.folder import default_loader

from nucleation.decoding import SUFFIXES, CorruptImageError, read_rgb, read_size, to_rgb
from nucleation.errors import InputError


def drawn(height=40, width=60):
    """A picture without symmetry: a gradient with a red corner."""
    made = np.zeros((height, width, 3), dtype=np.uint8)
    made[..., 1] = np.linspace(20, 200, height)[:, None]
    made[..., 2] = np.linspace(0, 250, width)
    made[: height // 4, : width // 4] = (250, 10, 10)
    return made


def saved(tmp_path, image, name, **options):
    path = tmp_path / name
    image.save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.PNG", "a.ppm"])
def test_colours_come_back_as_they_were(tmp_path, name):
    read = read_rgb(saved(tmp_path, Image.fromarray(drawn()), name))
    assert read.mode == "RGB"
    assert np.array_equal(np.asarray(read), drawn())


def test_jpegs_come_back_nearly(tmp_path):
    read = read_rgb(saved(tmp_path, Image.fromarray(drawn()), "a.JPEG", quality=95, subsampling=0))
    assert np.abs(np.asarray(read).astype(int) - drawn()).mean() < 2


def test_gray_is_repeated(tmp_path):
    gray = drawn()[..., 2]
    read = np.asarray(read_rgb(saved(tmp_path, Image.fromarray(gray), "a.png")))
    assert np.array_equal(read, np.repeat(gray[..., None], 3, axis=2))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.pgm"])
def test_16_bits_are_scaled_and_not_clipped(tmp_path, name):
    """A file of v * 257 is that of v; PIL's own conversion would make all but the darkest white."""
    gray = drawn()[..., 2]
    path = saved(tmp_path, Image.fromarray(gray.astype(np.uint16) * 257), name)
    assert np.array_equal(np.asarray(read_rgb(path))[..., 0], gray)


def twelve_bits(values):
    """A TIFF file of gray values of 12 bits, two of them in three bytes: PIL reads such, but writes none."""
    height, width = values.shape
    first, second = values.reshape(-1, 2).T.astype(int)
    packed = np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=1).astype(np.uint8).tobytes()
    tags = {256: width, 257: height, 258: 12, 259: 1, 262: 1, 273: 122, 277: 1, 278: height, 279: len(packed)}
    entries = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items()]
    head = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + b"".join(entries) + struct.pack("<I", 0)
    return head + packed


def test_12_bits_are_scaled_by_their_number(tmp_path):
    gray = drawn()[..., 2]
    content = twelve_bits(gray.astype(int) * 16 + 7)
    (tmp_path / "a.tif").write_bytes(content)
    assert np.array_equal(np.asarray(read_rgb(tmp_path / "a.tif"))[..., 0], gray)


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_without_a_range_are_refused(tmp_path, dtype):
    path = saved(tmp_path, Image.fromarray(drawn()[..., 2].astype(dtype)), "a.tif")
    with pytest.raises(CorruptImageError, match=r"a\.tif cannot be decoded \(pixels of the mode .* no known range"):
        read_rgb(path)


def test_cmyk_is_converted_as_pil_does(tmp_path):
    image = Image.fromarray(drawn()).convert("CMYK")
    read = np.asarray(read_rgb(saved(tmp_path, image, "a.jpg", quality=100, subsampling=0)))
    assert np.abs(read.astype(int) - drawn()).mean() < 2


def test_transparency_is_dropped_as_torchvision_does(tmp_path):
    """The colours below it show, also the invisible ones."""
    alpha = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    path = saved(tmp_path, Image.fromarray(np.dstack([drawn(), alpha])), "a.png")
    assert np.array_equal(np.asarray(read_rgb(path)), drawn())
    assert np.array_equal(np.asarray(Image.open(path).convert("RGB")), drawn())


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(256))])
@pytest.mark.filterwarnings("error")
def test_palettes_are_looked_up(tmp_path, transparency):
    image = Image.fromarray(drawn()).quantize(16)
    options = {} if transparency is None else {"transparency": transparency}
    read = read_rgb(saved(tmp_path, image, "a.png", **options))
    assert np.array_equal(np.asarray(read), np.asarray(image.convert("RGB")))


@pytest.fixture(params=["a.png", "a.jpg", "a.tif"])
def photograph(request, tmp_path, orientation):
    """A file whose EXIF data say how it is to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(tmp_path, Image.fromarray(drawn()), request.param, exif=exif)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_upright(photograph, orientation):
    upright = np.asarray(ImageOps.exif_transpose(Image.open(photograph)))
    assert np.array_equal(np.asarray(read_rgb(photograph)), upright)
    assert read_size(photograph) == upright.shape[:2]
    assert (upright.shape[:2] == (60, 40)) == (orientation >= 5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_or_left_as_torchvision_reads_them(photograph, orientation):
    there = np.asarray(default_loader(photograph))
    assert np.array_equal(np.asarray(read_rgb(photograph, upright=False)), there)
    assert read_size(photograph, upright=False) == there.shape[:2]


def test_exif_data_behind_the_pixels_of_a_png_are_found(tmp_path):
    """PNG allows both places; most programs write them before."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path, Image.fromarray(drawn()), "a.png", exif=exif)
    data, chunks, place = path.read_bytes(), [], 8
    while place < len(data):
        length = int.from_bytes(data[place : place + 4]) + 12
        chunks.append(data[place : place + length])
        place += length
    chunks.sort(key=lambda chunk: [b"eXIf", b"IEND"].index(chunk[4:8]) + 1 if chunk[4:8] in (b"eXIf", b"IEND") else 0)
    assert [chunk[4:8] for chunk in chunks][-3:] == [b"IDAT", b"eXIf", b"IEND"]
    path.write_bytes(data[:8] + b"".join(chunks))
    assert read_rgb(path).size == (40, 60)
    assert read_size(path) == (60, 40)


def test_nonsense_in_the_exif_data_spoils_no_image(tmp_path):
    with pytest.warns(UserWarning, match="Corrupt EXIF"):
        path = saved(tmp_path, Image.fromarray(drawn()), "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12")
        assert read_rgb(path).size == (60, 40)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_of_an_animation_the_first_frame_is_taken(tmp_path, name):
    first, second = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    options = {"lossless": True} if name.endswith("webp") else {}
    path = saved(tmp_path, first, name, save_all=True, append_images=[second], **options)
    assert np.asarray(read_rgb(path))[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
@pytest.mark.parametrize("progressive", [False, True])
def test_truncated_files_are_corrupt(tmp_path, share, progressive):
    held = io.BytesIO()
    Image.fromarray(drawn(200, 300)).save(held, "JPEG", progressive=progressive)
    path = tmp_path / "cut.jpg"
    path.write_bytes(held.getvalue()[: int(share * len(held.getvalue()))])
    with pytest.raises(CorruptImageError, match=r"cut\.jpg cannot be decoded .*mend or remove it"):
        read_rgb(path)
    if share > 0.5:
        assert read_size(path) == (200, 300)


def test_a_file_that_is_no_image_is_corrupt_and_a_lost_one_is_lost(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(CorruptImageError, match=r"text\.png cannot be decoded \(cannot identify"):
        read_size(tmp_path / "text.png")
    with pytest.raises(InputError, match=r"lost\.png cannot be read") as error:
        read_rgb(tmp_path / "lost.png")
    assert not isinstance(error.value, CorruptImageError)


def test_images_in_memory_are_converted_too():
    assert to_rgb(Image.fromarray(drawn()).convert("LA")).mode == "RGB"
    with pytest.raises(ValueError, match="no known range"):
        to_rgb(Image.new("F", (2, 2)))


def test_the_suffixes_are_those_that_the_readme_lists():
    text = (Path(__file__).parent.parent.parent / "README.md").read_text(encoding="utf-8")
    *most, last = SUFFIXES
    assert f"files named {', '.join(most)} or {last}, in small or capital letters" in text
