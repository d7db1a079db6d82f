"""pydantic-ai: runs, models and tools of an agent.

    agent = Agent(…, capabilities=[sinkwell.pydantic_ai.Capability()])

A call of a tool is a deed: it begins only once its intent is safe, and where governance requires a sink that is down,
``RequiredSinkUnavailable`` ends the run and the tool does not run. An agent that a tool runs is a run of its own, with
the run around it as its parent. A call that waits for approval is a decision.
"""

from __future__ import annotations

import contextvars
from typing import Any

try:
    from pydantic_ai.capabilities import AbstractCapability
except (ImportError, ModuleNotFoundError) as error:
    raise ModuleNotFoundError(
        "sinkwell.pydantic_ai needs pydantic-ai 2: pip install 'sinkwell[pydantic-ai]'",
        name=getattr(error, "name", None),
    ) from error

from ._emitter import Emitter
from ._steps import Teller, new_id, now, plain, type_of

#: The step that the calling code is inside.
_inside: contextvars.ContextVar[str | None] = contextvars.ContextVar("sinkwell_pydantic_ai", default=None)

_ROLES = {"system-prompt": "system", "user-prompt": "user", "tool-return": "tool", "retry-prompt": "tool"}


class Capability(AbstractCapability[Any]):
    """For ``Agent(…, capabilities=[…])``. ``emitter`` is the process's default one unless given; ``permit`` the most
    that content may be captured (``off``, ``redacted_summary``, ``content_ref``, ``raw``), as that of a content part.
    """

    def __init__(self, emitter: Emitter | None = None, *, permit: str | None = None) -> None:
        super().__init__()
        self._teller = Teller("pydantic_ai", "pydantic-ai-slim", emitter, permit)
        self._teller.watch()

    def stop(self) -> None:
        """Seal that nothing is watched any longer, and do nothing from now on."""
        self._teller.stop()

    @property
    def _stopped(self) -> bool:
        return not self._teller.watching

    async def wrap_run(self, ctx: Any, *, handler: Any) -> Any:
        """A run of the agent."""
        if self._stopped:
            return await handler()
        id, parent, start = str(ctx.run_id or new_id()), _inside.get(), now()
        name = getattr(getattr(ctx, "agent", None), "name", None) or "agent"
        given = {"name": str(name), "parent": parent, "start_unix_nano": start}
        self._teller.tell("agent", id, **given, input=_text(getattr(ctx, "prompt", None)))
        before = _inside.set(id)
        try:
            result = await handler()
        except BaseException as error:
            self._teller.tell("agent", id, **given, end_unix_nano=now(), error_type=type_of(error))
            raise
        finally:
            _inside.reset(before)
        output = _text(getattr(result, "output", None))
        self._teller.tell("agent", id, **given, end_unix_nano=now(), output=output)
        return result

    async def wrap_model_request(self, ctx: Any, *, request_context: Any, handler: Any) -> Any:
        """A request to a model, with all its attempts."""
        if self._stopped:
            return await handler(request_context)
        model = getattr(request_context, "model", None)
        attributes = {"gen_ai.provider.name": getattr(model, "system", None)}
        step: dict[str, Any] = {
            "name": getattr(model, "model_name", None),
            "parent": _inside.get(),
            "start_unix_nano": now(),
            "input": _messages(getattr(request_context, "messages", ())),
        }
        id = new_id()
        try:
            response = await handler(request_context)
        except BaseException as error:
            self._teller.tell(
                "model", id, **step, end_unix_nano=now(), error_type=type_of(error), attributes=attributes
            )
            raise
        usage = response.usage
        details = getattr(usage, "details", None) or {}
        attributes.update(
            {
                "gen_ai.response.model": response.model_name,
                "gen_ai.usage.input_tokens": usage.input_tokens,
                "gen_ai.usage.output_tokens": usage.output_tokens,
                "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens or None,
                "gen_ai.usage.reasoning.output_tokens": details.get("reasoning_tokens"),
            }
        )
        output = _messages([response])
        self._teller.tell("model", id, **step, end_unix_nano=now(), output=output, attributes=attributes)
        return response

    async def wrap_tool_execute(self, ctx: Any, *, call: Any, tool_def: Any, args: Any, handler: Any) -> Any:
        """A call of a tool, its arguments checked."""
        if self._stopped:
            return await handler(args)
        deed = self._teller.call(
            new_id(),
            call.tool_name,
            parent=_inside.get(),
            input=plain(args),
            attributes={"gen_ai.tool.call.id": call.tool_call_id},
        )
        async with deed:
            before = _inside.set(deed.id)
            try:
                result = await handler(args)
            except Exception as error:
                if _late(error):
                    deed.ended(error_type="TimeoutError")
                raise
            finally:
                _inside.reset(before)
            denied = type(result).__name__ == "ToolDenied"
            deed.ended(output=None if denied else _text(result), outcome="denied" if denied else "ok")
            return result


def _late(error: BaseException) -> bool:
    """Whether a tool took longer than it may, of which pydantic-ai makes a request to the model to try again."""
    retry = error.__cause__
    return type(retry).__name__ == "ModelRetry" and isinstance(
        getattr(retry, "__context__", None), TimeoutError
    )


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else str(plain(value))


def _messages(messages: Any) -> list[dict[str, Any]]:
    """Messages as chat interfaces have them; thinking is dropped by the core."""
    found = []
    for message in messages:
        for part in message.parts:
            kind = part.part_kind
            if kind == "tool-call":
                call = {"type": "tool_call", "name": part.tool_name, "arguments": plain(part.args)}
                found.append({"role": "assistant", "content": [call]})
            elif kind == "thinking":
                found.append({"role": "assistant", "content": [{"type": "thinking", "content": ""}]})
            elif hasattr(part, "content"):
                found.append({"role": _ROLES.get(kind, "assistant"), "content": _text(part.content)})
    return found
