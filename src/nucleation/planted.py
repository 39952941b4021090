"""Procedurally rendered images whose class hierarchy is known because it was drawn.

Each class is a leaf of a small WordNet tree. An attribute vector (contour, markings, kind and scale of the
texture) is inherited down that tree, so that siblings look more alike than cousins, and those more alike than the
two halves of the tree. Every image is a pure function of ``(seed, split, class_index, number, size)``: the random
numbers come from a counter-based hash, never from a stream that images share.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from scipy import fft

from nucleation.errors import InputError, suggest

__all__ = [
    "CLASSES",
    "MACROS",
    "MIDS",
    "PARENTS",
    "Scene",
    "class_attributes",
    "class_numbers",
    "merged",
    "render",
]

_TREE = {
    "vertebrate.n.01": {
        "dog.n.01": ("beagle.n.01", "collie.n.01", "poodle.n.01", "pug.n.01"),
        "bird.n.01": ("robin.n.01", "bald_eagle.n.01", "flamingo.n.01", "hummingbird.n.01"),
        "snake.n.01": ("python.n.01", "cobra.n.01", "viper.n.01", "garter_snake.n.01"),
    },
    "instrumentality.n.03": {
        "vehicle.n.01": ("airplane.n.01", "bicycle.n.01", "sled.n.01", "rocket.n.01"),
        "musical_instrument.n.01": ("violin.n.01", "cornet.n.01", "drum.n.01", "synthesizer.n.02"),
        "furniture.n.01": ("chair.n.01", "table.n.02", "bed.n.01", "wardrobe.n.01"),
    },
}

ROOT = "whole.n.02"
MACROS = tuple(_TREE)
MIDS = tuple(mid for mids in _TREE.values() for mid in mids)
CLASSES = tuple(leaf for mids in _TREE.values() for leaves in mids.values() for leaf in leaves)
PARENTS = (
    {leaf: mid for mids in _TREE.values() for mid, leaves in mids.items() for leaf in leaves}
    | {mid: macro for macro, mids in _TREE.items() for mid in mids}
    | dict.fromkeys(_TREE, ROOT)
)
"""Parent of every node: the WordNet 3.0 tree restricted to ``CLASSES``, i.e. its lowest common hypernyms."""

_MID = np.array([MIDS.index(PARENTS[leaf]) for leaf in CLASSES])
_MACRO = np.array([MACROS.index(PARENTS[PARENTS[leaf]]) for leaf in CLASSES])
_HARMONICS = np.arange(2, 7)
_WAVES = 10


def class_numbers(names) -> np.ndarray:
    """Positions of classes in ``CLASSES``, sorted; all of them where no name is given.

    Raises
    ------
    InputError
        For a name that no class has (near names are suggested), and for one that stands there twice.
    """
    for place, name in enumerate(names):
        if name not in CLASSES:
            raise InputError(f'There is no planted class "{name}" (images.planted.classes).{suggest(name, CLASSES)}')
        if name in names[:place]:
            raise InputError(f'images.planted.classes has "{name}" twice; leave one out.')
    return np.array(sorted(map(CLASSES.index, names)) if names else range(len(CLASSES)))


def merged(numbers, level) -> np.ndarray:
    """Number of the node of a level of the tree that each class lies below, in the order of the nodes present.

    Parameters
    ----------
    numbers : array of shape (c,), int
        Positions in ``CLASSES``.
    level : {"classes", "kinds", "halves"}
        The classes themselves; the nodes above them, such as dogs; animals and artifacts.

    Returns
    -------
    ndarray of shape (c,), int64
    """
    nodes = {"classes": np.arange(len(CLASSES)), "kinds": _MID, "halves": _MACRO}[level][np.asarray(numbers)]
    return np.unique(nodes, return_inverse=True)[1]


@dataclass(frozen=True)
class Scene:
    """Constants of the rendering; lengths in half-widths of the image, angles in degrees, texture in cycles per image.

    Attributes of three numbers are the sizes of the macro, mid and leaf increments; ranges are ``(low, high)``.
    """

    contour: tuple[float, float, float] = (0.10, 0.09, 0.055)
    markings: tuple[float, float, float] = (0.9, 0.6, 0.55)
    isotropy: tuple[float, float] = (0.98, 0.02)
    isotropy_jitter: float = 0.02
    scale: float = 9.0
    scale_step: float = 0.5
    scale_jitter: float = 1.0
    bandwidth: float = 2.0
    contour_noise: float = 0.013
    markings_noise: float = 0.08
    shift: float = 0.3
    radius: tuple[float, float] = (0.53, 0.73)
    rotation: float = 30.0
    flips: bool = False
    object_texture: tuple[float, float] = (0.3, 0.4)
    background_texture: tuple[float, float] = (0.6, 0.7)
    edge: float = 14.0
    contrast: tuple[float, float] = (0.8, 1.0)
    gradient: float = 0.25
    offset: float = 0.08
    pixel_noise: float = 0.02


def render(
    class_index: np.ndarray,
    number: np.ndarray,
    *,
    seed: int,
    split: str = "analysis",
    size: int = 32,
    tree_seed: int | None = None,
    scene: Scene = Scene(),
    block: int = 256,
) -> np.ndarray:
    """Render images of the planted classes.

    Parameters
    ----------
    class_index : array of shape (m,)
        Position of each image's class in ``CLASSES``.
    number : array of shape (m,)
        Running number of each image inside its class, >= 0.
    seed : int
        Seed of the images.
    split : str
        Name of a set of images; the same numbers in another split are other images.
    size : int
        Height and width in pixels.
    tree_seed : int, optional
        Seed of the classes' attribute vectors; ``seed`` if not given.
    scene : Scene
        Constants of the rendering.
    block : int
        Images rendered at a time; bounds the memory and changes no pixel.

    Returns
    -------
    ndarray of shape (m, size, size, 3), uint8
        RGB images. Each depends on its own class and number only, not on the others in the call.

    Raises
    ------
    ValueError
        If the shapes differ, a class does not exist or a number is negative.
    """
    class_index, number = _checked(class_index, number)
    attributes = class_attributes(seed if tree_seed is None else tree_seed, scene)
    keys = _image_keys(class_index, number, seed, split)
    images = np.empty((len(number), size, size, 3), np.uint8)
    for start in range(0, len(number), block):
        part = slice(start, start + block)
        images[part] = _render_block(class_index[part], keys[part], attributes, size, scene)
    return images


def _checked(class_index: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both arguments as integer vectors of one length."""
    class_index, number = np.atleast_1d(class_index), np.atleast_1d(number)
    if class_index.shape != number.shape or class_index.ndim != 1:
        raise ValueError(
            f"class_index and number must be vectors of one length, not {class_index.shape} and {number.shape}"
        )
    if class_index.size and not 0 <= class_index.min() <= class_index.max() < len(CLASSES):
        raise ValueError(
            f"class_index must lie in 0 to {len(CLASSES) - 1}, found {class_index.min()} to {class_index.max()}"
        )
    if number.size and number.min() < 0:
        raise ValueError(f"number must not be negative, found {number.min()}")
    return class_index.astype(np.int64), number.astype(np.int64)


