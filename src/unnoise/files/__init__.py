"""Atomic writing, temporary names, and what a path leads to."""

from unnoise.deprecated.module_names import renamed

__getattr__ = renamed(
    __name__,
    {
        "make_folder": "unnoise.files.atomic:make_folder",
        "written_whole": "unnoise.files.atomic:atomic_write",
        "reserve": "unnoise.files.atomic:preallocate",
    },
)
