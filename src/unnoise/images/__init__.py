"""Pictures in and out: files with their bit depth and metadata, and arrays or tensors as networks take them.

Importing this package imports neither torch nor pyvips: they come in when the first picture is read or converted.
"""

from unnoise.images.arrays import Form, to_tensor
from unnoise.images.formats import SUFFIXES, find_pictures, is_picture
from unnoise.images.picture import Metadata, Picture
from unnoise.images.reading import read
from unnoise.images.writing import write

__all__ = ["SUFFIXES", "Form", "Metadata", "Picture", "find_pictures", "is_picture", "read", "to_tensor", "write"]
