"""An agent of pydantic-ai with a tool and a scripted model; its spans go to sinkwell by the processor alone.

Arguments: the base URL of the model server, and the configuration's path.
"""

from __future__ import annotations

import sys

import sinkwell
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from sinkwell.opentelemetry import SpanProcessor

base_url, config = sys.argv[1:]

emitter = sinkwell.Emitter.open(config)
provider = TracerProvider()
provider.add_span_processor(SpanProcessor(emitter, permit="raw"))
trace.set_tracer_provider(provider)
Agent.instrument_all()

model = OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=base_url, api_key="none"))
agent = Agent(model, name="forecaster", system_prompt="MARKER be brief.")


@agent.tool_plain
def weather(city: str) -> str:
    """MARKER what the tool is for."""
    if city == "Atlantis":
        raise LookupError("MARKER")
    return f"MARKER sunny in {city}"


print(agent.run_sync("MARKER how is Rome?").output)
try:
    agent.run_sync("MARKER how is Atlantis?")
except LookupError:
    print("failed")
emitter.shutdown()
