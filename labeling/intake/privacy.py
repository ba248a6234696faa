"""Personal data in a text: where it stands and of which kind. Pure functions.

The recognisers are libraries': phonenumbers (Google's libphonenumber), python-stdnum (check digits
of cards, IBANs, national ids), detect-secrets (shapes of keys and tokens), ipaddress. What stands
here is where to look, and what looks alike but is none: version numbers, ISBNs, order numbers,
addresses of documentation. A number that many things could be (eleven digits) counts only beside a
word that says what it is. Names are found where a spaCy pipeline is installed and named.

A prompt is searched inside a request, so however it is made the search takes a bounded time: it
ends after so many characters and so many digits, and what lies behind is marked as not read.
"""

from __future__ import annotations

import importlib
import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from itertools import islice

from detect_secrets.plugins.aws import AWSKeyDetector
from detect_secrets.plugins.azure_storage_key import AzureStorageKeyDetector
from detect_secrets.plugins.discord import DiscordBotTokenDetector
from detect_secrets.plugins.github_token import GitHubTokenDetector
from detect_secrets.plugins.gitlab_token import GitLabTokenDetector
from detect_secrets.plugins.jwt import JwtTokenDetector
from detect_secrets.plugins.pypi_token import PypiTokenDetector
from detect_secrets.plugins.sendgrid import SendGridDetector
from detect_secrets.plugins.slack import SlackDetector
from detect_secrets.plugins.square_oauth import SquareOAuthDetector
from detect_secrets.plugins.stripe import StripeDetector
from detect_secrets.plugins.telegram_token import TelegramBotTokenDetector
from phonenumbers import Leniency, PhoneNumberMatcher
from stdnum import iban, luhn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.se import personnummer
from stdnum.us import ssn


class Kind(StrEnum):
    """What somebody's data is; its upper case is the placeholder it is redacted to."""

    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    IBAN = "iban"
    IP = "ip"
    NATIONAL_ID = "national_id"
    SECRET = "secret"  # noqa: S105  (the kind's name)
    NAME = "name"
    UNREAD = "unread"
    """Nobody's data, but text in which some could be: beyond what is read of one prompt."""


@dataclass(frozen=True, order=True)
class Span:
    """The characters from `start` up to, not including, `end`."""

    start: int
    end: int
    kind: str


Names = Callable[[str], Iterable[tuple[int, int]]]
"""A text → where people's names stand in it."""


@dataclass
class Effort:
    """How much of a prompt is read; what its parts have taken is gone.

    Each recogniser reads each character, and a digit costs some hundred times as much: it may
    begin a phone number in any of two hundred countries. Both together take half a second.
    """

    characters: int = 100_000
    digits: int = 6_000

    def take(self, text: str) -> str:
        """The beginning of the text that may be read."""
        read = text[: self.characters]
        beyond = next(islice(_DIGIT.finditer(read), self.digits, None), None)
        if beyond is not None:
            read = read[: beyond.start()]
        self.characters -= len(read)
        self.digits -= len(_DIGIT.findall(read))
        return read


_DIGIT = re.compile(r"\d")


def find(
    text: str, *, region: str = "US", names: Names | None = None, effort: Effort | None = None
) -> list[Span]:
    """Everything personal in the text, in its order, no two overlapping; the longer one wins.

    Args:
        region: Two letters; a phone number without a country code is one of this country.
        names: Finds people's names; without it none are looked for.
        effort: What may be read, shared by the parts of a prompt; the rest is one UNREAD span.
    """
    read = (effort or Effort()).take(text)
    found = [*_emails(read), *_secrets(read), *_numbers(read, region), *_addresses(read)]
    if names is not None:
        found += [Span(start, end, Kind.NAME) for start, end in names(read)]
    if len(read) < len(text):
        found.append(Span(len(read), len(text), Kind.UNREAD))
    return _disjoint(found)


def redact(text: str, spans: Iterable[Span]) -> str:
    """The text with each span replaced by its kind, such as [EMAIL]."""
    for span in sorted(spans, reverse=True):
        text = f"{text[: span.start]}[{span.kind.upper()}]{text[span.end :]}"
    return text


@lru_cache(maxsize=1)
def installed_names(pipeline: str) -> Names | None:
    """The names finder of an installed spaCy pipeline; None for "".

    Raises ImportError where spaCy or the pipeline is not installed.
    """
    if not pipeline:
        return None
    spacy = importlib.import_module("spacy")
    try:
        read = spacy.load(pipeline)
    except OSError as error:
        raise ImportError(f"The spaCy pipeline {pipeline!r} is not installed.") from error
    return lambda text: [
        (entity.start_char, entity.end_char)
        for entity in read(text).ents
        if entity.label_ in ("PERSON", "PER")
    ]


