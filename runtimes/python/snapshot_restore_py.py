"""Functions to run before a checkpoint and after each restore, with the interface of AWS's module of this name.

    from snapshot_restore_py import register_before_snapshot, register_after_restore

Either may be used as a decorator. Before a checkpoint the functions run in the reverse order of their registration,
after a restore in that order. Where no checkpoint is taken, they never run.
"""
_before_snapshot_registry = []
_after_restore_registry = []


def register_before_snapshot(func, *args, **kwargs):
    _before_snapshot_registry.append((func, args, kwargs))
    return func


def register_after_restore(func, *args, **kwargs):
    _after_restore_registry.append((func, args, kwargs))
    return func


def get_before_snapshot():
    return _before_snapshot_registry


def get_after_restore():
    return _after_restore_registry
