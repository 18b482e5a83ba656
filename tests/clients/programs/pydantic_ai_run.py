"""pydantic-ai over chat completions and Responses: a loop with a function by the scripted model, and a typed answer."""

import os
from typing import Literal

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

QUESTION = "What is the weather in Paris?"
results = []


def get_weather(city: str) -> str:
    """The weather in a city."""
    results.append(f"Sunny in {city}")
    return results[-1]


class City(BaseModel):
    name: Literal["Paris", "Rome"]
    large: bool


provider = OpenAIProvider(base_url=os.environ["AQUILON_URL"] + "/v1", api_key=os.environ["AQUILON_API_KEY"])
for model in (OpenAIChatModel, OpenAIResponsesModel):
    run = Agent(model("scripted", provider=provider), tools=[get_weather]).run_sync(QUESTION)
    assert run.output == "Done."
    typed = Agent(model("smollm2-135m", provider=provider), output_type=NativeOutput(City))
    city = typed.run_sync(QUESTION, model_settings={"max_tokens": 60}).output
    assert isinstance(city, City)
assert results == ["Sunny in Paris"] * 2
print(f"{results[0]}; {city!r}; over chat completions and Responses")
