"""Entry of the managed Python runtimes: `python3.x -S -X utf8 /var/runtime/bootstrap.py`.

Everything lives in mayfly_loop.py, because an imported module comes from its .pyc while a script is compiled
at every start. The handler is taken from _HANDLER, or from the first argument where one is given.
"""
import sys

_here = __file__.rpartition("/")[0] or "."
if sys.path[0] != _here:
    # PYTHONSAFEPATH, set by the function's owner, leaves the script's folder out.
    sys.path.insert(0, _here)

import mayfly_loop  # noqa: E402

mayfly_loop.main()
