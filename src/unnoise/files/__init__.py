"""Writing files atomically, their temporary names, and what lies at a path."""

from unnoise.deprecated.module_names import renamed

__getattr__ = renamed(
    __name__,
    {
        "make_folder": "unnoise.files.atomic:make_folder",
        "written_whole": "unnoise.files.atomic:atomic_write",
        "reserve": "unnoise.files.atomic:preallocate",
    },
)
