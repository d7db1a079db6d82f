"""The scripted run (test_integrations.py) with LangGraph: `scripted_langchain.py OUT up|async|down`."""

from __future__ import annotations

import asyncio
import sys
import warnings
from typing import Annotated, Any

import sinkwell.langchain
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import InjectedToolCallId, tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, create_react_agent
from langgraph.types import Command
from scripted import MARKER, opened

warnings.simplefilter("ignore")
RAN: list[str] = []
USAGE = {
    "input_tokens": 12,
    "output_tokens": 3,
    "total_tokens": 15,
    "input_token_details": {"cache_read": 4},
    "output_token_details": {"reasoning": 2},
}


class PolicyDenied(Exception):
    """As a program's own policy refuses a call."""


class Scripted(GenericFakeChatModel):
    """LangChain's own fake model, with tools bound to nothing."""

    def bind_tools(self, tools: Any, **_: Any) -> Any:
        return self

    def _get_ls_params(self, *_: Any, **__: Any) -> Any:
        return {"ls_model_name": "small", "ls_provider": "example"}

    def _stream(self, messages: Any, stop: Any = None, run_manager: Any = None, **_: Any) -> Any:
        from langchain_core.messages import AIMessageChunk
        from langchain_core.outputs import ChatGenerationChunk

        whole = next(self.messages)
        calls = [
            {"name": one["name"], "args": '{"q": "' + MARKER + '"}', "id": one["id"], "index": 0}
            for one in whole.tool_calls
        ]
        for i, piece in enumerate([*whole.content] or [""]):
            chunk = AIMessageChunk(
                content=piece,
                tool_call_chunks=calls if i == 0 else [],
                usage_metadata=whole.usage_metadata if i == 0 else None,
            )
            if run_manager is not None:
                run_manager.on_llm_new_token(piece, chunk=ChatGenerationChunk(message=chunk))
            yield ChatGenerationChunk(message=chunk)


def call(name: str, id: str) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": {"q": MARKER}, "id": id}], usage_metadata=USAGE)


@tool
def look(q: str) -> str:
    """Looks."""
    RAN.append("look")
    return MARKER


@tool
def charge(q: str) -> str:
    """Charges."""
    RAN.append("charge")
    raise ValueError(MARKER)


@tool
def pay(q: str) -> str:
    """Pays."""
    raise PolicyDenied(MARKER)


@tool
def transfer_to_refunds(q: str, id: Annotated[str, InjectedToolCallId]) -> Any:
    """Hands off."""
    answer = ToolMessage("handed off", tool_call_id=id)
    return Command(goto="refunds", graph=Command.PARENT, update={"messages": [answer]})


def build() -> Any:
    triage = create_react_agent(
        Scripted(messages=iter([call("look", "c1"), call("transfer_to_refunds", "c9")])),
        ToolNode([look, transfer_to_refunds], handle_tool_errors=False),
        name="triage",
    )
    refunds = create_react_agent(
        Scripted(
            messages=iter([call("charge", "c2"), call("pay", "c3"), AIMessage(MARKER, usage_metadata=USAGE)])
        ),
        ToolNode([charge, pay], handle_tool_errors=(ValueError, PolicyDenied)),
        name="refunds",
    )
    shop = StateGraph(MessagesState)
    shop.add_node("triage", triage, destinations=("refunds",))
    shop.add_node("refunds", refunds)
    shop.add_edge(START, "triage")
    return shop.compile(name="shop")


async def awaited(graph: Any, given: Any) -> list[Any]:
    return [piece async for piece in graph.astream(given, stream_mode="messages")]


def main(out: str, how: str) -> None:
    emitter = opened(out, how)
    sinkwell.langchain.install(emitter, permit="raw")
    graph, given = build(), {"messages": [HumanMessage(MARKER)]}
    try:
        if how == "async":
            pieces = asyncio.run(awaited(graph, given))
        else:
            pieces = list(graph.stream(given, stream_mode="messages"))
        print("END", len(pieces) > 0)
    except sinkwell.Error as error:
        print("REFUSED", error.kind, error)
    finally:
        print("RAN", ",".join(RAN))
        sinkwell.langchain.uninstall()
        emitter.shutdown(0.5)


main(*sys.argv[1:3])
