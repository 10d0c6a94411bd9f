"""File names made of names in data: IDs of manifests, of tables, of plans."""

import hashlib

LONGEST_NAME = 200  # bytes; of 255, so that suffixes have room
# No file name everywhere; the last marks names that were changed.
NO_FILE_NAME = '/\\:*?"<>|~'


def file_name(text):
    """A file name made of a name in data, such as an ID.

    What was written by others may hold "../", be absolute or too long: a path
    made of it as it stands leads anywhere.

    Arguments
    ---------
    text : str
        The name.

    Returns
    -------
    str
        The name itself if it can be one of a file. Otherwise its harmless
        characters and a hash of the whole, so that no two names become one.

    Example
    -------
    >>> file_name("000001_1089-134686-0000_121")
    '000001_1089-134686-0000_121'
    >>> file_name("../../home/me/.profile")
    '_.._home_me_.profile~17fe7cf0828bbb5c'
    """
    kept = "".join(
        c if c.isprintable() and c not in NO_FILE_NAME else "_" for c in text
    )
    fits = (
        kept.strip() and kept[0] != "." and len(kept.encode()) <= LONGEST_NAME
    )
    if kept == text and fits:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    short = kept.encode()[: LONGEST_NAME // 2].decode(errors="ignore")
    return f"{short.lstrip('.')}~{digest[:16]}"
