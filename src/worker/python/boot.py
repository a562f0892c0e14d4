# The program that millstream gives to the interpreter: it checks the interpreter, makes the package `millstream`
# of its texts (no file is written, nothing is installed), and begins. This part must be readable to any Python.
import sys


def _begin(sources, settings):
    if sys.version_info < (3, 8):
        version = ".".join(str(n) for n in sys.version_info[:3])
        sys.stderr.write(
            "millstream needs Python 3.8 or newer, and %s is %s: set `interpreter`, or activate a newer "
            "environment\n" % (sys.executable, version)
        )
        sys.exit(78)
    import importlib.abc
    import importlib.machinery

    class Texts(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
        """Finds the package and its modules among the texts."""

        def find_spec(self, name, path=None, target=None):
            if name not in sources:
                return None
            return importlib.machinery.ModuleSpec(
                name, self, origin="<millstream>", is_package=name == "millstream"
            )

        def is_package(self, name):
            return name == "millstream"

        def get_source(self, name):
            return sources[name]

        def get_code(self, name):
            return compile(sources[name], "<%s>" % name, "exec", dont_inherit=True)

    sys.meta_path.insert(0, Texts())
    from millstream import _main

    _main.main(settings)
