"""A graph with a tool, on LangChain's own fake model: runs, usage, and the tool as a deed.

pip install 'sinkwell[langchain]' langgraph
python with_langgraph.py events.ndjson
"""

import sys

import sinkwell
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode


@tool
def pay(amount: int) -> str:
    """Pays; it runs only once its intent is safe."""
    return f"paid {amount}"


def main(path: str) -> None:
    lanes = [{"id": "out", "sink": {"file": {"path": path}}}]
    sinkwell.configure({"agent": {"id": "urn:example:shop"}, "lanes": lanes})
    sinkwell.langchain.install()

    call = {"name": "pay", "args": {"amount": 3}, "id": "call-1"}
    model = GenericFakeChatModel(messages=iter([AIMessage("", tool_calls=[call]), AIMessage("done")]))
    graph = StateGraph(MessagesState)
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode([pay]))
    graph.add_edge(START, "model")
    graph.add_edge("tools", "model")
    graph.add_conditional_edges("model", lambda state: "tools" if state["messages"][-1].tool_calls else END)
    answer = graph.compile(name="shop").invoke({"messages": [HumanMessage("pay, please")]})
    print(answer["messages"][-2].content)
    sinkwell.langchain.uninstall()
    sinkwell.shutdown()


main(sys.argv[1])
