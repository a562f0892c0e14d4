"""The guards of the pipeline file: what a call needs to know of who calls, and the objects of `millstream`."""

import _thread
import contextvars
import itertools
import sys
import threading
import weakref

channel = None
declared = {}
# The item that the function works on; in coroutines each has its own.
current = None
item = contextvars.ContextVar("millstream item", default=None)
# What is held, by whom: {(holder, guard, mode): [depth, item]}.
held = {}

_tasks = weakref.WeakKeyDictionary()
_task_numbers = itertools.count(1)


def connect(to, hello):
    """The process has a channel now, and knows what the file declares."""
    global channel
    channel = to
    declared.update(hello.get("guards") or {})


def working_on(ident):
    global current
    current = ident


def over(ident):
    """The item is done; the host takes back what it still holds."""
    for key in [k for k, v in held.items() if v[1] == ident]:
        del held[key]


def _connected():
    if channel is None:
        raise RuntimeError(
            "millstream's guards and values can be used when an item is worked on, or in `init`, not while the "
            "module is imported"
        )
    return channel


def _loop():
    """Is this code run by an event loop?"""
    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None


def _holder():
    """Who calls: this thread, or this task."""
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None and asyncio._get_running_loop() is not None:
        task = asyncio.current_task()
        if task is not None:
            number = _tasks.get(task)
            if number is None:
                number = _tasks[task] = -next(_task_numbers)
            return number
    return _thread.get_ident()


def _about():
    own = item.get()
    return current if own is None else own


def message(op, guard, **more):
    more.update(op=op, guard=guard)
    more["by"] = _holder()
    about = _about()
    if about is not None:
        more["for"] = about
    return more


def ask(op, guard, **more):
    """A call that is answered at once."""
    return _connected().call(message(op, guard, **more))


def waiting(op, guard, timeout, then, undo=None, **more):
    """A call that may have to wait: in a coroutine something to `await`. `then` makes the result of the answer;
    `undo` takes back what was granted to a coroutine that had been cancelled."""
    to = _connected()
    of = message(op, guard, timeout=timeout, **more)
    if timeout != 0 and _loop():
        return _later(to, of, then, undo or then)
    return then(to.call(of))


async def _later(to, of, then, undo):
    return then(await to.acall(of, undo))


def _same(result):
    return result


def _timeout(blocking, timeout):
    """What `acquire(blocking, timeout)` means: None for ever, 0 only a try."""
    if not blocking:
        if timeout not in (-1, None):
            raise ValueError("can't specify a timeout for a non-blocking call")
        return 0
    if timeout is None or timeout == -1:
        return None
    if timeout < 0:
        raise ValueError("timeout value must be a non-negative number")
    if timeout > threading.TIMEOUT_MAX:
        raise OverflowError("timeout value is too large")
    return timeout


class Guard:
    """Something with a name that the pipeline file declares."""

    _kinds = ()
    _article = "a "

    def __init__(self, name):
        self.name = name
        self._checked = False
        if channel is not None:
            self._check()

    def _check(self):
        kind = declared.get(self.name)
        own = self._kinds[0]
        if kind is None:
            there = ", ".join(sorted(n for n, k in declared.items() if k in self._kinds))
            raise LookupError(
                "the pipeline file declares no %s `%s`%s" % (own, self.name, "; there is: %s" % there if there else "")
            )
        if kind not in self._kinds:
            raise TypeError("`%s` is a %s, not a %s: millstream.%s(%r)" % (self.name, kind, own, kind, self.name))
        self._checked = True

    def _ready(self):
        if not self._checked:
            _connected()
            self._check()

    def __repr__(self):
        return "<millstream.%s %r>" % (type(self).__name__.lower(), self.name)

    def __reduce__(self):
        return (type(self), (self.name,))


class Held(Guard):
    """What is taken and given back."""

    _mode = None
    _again = False

    def _take(self, timeout):
        self._ready()
        key = (_holder(), self.name, self._mode)
        if self._again and key in held:
            held[key][0] += 1
            return _ready_made(True) if timeout != 0 and _loop() else True

        def taken(got):
            if got:
                entry = held.setdefault(key, [0, _about()])
                entry[0] += 1
            return got

        def back(got):
            if taken(got):
                self._give()

        return waiting("acquire", self.name, timeout, taken, back, mode=self._mode)

    def acquire(self, blocking=True, timeout=-1):
        return self._take(_timeout(blocking, timeout))

    def _give(self):
        self._ready()
        key = (_holder(), self.name, self._mode)
        entry = held.get(key)
        if entry is None:
            ask("release", self.name, mode=self._mode)
            self._given_by_another()
            return
        entry[0] -= 1
        if entry[0] == 0:
            del held[key]
        elif self._again:
            return
        # Ours for sure: it needs no answer.
        _connected().tell(message("release", self.name, mode=self._mode))

    def _given_by_another(self):
        """Another thread of this process may have taken it: it has it no more."""
        for key in held:
            if key[1] == self.name and key[2] == self._mode:
                held[key][0] -= 1
                if held[key][0] == 0:
                    del held[key]
                return

    def release(self):
        self._give()

    def __enter__(self):
        if _loop():
            raise RuntimeError(
                "`with` would stop the event loop until `%s` is free: write `async with`" % self.name
            )
        return self.acquire()

    def __exit__(self, *_):
        self.release()

    async def __aenter__(self):
        return await self.acquire()

    async def __aexit__(self, *_):
        self.release()


