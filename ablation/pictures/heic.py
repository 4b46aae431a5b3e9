"""The pictures of telephones: HEIC, which Pillow reads with the package of the extra `heic`."""

import functools

#: The suffixes of its files.
SUFFIXES = frozenset({".heic", ".heif"})


@functools.cache
def is_read() -> bool:
    """Whether they can be read; from then on Pillow does."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True
