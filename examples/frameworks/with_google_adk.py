"""An agent of Google's ADK with a tool, on a model of its own that answers by script: runs, and the tool as a deed.

pip install 'sinkwell[google-adk]'
python with_google_adk.py events.ndjson
"""

import asyncio
import sys
from collections.abc import AsyncGenerator

import sinkwell
from google.adk.agents import LlmAgent
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import InMemoryRunner
from google.genai import types


class Scripted(BaseLlm):
    """Asks for the tool, and then repeats what it said."""

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        answer = llm_request.contents[-1].parts[0].function_response
        part = types.Part.from_function_call(name="pay", args={"amount": 3})
        if answer is not None:
            part = types.Part(text=answer.response["result"])
        yield LlmResponse(content=types.Content(role="model", parts=[part]))


async def pay(amount: int) -> str:
    """Pays; it runs only once its intent is safe."""
    return f"paid {amount}"


async def main(path: str) -> None:
    lanes = [{"id": "out", "sink": {"file": {"path": path}}}]
    sinkwell.configure({"agent": {"id": "urn:example:shop"}, "lanes": lanes})
    agent = LlmAgent(name="shop", model=Scripted(model="scripted"), tools=[pay])

    runner = InMemoryRunner(agent=agent, app_name="shop", plugins=sinkwell.google_adk.plugins())

    session = await runner.session_service.create_session(app_name="shop", user_id="u")
    given = types.Content(role="user", parts=[types.Part(text="pay, please")])
    async for event in runner.run_async(user_id="u", session_id=session.id, new_message=given):
        if event.is_final_response():
            print(event.content.parts[0].text)
    await runner.close()
    await sinkwell.ashutdown()


asyncio.run(main(sys.argv[1]))