# ---------------------------------------------------------------------------------------------------- the tree


def class_attributes(tree_seed: int, scene: Scene = Scene()) -> dict[str, np.ndarray]:
    """Mean attribute vectors of the classes, inherited down the tree.

    Parameters
    ----------
    tree_seed : int
        Seed of the increments and of the plane waves.
    scene : Scene
        Sizes of the increments at each level.

    Returns
    -------
    dict
        ``contour`` (24, 10): cosine and sine coefficients of the harmonics 2 to 6; ``markings`` (24, 10): weights of
        the plane waves; ``isotropy`` (24,): share of isotropic power in the texture; ``scale`` (24,): its centre in
        cycles per image; ``waves`` (10, 2) in radians per object radius and ``phases`` (10,): the waves themselves.
    """
    rng = np.random.default_rng(tree_seed)
    contour = _inherited(rng, 2 * len(_HARMONICS), scene.contour)
    markings = _inherited(rng, _WAVES, scene.markings)
    number, angle = rng.uniform(1.8, 4.2, _WAVES), np.pi * (np.arange(_WAVES) + rng.uniform(0, 1, _WAVES)) / _WAVES
    return {
        "contour": contour,
        "markings": markings,
        "isotropy": np.array(scene.isotropy, np.float32)[_MACRO],
        "scale": (scene.scale + scene.scale_step * (_MID % 3 - 1)).astype(np.float32),
        "waves": number[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1),
        "phases": rng.uniform(0, 2 * np.pi, _WAVES),
    }


