"""Values and arrays: numbers in memory that millstream shares with all workers, texts and truths by asking.

A number is one 64-bit word (a double as its bits). It is changed by comparing and swapping, as millstream itself
does: nobody who dies leaves a lock behind, and nobody waits. Python has no such operation, so it is ten bytes of
machine code, called through `ctypes`; where that is not to be had (another processor, a system that forbids it),
millstream is asked to do it.
"""

import ctypes
import mmap
import os
import platform
import struct

from . import _guards

# long cas(long *at, long old, long new): what was there.
_CODE = {"x86_64": b"\x48\x89\xf0\xf0\x48\x0f\xb1\x17\xc3"}

_int_of = struct.Struct("=q").unpack
_bits_of = struct.Struct("=d").pack
_double_of = struct.Struct("=d").unpack
_bytes_of = struct.Struct("=q").pack
_LEAST, _MOST = -(1 << 63), (1 << 63) - 1

declared = {"values": {}, "arrays": {}}
_memory = None
_base = 0
_cas = None


def connect(hello, fd):
    """Maps the memory that the file descriptor is of."""
    global _memory, _base, _cas
    declared["values"] = hello.get("values") or {}
    declared["arrays"] = hello.get("arrays") or {}
    if fd is None:
        return
    _cas = _compare_and_swap()
    if _cas is not None:
        _memory = mmap.mmap(fd, 0)
        _base = ctypes.addressof(ctypes.c_char.from_buffer(_memory))
    os.close(fd)


def _compare_and_swap():
    code = _CODE.get(platform.machine())
    if code is None or struct.calcsize("P") != 8:
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except (OSError, ValueError):
        return None
    page.write(code)
    at = ctypes.addressof(ctypes.c_char.from_buffer(page))
    # Holds the interpreter's lock: it takes some nanoseconds.
    kind = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    function = kind(at)
    function.page = page
    return function


class _Word:
    """One number."""

    __slots__ = ("name", "index", "double", "at", "cell", "raw", "watched", "array")

    def __init__(self, name, index, of, array):
        self.name, self.index, self.array = name, index, array
        self.double = of["of"] == "double"
        offset = of["at"] + 8 * (index or 0)
        self.at = _base + offset
        self.raw = ctypes.c_int64.from_buffer(_memory, offset)
        self.cell = ctypes.c_double.from_buffer(_memory, offset) if self.double else self.raw
        self.watched = ctypes.c_int64.from_buffer(_memory, of["watch"])

    def get(self):
        return self.cell.value

    def add(self, n):
        raw, at = self.raw, self.at
        if not self.double:
            if type(n) is not int:
                n = _whole(n)
            while True:
                old = raw.value
                new = old + n
                if new > _MOST or new < _LEAST:
                    raise OverflowError("%d + %d does not fit 64 bits" % (old, n))
                if _cas(at, old, new) == old:
                    break
        else:
            while True:
                old = raw.value
                new = _int_of(_bits_of(_double_of(_bytes_of(old))[0] + n))[0]
                if _cas(at, old, new) == old:
                    break
        if self.watched.value:
            self.changed()

    def set(self, value):
        if self.double:
            new = _int_of(_bits_of(value))[0]
        else:
            new = _whole(value)
            if new > _MOST or new < _LEAST:
                raise OverflowError("%d does not fit 64 bits" % new)
        raw, at = self.raw, self.at
        while True:
            old = raw.value
            if _cas(at, old, new) == old:
                break
        if self.watched.value:
            self.changed()

    def changed(self):
        """Somebody waits until something holds of it."""
        _guards._connected().tell({"op": "changed", "array" if self.array else "value": self.name})


def _whole(value):
    try:
        return value.__index__()
    except AttributeError:
        raise TypeError("an int is needed, not %s" % type(value).__name__) from None


class _Asked:
    """One value that is not in shared memory, or not to be reached there."""

    def __init__(self, name, index, of, array):
        self.of = {"array": name, "index": index} if array else {"value": name}

    def get(self):
        return _guards._connected().call(dict(self.of, op="get"))

    def add(self, n):
        _guards._connected().call(dict(self.of, op="add", by=n))

    def set(self, value):
        _guards._connected().call(dict(self.of, op="store", to=value))


def _place(name, index, of, array):
    if _memory is not None and "at" in of:
        return _Word(name, index, of, array)
    return _Asked(name, index, of, array)


class _Declared:
    """What a value and an array have in common."""

    _what = ""

    def __init__(self, name):
        self.name = name
        self._of = None
        self._place = None
        if _guards.channel is not None:
            self._ready()

    def _ready(self):
        _guards._connected()
        self._of = declared[self._what + "s"].get(self.name)
        if self._of is None:
            there = ", ".join(sorted(declared[self._what + "s"]))
            raise LookupError(
                "the pipeline file declares no %s `%s`%s" % (self._what, self.name, "; there is: %s" % there if there else "")
            )

    def get_lock(self):
        """The lock for what is more than one step: `with v.get_lock(): v.value *= 2`."""
        return _guards.RLock("%ss.%s" % (self._what, self.name))

    def get_obj(self):
        return self

    def acquire(self, *args, **kwargs):
        return self.get_lock().acquire(*args, **kwargs)

    def release(self):
        self.get_lock().release()

    def __enter__(self):
        return self.get_lock().__enter__()

    def __exit__(self, *_):
        self.get_lock().release()

    def __reduce__(self):
        return (type(self), (self.name,))

    def __repr__(self):
        return "<millstream.%s %r>" % (self._what, self.name)


class Value(_Declared):
    _what = "value"

    def _ready(self):
        super()._ready()
        self._place = _place(self.name, None, self._of, False)

    @property
    def value(self):
        if self._place is None:
            self._ready()
        return self._place.get()

    @value.setter
    def value(self, to):
        if self._place is None:
            self._ready()
        self._place.set(to)

    def add(self, n=1):
        """Adds, as one step that nobody can come between."""
        if self._place is None:
            self._ready()
        self._place.add(n)

    def __iadd__(self, n):
        if self._place is None:
            self._ready()
        self._place.add(n)
        return self

    def __isub__(self, n):
        self.add(-n)
        return self


class Array(_Declared):
    _what = "array"

    def _ready(self):
        super()._ready()
        self._places = [_place(self.name, i, self._of, True) for i in range(self._of["length"])]

    def _all(self):
        if self._of is None:
            self._ready()
        return self._places

    def __len__(self):
        return len(self._all())

    def __getitem__(self, i):
        if isinstance(i, slice):
            return [place.get() for place in self._all()[i]]
        return self._all()[i].get()

    def __setitem__(self, i, to):
        if not isinstance(i, slice):
            self._all()[i].set(to)
            return
        places, values = self._all()[i], list(to)
        if len(places) != len(values):
            raise ValueError("an array keeps its length: %d values for %d places" % (len(values), len(places)))
        for place, value in zip(places, values):
            place.set(value)

    def __iter__(self):
        return iter(self[:])

    def add(self, i, n=1):
        """Adds to an element, as one step that nobody can come between."""
        self._all()[i].add(n)
