"""What a pipeline file declares, inside the functions that it calls.

    import millstream

    printer = millstream.lock("printer")

    def work(item):
        with printer:
            ...

Each name must be declared in the pipeline file. The objects have the methods, arguments and exceptions of their
namesakes in `threading`, `multiprocessing` and `queue`; in `async def` what may wait is awaited, as in `asyncio`.
"""

import os as _os
from threading import BrokenBarrierError
from queue import Empty, Full

from . import _guards, _queues, _shared

__all__ = [
    "lock", "rlock", "rwlock", "semaphore", "condition", "event", "barrier", "value", "array", "queue", "worker",
    "BrokenBarrierError", "Empty", "Full",
]  # fmt: skip


def lock(name):
    """A lock: as `threading.Lock`."""
    return _guards.Lock(name)


def rlock(name):
    """A lock that its holder may take again: as `threading.RLock`."""
    return _guards.RLock(name)


def rwlock(name):
    """A lock for many readers or one writer: `with rwlock(name).read():`, `.write()`."""
    return _guards.RwLock(name)


def semaphore(name):
    """A bounded number of permits: as `threading.BoundedSemaphore`."""
    return _guards.Semaphore(name)


def condition(name):
    """A condition: as `threading.Condition`."""
    return _guards.Condition(name)


def event(name):
    """An event: as `threading.Event`."""
    return _guards.Event(name)


def barrier(name):
    """A barrier: as `threading.Barrier`."""
    return _guards.Barrier(name)


def value(name):
    """A shared value: as `multiprocessing.Value`; `v += n` and `v.add(n)` are atomic."""
    return _shared.Value(name)


def array(name):
    """A shared array: as `multiprocessing.Array`; `a.add(i, n)` is atomic."""
    return _shared.Array(name)


def queue(name):
    """A queue of the pipeline: as `queue.Queue`, as far as the stage may put into it."""
    return _queues.Queue(name)


class _Worker:
    index = None
    stage = None
    run = None

    @property
    def pid(self):
        return _os.getpid()

    def __repr__(self):
        return "<worker %s of stage %r, process %d>" % (self.index, self.stage, self.pid)


_worker = _Worker()


def worker():
    """Who works here: `index` (from 0), `pid`, `stage`, `run`."""
    _guards._connected()
    return _worker
