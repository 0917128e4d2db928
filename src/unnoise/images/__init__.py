"""Reading and writing pictures: files with bit depth and metadata, and arrays or tensors for networks.

Importing this package imports neither torch nor pyvips: they come in when the first picture is read or converted.
"""

from unnoise.images.arrays import Form, Library, to_tensor
from unnoise.images.formats import SUFFIXES, find_pictures, is_picture, result_name
from unnoise.images.opening import Frame, Source
from unnoise.images.picture import Layout, Metadata, Picture
from unnoise.images.reading import open, read
from unnoise.images.scratch import Scratch
from unnoise.images.writing import Canvas, Target, create, write

__all__ = [
    "SUFFIXES",
    "Canvas",
    "Form",
    "Frame",
    "Layout",
    "Library",
    "Metadata",
    "Picture",
    "Scratch",
    "Source",
    "Target",
    "create",
    "find_pictures",
    "is_picture",
    "open",
    "read",
    "result_name",
    "to_tensor",
    "write",
]
