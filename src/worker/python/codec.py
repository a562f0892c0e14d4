"""Items as JSON, the natural Python objects kept.

What JSON has no word for is an object with one key that begins with `$`: `{"$bytes": base64}`,
`{"$timestamp": RFC 3339}`, `{"$duration": seconds}`, `{"$double": "nan" | "inf" | "-inf"}`; an object of the
user's that looks so comes as `{"$object": ...}`. Whatever has none of these goes through the C code of `json`
alone.
"""

import base64
import json
import json.encoder
from datetime import datetime, timedelta, timezone

_UTC = timezone.utc
_EPOCH = datetime(1970, 1, 1, tzinfo=_UTC)
_SECOND = timedelta(seconds=1)
_DOUBLES = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def _timestamp(text):
    """RFC 3339 with any number of decimals; what is below a microsecond is cut off."""
    text = text.replace("Z", "+00:00")
    head, dot, rest = text.partition(".")
    if dot:
        digits = len(rest) - len(rest.lstrip("0123456789"))
        text = "%s.%s%s" % (head, rest[:digits][:6].ljust(6, "0"), rest[digits:])
    return datetime.fromisoformat(text).astimezone(_UTC)


_UNTAG = {
    "$bytes": base64.b64decode,
    "$timestamp": _timestamp,
    "$duration": lambda seconds: timedelta(seconds=seconds),
    "$double": _DOUBLES.__getitem__,
    "$object": lambda pairs: {key: value for key, value in pairs},
}


def _pairs(pairs):
    if len(pairs) == 1:
        key, value = pairs[0]
        untag = _UNTAG.get(key)
        if untag is not None:
            return untag(value)
    return dict(pairs)


class _Quoted(list):
    """The pairs within `$object`: not looked at again."""


_tagged = json.JSONDecoder(object_pairs_hook=_pairs).decode
_plain = json.JSONDecoder().decode


def decode(line):
    """A line (bytes) as Python objects."""
    text = line.decode("utf-8")
    if '"$' not in text:
        return _plain(text)
    if '"$object"' in text:
        return _unquote(_plain(text))
    return _tagged(text)


def _unquote(value):
    if isinstance(value, list):
        return [_unquote(v) for v in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key == "$object":
            return {k: _unquote(v) for k, v in inner.items()}
        if key in _UNTAG:
            return _UNTAG[key](inner)
    return {k: _unquote(v) for k, v in value.items()}


def _special(value):
    """What an object becomes that JSON has no word for; called by the C code where it meets one."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$bytes": base64.b64encode(bytes(value)).decode("ascii")}
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError(
                "%r has no time zone: a timestamp is a point in time, as datetime.now(timezone.utc)" % value
            )
        return {"$timestamp": value.astimezone(_UTC).isoformat().replace("+00:00", "Z")}
    if isinstance(value, timedelta):
        return {"$duration": value / _SECOND}
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    raise TypeError(
        "%s is not something that can be passed on: an item is a str, int, float, bool, None, bytes, datetime, "
        "timedelta, list, dict or dataclass" % type(value).__name__
    )


def _tag(value):
    """The same for whole values, also those that the C code would write as no JSON, or as our own words."""
    if isinstance(value, float):
        if value != value:
            return {"$double": "nan"}
        if value in (_DOUBLES["inf"], _DOUBLES["-inf"]):
            return {"$double": "inf" if value > 0 else "-inf"}
        return value
    if isinstance(value, (list, tuple)):
        return [_tag(v) for v in value]
    if isinstance(value, dict):
        tagged = {k: _tag(v) for k, v in value.items()}
        if len(value) == 1 and str(next(iter(value))).startswith("$"):
            return {"$object": tagged}
        return tagged
    if value is None or isinstance(value, (str, int)):
        return value
    special = _special(value)
    return special if next(iter(special), "").startswith("$") else _tag(special)


_slow = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_special)
_fast = None
if json.encoder.c_make_encoder is not None:

    def _make():
        # Made once: `JSONEncoder.encode` would make one for each value, which costs more than most values.
        return json.encoder.c_make_encoder(
            {}, _special, json.encoder.encode_basestring, None, ":", ",", False, False, False
        )

    try:
        _fast = _make()
    except TypeError:  # another Python may want other arguments
        _fast = None


def encode(value):
    """A value as bytes of JSON.

    TypeError or ValueError: it cannot be passed on.
    """
    global _fast
    try:
        text = "".join(_fast(value, 0)) if _fast is not None else _slow.encode(value)
    except ValueError:
        # Not a number, or a circle: the slow way says which.
        text = _carefully(value)
    except BaseException:
        if _fast is not None:
            _fast = _make()
        raise
    else:
        if '{"$' in text:
            # Our word or the user's: told apart by looking at the value again.
            text = _carefully(value)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a text with half a surrogate pair cannot be passed on") from None


def _carefully(value):
    global _fast
    if _fast is not None:
        _fast = _make()
    try:
        return _slow.encode(_tag(value))
    except RecursionError:
        raise ValueError("a value that contains itself cannot be passed on") from None
