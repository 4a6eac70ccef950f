"""Numbers, ordinals, dates, times and money as one says them in English."""

import re
from collections.abc import Callable

ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = ("", "thousand", "million", "billion", "trillion")
IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
CURRENCIES = {"$": ("dollar", "cent"), "€": ("euro", "cent"), "£": ("pound", "penny")}
LONGEST = 4
"""Digits of the longest number that is said as one if no commas group its digits; of others each digit is said."""

_MONTH = "|".join(f"{month}|{month[:3]}" for month in MONTHS) + "|sept"
_GROUPED = r"\d{1,3}(?:,\d{3})+|\d+"


def cardinal(number: int) -> str:
    """`twelve hundred` is never said: 1200 is `one thousand two hundred`."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return " ".join([TENS[number // 10], *([ONES[number % 10]] if number % 10 else [])])
    if number < 1000:
        return " ".join([ONES[number // 100], "hundred", *([cardinal(number % 100)] if number % 100 else [])])
    parts = []
    for place, scale in reversed(list(enumerate(SCALES))):
        count = number // 1000**place % 1000
        if count:
            parts += [cardinal(count), scale] if scale else [cardinal(count)]
    return " ".join(parts)


def ordinal(number: int) -> str:
    """The word for a place: `twenty third`."""
    *before, last = cardinal(number).split()
    last = IRREGULAR[last] if last in IRREGULAR else f"{last[:-1]}ieth" if last.endswith("y") else f"{last}th"
    return " ".join([*before, last])


def digits(text: str) -> str:
    """Digit by digit."""
    return " ".join(ONES[int(digit)] for digit in text if digit.isascii() and digit.isdigit())


def year(number: int) -> str:
    """A year in two halves: `twenty twenty six`, `nineteen oh five`; those of 2000 to 2009 as numbers."""
    high, low = divmod(number, 100)
    if number < 1000 or (high % 10 == 0 and low < 10):
        return cardinal(number)
    return f"{cardinal(high)} {'hundred' if low == 0 else f'oh {ONES[low]}' if low < 10 else cardinal(low)}"


def number(text: str) -> str:
    """A number without a sign: `3`, `1,200`, `0042`, `3.14`."""
    whole, point, fraction = text.partition(".")
    plain = whole.replace(",", "")
    grouped = "," in whole
    long = len(plain) > (3 * len(SCALES) if grouped else LONGEST)
    said = digits(plain) if long or (plain.startswith("0") and len(plain) > 1) else cardinal(int(plain or "0"))
    return f"{said} point {digits(fraction)}" if point and fraction else said


def _date(found: re.Match[str]) -> str:
    month, day = int(found["month"]), int(found["day"])
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return digits(found[0])
    return f"{MONTHS[month - 1]} {ordinal(day)} {year(int(found['year']))}"


def _day(found: re.Match[str]) -> str:
    month = next(month for month in MONTHS if month.startswith(found["month"][:3].lower()))
    if not 1 <= int(found["day"]) <= 31:
        return found[0]
    following = f" {year(int(found['year']))}" if found["year"] else ""
    return f"{month} {ordinal(int(found['day']))}{following}"


def _time(found: re.Match[str]) -> str:
    hour, minute = int(found["hour"]), int(found["minute"] or 0)
    if hour > 24 or minute > 59:
        return digits(found[0])
    after = f" {found['half'].upper()} M" if found["half"] else ""  # letters, to be spelled
    if minute == 0:
        return cardinal(hour) + (after or (" o'clock" if 1 <= hour <= 12 else " hundred"))
    return f"{cardinal(hour)} {f'oh {ONES[minute]}' if minute < 10 else cardinal(minute)}{after}"


def _money(found: re.Match[str]) -> str:
    large, small = CURRENCIES[found["sign"]]
    whole, cents = found["whole"].replace(",", ""), int((found["cents"] or "0").ljust(2, "0"))
    parts = []
    if int(whole) or not cents:
        parts.append(f"{number(found['whole'])} {large}{'' if whole == '1' else 's'}")
    if cents:
        plural = "pence" if small == "penny" else f"{small}s"
        parts.append(f"{cardinal(cents)} {small if cents == 1 else plural}")
    return " and ".join(parts)


_FORMS: tuple[tuple[str, Callable[[re.Match[str]], str]], ...] = (
    (r"(?<!\d)(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)(?!\d)", _date),
    (r"(?<!\d)(?P<month>\d\d?)/(?P<day>\d\d?)/(?P<year>\d{4})(?!\d)", _date),
    (
        rf"\b(?P<month>{_MONTH})\b\.? (?P<day>\d\d?)(?:st|nd|rd|th)?(?![\d:.])(?:,? (?P<year>\d{{4}})(?!\d))?",
        _day,
    ),
    (
        r"(?<![\d:])(?P<hour>\d\d?)(?::(?P<minute>\d\d))?(?![\d:]) ?(?P<half>[ap])\.?m\b\.?",
        _time,
    ),
    (r"(?<![\d:])(?P<hour>\d\d?):(?P<minute>\d\d)(?![\d:])(?P<half>)", _time),
    (rf"(?P<sign>[$€£]) ?(?P<whole>{_GROUPED})(?:\.(?P<cents>\d\d?))?(?!\d)", _money),
    (
        r"(?<![\w.])\+?(?:\d[\d ]*)?\(?\d{3}\)?[- ]\d{3}-\d{4}(?!\d)|(?<![\w.-])\d{3}-\d{4}(?!\d)",
        lambda f: digits(f[0]),
    ),
    (r"(?<!\d)(\d{1,4})(?:st|nd|rd|th)\b", lambda found: ordinal(int(found[1]))),
    (r"(?<![\w.])-(?=\d)", lambda found: "minus "),
    (rf"(?:{_GROUPED})(?:\.\d+)?|\.\d+", lambda found: f" {number(found[0])} "),
)
"""Forms of numbers, each with what makes words of it; the first that fits is taken."""
_COMPILED = [(re.compile(pattern, re.IGNORECASE | re.ASCII), say) for pattern, say in _FORMS]


def in_words(text: str) -> str:
    """A text whose numbers are words."""
    for pattern, say in _COMPILED:
        text = pattern.sub(say, text)
    return text
