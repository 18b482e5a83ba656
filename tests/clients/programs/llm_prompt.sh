# Simon Willison's `llm`, whose path is the first argument: a function by the scripted model, which chooses to call it,
# and an answer of the default model with a schema.
llm=$1
"$llm" keys set aquilon --value "$AQUILON_API_KEY"
called=$("$llm" -m scripted --functions 'def get_weather(city: str) -> str:
    "The weather in a city"
    return "Sunny in " + city' --tools-debug 'What is the weather in Paris?' 2>&1)
grep -q 'Sunny in Paris' <<<"$called"
answer=$("$llm" -m smollm2-135m -o max_tokens 60 --schema '{"type": "object", "properties": {"name": {"enum": ["Paris", "Rome"]}, "large": {"type": "boolean"}}, "required": ["name", "large"]}' 'Which city is it?')
python3 -c 'import json, sys; assert set(json.loads(sys.argv[1])) == {"name", "large"}' "$answer"
echo "Sunny in Paris; $(tr -d '\n' <<<"$answer")"
