"""Takes items, calls the function, and answers."""

import os
import sys
import time
import traceback
import types

from . import _codec, _guards

# The most lines of a traceback that an error carries.
TRACE = 20


def _name(of):
    kind = type(of)
    module = kind.__module__
    return kind.__qualname__ if module in ("builtins", "__main__") else "%s.%s" % (module, kind.__qualname__)


def error(e):
    """An exception as the protocol has it: type, message, and the traceback's last lines, ours left out."""
    frames = e.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith("<millstream"):
        frames = frames.tb_next
    lines = "".join(traceback.format_exception(type(e), e, frames)).rstrip("\n").split("\n")
    if len(lines) > TRACE:
        lines = ["..."] + lines[-TRACE:]
    try:
        message = str(e)
    except Exception:
        message = "(its text cannot be made)"
    text = "\n".join(lines)
    return {"type": _name(e), "message": _clean(message), "output": _clean(text)}


def _clean(text):
    return text.encode("utf-8", "replace").decode("utf-8")


def _answer(ident, text):
    return b'{"id":%d,"result":%s}' % (ident, text)


def _many(ident, texts):
    return b'{"id":%d,"results":[%s]}' % (ident, b",".join(texts))


def _failed(ident, e):
    return b'{"id":%d,"error":%s}' % (ident, _codec.encode(error(e)))


def plain(channel, call, with_args, current):
    """One item after the other."""
    encode, Generator = _codec.encode, types.GeneratorType
    held = _guards.held
    linger = False
    while True:
        frame = channel.next()
        if frame is None:
            return
        ident = frame["id"]
        if channel.items and not linger:
            linger = True
            channel.linger()
        elif linger and not channel.lingers:
            channel.linger()
        current(ident)
        try:
            if with_args:
                item, args = frame["item"]
                made = call(item, **args)
            else:
                made = call(frame["item"])
            if type(made) is Generator:
                line = _many(ident, [encode(one) for one in made])
            else:
                line = b'{"id":%d,"result":%s}' % (ident, encode(made))
        except Exception as e:
            line = _failed(ident, e)
        if held:
            _guards.over(ident)
        channel.later(line)


def coroutines(channel, call, init, with_args):
    """Many items at once on an event loop; as many as the host sends."""
    import asyncio

    async def one(loop, frame):
        ident = frame["id"]
        _guards.item.set(ident)
        try:
            if with_args:
                item, args = frame["item"]
                made = call(item, **args)
            else:
                made = call(frame["item"])
            if hasattr(made, "__aiter__"):
                line = _many(ident, [_codec.encode(each) async for each in made])
            else:
                line = _answer(ident, _codec.encode(await made))
        except Exception as e:
            line = _failed(ident, e)
        except asyncio.CancelledError as e:
            line = _failed(ident, e)
        if _guards.held:
            _guards.over(ident)
        if not channel.out:
            loop.call_soon(channel.flush)
        channel.out.append(line)

    async def main():
        loop = asyncio.get_running_loop()
        if init is not None:
            begun = init()
            if hasattr(begun, "__await__"):
                await begun
        working = set()
        over = loop.create_future()

        def begin():
            while channel.items:
                task = loop.create_task(one(loop, channel.items.popleft()))
                working.add(task)
                task.add_done_callback(done)

        def done(task):
            working.discard(task)
            # What is not an Exception ends the process, as in a plain function.
            if not task.cancelled() and task.exception() is not None and not over.done():
                over.set_exception(task.exception())
            finished()

        def came():
            begin()
            if channel.closed:
                loop.remove_reader(channel.sock.fileno())
                finished()

        def readable():
            channel.readable()
            came()

        def finished():
            if channel.closed and not working and not over.done():
                over.set_result(None)

        channel.serve_in(loop, came)
        loop.add_reader(channel.sock.fileno(), readable)
        begin()
        await over

    asyncio.run(main())


class Source:
    """A function without arguments that makes items. Each `item` that comes is how many are wanted now."""

    def __init__(self, channel, call):
        self.channel, self.call = channel, call
        self.rows = []
        self.since = 0.0
        self.over = False

    def each(self):
        import inspect

        made = self.call()
        if hasattr(made, "__aiter__") or inspect.isawaitable(made):
            yield from self.awaited(made)
        elif isinstance(made, (str, bytes, dict)) or not hasattr(made, "__iter__"):
            yield made
        else:
            yield from made

    def awaited(self, made):
        import asyncio

        loop = asyncio.new_event_loop()
        try:
            if not hasattr(made, "__aiter__"):
                value = loop.run_until_complete(made)
                yield from value if isinstance(value, (list, tuple)) else [value]
                return
            steps = made.__aiter__()
            while True:
                try:
                    yield loop.run_until_complete(steps.__anext__())
                except StopAsyncIteration:
                    return
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def answer(self):
        """Gives out what there is, where something is wanted."""
        channel = self.channel
        with channel.sending:
            if self.want is None or not (self.rows or self.over):
                return
            ident, self.want = self.want, None
            rows, self.rows = self.rows, []
            line = b'{"id":%d,"result":{"rows":[%s],"end":%s}}' % (
                ident,
                b",".join(rows),
                b"true" if self.over else b"false",
            )
            channel.out.append(line)
            channel._send()

    def lingers(self):
        """For when the function takes long for the next one."""
        while not self.over:
            time.sleep(0.002)
            if self.rows and time.monotonic() - self.since > 0.001:
                self.answer()

    def run(self, current):
        import _thread

        channel = self.channel
        channel.before_waiting = self.answer
        self.want = None
        rows = self.each()
        first = True
        ident = 0
        while True:
            frame = channel.next()
            if frame is None:
                return
            ident, wanted = frame["id"], frame["item"]
            current(ident)
            self.want = ident
            if first:
                first = False
                _thread.start_new_thread(self.lingers, ())
            began = time.monotonic()
            try:
                while self.want is not None and len(self.rows) < wanted and not self.over:
                    made = _codec.encode(next(rows))
                    self.since = time.monotonic()
                    self.rows.append(made)
                    if self.since - began > 0.005:
                        break
            except StopIteration:
                self.over = True
            except Exception as e:
                # What was made before goes out first; the next question gets the error.
                if self.rows:
                    self.answer()
                    frame = channel.next()
                    if frame is None:
                        return
                    ident = frame["id"]
                self.over = True
                self.want = None
                channel.send(_failed(ident, e))
                continue
            self.answer()


def leave(code):
    """Ends the process, what was printed written out."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass
    os._exit(code)