def _disjoint(found: list[Span]) -> list[Span]:
    """Of spans that overlap the longest, and of equals the first; in their order."""
    kept: list[Span] = []
    for span in sorted(found, key=lambda span: (span.start - span.end, span.start)):
        at = bisect(kept, span)
        if (not at or kept[at - 1].end <= span.start) and (
            at == len(kept) or span.end <= kept[at].start
        ):
            kept.insert(at, span)
    return kept


# E-mail addresses. Those of RFC 2606 belong to nobody, and git@host: is a program's.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+%-]{1,64}@(?:[\w-]+\.)+[^\W\d_]{2,24}\b")
_NOBODY = re.compile(r"@(?:.*\.)?(?:example\.(?:com|org|net)|test|invalid|example)$|^git@", re.I)


def _emails(text: str) -> Iterator[Span]:
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        if not _NOBODY.search(match[0]):
            yield Span(*match.span(), Kind.EMAIL)


# Keys and tokens. The first pattern of AWS is a key's id, the second wants the word beside it.
_DETECTORS = (
    AWSKeyDetector, AzureStorageKeyDetector, DiscordBotTokenDetector, GitHubTokenDetector,
    GitLabTokenDetector, JwtTokenDetector, PypiTokenDetector, SendGridDetector, SlackDetector,
    SquareOAuthDetector, StripeDetector, TelegramBotTokenDetector,
)  # fmt: skip
# Shapes younger than the library.
_YOUNGER = (
    r"github_pat_\w{22}_\w{59}",
    r"sk-(?:proj|ant|svcacct|or)-[\w-]{20,}",
    r"sk-[A-Za-z0-9]{32,}",
    r"hf_[A-Za-z]{34}",
    r"AIza[\w-]{35}",
    r"npm_[A-Za-z0-9]{36}",
)
_SECRETS = [
    re.compile(rf"(?<![A-Za-z0-9]){pattern}", flags)
    for pattern, flags in [
        *((shape.pattern, shape.flags) for kind in _DETECTORS for shape in kind.denylist),
        *((shape, 0) for shape in _YOUNGER),
    ]
]
_LONG_WORD = re.compile(r"[\w=+/.:-]{20}")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----"
    r"(?:.*?-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|[\s\S]*)",
    re.S,
)
# What says that the next word is a password; it must look like one, with a digit or a sign.
_PASSWORD = re.compile(
    r"\b(?:password|passwort|passwd|pwd|api[ _-]?key|secret[ _-]?key|access[ _-]?token)\b"
    r"[\"']?\s*(?:is|ist|[:=])\s*[\"'`]?(?P<word>[^\s\"'`,;]{6,80})",
    re.I,
)
_PLACEHOLDER = re.compile(r"^[<${\[%]|^(?:x+|\*+|your.*|my.*|example.*|changeme.*)$|\(", re.I)


def _secrets(text: str) -> Iterator[Span]:
    if "PRIVATE KEY" in text:
        yield from (Span(*match.span(), Kind.SECRET) for match in _PRIVATE_KEY.finditer(text))
    if _LONG_WORD.search(text):
        for shape in _SECRETS:
            yield from (Span(*match.span(), Kind.SECRET) for match in shape.finditer(text))
    for match in _PASSWORD.finditer(text):
        word = match["word"].rstrip(".!?)")
        if _like_a_password(word):
            yield Span(match.start("word"), match.start("word") + len(word), Kind.SECRET)


def _like_a_password(word: str) -> bool:
    return bool(re.search(r"\d", word) and re.search(r"\D", word)) and not _PLACEHOLDER.search(word)


@dataclass(frozen=True)
class _Number:
    """A shape, the check it has to pass, and the words one of which must stand before it."""

    kind: Kind
    shape: re.Pattern[str]
    valid: Callable[[str], bool]
    beside: re.Pattern[str] | None = None


def _number(
    kind: Kind, shape: str, valid: Callable[[str], bool], beside: str | None = None
) -> _Number:
    words = re.compile(rf"\b(?:{beside})\b", re.I) if beside else None
    return _Number(kind, re.compile(rf"(?<![\w.,-]){shape}(?![\w-]|[.,]\d)"), valid, words)


def _is_card(digits: str) -> bool:
    number = re.sub(r"\D", "", digits)
    return len(set(number)) > 1 and bool(luhn.is_valid(number))


