"""The training corpus: Jane Austen's six novels, read from a Debian package with the standard library alone.

Source: `r-cran-janeaustenr` 1.0.0-1 from Debian main (package licence MIT, (c) Julia Silge; the novels, 1811-1817, are
in the public domain). The package holds an R lazy-load database, `data/Rdata.rdb`: records of a big-endian 4-byte
length, a type letter when it is not zlib, and a compressed XDR serialisation of one R object. The six character
vectors among them are the novels, one string a line.

Getting it needs a Debian (or derived) system with `apt-get`, or the file itself through `--deb`. Both the package and
the text it yields are checked against the sums below: a figure on "the held-out text" means these characters.
"""

import argparse
import bz2
import hashlib
import io
import lzma
import re
import struct
import subprocess
import sys
import tarfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

PACKAGE = "r-cran-janeaustenr"
DEB_SHA256 = "df6bddf211906d1ff404f8ff662c21b34e6660e7f54a311084e749050c019c95"
TEXT_SHA256 = "472dbcad252bbb349b4fc815c260384fc3cde41138e85e8eeb927990ba5b0edd"
MEMBER = "./usr/lib/R/site-library/janeaustenr/data/Rdata.rdb"
HELD_OUT = 0.05
EXCERPT = 1280  # characters from each novel: ten windows of the shipped models
VOCABULARY = 96

FOLD = {
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2014": "--", "\u2013": "-", "\u00e9": "e",
    "\u00e8": "e", "\u00ea": "e", "\u00e0": "a", "\u00e7": "c", "\u00ef": "i", "\u00a3": "L", "\r": "", "\t": " ",
}  # fmt: skip

STRSXP = 16  # R's type number of a character vector
NA_STRING = -1

Tokens = npt.NDArray[np.uint8]


class CorpusError(Exception):
    """The corpus cannot be had, or is not the one the figures were measured on."""


def encode(text: str) -> Tokens:
    """Token ids of `text`: 0 for a newline, ord(c) - 31 for 0x20..0x7e; CorpusError for any other character."""
    codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    newline = codes == 10
    wrong = codes[~newline & ((codes < 0x20) | (codes > 0x7E))]
    if wrong.size:
        raise CorpusError(f"character {chr(int(wrong[0]))!r} is not in the vocabulary")
    return np.where(newline, 0, codes - 31).astype(np.uint8)


def decode(ids: npt.ArrayLike) -> str:
    """The text of token ids 0..95, the inverse of `encode`."""
    return "".join("\n" if i == 0 else chr(int(i) + 31) for i in np.asarray(ids).reshape(-1))


def fetch(folder: Path) -> Path:
    """Download the package into `folder` with apt-get and return its path; reuses one that is already there."""
    folder.mkdir(parents=True, exist_ok=True)
    pattern = f"{PACKAGE}_*.deb"
    if not any(folder.glob(pattern)):
        try:
            subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CorpusError(f"apt-get download {PACKAGE} failed ({error}); give the package with --deb") from error
    return max(folder.glob(pattern))


def member_of_deb(deb: bytes, name: str) -> bytes:
    """The file `name` of a Debian package: an `ar` archive whose member data.tar.* holds the files."""
    if not deb.startswith(b"!<arch>\n"):
        raise CorpusError("not a Debian package")
    at = 8
    while at + 60 <= len(deb):
        title, size = deb[at : at + 16].decode("ascii").strip().rstrip("/"), int(deb[at + 48 : at + 58])
        if title.startswith("data.tar"):
            with tarfile.open(fileobj=io.BytesIO(deb[at + 60 : at + 60 + size])) as archive:
                found = archive.extractfile(name)
                if found is None:
                    raise CorpusError(f"{name} is not a file")
                return found.read()
        at += 60 + size + size % 2
    raise CorpusError("the package has no data.tar member")


def records(database: bytes) -> list[bytes]:
    """The decompressed records of an R lazy-load database, in file order."""
    at, found = 0, []
    while at < len(database):
        (length,) = struct.unpack_from(">I", database, at)
        kind = database[at + 4 : at + 5]
        start = at + (5 if kind in (b"2", b"Z") else 4)
        decompressor: bz2.BZ2Decompressor | lzma.LZMADecompressor | zlib._Decompress
        if kind == b"2":
            decompressor = bz2.BZ2Decompressor()
        elif kind == b"Z":
            decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 9}])
        else:
            decompressor = zlib.decompressobj()
        data = decompressor.decompress(database[start:])
        if len(data) != length:
            raise CorpusError(f"a record of {len(data)} bytes where the database says {length}")
        found.append(data)
        at = len(database) - len(decompressor.unused_data)
    return found


