"""LangChain's chat model for OpenAI's API, over chat completions and over Responses."""

import os
from typing import Literal

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

QUESTION = "What is the weather in Paris?"


@tool
def get_weather(city: Literal["Paris", "Rome"]) -> str:
    """The weather in a city."""
    return f"Sunny in {city}"


class City(BaseModel):
    name: Literal["Paris", "Rome"]
    large: bool


for use_responses_api in (False, True):
    chat = ChatOpenAI(
        base_url=os.environ["AQUILON_URL"] + "/v1",
        api_key=os.environ["AQUILON_API_KEY"],
        model="smollm2-135m",
        max_tokens=60,
        use_responses_api=use_responses_api,
    )
    question = chat.bind_tools([get_weather], tool_choice="get_weather").invoke(QUESTION)
    result = get_weather.invoke(question.tool_calls[0])
    assert result.content.startswith("Sunny in")
    answer = chat.invoke([("user", QUESTION), question, result])
    assert answer.usage_metadata["output_tokens"] > 0
    city = chat.with_structured_output(City, method="json_schema").invoke(QUESTION)
    assert isinstance(city, City)
    chunks = list(chat.stream(QUESTION))
    assert len(chunks) > 1
print(f"{result.content}; {city!r}; over chat completions and Responses")
