"""LiteLLM's client with the prefix of OpenAI-compatible servers."""

import json
import os
from typing import Literal

import litellm
from pydantic import BaseModel

QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]


class City(BaseModel):
    name: Literal["Paris", "Rome"]
    large: bool


weather = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"enum": ["Paris", "Rome"]}}, "required": ["city"]},
    },
}
server = {
    "model": "openai/smollm2-135m",
    "api_base": os.environ["AQUILON_URL"] + "/v1",
    "api_key": os.environ["AQUILON_API_KEY"],
    "messages": QUESTION,
    "max_tokens": 60,
}
called = litellm.completion(**server, tools=[weather], tool_choice="required", parallel_tool_calls=False)
call = called.choices[0].message.tool_calls[0]
assert json.loads(call.function.arguments)["city"] in ("Paris", "Rome")
structured = litellm.completion(**server, response_format=City)
city = City.model_validate_json(structured.choices[0].message.content)
assert len(list(litellm.completion(**server, stream=True))) > 1
print(f"{call.function.name} {call.function.arguments}; {city!r}")
