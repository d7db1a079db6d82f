"""For Celery's workers: ``import sinkwell.celery`` where the application is made, and no more.

A process of a prefork pool ends without what Python does at the end of a process. Celery says so to those who
ask, and then everything queued is delivered and every stream closed, as far as five seconds allow.
"""

from __future__ import annotations

from typing import Any

try:
    from celery import signals  # type: ignore[import-untyped]
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "sinkwell.celery needs Celery: pip install 'sinkwell[celery]'", name=error.name
    ) from error

from . import _native


@signals.worker_process_shutdown.connect(weak=False)  # type: ignore[untyped-decorator, unused-ignore]
def _end(**_: Any) -> None:
    _native._end_all()
