"""Names of studies, which become names of folders on all sorts of file systems."""

import unicodedata

#: Most bytes of a study's name: file systems take 255, and temporary files add to it.
MOST_BYTES = 200


def folder_name(text: str) -> str:
    """The text with all that a folder's name can't have replaced; "" where nothing is left.

    Accented letters get one spelling (NFC): the file system of a Mac writes them as two characters.

    Args:
        text: such as the name of a folder of pictures.
    """
    normal = unicodedata.normalize("NFC", text)
    kept = "".join(letter if _is_safe(letter) else "_" for letter in normal).strip("._- ")
    while kept and not _can_start(kept[0]):
        kept = kept[1:]
    short = kept.encode()[:MOST_BYTES].decode(errors="ignore")
    return short.strip("._- ")


def is_folder_name(name: str) -> bool:
    """Whether a text can name a study and its folder as it is."""
    fits = len(name.encode()) <= MOST_BYTES and name[-1:] not in ". "
    return name != "" and _can_start(name[0]) and fits and all(map(_is_safe, name))


def _can_start(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LN"


def _is_safe(letter: str) -> bool:
    # Marks are parts of letters in many scripts: हिन्दी, ไทย.
    return letter in "._- " or unicodedata.category(letter)[0] in "LMN"
