"""Begins: loads the function, greets the host, works until there is nothing more."""

import json
import os
import signal
import sys

from . import _channel, _guards, _load, _queues, _serve, _shared


def main(text):
    settings = json.loads(text)
    _streams()
    socket = int(os.environ.pop("MILLSTREAM_SOCKET"))
    memory = os.environ.pop("MILLSTREAM_MEMORY", None)
    folder = settings["folder"]
    # What the interpreter put there for `-c`.
    if sys.path and sys.path[0] == "":
        sys.path[0] = folder
    sys.argv[:] = [settings["call"]]
    try:
        call = _load.function(settings["call"], folder)
        init = _load.function(settings["init"], folder) if settings.get("init") else None
    except _load.NotFound as e:
        _give_up(str(e))
    except BaseException:
        import traceback

        traceback.print_exc()
        _give_up("`%s` cannot be loaded" % settings["call"])
    _work(settings, call, init, socket, None if memory is None else int(memory))


def _streams():
    """What the function prints goes out line by line; there is nothing to read."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
        except AttributeError:
            pass
    # Somebody who reads our output may go away; that must be an exception, as in any Python.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _give_up(why):
    sys.stderr.write("%s\n" % why)
    _serve.leave(78)


def _work(settings, call, init, socket, memory):
    import millstream

    channel = _channel.Channel(socket)
    try:
        hello = channel.greet({"version": 1, "batch": True, "begin": False, "guards": True})
        worker = millstream._worker
        worker.index, worker.stage, worker.run = hello.get("worker"), hello.get("stage"), hello.get("run")
        _shared.connect(hello, memory)
        _queues.connect(hello)
        _guards.connect(channel, hello)
        with_args = bool(settings.get("args"))
        if settings.get("source"):
            if init is not None:
                init()
            _serve.Source(channel, call).run(_guards.working_on)
        elif _load.is_async(call):
            _serve.coroutines(channel, call, init, with_args)
        else:
            if init is not None:
                init()
            _serve.plain(channel, call, with_args, _guards.working_on)
        channel.flush()
    except _channel.Closed:
        pass
    except SystemExit as e:
        try:
            channel.flush()
        except _channel.Closed:
            pass
        if e.code is None or isinstance(e.code, int):
            _serve.leave((e.code or 0) & 255)
        sys.stderr.write("%s\n" % e.code)
        _serve.leave(1)
    except BaseException:
        import traceback

        traceback.print_exc()
        _serve.leave(1)
    _serve.leave(0)
