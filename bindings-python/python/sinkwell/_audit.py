"""The audit log: a database that proves its own history."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterable, Mapping
from typing import Any

from . import _native

PathLike = str | os.PathLike[str]
Time = str | datetime.datetime


def _time(time: Time | None) -> str | None:
    return time.isoformat() if isinstance(time, datetime.datetime) else time


class AuditLog:
    """An audit database, for reading; one that is being written to as well.

    Every answer is that of ``sinkwell audit … --format json``, as mappings.
    """

    def __init__(self, path: PathLike) -> None:
        """Name the database; each call opens it anew."""
        self.path = os.fspath(path)

    def verify(self, *, heads: Iterable[str] = ()) -> dict[str, Any]:
        """Recompute everything; ``heads`` are notes kept elsewhere, with which the log must still begin."""
        report: dict[str, Any] = self._ask("verify", heads=list(heads))
        return report

    def head(self, *, sign: PathLike | None = None) -> dict[str, Any]:
        """Tell the tree head and its note, signed by the Ed25519 key in the file ``sign``."""
        head: dict[str, Any] = self._ask("head", sign=None if sign is None else os.fspath(sign))
        return head

    def prove(
        self,
        id: str | None = None,
        *,
        index: int | None = None,
        stream: str | None = None,
        sequence: int | None = None,
        size: int | None = None,
    ) -> dict[str, Any]:
        """Prove that one envelope is in the log, or in its first ``size`` leaves."""
        given = {"id": id, "index": index, "stream": stream, "sequence": sequence, "size": size}
        proof: dict[str, Any] = self._ask("prove", **given)
        return proof

    def consistency(self, old: int, new: int | None = None) -> dict[str, Any]:
        """Prove that the log of ``old`` leaves was only added to."""
        proof: dict[str, Any] = self._ask("consistency", old=old, new=new)
        return proof

    def query(
        self,
        *,
        type: str | None = None,
        agent: str | None = None,
        run: str | None = None,
        tenant: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        limit: int = 100,
        after: int | None = None,
    ) -> list[dict[str, Any]]:
        """Find envelopes, oldest first: each with its leaf's ``index``. ``type`` is a glob."""
        found: list[dict[str, Any]] = self._ask(
            "query",
            type=type,
            agent=agent,
            run=run,
            tenant=tenant,
            since=_time(since),
            until=_time(until),
            limit=limit,
            after=after,
        )
        return found

    def group(
        self,
        *,
        by: Iterable[str] = (),
        sum: Iterable[str] = (),
        where: Mapping[str, str | float | bool | None] | None = None,
        has: Iterable[str] = (),
        groups: int = 1000,
        type: str | None = None,
        agent: str | None = None,
        run: str | None = None,
        tenant: str | None = None,
        since: Time | None = None,
        until: Time | None = None,
        after: int | None = None,
    ) -> dict[str, Any]:
        """Count events in groups that have the same members, and add members up, exactly.

        A member is one of ``data``, by its name, or a JSON pointer into the envelope, as ``/type``. ``since`` may be a
        time, or how long ago: ``"48h"``. More groups than ``groups`` are an error.
        """
        answer: dict[str, Any] = self._ask(
            "group",
            by=list(by),
            sum=list(sum),
            where=None if where is None else dict(where),
            has=list(has),
            groups=groups,
            type=type,
            agent=agent,
            run=run,
            tenant=tenant,
            since=_time(since),
            until=_time(until),
            after=after,
        )
        return answer

    def export(self, to: PathLike) -> int:
        """Write the whole log to a file, one envelope or stub a line; answers how many."""
        lines: int = self._ask("export", to=os.fspath(to))["lines"]
        return lines

    def _ask(self, operation: str, **arguments: Any) -> Any:
        return _native._audit(self.path, operation, arguments)
