"""LlamaIndex's model for servers that speak OpenAI's API."""

import os
from typing import Literal

from llama_index.core.program import FunctionCallingProgram
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike
from pydantic import BaseModel

QUESTION = "What is the weather in Paris?"


def get_weather(city: Literal["Paris", "Rome"]) -> str:
    """The weather in a city."""
    return f"Sunny in {city}"


class City(BaseModel):
    name: Literal["Paris", "Rome"]
    large: bool


llm = OpenAILike(
    model="smollm2-135m",
    api_base=os.environ["AQUILON_URL"] + "/v1",
    api_key=os.environ["AQUILON_API_KEY"],
    is_chat_model=True,
    is_function_calling_model=True,
    should_use_structured_outputs=True,
    max_tokens=60,
)
weather = FunctionTool.from_defaults(get_weather)
called = llm.predict_and_call([weather], QUESTION, tool_required=True, allow_parallel_tool_calls=False)
assert called.response.startswith("Sunny in"), called
city = llm.as_structured_llm(City).complete(QUESTION).raw
assert isinstance(city, City)
program = FunctionCallingProgram.from_defaults(City, prompt_template_str=QUESTION, llm=llm, tool_required=True)
assert isinstance(program(), City)
print(f"{called.response}; {city!r}")
