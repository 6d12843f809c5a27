"""Submissions that must be refused with one line, and texts that are taken but must not act: the cases of the tests and of
the table in docs/submissions.md."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import io
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from leaderboard_records import record
from PIL import Image
from submission_workshop import KEY, OTHER_KEY, Planted, Workshop, cells, honest, newcomer, relabelled, sealed

from fflbench.leaderboard.submissions.submission import SEAL, Submission
from fflbench.records import Artefact
from fflbench.signature import sign
from fflbench.strict_json import canonical

RIGHT_TO_LEFT = "\N{RIGHT-TO-LEFT OVERRIDE}"


@dataclass(frozen=True)
class Case:
    """`make` prepares what is refused; the line must contain `says`."""

    name: str
    make: Callable[[Any], None]
    says: str
    where: type[Workshop] = Workshop


def _signed_by_another(shop: Workshop) -> None:
    made = newcomer(key=KEY)
    forged = dataclasses.replace(made, signature=sign(SEAL + b"something else", KEY))
    shop.put(forged.to_bytes())


def _stolen_signature(shop: Workshop) -> None:
    made = dataclasses.replace(newcomer([honest(seed=1)]), signature=newcomer(key=KEY).signature)
    shop.put(made.to_bytes())


def _symlink(shop: Planted) -> None:
    shop.put(newcomer().to_bytes())
    (shop.board / "submissions" / newcomer().file_name).symlink_to(shop.file)


def _picture(file: Callable[[str], str], data: bytes, listed: bytes | None = None) -> Callable[[Workshop], None]:
    def make(shop: Workshop) -> None:
        one = honest()
        digest = hashlib.sha256(data if listed is None else listed).hexdigest()
        artefact = Artefact(file=f"artefacts/{one.digest}/original-0.png", digest=digest, role="original")
        artefact = artefact.model_copy(update={"file": file(one.digest)})
        shop.put(newcomer([one.model_copy(update={"artefacts": (artefact,)})], pictures={artefact.file: data}).to_bytes())

    return make


def _png(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("1", (side, side)).save(file, format="PNG")
    return file.getvalue()


def _own(digest: str) -> str:
    return f"artefacts/{digest}/original-0.png"


def _replace(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(line: bytes) -> bytes:
        assert old in line
        return line.replace(old, new, 1)

    return change


def _big_dictionary(shop: Workshop) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 2**29}]
    shop.put(lzma.compress(b"{}\n", filters=filters))


def _deep(line: bytes) -> bytes:
    return _replace(b'"notes":{}', b'"notes":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}")(line)


def _pinned(shop: Workshop) -> None:
    shop.board_rule("[keys]\n", f'[keys]\n"Newcomer" = ["{newcomer(key=OTHER_KEY).fingerprint}"]\n')
    shop.put(newcomer(key=KEY).to_bytes())


def _signed_only(shop: Workshop) -> None:
    shop.board_rule("unsigned = true", "unsigned = false")
    shop.board_rule('baseline = "baseline"', 'baseline = "Signer"')
    next((shop.board / "submissions").glob("baseline-*")).unlink()
    shop.put(newcomer().to_bytes())


FILES = [
    Case("not a submission at all", lambda shop: shop.put(b"PK\x03\x04"), "is not compressed with xz"),
    Case("truncated file", lambda shop: shop.put(newcomer().to_bytes()[:-40]), "breaks off"),
    Case(
        "damaged file",
        lambda shop: shop.put(newcomer().to_bytes()[:60] + bytes(40) + newcomer().to_bytes()[100:]),
        "is damaged",
    ),
    Case("garbage after the end", lambda shop: shop.put(newcomer().to_bytes() + b"#!/bin/sh"), "9 bytes after its end"),
    Case("two archives in one", lambda shop: shop.put(newcomer().to_bytes() * 2), "bytes after its end"),
    Case(
        "xz bomb: 100 MB of spaces in 15 kB",
        lambda shop: shop.put(lzma.compress(b" " * 10**8, preset=0)),
        "has a line of more than",
    ),
    Case("xz that wants 512 MB to unpack", _big_dictionary, "is damaged (Memory usage limit exceeded)"),
    Case("file of 17 MB", lambda shop: shop.put(bytes(17_000_000)), "is larger than 16000000 bytes"),
    Case("line without an end", lambda shop: shop.put(lzma.compress(b"{}")), "its last line has no end"),
    Case("a folder", lambda shop: shop.file.unlink() or shop.file.mkdir(), "found a folder, needs a file"),
]
JSON = [
    Case("deeply nested JSON", lambda shop: shop.raw_record(_deep), "nested deeper than 32 levels"),
    Case("a name twice in one table", lambda shop: shop.raw_record(_replace(b'"status":"ok"', b'"status":"ok","status":"failed"')), "has the name 'status' twice"),
    Case("invalid UTF-8", lambda shop: shop.raw_record(_replace(b'"output":""', b'"output":"\xff\xfe"')), "is not UTF-8"),
    Case("NaN", lambda shop: shop.raw_record(_replace(b'"accuracy":80.0', b'"accuracy":NaN')), "holds NaN"),
    Case("infinity as 1e999", lambda shop: shop.raw_record(_replace(b'"notes":{}', b'"notes":{"x":1e999}')), "holds the number 1e999"),
    Case("a whole number of 5000 digits", lambda shop: shop.raw_record(_replace(b'"seed":0', b'"seed":' + b"9" * 5000)), "needs at most 64 bits"),
    Case("unknown field in a record", lambda shop: shop.record(shell="rm -rf /"), "record.shell: is not a parameter here"),
    Case("unknown field in the header", lambda shop: shop.header(shell="rm -rf /"), "header.shell: is not a parameter here"),
    Case("other version of the format", lambda shop: shop.header(version=2), "version: found 2, needs 1"),
    Case("other schema version of a record", lambda shop: shop.record(schema_version=7), "schema_version: found '7', needs 1"),
    Case("more records than a board takes", lambda shop: shop.header(records=30_000), "header.records: found 30000, needs at most 20000"),
    Case("more lines than the header says", lambda shop: shop.header(records=2), "comes after the 2 records and 0 pictures"),
    Case("fewer lines than the header says", lambda shop: shop.header(records=9), "has 4 records and 0 pictures, its header says 9 and 0"),
    Case("spaces between header and its content", lambda shop: shop.lines(lambda lines: [lines[0].replace(b":", b": ", 1), *lines[1:]]), "not written as fflbench writes it"),
]  # fmt: skip
ABOUT = [
    Case("script tag as name", lambda shop: shop.about(name="<script>alert(1)</script>"), "header.about.name: found '<script>alert(1)</script>', needs 1 to 60 letters"),
    Case("formula as name", lambda shop: shop.about(name="=HYPERLINK(1)"), "header.about.name: found '=HYPERLINK(1)'"),
    Case("name with ../", lambda shop: shop.about(name="../../etc/cron.d/x"), "header.about.name: found '../../etc/cron.d/x'"),
    Case("absolute path as name", lambda shop: shop.about(name="/etc/passwd"), "header.about.name: found '/etc/passwd'"),
    Case("NUL in the name", lambda shop: shop.about(name="new\x00comer"), "header.about.name: found 'new\\x00comer'"),
    Case("writing direction changed in the name", lambda shop: shop.about(name=f"new{RIGHT_TO_LEFT}comer"), "header.about.name: found 'new\\u202ecomer'"),
    Case("look-alike letters in the name", lambda shop: shop.about(name="\N{CYRILLIC SMALL LETTER ES}igner"), "header.about.name: found"),
    Case("name that differs in case and dashes only", lambda shop: shop.put(newcomer(key=KEY, name="SIGNER.").to_bytes()), "found 'SIGNER.', which is too like 'Signer'"),
    Case("javascript: as address", lambda shop: shop.about(code="javascript:alert(1)"), "code: found 'javascript:alert(1)', needs an address that begins with https://"),
    Case("data: as address", lambda shop: shop.about(paper="data:text/html,x"), "paper: found 'data:text/html,x'"),
    Case("quote in an address", lambda shop: shop.about(paper='https://example.org/" onclick="x'), "paper: found"),
    Case("address with a password", lambda shop: shop.about(code="https://bank.example@evil.example/"), "code: found"),
    Case("terminal escape in an author", lambda shop: shop.about(authors=["\x1b[2J"]), "has U+001B (control character)"),
    Case("writing direction changed in an author", lambda shop: shop.about(authors=[f"A{RIGHT_TO_LEFT}B"]), "has U+202E (RIGHT-TO-LEFT OVERRIDE)"),
    Case("author of 10,000 letters", lambda shop: shop.about(authors=["x" * 10_000]), "authors.0: found"),
]  # fmt: skip
RECORDS = [
    Case("metric changed after the file was made", lambda shop: shop.lines(lambda lines: [line.replace(b'"accuracy":80.0', b'"accuracy":99.0') for line in lines]), "does not fit the digest in its header"),
    Case("specification changed, digests of the file put right", lambda shop: shop.raw_record(_replace(b'"peers":10', b'"peers":99')), "its digest does not follow from its specification"),
    Case("made-up digest of a record", lambda shop: shop.record(digest="0" * 64), "its digest does not follow from its specification"),
    Case("accuracy of 120%", lambda shop: shop.record(metrics={"accuracy": 120.0}), "metric accuracy is 120, outside its range"),
    Case("loss of 1e300 below zero", lambda shop: shop.record(metrics={"test-loss": -1e300}), "metric test-loss is -1e+300, outside its range"),
    Case("unheard-of metric of 1e300", lambda shop: shop.record(metrics={"fame": 1e300}), "metric fame is 1e+300"),
    Case("negative cost", lambda shop: shop.record(seconds={"training": -5.0}), "negative or absurd cost"),
    Case("metric named like markup", lambda shop: shop.record(metrics={"<img src=x>": 1.0}), "needs a name of small letters"),
    Case("facts that the records do not state", lambda shop: shop.header(facts={"environment": {"device": ["abacus"]}}), "header.facts does not say what the records say"),
    Case("the same record twice", lambda shop: shop.put(newcomer([honest(), honest()]).to_bytes()), "the record 3c7ad7bd1175 is there twice"),
    Case("two records of one specification", lambda shop: shop.put(newcomer([honest(), honest(version="0.1.1", provenance={"engine": "b"})]).to_bytes()), "the specification d2fad3c39bee is there twice"),
    Case("NUL in a label", lambda shop: shop.put(newcomer([relabelled(honest(), "defense", "mi\x00ne")]).to_bytes()), "defense label: found 'mi\\x00ne', which has U+0000"),
    Case("writing direction changed in a label", lambda shop: shop.put(newcomer([relabelled(honest(), "defense", f"mine{RIGHT_TO_LEFT}")]).to_bytes()), "has U+202E"),
    Case("invisible letter in a label", lambda shop: shop.put(newcomer([relabelled(honest(), "defense", "fed\N{ZERO WIDTH SPACE}avg")]).to_bytes()), "has U+200B (ZERO WIDTH SPACE)"),
    Case("two alphabets in one word of a label", lambda shop: shop.put(newcomer([relabelled(honest(), "defense", "fed\N{CYRILLIC SMALL LETTER A}vg")]).to_bytes()), "mixes CYRILLIC and LATIN letters in one word"),
    Case("path as label", lambda shop: shop.put(newcomer([relabelled(honest(), "defense", "../mine")]).to_bytes()), "needs 1 to 60 characters without /"),
    Case("an attack that calls itself none", lambda shop: shop.put(newcomer([relabelled(honest("sign-flip"), "attack", "none")]).to_bytes()), "which is no absence of an attack"),
]  # fmt: skip
PICTURES = [
    Case("picture outside of its place", _picture(lambda digest: "artefacts/../../../etc/x.png", _png(8)), "record.artefacts.0.file: found"),
    Case("picture at an absolute path", _picture(lambda digest: "/etc/x.png", _png(8)), "record.artefacts.0.file: found"),
    Case("picture in another record's place", _picture(lambda digest: f"artefacts/{'0' * 64}/original-0.png", _png(8)), "which is another record's place"),
    Case("picture other than the one listed", _picture(_own, _png(8), _png(9)), "does not fit its digest"),
    Case("picture that unpacks to 400 million pixels", _picture(_own, _png(20_000)), "is not a PNG of at most 512 x 512 pixels"),
    Case("page of HTML as picture", _picture(_own, b"<html><script>"), "is not a PNG"),
    Case("picture that no record lists", lambda shop: shop.put(newcomer(pictures={"../x.png": _png(8)}).to_bytes()), "is listed by no record"),
]  # fmt: skip
SIGNATURES = [
    Case("signature of something else", _signed_by_another, "the signature does not fit the content"),
    Case("signature taken from another submission", _stolen_signature, "the signature does not fit the content"),
    Case("signature that is no signature", lambda shop: shop.lines(lambda lines: [lines[0], canonical({"key": base64.b64encode(bytes(32)).decode(), "value": "x"}), *lines[2:]]), "signature.value: found 'x'"),
    Case("somebody else's name, another key", lambda shop: shop.put(newcomer(cells("signed too"), OTHER_KEY, "Signer").to_bytes()), "name 'Signer' belongs to the key SHA256:"),
    Case("somebody else's name, no key", lambda shop: shop.put(newcomer(cells("signed too"), None, "Signer").to_bytes()), "found no signature; choose another name"),
    Case("name of an unsigned submission", lambda shop: shop.put(newcomer(cells("median"), None, "baseline").to_bytes()), "name 'baseline' is taken by a submission that is not signed"),
    Case("another key than the pinned one", _pinned, "is pinned in board.toml to SHA256:"),
    Case("no signature where the board asks for one", _signed_only, "takes signed submissions only"),
]  # fmt: skip
BOARD = [
    Case("a submission that is there already", lambda shop: shop.put(newcomer(cells("signed one"), KEY, "Signer").to_bytes()), "is on the board already, as signer-"),
    Case("records that are there already, under another name", lambda shop: shop.put(newcomer(cells("fedavg")).to_bytes()), "is on the board already, from 'baseline'; leave them out with"),
    Case("cells added to somebody else's defense", lambda shop: shop.put(newcomer([honest(defense="fedavg", provenance={"engine": "b"})]).to_bytes()), "belongs to 'baseline', and nobody else may add cells to it"),
    Case("label that looks like a known one", lambda shop: shop.put(newcomer(cells("FedAvg")).to_bytes()), "the defense label 'FedAvg' is too like 'fedavg'"),
    Case("known label for another defense", lambda shop: shop.put(newcomer([relabelled(honest(), "defense", "fedavg")]).to_bytes()), "the label 'fedavg' stands for another defense on this board"),
    Case("a seed more than the baseline's", lambda shop: shop.put(newcomer([*cells(), honest(seed=7)]).to_bytes()), "has no seed 7; it has: 0, 1"),
    Case("an attack more than the baseline's", lambda shop: shop.put(newcomer([*cells(), honest("mine-only")]).to_bytes()), "has no such attack on this task"),
    Case("a task more than the baseline's", lambda shop: shop.put(newcomer([honest(task="easy")]).to_bytes()), "has no such task; it has: fashion-lenet"),
    Case("an easier task under a known label", lambda shop: shop.put(newcomer([sealed(record(accuracy=99.0, defense="mine", settings={"rounds": 900, "peers": 10}))]).to_bytes()), "but other settings, data or another model"),
]  # fmt: skip
PLANTED = [
    Case("in a pull request: symbolic link", _symlink, "found a symbolic link, needs a file", Planted),
    Case("in a pull request: reserved name of Windows", lambda shop: shop.plant("CON.jsonl.xz"), "by its content its name is newcomer-", Planted),
    Case("in a pull request: name that differs in case", lambda shop: shop.plant(newcomer().file_name.upper().replace(".JSONL.XZ", ".jsonl.xz")), "by its content its name is newcomer-", Planted),
    Case("in a pull request: file of another kind", lambda shop: shop.plant("run.sh", b"#!/bin/sh\n"), "needs only files that end in .jsonl.xz", Planted),
    Case("in a pull request: folder", lambda shop: shop.plant("more/x.jsonl.xz"), "found a folder, needs a file", Planted),
    Case("in a pull request: changed file", lambda shop: shop.plant(newcomer().file_name, newcomer(cells("other")).to_bytes()), "by its content its name is newcomer-", Planted),
]  # fmt: skip
REFUSED = [*FILES, *JSON, *ABOUT, *RECORDS, *PICTURES, *SIGNATURES, *BOARD, *PLANTED]


@dataclass(frozen=True)
class Harmless:
    """A text that a board takes. `never` must not be in `files` as it is; `csv` is how a spreadsheet gets it."""

    name: str
    text: str
    put: Callable[[str], Submission]
    never: str
    csv: str = ""
    files: tuple[str, ...] = ("index.html", "leaderboard.md", "submissions.md")


def _with_label(text: str) -> Submission:
    return newcomer([relabelled(one, "defense", text) for one in cells()])


def _with_error(text: str) -> Submission:
    failed = record("sign-flip", "mine", 0, status="failed", error=text, settings={"rounds": 4, "peers": 10})
    return newcomer([*cells()[:2], sealed(failed)])


def _with_suite(text: str) -> Submission:
    return newcomer([honest(provenance={"suite": text})])


MARKDOWN = ("leaderboard.md", "submissions.md")
HARMLESS = [
    Harmless("script tag in a label", "<script>alert(1)", _with_label, "<script>alert(1)"),
    Harmless("comparison in a label", "mine, <5% attackers", _with_label, "<5% attackers"),
    Harmless("formula in a label", '=HYPERLINK("http:evil")', _with_label, "<a href=http:evil", "'=HYPERLINK"),
    Harmless(
        "Markdown in a label",
        "[mine](http:evil) | x",
        _with_label,
        "[mine](http:evil) | x",
        files=("leaderboard.md", "submissions.md"),
    ),
    Harmless(
        "script tag in an author", "<script>alert(2)</script>", lambda text: newcomer(authors=[text]), "<script>alert(2)"
    ),
    Harmless("script tag in an error", "<script>alert(3)</script>", _with_error, "<script>alert(3)"),
    Harmless("terminal escape in an error", "\x1b]0;owned\x07", _with_error, "\x1b"),
    Harmless("writing direction changed in an error", f"a{RIGHT_TO_LEFT}b", _with_error, RIGHT_TO_LEFT),
    Harmless("shell in the name of a suite", "$(reboot).toml", _with_suite, "run $(reboot).toml"),
]
