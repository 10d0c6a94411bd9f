"""Who talks in a mixture, as far as its name tells."""

import re

# How talkers are named in the IDs of mixtures, one match a source: as
# LibriSpeech's utterances (reader-chapter-number), as WSJ0's (three letters of
# eight, then a level), as LibriSpeech's readers (at the end).
TALKER_PATTERNS = (
    r"(?:^|_)([^_-]+)-[^_-]+-\d+(?=_|$)",
    r"(?:^|_)([0-9a-z]{3})[0-9a-z]{5}_-?\d+(?:\.\d+)?(?=_|$)",
    r"(?:^|_)((?:c\d+\.)?\d{2,5})(?=(?:_(?:c\d+\.)?\d{2,5})*$)",
)


def find_talkers(
    item: str, num_spks: int, pattern: str | None = None
) -> list[str]:
    """Finds who talks in a mixture from its ID.

    Arguments
    ---------
    item : str
        The ID.
    num_spks : int
        Sources.
    pattern : str, optional
        Regular expression with one group; by default those of
        ``TALKER_PATTERNS`` are tried.

    Returns
    -------
    list of str
        A name for each source. Where they are not known, the ID itself for
        all: sources of different mixtures then pass for different talkers.

    Raises
    ------
    ValueError
        The given pattern is no regular expression with one group.

    Example
    -------
    >>> find_talkers("4992-23283-0001_908-31957-0012", 2)
    ['4992', '908']
    >>> find_talkers("01aa010b_0.97482_209a010p_-0.97482", 2)
    ['01a', '209']
    >>> find_talkers("take 1", 2)
    ['take 1', 'take 1']
    """
    for regex in (pattern,) if pattern else TALKER_PATTERNS:
        try:
            names = re.findall(regex, item)
        except re.error as error:
            raise ValueError(
                f"talker_pattern {regex} is no regular expression: {error}"
            ) from None
        if len(names) == num_spks and all(isinstance(n, str) for n in names):
            return names
    return [item] * num_spks