async def _ready_made(value):
    return value


class Lock(Held):
    _kinds = ("lock",)

    def locked(self):
        self._ready()
        return ask("locked", self.name)


class RLock(Held):
    _kinds = ("rlock",)
    _article = "an "
    _again = True

    def _give(self):
        self._ready()
        if (_holder(), self.name, None) not in held:
            raise RuntimeError("cannot release un-acquired lock")
        super()._give()

    def locked(self):
        self._ready()
        return ask("locked", self.name)

    def _release_save(self):
        """For `threading.Condition(rlock)`."""
        key = (_holder(), self.name, None)
        if key not in held:
            raise RuntimeError("cannot release un-acquired lock")
        depth, held[key][0] = held[key][0], 1
        self._give()
        return depth

    def _acquire_restore(self, depth):
        self.acquire()
        held[(_holder(), self.name, None)][0] = depth

    def _is_owned(self):
        return (_holder(), self.name, None) in held

    def _recursion_count(self):
        return held.get((_holder(), self.name, None), (0,))[0]


class RwLock(Guard):
    """Its two sides are locks of their own: `with rwlock.read():`."""

    _kinds = ("rwlock",)
    _article = "an "

    def read(self):
        return _Side(self.name, "read")

    def write(self):
        return _Side(self.name, "write")


class _Side(Held):
    _kinds = ("rwlock",)

    def __init__(self, name, mode):
        self._mode = mode
        super().__init__(name)

    def __reduce__(self):
        return (type(self), (self.name, self._mode))


class Semaphore(Held):
    _kinds = ("semaphore",)

    def acquire(self, blocking=True, timeout=None):
        if not blocking and timeout is not None:
            raise ValueError("can't specify timeout for non-blocking acquire")
        if not blocking or (timeout is not None and timeout <= 0):
            return self._take(0)
        return self._take(timeout)

    def release(self, n=1):
        if n < 1:
            raise ValueError("n must be one or more")
        for _ in range(n):
            self._give()


class Condition(Held):
    _kinds = ("condition",)
    # As threading's, which has an rlock.
    _again = True

    def _owned(self, doing):
        self._ready()
        key = (_holder(), self.name, None)
        if key not in held:
            raise RuntimeError("cannot %s on un-acquired lock" % doing)
        return key

    def _give(self):
        self._ready()
        if (_holder(), self.name, None) not in held:
            raise RuntimeError("cannot release un-acquired lock")
        super()._give()

    def wait(self, timeout=None):
        key = self._owned("wait")
        entry = held.pop(key)

        def again(notified):
            held[key] = entry
            return notified

        if timeout is not None and timeout < 0:
            timeout = 0.0
        # A wait of 0 s still gives the lock back for a moment, so it is no mere try.
        return waiting("wait", self.name, timeout if timeout != 0 else 1e-9, again)

    def wait_for(self, predicate, timeout=None):
        if _loop():
            return self._await_for(predicate, timeout)
        import time

        until = None if timeout is None else time.monotonic() + timeout
        result = predicate()
        while not result:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result

    async def _await_for(self, predicate, timeout):
        import time

        until = None if timeout is None else time.monotonic() + timeout
        result = predicate()
        while not result:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                break
            await self.wait(left)
            result = predicate()
        return result

    def notify(self, n=1):
        self._owned("notify")
        ask("notify", self.name, n=n)

    def notify_all(self):
        self._owned("notify")
        ask("notify_all", self.name)

    notifyAll = notify_all


class Event(Guard):
    _kinds = ("event",)
    _article = "an "

    def is_set(self):
        self._ready()
        return ask("is_set", self.name)

    isSet = is_set

    def set(self):
        self._ready()
        ask("set", self.name)

    def clear(self):
        self._ready()
        ask("clear", self.name)

    def wait(self, timeout=None):
        self._ready()
        if timeout is not None and timeout < 0:
            timeout = 0
        return waiting("wait_event", self.name, timeout, _same)


class Barrier(Guard):
    _kinds = ("barrier",)

    def wait(self, timeout=None):
        self._ready()
        return waiting("wait_barrier", self.name, timeout if timeout != 0 else 1e-9, _same)

    def _state(self, what):
        self._ready()
        return ask("barrier", self.name)[what]

    @property
    def parties(self):
        return self._state("parties")

    @property
    def n_waiting(self):
        return self._state("waiting")

    @property
    def broken(self):
        return self._state("broken")

    def reset(self):
        self._ready()
        ask("reset", self.name)

    def abort(self):
        self._ready()
        ask("abort", self.name)
