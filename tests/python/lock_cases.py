"""CPython's own tests of its locks, run against millstream's. The pipeline declares as many guards of each kind as
the tests make."""

import importlib
import itertools
import threading
import unittest

import millstream

# Which cases do not apply, and why.
NOT_FOR_US = {
    # A guard is printed with its name; printing does not ask what state it is in.
    "test_repr", "test_locked_repr",
    # Private to `threading`: a forked process may not use millstream's guards at all.
    "test_at_fork_reinit",
    # The file says how many permits there are; a condition brings its own lock; no action, no default time-out.
    "test_constructor", "ConditionTests.test_acquire", "test_action", "test_default_timeout",
    # Threads of Python that end without `threading` knowing: counted by `threading._active` alone.
    "test_thread_leak",
}  # fmt: skip


def names(kind):
    count = itertools.count()
    return lambda *args, **kwargs: getattr(millstream, kind)("%s%d" % (kind, next(count)))


semaphores = itertools.count()


def semaphore(value=1):
    return millstream.semaphore("semaphore%d_%d" % (value, next(semaphores)))


barriers = itertools.count()


def barrier(parties, action=None, timeout=None):
    return millstream.barrier("barrier%d_%d" % (parties, next(barriers)))


def cases():
    tests = importlib.import_module("test.lock_tests")
    make = {
        "LockTests": {"locktype": names("lock")},
        "RLockTests": {"locktype": names("rlock")},
        "EventTests": {"eventtype": names("event")},
        "ConditionTests": {"condtype": names("condition")},
        "BoundedSemaphoreTests": {"semtype": semaphore},
        "BarrierTests": {"barriertype": barrier},
    }
    for name, types in make.items():
        base = getattr(tests, name)
        own = type(name, (base,), {key: staticmethod(value) for key, value in types.items()})
        for test in unittest.defaultTestLoader.getTestCaseNames(own):
            if test not in NOT_FOR_US and "%s.%s" % (name, test) not in NOT_FOR_US:
                yield own(test)


def run(item):
    """How many cases passed, and what failed."""
    try:
        importlib.import_module("test.lock_tests")
    except ImportError:
        return {"passed": 0, "failed": [], "there": False}
    suite = unittest.TestSuite(cases())
    result = unittest.TestResult()
    suite.run(result)
    failed = [[str(case), text] for case, text in result.failures + result.errors]
    return {"passed": result.testsRun - len(failed), "failed": failed, "there": True}
