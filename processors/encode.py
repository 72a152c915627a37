"""Encode a finished picture. Every option that makes bytes is set here, so that equal input gives equal bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from processors.recipe import Format, Metadata, VariantSpec

if TYPE_CHECKING:
    from processors.vips import Image

_OPTIMISED, _TRELLIS, _SCANS = 1, 2, 3
"""From these efforts on a JPEG gets tables of its own, mozjpeg's trellis and tables, and the search for best scans."""
_MOZJPEG_TABLE: Final = 3
"""Quantisation table tuned on photographs; mozjpeg's own default."""
_PRIVATE_FIELDS: Final = ("jpeg-thumbnail-data", "exif-ifd2-MakerNote", "orientation", "exif-ifd0-Orientation")
_POSITION: Final = "exif-ifd3-"
"""EXIF's GPS directory."""
_THUMBNAIL: Final = "exif-ifd1-"


def encode(image: Image, spec: VariantSpec, *, profile: bool = False) -> bytes:
    """Return the file's bytes. ``image`` is finished: 8-bit sRGB or grey, straight alpha if the format has any.

    With ``profile`` it is in the colours of the profile that it carries, and so is the file.
    """
    kept = ["icc"] if profile else []
    if spec.metadata is Metadata.KEEP:
        image, kept = _without_private_fields(image), [*kept, "exif", "iptc"]
    save = {Format.JPEG: _jpeg, Format.WEBP: _webp, Format.AVIF: _avif, Format.PNG: _png}
    return bytes(save[spec.format](image, spec, ",".join(kept) or "none"))


def _without_private_fields(image: Image) -> Image:
    """Drop what would show where and by whom the picture was taken, what was cropped away, or turn it once more."""
    image = image.copy()
    for field in image.get_fields():
        if field in _PRIVATE_FIELDS or field.startswith((_POSITION, _THUMBNAIL)):
            image.remove(field)
    return image


def _jpeg(image: Image, spec: VariantSpec, keep: str) -> Any:  # noqa: ANN401 - pyvips is untyped
    trellis, scans = spec.effort >= _TRELLIS, spec.effort >= _SCANS
    return image.jpegsave_buffer(
        Q=spec.quality,
        optimize_coding=spec.effort >= _OPTIMISED,
        interlace=spec.progressive or scans,
        trellis_quant=trellis,
        overshoot_deringing=trellis,
        quant_table=_MOZJPEG_TABLE if trellis else 0,
        optimize_scans=scans,
        subsample_mode="off" if spec.chroma == "444" else "on",
        keep=keep,
    )


def _webp(image: Image, spec: VariantSpec, keep: str) -> Any:  # noqa: ANN401 - pyvips is untyped
    if spec.lossless:
        return image.webpsave_buffer(lossless=True, effort=spec.effort, keep=keep)
    return image.webpsave_buffer(Q=spec.quality, effort=spec.effort, keep=keep)


def _avif(image: Image, spec: VariantSpec, keep: str) -> Any:  # noqa: ANN401 - pyvips is untyped
    return image.heifsave_buffer(
        Q=spec.quality,
        effort=spec.effort,
        compression="av1",
        bitdepth=8,
        subsample_mode="off" if spec.chroma == "444" else "on",
        keep=keep,
    )


def _png(image: Image, spec: VariantSpec, keep: str) -> Any:  # noqa: ANN401 - pyvips is untyped
    return image.pngsave_buffer(compression=spec.effort, keep=keep)
