"""Finds the functions that the pipeline file names: `file.py:function` or `package.module:function`."""

import importlib
import importlib.util
import inspect
import os
import sys

_files = {}


class NotFound(Exception):
    """What is named is not there."""


def function(named, folder):
    """The object that `named` names. NotFound, or whatever importing the module raises."""
    where, _, name = named.rpartition(":")
    module = _file(where, folder) if where.endswith(".py") else _module(where, folder)
    found = module
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise NotFound("%s has no `%s`%s" % (where, name, _near(part, found))) from None
    if not callable(found):
        raise NotFound("`%s` of %s is a %s, not a function" % (name, where, type(found).__name__))
    return found


def _near(name, module):
    import difflib

    names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
    near = difflib.get_close_matches(name, names, 1)
    return ": did you mean `%s`?" % near[0] if near else ""


def _file(where, folder):
    path = os.path.abspath(os.path.join(folder, where))
    if path in _files:
        return _files[path]
    if not os.path.exists(path):
        raise NotFound("there is no file %s" % path)
    # As for `python tasks.py`: what lies beside it can be imported.
    beside = os.path.dirname(path)
    if beside not in sys.path:
        sys.path.insert(0, beside)
    name = os.path.splitext(os.path.basename(path))[0]
    if name in sys.modules or name in sys.builtin_module_names:
        # A file called `queue.py` must not take the place of the library's.
        name = "millstream_file_%s" % name
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    _files[path] = module
    return module


def _module(where, folder):
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as e:
        if e.name is not None and (where == e.name or where.startswith(e.name + ".")):
            raise NotFound("there is no module `%s` (looked for beside the pipeline file and in the interpreter's path)" % where) from None
        raise


def is_async(call):
    """Is it run by an event loop?"""
    while hasattr(call, "func"):
        call = call.func
    if not (inspect.isfunction(call) or inspect.ismethod(call)):
        call = getattr(call, "__call__", call)
    return inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)
