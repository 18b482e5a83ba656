"""LangChain's chat model for Mistral's API."""

import os
from typing import Literal

from langchain_core.tools import tool
from langchain_mistralai import ChatMistralAI
from pydantic import BaseModel

QUESTION = "What is the weather in Paris?"


@tool
def get_weather(city: Literal["Paris", "Rome"]) -> str:
    """The weather in a city."""
    return f"Sunny in {city}"


class City(BaseModel):
    name: Literal["Paris", "Rome"]
    large: bool


chat = ChatMistralAI(
    base_url=os.environ["AQUILON_URL"] + "/v1",
    api_key=os.environ["AQUILON_API_KEY"],
    model="smollm2-135m",
    max_tokens=60,
)
question = chat.bind_tools([get_weather], tool_choice="any").invoke(QUESTION)
result = get_weather.invoke(question.tool_calls[0])
assert result.content.startswith("Sunny in")
assert chat.invoke([("user", QUESTION), question, result]).usage_metadata["output_tokens"] > 0
city = chat.with_structured_output(City, method="json_schema").invoke(QUESTION)
assert isinstance(city, City)
print(f"{result.content}; {city!r}")
