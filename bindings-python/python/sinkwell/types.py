"""The data of each built-in type of event, for editors and type checkers; ``emit`` takes any mapping.

    data: sinkwell.types.ToolInvocation = {"tool": "search", "outcome": "ok", "duration_ms": 12}

Written by ``scripts/gen_types.py`` from the published schemas: do not edit.
"""

from typing import Any, Literal, TypedDict


class _CostCorrected(TypedDict, total=False):
    status: Literal["estimated", "provider_reported", "corrected"]


class CostCorrected(_CostCorrected):
    """``cost.corrected``"""

    amount_micros: int

    correction_ref: str

    currency: str

    rate_table_version: str


class _CostEstimated(TypedDict, total=False):
    status: Literal["estimated", "provider_reported", "corrected"]


class CostEstimated(_CostEstimated):
    """``cost.estimated``"""

    amount_micros: int

    currency: str

    rate_table_version: str


class _Coverage(TypedDict, total=False):
    package: str
    version: str


class Coverage(_Coverage):
    """``coverage``"""

    seam: str

    state: Literal["watching", "stopped"]


class _IdentityAssertion(TypedDict, total=False):
    audience: Any
    expires: Any
    identity: str
    issuer: str
    method: str
    revoked_by: str
    scope: Any


class IdentityAssertion(_IdentityAssertion):
    """``identity.assertion``"""

    assertion: Literal["issued", "verified", "refused", "exchanged", "revoked"]


class _LogRecord(TypedDict, total=False):
    logger: str
    message: str


class LogRecord(_LogRecord):
    """``log.record``"""


_ModelUsage = TypedDict(
    "_ModelUsage",
    {
        "bytes": int,
        "cached_tokens": int,
        "input_tokens": int,
        "media_ms": float,
        "model": str,
        "output_tokens": int,
        "provider": str,
        "reasoning_tokens": int,
        "source.family": Literal["model", "run", "subagent"],
        "total_tokens": int,
    },
    total=False,
)


class ModelUsage(_ModelUsage):
    """``model.usage``"""


class _PolicyBreach(TypedDict, total=False):
    action: str
    count: int
    rule: str


class PolicyBreach(_PolicyBreach):
    """``policy.breach``"""

    reason: str


class _PolicyDecision(TypedDict, total=False):
    action: str
    duration_ms: float
    evaluated_rules: Any
    implicit: bool
    input_digest: str
    reason: str
    rule: str
    ruleset: str
    ruleset_version: str
    shadow: bool


class PolicyDecision(_PolicyDecision):
    """``policy.decision``"""

    decision: Literal["allow", "deny", "ask", "indeterminate"]


_RunCancelled = TypedDict(
    "_RunCancelled",
    {
        "duration_ms": float,
        "error.type": str,
        "goal": str,
        "parent_run": str,
        "step": Any,
        "terminal_status": Literal["cancelled", "timed_out", "unknown"],
    },
    total=False,
)


class RunCancelled(_RunCancelled):
    """``run.cancelled``"""


_RunCompleted = TypedDict(
    "_RunCompleted",
    {
        "duration_ms": float,
        "error.type": str,
        "goal": str,
        "parent_run": str,
        "step": Any,
        "terminal_status": Literal["completed", "unknown"],
    },
    total=False,
)


class RunCompleted(_RunCompleted):
    """``run.completed``"""


_RunFailed = TypedDict(
    "_RunFailed",
    {
        "duration_ms": float,
        "error.type": str,
        "goal": str,
        "parent_run": str,
        "step": Any,
        "terminal_status": Literal["failed", "timed_out", "unknown"],
    },
    total=False,
)


class RunFailed(_RunFailed):
    """``run.failed``"""


class _RunProgress(TypedDict, total=False):
    goal: str
    parent_run: str
    step: Any


class RunProgress(_RunProgress):
    """``run.progress``"""


class _RunStarted(TypedDict, total=False):
    goal: str
    parent_run: str
    step: Any


class RunStarted(_RunStarted):
    """``run.started``"""


class _SandboxEvent(TypedDict, total=False):
    limit: Any
    resource: str
    sandbox: str
    used: Any


class SandboxEvent(_SandboxEvent):
    """``sandbox.event``"""

    kind: Literal["created", "started", "stopped", "limit", "violation", "escape"]


class _Span(TypedDict, total=False):
    duration_ms: float
    name: str
    status: Any


class Span(_Span):
    """``span``"""


_ToolInvocation = TypedDict(
    "_ToolInvocation",
    {
        "duration_ms": float,
        "error.type": str,
        "outcome": Literal["ok", "error", "denied", "timeout", "cancelled", "refused"],
    },
    total=False,
)


class ToolInvocation(_ToolInvocation):
    """``tool.invocation``"""

    tool: str


EventType = Literal[
    "cost.corrected",
    "cost.estimated",
    "coverage",
    "identity.assertion",
    "log.record",
    "model.usage",
    "policy.breach",
    "policy.decision",
    "run.cancelled",
    "run.completed",
    "run.failed",
    "run.progress",
    "run.started",
    "sandbox.event",
    "span",
    "tool.invocation",
]
"""The built-in types that a program emits."""
