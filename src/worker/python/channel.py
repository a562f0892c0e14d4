"""The one connection to millstream: lines of JSON on a socket, shared by all threads of this process.

Whoever waits for something reads (one at a time), and gives the others what is theirs; so a call from the only
thread costs a write and a read and no change of threads. Results are gathered; they are sent when there is
nothing more to do, before anything that may wait, and after about a millisecond.
"""

import _thread
import collections
import itertools
import json
import os
import socket
import threading
import time

from . import _codec

# How long a result may lie here while the function works on the next item, in seconds.
LINGER = 0.001


class Closed(Exception):
    """Millstream has gone."""


class _Slot:
    """Somebody who waits for a line."""

    __slots__ = ("lock", "reply")

    def __init__(self):
        self.lock = _thread.allocate_lock()
        self.lock.acquire()
        self.reply = None


class Channel:
    def __init__(self, fd):
        self.sock = socket.socket(fileno=fd)
        self.sock.setblocking(True)
        os.set_inheritable(fd, False)
        self.owner = os.getpid()
        self.rest = b""
        # Items that have come and are not begun.
        self.items = collections.deque()
        self.main = None
        self.closed = False
        # The first line: what the pipeline has.
        self.hello = None
        # Calls without an answer yet.
        self.slots = {}
        self.numbers = itertools.count(1)
        # Who reads, and who would.
        self.door = _thread.allocate_lock()
        self.reading = False
        self.waiting = []
        # Lines that are not sent yet, and since when.
        self.out = collections.deque()
        self.since = 0.0
        self.sending = _thread.allocate_lock()
        self.idle = _thread.allocate_lock()
        self.idle.acquire()
        self.lingers = False
        # In an event loop, lines come by `readable`, and waiting threads only wait.
        self.loop = None
        self.loop_thread = None
        # Called there when items have come while somebody else read.
        self.items_came = None

    # --- what goes out ---

    def later(self, line):
        """A line that may lie here for a moment."""
        if self.out:
            self.out.append(line)
            if time.monotonic() - self.since > LINGER:
                self.flush()
            return
        self.since = time.monotonic()
        self.out.append(line)

    def send(self, line):
        """A line, after all that lies here."""
        with self.sending:
            self.out.append(line)
            self._send()

    def flush(self):
        with self.sending:
            self._send()

    def _send(self):
        while self.out:
            # Others append meanwhile: what is taken out is sent, and nothing else is gone.
            lines = [self.out.popleft() for _ in range(len(self.out))]
            lines.append(b"")
            try:
                self.sock.sendall(b"\n".join(lines))
            except OSError:
                self.closed = True
                raise Closed() from None

    def linger(self):
        """From now on a thread sends what lies here while the function works for long."""
        if not self.lingers:
            self.lingers = True
            # Not one of `threading`'s: who counts threads counts the user's.
            _thread.start_new_thread(self._linger, ())

    def _linger(self):
        try:
            while True:
                time.sleep(4 * LINGER)
                if self.out and time.monotonic() - self.since > LINGER:
                    self.flush()
                elif not self.out and time.monotonic() - self.since > 1:
                    # Nothing to do for long: sleep until there is.
                    self.lingers = False
                    return
        except (Closed, OSError):
            pass

    # --- what comes in ---

    def _lines(self):
        """Reads what there is; at least one line, or the end."""
        data = self.rest
        while b"\n" not in data:
            try:
                more = self.sock.recv(262144)
            except OSError:
                more = b""
            if not more:
                self.closed = True
                return
            data = data + more if data else more
        *lines, self.rest = data.split(b"\n")
        for line in lines:
            self.take(_codec.decode(line))

    def take(self, frame):
        """One message: items, or the answer to a call."""
        if "batch" in frame:
            self.items.extend(frame["batch"])
            self._wake_main()
        elif "id" in frame:
            self.items.append(frame)
            self._wake_main()
        elif "call" in frame:
            slot = self.slots.pop(frame["call"], None)
            if slot is not None:
                self.answer(slot, frame)
        elif "hello" in frame:
            self.hello = frame["hello"]

    def answer(self, slot, frame):
        slot.reply = frame
        if not isinstance(slot, _Slot):
            slot.done()
            return
        with self.door:
            if slot in self.waiting:
                self.waiting.remove(slot)
                slot.lock.release()

    def _wake_main(self):
        """An item for the one that waits for items, where another thread reads."""
        main = self.main
        if main is not None:
            with self.door:
                if main in self.waiting:
                    self.waiting.remove(main)
                    main.lock.release()

    def _until(self, slot, ready):
        """Waits until `ready`, or the end; reads where nobody else does."""
        while True:
            with self.door:
                if ready() or self.closed:
                    return
                here = self.loop is None or _thread.get_ident() == self.loop_thread
                lead = not self.reading and here
                if lead:
                    self.reading = True
                else:
                    self.waiting.append(slot)
            if not lead:
                # Released by an answer, by the end, or by who has read until now.
                slot.lock.acquire()
                continue
            try:
                while not ready() and not self.closed:
                    self._lines()
            finally:
                with self.door:
                    self.reading = False
                    others = self.waiting if self.closed else self.waiting[:1]
                    self.waiting = self.waiting[len(others) :]
                    for other in others:
                        other.lock.release()
                if self.loop is not None and (self.items or self.closed):
                    self.loop.call_soon_threadsafe(self.items_came)

    def next(self):
        """The next item; None at the end."""
        if self.items:
            return self.items.popleft()
        self.flush()
        self.main = _Slot()
        self._until(self.main, lambda: self.items)
        self.main = None
        return self.items.popleft() if self.items else None

    def greet(self, hello):
        """Says who we are, and waits for what the pipeline has."""
        self.send(json.dumps({"hello": hello}).encode())
        self._until(_Slot(), lambda: self.hello is not None)
        if self.hello is None:
            raise Closed()
        return self.hello

    # --- calls ---

    def mine(self):
        if os.getpid() != self.owner:
            raise RuntimeError("a process that the function has forked cannot use millstream's guards")

    def call(self, message):
        """Asks, and waits for the answer."""
        self.mine()
        slot = _Slot()
        self.ask(message, slot)
        self._until(slot, lambda: slot.reply is not None)
        return self.reply(slot)

    def ask(self, message, slot):
        number = next(self.numbers)
        message["call"] = number
        self.slots[number] = slot
        self.send(_codec.encode(message))
        return number

    def tell(self, message):
        """Says something that needs no answer: call 0."""
        self.mine()
        message["call"] = 0
        self.send(_codec.encode(message))

    @staticmethod
    def reply(slot):
        frame = slot.reply
        if frame is None:
            raise Closed()
        if "error" in frame:
            raise error(frame["error"])
        return frame.get("result")

    async def acall(self, message, undo):
        """The same for coroutines: the others go on meanwhile. `undo`: what to do where it was given up and yet
        had already been granted."""
        import asyncio

        self.mine()
        slot = _Future(self.loop)
        number = self.ask(message, slot)
        given_up = None
        while slot.reply is None:
            try:
                await asyncio.shield(slot.future)
            except asyncio.CancelledError as e:
                if given_up is None:
                    given_up = e
                    self.tell({"op": "cancel", "of": number})
        result = self.reply(slot)
        if given_up is not None:
            undo(result)
            raise given_up
        return result

    def serve_in(self, loop, items_came):
        """From now on lines are read where the event loop is told to."""
        self.loop, self.loop_thread, self.items_came = loop, _thread.get_ident(), items_came

    def readable(self):
        """The event loop has seen that there is something to read."""
        self._lines()
        if self.closed:
            for slot in list(self.slots.values()):
                self.answer(slot, {"error": {"type": "RuntimeError", "message": "millstream has ended"}})
            with self.door:
                for slot in self.waiting:
                    slot.lock.release()
                self.waiting = []


class _Future:
    def __init__(self, loop):
        self.future = loop.create_future()
        self.reply = None

    def done(self):
        if not self.future.done():
            self.future.set_result(None)


def error(of):
    """The exception that an answer speaks of: one that the namesake would raise."""
    import queue

    known = {
        "RuntimeError": RuntimeError,
        "ValueError": ValueError,
        "TypeError": TypeError,
        "LookupError": LookupError,
        "IndexError": IndexError,
        "OverflowError": OverflowError,
        "PermissionError": PermissionError,
        "TimeoutError": TimeoutError,
        "BrokenBarrierError": threading.BrokenBarrierError,
        "Empty": queue.Empty,
        "Full": queue.Full,
    }
    return known.get(of.get("type"), RuntimeError)(of.get("message", ""))