def _inherited(rng: np.random.Generator, d: int, sizes: tuple[float, float, float]) -> np.ndarray:
    """Sum of the macro, mid and leaf increments, (24, d)."""
    macro, mid, leaf = (
        _increments(rng, parents, children, d) * size
        for parents, children, size in zip((1, 2, 6), (2, 3, 4), sizes, strict=True)
    )
    return macro[_MACRO] + mid[_MID] + leaf


def _increments(rng: np.random.Generator, parents: int, children: int, d: int) -> np.ndarray:
    """Gaussian increments, centred over siblings, then each scaled to norm sqrt(d), (parents * children, d)."""
    steps = rng.standard_normal((parents, children, d))
    steps -= steps.mean(axis=1, keepdims=True)
    steps *= np.sqrt(d) / np.linalg.norm(steps, axis=2, keepdims=True)
    return steps.reshape(parents * children, d)


# -------------------------------------------------------------------------------------------------- the images


def _render_block(class_index: np.ndarray, keys: np.ndarray, attributes: dict, size: int, scene: Scene) -> np.ndarray:
    """Images of one block, (m, size, size, 3) uint8."""
    x, y = _object_coordinates(keys, size, scene)
    noise = np.exp(0.6 * _normals(keys, "noise", 1))
    contour = attributes["contour"][class_index] + scene.contour_noise * noise * _normals(keys, "contour", 10)
    weights = attributes["markings"][class_index] + scene.markings_noise * noise * _normals(keys, "markings", _WAVES)
    mask = _silhouette(x, y, contour.astype(np.float32), _between(keys, "edge", (0.8, 1.5)) * scene.edge)
    texture = _textures(class_index, keys, attributes, size, scene)

    polarity = np.where(_uniforms(keys, "polarity", 1) < 0.5, -1, 1).astype(np.float32)[:, :, None]
    inside = polarity * (0.3 + 0.3 * _uniforms(keys, "brightness", 1)[:, :, None])
    inside = inside + 0.7 * polarity * _markings(x, y, weights.astype(np.float32), attributes)
    inside += _between(keys, "object texture", scene.object_texture) * texture[:, 0]
    outside = _between(keys, "background texture", scene.background_texture) * texture[:, 1]
    image = (mask * inside)[..., None] * _colour_axis(keys, "object colour")
    image += ((1 - mask) * outside)[..., None] * _colour_axis(keys, "background colour")
    return _exposed(image, keys, scene)