_DE = r"steuer-?id(?:entifikationsnummer)?|steuernummer|idnr|tax id"
_ID = Kind.NATIONAL_ID
_NUMBERS = (
    _number(Kind.CARD, r"(?:[456]\d{3}|2[2-7]\d\d)(?:[ -]?\d{4}){3}(?:[ -]?\d{3})?", _is_card),
    _number(Kind.CARD, r"3[47]\d\d[ -]?\d{6}[ -]?\d{5}", _is_card),
    _number(Kind.IBAN, r"[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?", iban.is_valid),
    _number(_ID, r"\d{3}-\d\d-\d{4}", ssn.is_valid),
    _number(_ID, r"\d{9}", ssn.is_valid, "ssn|social security(?: number)?"),
    _number(_ID, r"[12] ?\d\d ?\d\d ?\d[\dAB] ?\d{3} ?\d{3} ?\d\d", nir.is_valid),
    _number(_ID, r"\d\d ?\d{3} ?\d{3} ?\d{3}", idnr.is_valid, _DE),
    _number(_ID, r"\d{8}-?[A-HJ-NP-TV-Z]", dni.is_valid),
    _number(_ID, r"[XYZ]-?\d{7}-?[A-HJ-NP-TV-Z]", nie.is_valid),
    _number(_ID, r"[A-Z]{6}\d\d[A-EHLMPRST]\d\d[A-Z]\d{3}[A-Z]", codicefiscale.is_valid),
    _number(
        _ID,
        r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]",
        lambda text: True,
    ),
    _number(_ID, r"\d{3} ?\d{3} ?\d{4}", nhs.is_valid, "nhs(?: number)?"),
    _number(_ID, r"\d{3}\.\d{3}\.\d{3}-\d\d", cpf.is_valid),
    _number(_ID, r"\d{4} \d{4} \d{4}", aadhaar.is_valid),
    _number(_ID, r"\d{12}", aadhaar.is_valid, "aadhaar|aadhar"),
    _number(_ID, r"(?:\d\d)?\d{6}[-+]\d{4}", personnummer.is_valid),
    _number(_ID, r"\d{9}", bsn.is_valid, "bsn|burgerservicenummer|sofinummer"),
    _number(_ID, r"\d{11}", pesel.is_valid, "pesel"),
    _number(_ID, r"\d{3}[ -]?\d{3}[ -]?\d{3}", sin.is_valid, "sin|social insurance(?: number)?"),
)
_SIX_DIGITS = re.compile(r"(?:\d\D{0,3}){5}\d")
_BESIDE = 40


def _numbers(text: str, region: str) -> Iterator[Span]:
    if not _SIX_DIGITS.search(text):
        return
    known = [span for number in _NUMBERS for span in _matches(text, number)]
    yield from known
    yield from (
        phone
        for phone in _phones(text, region)
        if not any(phone.start < span.end and span.start < phone.end for span in known)
    )


def _matches(text: str, number: _Number) -> Iterator[Span]:
    for match in number.shape.finditer(text):
        before = text[max(0, match.start() - _BESIDE) : match.start()]
        if (number.beside is None or number.beside.search(before)) and number.valid(match[0]):
            yield Span(*match.span(), number.kind)


# A bare run of digits is a phone number only where a word says so.
_CALLED = re.compile(
    r"\b(?:phone|call|tel|telephone|telefon|mobile|mobil|cell|fax|handy|whats ?app|text|sms|"
    r"ring|reach|number is|nummer)\b[^\n]{0,20}$",
    re.I,
)
_NOT_CALLED = re.compile(
    r"\b(?:isbn|issn|order|invoice|tracking|ticket|case|ref(?:erence)?|part|serial|sku|item|"
    r"account|version|patent|doi|rfc|bestell\w*|rechnung\w*)\b[^\n]{0,12}$|[#$€£=]\s?$",
    re.I,
)
_PARTED = re.compile(r"\d[ ().-]+\d")


def _phones(text: str, region: str) -> Iterator[Span]:
    for match in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
        before = text[max(0, match.start - _BESIDE) : match.start]
        if match.raw_string.startswith("+") or _dialled(before, match.raw_string):
            yield Span(match.start, match.end, Kind.PHONE)


def _dialled(before: str, number: str) -> bool:
    if _NOT_CALLED.search(before):
        return False
    return bool(_CALLED.search(before) or _PARTED.search(number))


# Addresses of the Internet at large; private, reserved and documentation ones name nobody.
_IP = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[\da-f]{0,4}:){2,7}[\da-f]{1,4})(?![\w:]|\.\d)", re.I
)
_VERSION = re.compile(
    r"\b(?:v|ver|version|release|build|section|chapter|firmware|driver|chrome|safari|rule|clause)"
    r"\W{0,3}$|/$",
    re.I,
)


def _addresses(text: str) -> Iterator[Span]:
    for match in _IP.finditer(text):
        before = text[max(0, match.start() - _BESIDE) : match.start()]
        if _is_somebodys(match[0]) and not _VERSION.search(before):
            yield Span(*match.span(), Kind.IP)


def _is_somebodys(address: str) -> bool:
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


def kinds_of(spans: Sequence[Span]) -> list[str]:
    """The kinds found, each once, in the order they are met."""
    return list(dict.fromkeys(span.kind for span in spans))