def strings(serialised: bytes) -> list[str] | None:
    """The lines of one XDR-serialised R object, or None if it is not a character vector."""
    if serialised[:2] != b"X\n":
        raise CorpusError("a record is not an XDR serialisation")
    at = 14
    if struct.unpack_from(">i", serialised, 2)[0] == 3:  # version 3 states its native encoding here
        at += 4 + struct.unpack_from(">i", serialised, at)[0]
    flags, count = struct.unpack_from(">ii", serialised, at)
    if flags & 0xFF != STRSXP:
        return None
    at += 8
    lines = []
    for _ in range(count):
        _, length = struct.unpack_from(">ii", serialised, at)
        at += 8
        if length == NA_STRING:
            raise CorpusError("a line of the corpus is missing (NA)")
        lines.append(serialised[at : at + length].decode("utf-8"))
        at += length
    return lines


def fold(text: str) -> str:
    """`text` in the vocabulary: typography to ASCII, three newlines or more to two, whatever remains dropped."""
    for char, plain in FOLD.items():
        text = text.replace(char, plain)
    text = re.sub(r"\n{3,}", "\n\n", text)
    return "".join(c for c in text if c == "\n" or " " <= c <= "~")


def read_novels(deb: Path) -> list[str]:
    """The six novels of the package, folded, in its order; their concatenation has TEXT_SHA256.

    Raises CorpusError if either checksum differs.
    """
    try:
        raw = deb.read_bytes()
    except OSError as error:
        raise CorpusError(f"cannot read {deb}: {error.strerror}") from error
    if (found := hashlib.sha256(raw).hexdigest()) != DEB_SHA256:
        raise CorpusError(f"{deb} has sha256 {found}, expected {DEB_SHA256}")
    novels = [lines for data in records(member_of_deb(raw, MEMBER)) if (lines := strings(data)) is not None]
    text = fold("\n".join("\n".join(lines) for lines in novels) + "\n")
    if (found := hashlib.sha256(text.encode("ascii")).hexdigest()) != TEXT_SHA256:
        raise CorpusError(f"the text has sha256 {found}, expected {TEXT_SHA256}")
    starts = [0]
    for lines in novels[1:]:  # the title line; never within the 1000 characters after the previous one
        starts.append(text.index(f"\n{fold(lines[0])}\n", starts[-1] + 1000) + 1)
    return [text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True)]


def split(novels: list[str]) -> tuple[Tokens, Tokens]:
    """(training, held-out) token ids: of each novel the first 95 % train and the last 5 % are held out."""
    parts = [_parts(novel) for novel in novels]
    return encode("".join(train for train, _ in parts)), encode("".join(held_out for _, held_out in parts))


def excerpt(novels: list[str]) -> str:
    """The first EXCERPT characters of each novel's held-out part, concatenated: what trine ships to compare modes."""
    return "".join(_parts(novel)[1][:EXCERPT] for novel in novels)


def _parts(novel: str) -> tuple[str, str]:
    """(training, held-out) characters of a novel."""
    cut = int(len(novel) * (1 - HELD_OUT))
    return novel[:cut], novel[cut:]


def words(novels: list[str]) -> list[str]:
    """The sorted set of the lower-cased words of the corpus: letters, with apostrophes inside."""
    return sorted({word.lower() for novel in novels for word in re.findall(r"[A-Za-z]+(?:'[A-Za-z]+)*", novel)})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options every script here takes to find the corpus."""
    parser.add_argument("--deb", type=Path, help=f"the package {PACKAGE}, already downloaded")
    parser.add_argument("--cache", type=Path, default=Path("build/corpus"), help="where apt-get downloads it otherwise")


def load(options: argparse.Namespace) -> list[str]:
    """The novels, as `add_arguments` was answered."""
    return read_novels(options.deb if options.deb is not None else fetch(options.cache))


def main() -> int:
    """Check the corpus, say what it is, and write the text and the word list where asked."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    add_arguments(parser)
    parser.add_argument("--text", type=Path, help="write the corpus here")
    parser.add_argument("--words", type=Path, help="write its sorted word list here")
    parser.add_argument("--excerpt", type=Path, help="write the beginnings of the held-out parts here")
    options = parser.parse_args()
    try:
        novels = load(options)
        train, held_out = split(novels)
    except CorpusError as error:
        print(f"corpus: {error}", file=sys.stderr)
        return 2
    print(f"{len(novels)} novels; {train.size} characters to train on, {held_out.size} held out")
    if options.text is not None:
        options.text.write_bytes("".join(novels).encode("ascii"))
    if options.words is not None:
        options.words.write_bytes("".join(f"{word}\n" for word in words(novels)).encode("ascii"))
    if options.excerpt is not None:
        options.excerpt.write_bytes(excerpt(novels).encode("ascii"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
