"""Small files of microscopes: CZI by pylibCZIrw, LIF and ND2 byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from pylibCZIrw import czi

from images.science.samples import HEIGHT, WIDTH, counts

IMAGE_NAME_BYTES = 4072
"""The names of pictures in ND2 are padded, so that pixels begin at a multiple of 4096."""


def stack(*outer: int, dtype: str = "uint16") -> np.ndarray:
    return counts(*outer, HEIGHT, WIDTH, dtype=dtype, most=200 if dtype == "uint8" else 1000)


def write_czi(path: Path, pixels: np.ndarray, letters: str, *, scenes: int = 1, tile: int = WIDTH) -> None:
    """`pixels`: (…, H, W) or (…, H, W, 3) of red, green and blue; `letters`: of the outer axes. Mosaics have tiles."""
    color = pixels.shape[-1] == 3
    outer = pixels.shape[: -3 if color else -2]
    with czi.create_czi(str(path)) as file:
        for scene in range(scenes):
            for place in np.ndindex(*outer):
                plane = pixels[place] + scene
                plane = plane[..., ::-1] if color else plane[..., None]
                for left in range(0, WIDTH, tile):
                    part = np.ascontiguousarray(plane[:, left : left + tile])
                    at = dict(zip(letters, map(int, place), strict=True))
                    location = left + 100 * scene, 7 * scene
                    file.write(part, location=location, plane={"C": 0, **at}, scene=scene)
        names = {i: f"dye {i}" for i in range(dict(zip(letters, outer, strict=True)).get("C", 1))}
        file.write_metadata("a", channel_names=names, scale_x=0.2e-6, scale_y=0.3e-6, scale_z=1.5e-6)


def write_lif(path: Path, series: list[tuple[str, np.ndarray, str]]) -> None:
    """`series`: a name, pixels, and the letters of its axes, slowest first, each."""
    numbers = {"X": 1, "Y": 2, "Z": 3, "T": 4}
    lengths = {"X": 0.2e-6, "Y": 0.3e-6, "Z": 1.5e-6, "T": 2.0}
    elements, blocks = "", b""
    for index, (name, pixels, letters) in enumerate(series):
        item, bits = pixels.itemsize, 8 * pixels.itemsize
        strides = dict(zip(letters, (int(np.prod(pixels.shape[i + 1 :])) * item for i in range(pixels.ndim)), strict=True))
        sizes = dict(zip(letters, pixels.shape, strict=True))
        channels = "".join(
            f'<ChannelDescription DataType="0" ChannelTag="0" Resolution="{bits}" NameOfMeasuredQuantity="" Min="0" Max="1" '
            f'Unit="" LUTName="Green" IsLUTInverted="0" BytesInc="{channel * strides.get("C", 0)}" BitInc="0"/>'
            for channel in range(sizes.get("C", 1))
        )
        axes = "".join(
            f'<DimensionDescription DimID="{numbers[axis]}" NumberOfElements="{sizes[axis]}" Origin="0" '
            f'Length="{lengths[axis] * (sizes[axis] - 1)}" Unit="{"s" if axis == "T" else "m"}" BitInc="0" BytesInc="{strides[axis]}"/>'
            for axis in "XYZT" if axis in sizes
        )  # fmt: skip
        elements += (
            f'<Element Name="{name}" Visibility="1"><Data><Image><ImageDescription><Channels>{channels}</Channels><Dimensions>'
            f'{axes}</Dimensions></ImageDescription></Image></Data><Memory Size="{pixels.nbytes}" MemoryBlockID="MemBlock_{index}"/>'
            "<Children/></Element>"
        )
        label = f"MemBlock_{index}".encode("utf-16-le")
        head = b"*" + struct.pack("<Q", pixels.nbytes) + b"*" + struct.pack("<I", len(label) // 2) + label
        blocks += struct.pack("<II", 0x70, len(head)) + head + pixels.tobytes()
    words = (
        f'<LMSDataContainerHeader Version="2"><Element Name="all" Visibility="1"><Data><Experiment/></Data>'
        f'<Memory Size="0" MemoryBlockID="MemBlock_99"/><Children>{elements}</Children></Element></LMSDataContainerHeader>'
    ).encode("utf-16-le")
    head = b"*" + struct.pack("<I", len(words) // 2) + words
    path.write_bytes(struct.pack("<II", 0x70, len(head)) + head + blocks)


def _lite(name: str, value: Any) -> bytes:
    """One value in the variant format of ND2."""
    label = (name + "\0").encode("utf-16-le")

    def item(kind: int, body: bytes) -> bytes:
        return bytes([kind, len(label) // 2]) + label + body

    if isinstance(value, dict):
        inner = [_lite(key, part) for key, part in value.items()]
        body = b"".join(inner)
        head = item(11, b"")
        length = len(head) + 12 + len(body)
        offsets = b"".join(struct.pack("<Q", len(head) + 12 + sum(map(len, inner[:i]))) for i in range(len(inner)))
        return item(11, struct.pack("<IQ", len(inner), length) + body) + offsets
    if isinstance(value, bool):
        return item(1, bytes([value]))
    if isinstance(value, float):
        return item(6, struct.pack("<d", value))
    if isinstance(value, str):
        return item(8, (value + "\0").encode("utf-16-le"))
    return item(3, struct.pack("<I", value))


def write_nd2(path: Path, pixels: np.ndarray, *, calibration: float = 0.25) -> None:
    """`pixels`: (T, H, W, C) uint16."""
    times, height, width, count = pixels.shape
    attributes = {
        "uiWidth": width, "uiWidthBytes": width * count * 2, "uiHeight": height, "uiComp": count, "uiBpcInMemory": 16,
        "uiBpcSignificant": 16, "uiSequenceCount": times, "uiTileWidth": width, "uiTileHeight": height, "eCompression": 2,
        "dCompressionParam": 0.0, "ePixelType": 1, "uiVirtualComponents": count,
    }  # fmt: skip
    loop = {"eType": 1, "uLoopPars": {"uiCount": times, "dStart": 0.0, "dPeriod": 2000.0, "dDuration": 0.0, "uiPeriodCount": 0}}
    dye = {"m_sName": "dye"}
    planes = {
        f"i{i:010d}": {
            "sDescription": f"dye {i}",
            "uiCompCount": 1,
            "uiColor": 255,
            "uiModalityMask": 1,
            "pFluorescentProbe": dye,
        }
        for i in range(count)
    }
    picture = {
        "SLxPictureMetadata": {
            "dCalibration": calibration, "bCalibrated": True, "dAspect": 1.0, "dZStep": 0.0,
            "sPicturePlanes": {"uiCount": count, "uiCompCount": count, "sPlaneNew": planes},
        }
    }  # fmt: skip
    chunks = {
        "ImageAttributesLV!": _lite("SLxImageAttributes", attributes),
        "ImageMetadataLV!": _lite("SLxExperiment", loop),
        "ImageMetadataSeqLV|0!": b"".join(_lite(key, value) for key, value in picture.items()),
        **{f"ImageDataSeq|{i}!": struct.pack("<d", 2000.0 * i) + frame.tobytes() for i, frame in enumerate(pixels)},
    }
    made = _chunk(b"ND2 FILE SIGNATURE CHUNK NAME01!", b"Ver3.0".ljust(64, b"\0"))
    table = b""
    for name, body in chunks.items():
        label = name.encode().ljust(IMAGE_NAME_BYTES if name.startswith("ImageDataSeq") else 0, b"\0")
        table += name.encode() + struct.pack("<QQ", len(made), len(body))
        made += _chunk(label, body)
    place = len(made)
    end = b"ND2 CHUNK MAP SIGNATURE 0000001!"
    table += end + struct.pack("<Q", place)
    path.write_bytes(made + _chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", table))


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack("<IIQ", 0x0ABECEDA, len(name), len(body)) + name + body
