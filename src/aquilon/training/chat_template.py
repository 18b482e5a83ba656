"""The chat template that our own tokenizers carry.

ChatML's turns, with tool calls as Hermes writes them, which our server, vLLM and llama.cpp
recognise. A message is written the same whatever follows it, so that a conversation's beginning
stays a prefix of it: training may mask what isn't the assistant's, and a server may reuse its cache.
"""

TURN, END_OF_TURN = "<|im_start|>", "<|im_end|>"

CHAT_TEMPLATE = """\
{%- macro written(content) -%}
  {%- if content is string -%}
    {{- content -}}
  {%- else -%}
    {%- for part in content or [] -%}
      {{- part.text if part.text is defined else '' -}}
    {%- endfor -%}
  {%- endif -%}
{%- endmacro -%}
{%- if tools -%}
  {{- '<|im_start|>system\\n' -}}
  {%- if messages[0].role == 'system' -%}
    {{- written(messages[0].content) + '\\n\\n' -}}
  {%- endif -%}
  {{- 'These functions can be called:\\n<tools>\\n' -}}
  {%- for tool in tools -%}
    {{- tool | tojson + '\\n' -}}
  {%- endfor -%}
  {{- '</tools>\\nA call is written as a JSON object with the name and the arguments:\\n' -}}
  {{- '<tool_call>\\n{"name": "…", "arguments": {…}}\\n</tool_call><|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
  {%- if message.role == 'assistant' -%}
    {{- '<|im_start|>assistant\\n' -}}
    {%- if message.reasoning_content -%}
      {{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' -}}
    {%- endif -%}
    {{- written(message.content) -}}
    {%- for tool_call in message.tool_calls or [] -%}
      {%- set call = tool_call.function if tool_call.function is defined else tool_call -%}
      {{- '\\n' if message.content or not loop.first else '' -}}
      {{- '<tool_call>\\n{"name": ' + call.name | tojson + ', "arguments": ' -}}
      {{- call.arguments if call.arguments is string else call.arguments | tojson -}}
      {{- '}\\n</tool_call>' -}}
    {%- endfor -%}
    {{- '<|im_end|>\\n' -}}
  {%- elif message.role == 'tool' -%}
    {{- '<|im_start|>tool\\n<tool_response>\\n' + written(message.content) + '\\n</tool_response><|im_end|>\\n' -}}
  {%- elif not (tools and loop.first and message.role == 'system') -%}
    {{- '<|im_start|>' + message.role + '\\n' + written(message.content) + '<|im_end|>\\n' -}}
  {%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""
