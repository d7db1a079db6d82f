"""LangChain and LangGraph: runs, models, tools, retrievers, interrupts.

    sinkwell.langchain.install()                                  # every run of the process, or
    graph.invoke(…, {"callbacks": [sinkwell.langchain.Handler()]})   # the runs that it is given to

A graph is a run, and a graph inside it one of its own with the outer as its parent. A call of a tool is a deed: it
begins only once its intent is safe, and where governance requires a sink that is down, ``RequiredSinkUnavailable``
leaves the tool's ``invoke`` or ``ainvoke`` and the tool does not run. Interrupts, and what a run was resumed with, are
decisions.
"""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

try:
    from langchain_core.callbacks import BaseCallbackHandler
    from langchain_core.tracers.context import register_configure_hook
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "sinkwell.langchain needs LangChain: pip install 'sinkwell[langchain]'", name=error.name
    ) from error

try:
    from langgraph.callbacks import GraphCallbackHandler as _Base
except ImportError:
    # LangChain without LangGraph, or one of before it told of interrupts.
    _Base = BaseCallbackHandler  # type: ignore[assignment, misc, unused-ignore]

from ._emitter import Emitter
from ._steps import Call, Teller, new_id, now, plain, put, type_of, words

# Most agents that work was handed to and that have not begun: one that never does is forgotten.
_MOST_HANDOFFS = 1_000


class _Either:
    """A callback in two forms. Whoever asks for it inside a coroutine awaits it, on the event loop; any other calls it,
    on a thread that may wait.
    """

    def __init__(self, called: Callable[..., Any], awaited: Callable[..., Any] | None = None) -> None:
        self._called = called
        self._awaited = awaited or _awaiting(called)
        self.__doc__ = called.__doc__

    def __get__(self, handler: Any, owner: Any = None) -> Any:
        if handler is None:
            return self
        asks = sys._getframe(1).f_code.co_flags & inspect.CO_COROUTINE
        return (self._awaited if asks else self._called).__get__(handler, owner)


def _awaiting(called: Callable[..., Any]) -> Callable[..., Any]:
    async def awaited(*arguments: Any, **named: Any) -> Any:
        return called(*arguments, **named)

    return awaited


class _Chain:
    """A chain that has started."""

    __slots__ = ("asked", "inputs", "name", "parent", "start", "told")

    def __init__(self, parent: str | None, name: str, inputs: Any) -> None:
        self.parent = parent
        self.name = name
        self.inputs = inputs
        self.start = now()
        #: Whether the core was told: of a graph, and of what has no chain around it.
        self.told = False
        #: Whether it stopped to ask a person.
        self.asked = False


