"""OpenAI's agents SDK over Responses: a loop with a function by the scripted model, and a typed answer."""

import os
from typing import Literal

from agents import Agent, ModelSettings, Runner, function_tool, set_default_openai_client, set_tracing_disabled
from openai import AsyncOpenAI
from pydantic import BaseModel

QUESTION = "What is the weather in Paris?"


@function_tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"Sunny in {city}"


class City(BaseModel):
    name: Literal["Paris", "Rome"]
    large: bool


set_default_openai_client(
    AsyncOpenAI(base_url=os.environ["AQUILON_URL"] + "/v1", api_key=os.environ["AQUILON_API_KEY"])
)
set_tracing_disabled(True)
reporter = Agent(name="reporter", instructions="You tell the weather.", model="scripted", tools=[get_weather])
run = Runner.run_sync(reporter, QUESTION)
[output] = [item.output for item in run.new_items if item.type == "tool_call_output_item"]
assert output == "Sunny in Paris", output
assert run.final_output == "Done."
typed = Agent(name="typed", model="smollm2-135m", output_type=City, model_settings=ModelSettings(max_tokens=60))
city = Runner.run_sync(typed, QUESTION).final_output
assert isinstance(city, City)
print(f"{output}; {city!r}")