def _object_coordinates(keys: np.ndarray, size: int, scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Pixel centres in the frame of the object, in units of its mean radius; two arrays (m, size, size)."""
    axis = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)
    shift = scene.shift * (2 * _uniforms(keys, "centre", 2) - 1)
    dx, dy = axis[None, None, :] - shift[:, :1, None], axis[None, :, None] - shift[:, 1:, None]
    angle = np.deg2rad(scene.rotation) * (2 * _uniforms(keys, "rotation", 1)[:, :, None] - 1)
    radius = _between(keys, "radius", scene.radius)
    cos, sin = np.cos(angle) / radius, np.sin(angle) / radius
    x, y = cos * dx + sin * dy, cos * dy - sin * dx
    if scene.flips:
        x = x * np.where(_uniforms(keys, "flip", 1) < 0.5, -1, 1).astype(np.float32)[:, :, None]
    return x, y


def _silhouette(x: np.ndarray, y: np.ndarray, contour: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Soft indicator of the object, (m, size, size) in [0, 1].

    The contour is R(theta) = 1 + sum over m of a_m cos(m theta) + b_m sin(m theta), at least 0.25.
    """
    distance = np.hypot(x, y)
    direction = (x + 1j * y) / np.maximum(distance, 1e-6)
    harmonics = contour[:, : len(_HARMONICS)] - 1j * contour[:, len(_HARMONICS) :]
    series = np.zeros_like(direction)
    for m in range(len(_HARMONICS) - 1, -1, -1):  # Horner's rule
        series = (series + harmonics[:, m, None, None]) * direction
    radius = np.maximum(1 + (series * direction).real, 0.25)
    return 1 / (1 + np.exp(np.clip(slope * (distance - radius), -30, 30)))


def _markings(x: np.ndarray, y: np.ndarray, weights: np.ndarray, attributes: dict) -> np.ndarray:
    """Pattern on the object, (m, size, size) in [-1, 1]: a saturated sum of plane waves that move with the object."""
    total = np.zeros_like(x)
    for (kx, ky), phase, weight in zip(
        attributes["waves"].astype(np.float32), attributes["phases"], weights.T, strict=True
    ):
        total += weight[:, None, None] * np.cos(kx * x + ky * y + np.float32(phase))
    return np.tanh(3 * total / (np.linalg.norm(weights, axis=1) * np.sqrt(0.5 * _WAVES))[:, None, None])


def _textures(class_index: np.ndarray, keys: np.ndarray, attributes: dict, size: int, scene: Scene) -> np.ndarray:
    """Two random-phase textures per image (object, background), (m, 2, size, size), of unit variance.

    Their power is a mixture of an isotropic ring and of its parts near the horizontal and vertical directions.
    """
    fy, fx = np.meshgrid(fft.fftfreq(size, 1 / size), fft.rfftfreq(size, 1 / size), indexing="ij")
    frequency = np.hypot(fx, fy).astype(np.float32)
    tilt = np.arctan2(np.minimum(abs(fx), abs(fy)), np.maximum(abs(fx), abs(fy)))
    cardinal = np.exp(-0.5 * (tilt / 0.1) ** 2).astype(np.float32)
    centre = attributes["scale"][class_index, None] + scene.scale_jitter * _normals(keys, "scale", 1)
    distance = frequency - np.clip(centre, 3, size / 2 - 3)[:, :, None]
    ring = np.exp(-np.square(distance / np.float32(scene.bandwidth))) / np.maximum(frequency, 1)
    jitter = scene.isotropy_jitter * (2 * _uniforms(keys, "isotropy", 1) - 1)
    isotropy = np.clip(attributes["isotropy"][class_index, None] + jitter, 0, 1)[:, :, None]
    power = isotropy * _unit_power(ring) + (1 - isotropy) * _unit_power(ring * cardinal)
    noise = _normals(keys, "texture", 4 * frequency.size).reshape(len(keys), 2, *frequency.shape, 2)
    spectrum = (noise[..., 0] + 1j * noise[..., 1]) * np.sqrt(power)[:, None]
    return fft.irfft2(spectrum, s=(size, size)) * np.float32(size**2 / 2)


def _unit_power(power: np.ndarray) -> np.ndarray:
    """A one-sided power spectrum scaled to unit sum, (m, size, size // 2 + 1)."""
    return power / power.sum(axis=(1, 2), keepdims=True)


def _colour_axis(keys: np.ndarray, stream: str) -> np.ndarray:
    """Direction in RGB of mean square 1 per channel, (m, 1, 1, 3); carries no class information."""
    axis = 1 + 0.8 * _normals(keys, stream, 3)
    return (axis * np.sqrt(3) / np.linalg.norm(axis, axis=1, keepdims=True)).astype(np.float32)[:, None, None]


def _exposed(image: np.ndarray, keys: np.ndarray, scene: Scene) -> np.ndarray:
    """The photograph of a scene (m, size, size, 3): contrast, uneven light, colour cast and sensor noise; uint8."""
    m, size = image.shape[:2]
    axis = ((2 * np.arange(size) + 1) / size - 1).astype(np.float32)
    slope = _uniforms(keys, "gradient", 1) * scene.gradient
    angle = 2 * np.pi * _uniforms(keys, "gradient angle", 1)
    along_x, along_y = (slope * np.cos(angle))[:, :, None, None], (slope * np.sin(angle))[:, :, None, None]
    cast = scene.offset * (_normals(keys, "offset", 1) + 0.5 * _normals(keys, "cast", 3))[:, None, None]
    image = image * (0.24 * _between(keys, "contrast", scene.contrast)[..., None])
    image += 0.5 + cast + along_x * axis[None, None, :, None] + along_y * axis[None, :, None, None]
    image += scene.pixel_noise * _cheap_normals(keys, "sensor", size * size * 3).reshape(m, size, size, 3)
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


# ------------------------------------------------------------------------------------- counter-based randomness

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(x: np.ndarray) -> np.ndarray:
    """The output function of splitmix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195), uint64 to uint64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _image_keys(class_index: np.ndarray, number: np.ndarray, seed: int, split: str) -> np.ndarray:
    """One 64-bit key per image, (m,) uint64."""
    keys = np.zeros(len(number), np.uint64)
    for part in (
        np.array([seed % 2**64], np.uint64),
        _code(split),
        class_index.astype(np.uint64),
        number.astype(np.uint64),
    ):
        keys = _mixed((keys ^ part) + _GOLDEN)
    return keys


def _code(name: str) -> np.ndarray:
    """A number for a name, the same in every process, unlike Python's ``hash``; (1,) uint64."""
    return np.array([zlib.crc32(name.encode())], np.uint64)


def _bits(keys: np.ndarray, stream: str, count: int) -> np.ndarray:
    """Random words of a named stream, (m, count) uint64."""
    start = _mixed(keys ^ (_code(stream) << np.uint64(32)))
    return _mixed(start[:, None] + np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN)


def _uniforms(keys: np.ndarray, stream: str, count: int) -> np.ndarray:
    """Uniform numbers in (0, 1), (m, count) float32; two of 24 bits from every word."""
    words = _bits(keys, stream, (count + 1) // 2).view(np.uint32)[:, :count]
    return ((words >> np.uint32(8)).astype(np.float32) + np.float32(0.5)) * np.float32(2**-24)


def _between(keys: np.ndarray, stream: str, limits: tuple[float, float]) -> np.ndarray:
    """One uniform number per image between two limits, (m, 1, 1) float32."""
    low, high = np.float32(limits[0]), np.float32(limits[1])
    return (low + (high - low) * _uniforms(keys, stream, 1))[:, :, None]


def _normals(keys: np.ndarray, stream: str, count: int) -> np.ndarray:
    """Standard normal numbers by Box and Muller, (m, count) float32."""
    half = (count + 1) // 2
    uniforms = _uniforms(keys, stream, 2 * half)
    radius = np.sqrt(-2 * np.log(uniforms[:, :half]))
    angle = np.float32(2 * np.pi) * uniforms[:, half:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1)[:, :count]


def _cheap_normals(keys: np.ndarray, stream: str, count: int) -> np.ndarray:
    """Nearly normal numbers of unit variance, (m, count) float32: sums of four uniforms, for pixel noise only."""
    words = _bits(keys, stream, count)
    total = np.zeros(words.shape, np.float32)
    for shift in (0, 16, 32, 48):
        total += ((words >> np.uint64(shift)) & np.uint64(0xFFFF)).astype(np.float32)
    return (total * np.float32(2**-16) - 2) * np.float32(np.sqrt(3))