class Handler(_Base):
    """Callbacks for LangChain and LangGraph. ``emitter`` is the process's default one unless given; ``permit`` the most
    that content may be captured (``off``, ``redacted_summary``, ``content_ref``, ``raw``), as that of a content part.
    """

    # What a deed raises must reach the program, or its tool would run: LangChain swallows it otherwise.
    raise_error = True
    run_inline = True

    def __init__(self, emitter: Emitter | None = None, *, permit: str | None = None) -> None:
        super().__init__()
        self._teller = Teller("langchain", "langchain-core", emitter, permit)
        self._chains: dict[str, _Chain] = {}
        self._models: dict[str, dict[str, Any]] = {}
        self._calls: dict[str, Call] = {}
        self._handoffs: dict[str, str] = {}
        self._lock = threading.Lock()
        self._teller.watch()

    def stop(self) -> None:
        """Seal that nothing is watched any longer, and do nothing from now on."""
        self._teller.stop()

    @property
    def _stopped(self) -> bool:
        return not self._teller.watching

    # --- chains and graphs ---

    def _chain_start(
        self,
        serialized: Mapping[str, Any] | None,
        inputs: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: Sequence[str] | None = None,
        name: str | None = None,
        **_: Any,
    ) -> None:
        if self._stopped:
            return
        id, parent = str(run_id), None if parent_run_id is None else str(parent_run_id)
        chain = _Chain(parent, name or str((serialized or {}).get("name") or ""), inputs)
        with self._lock:
            put(self._chains, id, chain)
        if parent is None:
            self._told(id, chain)
            if type(inputs).__name__ == "Command" and getattr(inputs, "resume", None) is not None:
                self._resumed(id, inputs.resume)
        elif any(tag.startswith("graph:step:") for tag in tags or ()):
            # What has nodes is a graph: a run of its own, wherever it is called.
            around = self._chains.get(parent)
            if around is not None and not around.told:
                self._told(parent, around)

    def _told(self, id: str, chain: _Chain) -> None:
        chain.told = True
        with self._lock:
            cause = self._handoffs.pop(chain.name, None)
        self._teller.tell(
            "agent",
            id,
            name=chain.name,
            parent=self._around(chain.parent),
            start_unix_nano=chain.start,
            causation=cause,
            input=_messages(chain.inputs),
        )

    def _around(self, id: str | None) -> str | None:
        """The nearest step around that the core knows."""
        while id is not None and (chain := self._chains.get(id)) is not None and not chain.told:
            id = chain.parent
        return id

    def _chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        self._ended(str(run_id), outputs, None)

    def _chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self._ended(str(run_id), None, error)

    def _ended(self, id: str, outputs: Any, error: BaseException | None) -> None:
        with self._lock:
            chain = self._chains.pop(id, None)
        if chain is None or not chain.told:
            return
        if error is not None and type(error).__name__ in ("GraphInterrupt", "NodeInterrupt"):
            chain.asked = True
        if error is not None and type(error).__name__ == "ParentCommand":
            # How a graph tells the one around it where to go on: it did not fail.
            error = None
        self._teller.tell(
            "agent",
            id,
            name=chain.name,
            parent=self._around(chain.parent),
            start_unix_nano=chain.start,
            end_unix_nano=now(),
            outcome="asked" if chain.asked else None,
            error_type=None if error is None or chain.asked else type_of(error),
            output=_messages(outputs, last=True),
        )

    def _interrupt(self, event: Any) -> None:
        if self._stopped:
            return
        id = None if event.run_id is None else str(event.run_id)
        chain = self._chains.get(id or "")
        if chain is not None:
            if chain.asked:
                # A tool asked: that is told, with the tool.
                return
            chain.asked = True
        texts = [str(getattr(interrupt, "value", "")) for interrupt in event.interrupts]
        content = [part for text in texts for part in words("message", text)]
        self._teller.decided("ask", "interrupt", parent=self._around(id), content=content)

    def _resume(self, event: Any) -> None:
        """That a run goes on is told by its start."""

    def _resumed(self, id: str, answer: Any) -> None:
        content = words("message", str(answer))
        self._teller.decided(_answer(answer), "resume", parent=id, content=content)

    # --- models ---

    def _model_start(
        self,
        serialized: Mapping[str, Any] | None,
        given: Any,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: Mapping[str, Any] | None = None,
        invocation_params: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> None:
        if self._stopped:
            return
        said, params = metadata or {}, invocation_params or {}
        name = said.get("ls_model_name") or params.get("model") or params.get("model_name")
        attributes = {}
        if provider := said.get("ls_provider"):
            attributes["gen_ai.provider.name"] = str(provider)
        with self._lock:
            model = {
                "name": None if name is None else str(name),
                "parent": self._around(None if parent_run_id is None else str(parent_run_id)),
                "start_unix_nano": now(),
                "attributes": attributes,
                "input": _messages(given[0] if given and isinstance(given[0], list) else given),
            }
            put(self._models, str(run_id), model)

    def _model_end(self, response: Any, *, run_id: UUID, **_: Any) -> None:
        message = next(
            (
                getattr(generation, "message", generation)
                for one in response.generations
                for generation in one
            ),
            None,
        )
        usage = getattr(message, "usage_metadata", None)
        model = (getattr(message, "response_metadata", None) or {}).get("model_name")
        told: dict[str, Any] = {"output": _messages([message]), "usage": usage, "usage_of": "langchain"}
        self._model(str(run_id), told, model)

    def _model_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self._model(str(run_id), {"error_type": type_of(error)}, None)

    def _model(self, id: str, told: dict[str, Any], model: Any) -> None:
        with self._lock:
            started = self._models.pop(id, None)
        if started is None:
            return
        if model is not None:
            started["attributes"]["gen_ai.response.model"] = str(model)
        self._teller.tell("model", id, end_unix_nano=now(), **started, **told)

    # --- tools ---

    def _call(
        self,
        serialized: Mapping[str, Any] | None,
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        inputs: Any = None,
        tool_call_id: str | None = None,
        **_: Any,
    ) -> Call:
        attributes = {} if tool_call_id is None else {"gen_ai.tool.call.id": tool_call_id}
        return self._teller.call(
            str(run_id),
            str((serialized or {}).get("name") or "tool"),
            parent=self._around(None if parent_run_id is None else str(parent_run_id)),
            input=plain(inputs) if inputs is not None else input_str,
            attributes=attributes,
        )

    def _tool_start(self, *given: Any, **named: Any) -> None:
        if not self._stopped:
            call = self._call(*given, **named)
            call.__enter__()
            self._calls[call.id] = call

    async def _tool_start_awaited(self, *given: Any, **named: Any) -> None:
        if not self._stopped:
            call = self._call(*given, **named)
            await call.__aenter__()
            self._calls[call.id] = call

    def _tool_said(self, output: Any, run_id: UUID) -> Call | None:
        call = self._calls.pop(str(run_id), None)
        if call is None:
            return None
        failed = getattr(output, "status", None) == "error"
        content = getattr(output, "content", output)
        goto = getattr(output, "goto", None)
        if isinstance(goto, str) and goto:
            self._handoff(call, goto)
            content = None
        call.ended(output=plain(content), outcome="error" if failed else "ok")
        return call

    def _tool_end(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        call = self._tool_said(output, run_id)
        if call is not None:
            call.__exit__(None, None, None)

    async def _tool_end_awaited(self, output: Any, *, run_id: UUID, **_: Any) -> None:
        call = self._tool_said(output, run_id)
        if call is not None:
            await call.__aexit__(None, None, None)

    def _tool_failed(self, error: BaseException, run_id: UUID) -> Call | None:
        call = self._calls.pop(str(run_id), None)
        if call is not None and type(error).__name__ in ("GraphInterrupt", "NodeInterrupt"):
            # It asks a person. The graph will say so, too.
            parent = call._members.get("parent")
            while parent is not None and (chain := self._chains.get(parent)) is not None:
                chain.asked = True
                parent = chain.parent
        return call

    def _tool_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        call = self._tool_failed(error, run_id)
        if call is not None:
            call.__exit__(type(error), error, None)

    async def _tool_error_awaited(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        call = self._tool_failed(error, run_id)
        if call is not None:
            await call.__aexit__(type(error), error, None)

    def _handoff(self, call: Call, to: str) -> None:
        id = new_id()
        at = now()
        parent = call._members.get("parent")
        self._teller.tell("handoff", id, name=to, parent=parent, start_unix_nano=at, end_unix_nano=at)
        with self._lock:
            put(self._handoffs, to, id, _MOST_HANDOFFS)

    # --- retrievers ---

    def _retriever_start(
        self,
        serialized: Mapping[str, Any] | None,
        query: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        name: str | None = None,
        **_: Any,
    ) -> None:
        if self._stopped:
            return
        with self._lock:
            self._models[str(run_id)] = {
                "name": name or str((serialized or {}).get("name") or "retriever"),
                "parent": self._around(None if parent_run_id is None else str(parent_run_id)),
                "start_unix_nano": now(),
                "input": query,
            }

    def _retrieved(self, id: str, told: dict[str, Any]) -> None:
        with self._lock:
            started = self._models.pop(id, None)
        if started is not None:
            self._teller.tell("retrieval", id, end_unix_nano=now(), **started, **told)

    def _retriever_end(self, documents: Any, *, run_id: UUID, **_: Any) -> None:
        self._retrieved(str(run_id), {"output": [plain(document) for document in documents]})

    def _retriever_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self._retrieved(str(run_id), {"error_type": type_of(error)})

    def _nothing(self, *_: Any, **__: Any) -> None:
        """Tokens, retries and the like are no steps."""

    on_chain_start = _Either(_chain_start)
    on_chain_end = _Either(_chain_end)
    on_chain_error = _Either(_chain_error)
    on_interrupt = _Either(_interrupt)
    on_resume = _Either(_resume)
    on_chat_model_start = _Either(_model_start)
    on_llm_start = _Either(_model_start)
    on_llm_new_token = _Either(_nothing)
    on_llm_end = _Either(_model_end)
    on_llm_error = _Either(_model_error)
    on_tool_start = _Either(_tool_start, _tool_start_awaited)
    on_tool_end = _Either(_tool_end, _tool_end_awaited)
    on_tool_error = _Either(_tool_error, _tool_error_awaited)
    on_retriever_start = _Either(_retriever_start)
    on_retriever_end = _Either(_retriever_end)
    on_retriever_error = _Either(_retriever_error)


class _Installed:
    """What LangChain asks for the handler of every run. A context variable would be unknown to threads that the program
    starts itself.
    """

    handler: Handler | None = None
    registered = False

    def get(self) -> Handler | None:
        """The handler, if one is installed."""
        return self.handler


_installed = _Installed()


def install(emitter: Emitter | None = None, *, permit: str | None = None) -> Handler:
    """Watch every run of this process; ``emitter`` and ``permit`` as those of ``Handler``. Installed again, the handler
    that is there is returned.
    """
    if _installed.handler is None:
        _installed.handler = Handler(emitter, permit=permit)
        if not _installed.registered:
            _installed.registered = True
            register_configure_hook(_installed, inheritable=True)  # type: ignore[arg-type]
    return _installed.handler


def uninstall() -> None:
    """Undo ``install``."""
    handler, _installed.handler = _installed.handler, None
    if handler is not None:
        handler.stop()


def _messages(value: Any, *, last: bool = False) -> Any:
    """The messages of a chain's state, as chat interfaces have them; of other state its text."""
    if isinstance(value, Mapping):
        value = value.get("messages", None)
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, (list, tuple)):
        value = [value]
    return [_message(item) for item in (value[-1:] if last else value) if item is not None]


_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}


def _message(item: Any) -> Any:
    kind = getattr(item, "type", None)
    if not isinstance(kind, str) or not hasattr(item, "content"):
        return plain(item) if isinstance(item, (str, Mapping)) else str(item)
    content = item.content
    calls = [
        {"type": "tool_call", "name": call.get("name"), "arguments": call.get("args")}
        for call in getattr(item, "tool_calls", None) or ()
    ]
    if calls:
        texts = [{"type": "text", "text": content}] if isinstance(content, str) and content else []
        content = [*(texts if isinstance(content, str) else plain(content)), *calls]
    return {"role": _ROLES.get(kind, kind), "content": plain(content)}


_YES = {"approve", "approved", "accept", "accepted", "edit", "allow", "yes"}
_NO = {"reject", "rejected", "deny", "denied", "ignore", "no"}


def _answer(answer: Any) -> str:
    """What a person's answer to an interrupt decides, if it is one of the words that LangGraph's own helpers use."""
    if isinstance(answer, bool):
        return "allow" if answer else "deny"
    if isinstance(answer, Mapping) and isinstance(answer.get("decisions"), list):
        answer = answer["decisions"]
    if isinstance(answer, list):
        all_of = {_answer(one) for one in answer}
        return "deny" if "deny" in all_of else "allow" if all_of == {"allow"} else "indeterminate"
    word = answer.get("type") if isinstance(answer, Mapping) else answer
    word = word.lower() if isinstance(word, str) else ""
    return "allow" if word in _YES else "deny" if word in _NO else "indeterminate"
