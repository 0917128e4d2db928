"""What files are that are no pictures that we read, by their first bytes, so that a refusal names them."""

from __future__ import annotations

KINDS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"qoif", "QOI"),
    (0, b"DDS ", "a DirectDraw surface"),
    (0, b"\0\0\1\0", "an icon"),
    (0, b"icns", "an icon of macOS"),
    (0, b"\x01\xda", "SGI"),
    (0, b"\x59\xa6\x6a\x95", "a Sun raster"),
    (0, b"gimp xcf", "a project of GIMP"),
    (0, b"BPG\xfb", "BPG"),
    (0, b"FLIF", "FLIF"),
    (0, b"FORM", "IFF"),
    (0, b"\x0a\x05\x01", "PCX"),
    (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
    (0, b"PK\3\4", "a ZIP archive"),
    (0, b"\x1f\x8b", "packed by gzip"),
    (0, b"BZh", "packed by bzip2"),
    (0, b"\xfd7zXZ\0", "packed by xz"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (257, b"ustar", "a TAR archive"),
    (0, b"\x1aE\xdf\xa3", "a video of Matroska or WebM"),
    (8, b"AVI ", "a video (AVI)"),
    (4, b"ftypqt", "a video (QuickTime)"),
    (4, b"ftypisom", "a video (MP4)"),
    (4, b"ftypmp4", "a video (MP4)"),
    (0, b"MATLAB 5.0", "a MAT-file of MATLAB"),
    (0, b"SQLite format 3", "a data base"),
    (0, b"version https://git-lfs", "a pointer of Git LFS"),
)
"""Place, bytes, and a name to follow "it is"."""
WEB_PAGES = (b"<!doctype html", b"<html")
DRAWINGS = (b"<svg", b"<?xml")


def kind_of(start: bytes) -> str | None:
    """Name a kind by the first bytes of a file; None: unknown.

    >>> kind_of(b"%PDF-1.7"), kind_of(b"  <!DOCTYPE html>"), kind_of(b"unknown")
    ('a PDF', 'a web page', None)
    """
    for place, mark, name in KINDS:
        if start.startswith(mark, place):
            return name
    words = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if words.startswith(WEB_PAGES):
        return "a web page"
    if words.startswith(DRAWINGS):
        return "an SVG drawing" if b"<svg" in words else "XML"
    return None
