"""The queues of the pipeline file, with the face of `queue.Queue`."""

import queue

from . import _guards

declared = []
Empty, Full = queue.Empty, queue.Full


def connect(hello):
    declared[:] = hello.get("queues") or []


class Queue:
    """Puts into a queue that the stage names under `puts`, or takes from one that it reads from."""

    def __init__(self, name):
        self.name = name
        self._size = None
        if _guards.channel is not None:
            self._check()

    def _check(self):
        _guards._connected()
        if self.name not in declared:
            there = ", ".join(declared)
            raise LookupError(
                "the pipeline file declares no queue `%s`%s" % (self.name, "; there is: %s" % there if there else "")
            )

    def _ask(self, op):
        self._check()
        return _guards._connected().call({"op": op, "queue": self.name})

    @property
    def maxsize(self):
        if self._size is None:
            self._size = self._ask("queue")["max"]
        return self._size

    def qsize(self):
        return self._ask("queue")["size"]

    def empty(self):
        return self.qsize() == 0

    def full(self):
        return self.qsize() >= self.maxsize

    @staticmethod
    def _timeout(block, timeout):
        if not block:
            return 0
        if timeout is not None and timeout < 0:
            raise ValueError("'timeout' must be a non-negative number")
        return timeout

    def put(self, item, block=True, timeout=None):
        self._check()

        def done(in_time):
            if not in_time:
                raise Full

        return _guards.waiting("put", None, self._timeout(block, timeout), done, queue=self.name, item=item)

    def put_nowait(self, item):
        return self.put(item, block=False)
