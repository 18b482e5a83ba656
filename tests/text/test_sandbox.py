"""Hostile chat templates end in an error, soon and in little memory; features that real ones use work."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime

import pytest
from tests.support.vocabulary_files import MISTRAL_DATA
from tests.support.work import work

from aquilon.text.messages import Message, Tool
from aquilon.text.subword import SubwordTokenizer
from aquilon.text.template import JinjaTemplate
from aquilon.text.template_errors import TemplateError

MESSAGES = [Message("user", "hello"), Message("assistant", "a b c"), Message("user", "bye")]

GROWING = "{% set n = namespace(x=VALUE) %}{% for i in range(90) %}{% set n.x = GROWN %}{% endfor %}"
TREE = GROWING.replace("VALUE", "[1]").replace("GROWN", "[n.x, n.x]")
HOSTILE = {
    "an endless loop": "{% for i in range(10**12) %}x{% endfor %}",
    "loops in loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "a loop that skips all": "{% for i in range(99999) %}{% for j in range(99999) if 0 %}{% endfor %}{% endfor %}",
    "a long string": "{{ 'a' * 10**10 }}",
    "a long string, folded": "{{ 'a' * 9999999999 }}{{ 'b' ~ 'a' * 9999999999 }}",
    "a long list": "{{ [1] * 10**9 }}",
    "a long number": "{{ 2 ** (10 ** 10) }}",
    "a number that grows": GROWING.replace("VALUE", "10").replace("GROWN", "n.x * n.x") + "{{ n.x }}",
    "a string that doubles by +": GROWING.replace("VALUE", "'aaaaaaaa'").replace("GROWN", "n.x + n.x"),
    "a string that doubles by ~": GROWING.replace("VALUE", "'aaaaaaaa'").replace("GROWN", "n.x ~ n.x"),
    "a string that doubles by join": GROWING.replace("VALUE", "'aaaaaaaa'").replace("GROWN", "[n.x, n.x] | join"),
    "a string that grows by replace": GROWING.replace("VALUE", "'aaaa'").replace("GROWN", "n.x.replace('a', n.x)"),
    "a string that grows by a filter": GROWING.replace("VALUE", "'aaaa'").replace("GROWN", "n.x | replace('a', n.x)"),
    "a string that grows by format": GROWING.replace("VALUE", "'aa'").replace("GROWN", "'%s%s' % (n.x, n.x)"),
    "a string that grows by a macro": "{% macro f(x, n) %}{% if n %}{{ f(x ~ x, n - 1) }}{% endif %}{% endmacro %}"
    "{{ f('a', 90) }}",
    "text printed again and again": "{% set x = 'a' * 10**6 %}{% for i in range(99999) %}{{ x }}{% endfor %}",
    "text captured again and again": "{% set x = 'a' * 10**6 %}{% set y %}"
    "{% for i in range(9999) %}{{ x }}{% endfor %}{% endset %}",
    "a tree of shared lists, compared": TREE + "{{ n.x == n.x }}",
    "a tree of shared lists, printed": TREE + "{{ n.x }}",
    "a tree of shared lists, as JSON": TREE + "{{ n.x | tojson }}",
    "a tree of shared lists, searched": TREE + "{{ [0] in n.x }}",
    "a tree of shared lists, tested": TREE + "{{ n.x is eq([n.x]) }}",
    "a tree of shared lists, sorted": TREE + "{{ [n.x, n.x] | sort }}",
    "slices of a long string": "{% set x = 'a' * 10**7 %}{% for i in range(99999) %}{% set y = x[::-1] %}{% endfor %}",
    "searches in a long string": "{% set x = 'a' * 10**7 %}{% for i in range(99999) %}{{ 'b' in x }}{% endfor %}",
    "trims of a long string": "{% set x = 'a' * 10**7 %}{% for i in range(99999) %}{{ x | trim | length }}{% endfor %}",
    "a wide format": "{{ '%1000000000d' % 1 }}",
    "a wide format, computed": "{{ '%*d' % (1000000000, 1) }}",
    "a wide str.format": "{{ '{:1000000000}'.format(1) }}",
    "a wide str.format, computed": "{{ '{:{}}'.format(1, 1000000000) }}",
    "a wide indent": "{{ [1] | tojson(indent=1000000000) }}",
    "a wide date": "{{ strftime_now('%999999999d') }}",
    "a sum of lists": "{{ [[1]] | sum(start=[]) }}",
    "a macro that calls itself": "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    "a macro that calls itself twice": "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}"
    "{{ f(90) }}",
    "a recursive loop": "{% for m in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
    "parentheses without end": "{{ " + "(" * 100_000 + "1" + ")" * 100_000 + " }}",
    "lists without end": "{{ " + "[" * 5000 + "]" * 5000 + " }}",
    "blocks without end": "{% if true %}" * 5000 + "{% endif %}" * 5000,
    "a template past its size": "a" * 2**21,
    "Python's own": "{{ ''.__class__.__mro__ }}",
    "Python's own by a filter": "{{ ''|attr('__class__')|attr('__mro__') }}",
    "Python's own by a namespace": "{% set n = namespace(__class__=1) %}",
    "a function's globals": "{{ raise_exception.__globals__['sys'] }}",
    "a message changed": "{{ messages.append(1) }}",
    "a field changed": "{{ messages[0].update({'role': 'system'}) }}",
    "a file": "{% include '/etc/passwd' %}",
}


def refuse(source: str, tokenizer: SubwordTokenizer) -> None:
    with pytest.raises(TemplateError):
        JinjaTemplate(source, tokenizer).encode(MESSAGES)


@pytest.fixture(scope="module")
def patience(default_tokenizer: SubwordTokenizer) -> float:
    """The work of loops that do nothing until they have spent all their steps."""
    return work(lambda: refuse(HOSTILE["loops in loops"], default_tokenizer))


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_template_ends_in_an_error(source: str, default_tokenizer: SubwordTokenizer, patience: float) -> None:
    assert work(lambda: refuse(source, default_tokenizer), 1) < 10 * patience


@pytest.mark.slow
def test_hostile_templates_stay_within_a_few_hundred_megabytes() -> None:
    """Each of them again, in a process that may not have more."""
    program = f"""
import resource, sys
sys.path.insert(0, ".")
from tests.text.test_sandbox import HOSTILE, MESSAGES
from tests.support.vocabulary_files import sentencepiece_metadata
from aquilon.text.gguf_vocabulary import tokenizer_from_gguf
from aquilon.text.template import JinjaTemplate
from aquilon.text.template_errors import TemplateError
from pathlib import Path
tokenizer = tokenizer_from_gguf(sentencepiece_metadata(Path({str(MISTRAL_DATA)!r}) / "tokenizer.model.v1"))
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
for name, source in HOSTILE.items():
    try:
        JinjaTemplate(source, tokenizer).encode(MESSAGES)
        sys.exit(f"{{name}} went through")
    except TemplateError:
        pass
print("all refused")
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "all refused", run.stdout + run.stderr[-2000:]


def rendered(source: str, tokenizer: SubwordTokenizer, **tools: Tool) -> str:
    return JinjaTemplate(source, tokenizer).render(MESSAGES, tools=list(tools.values()))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ messages | length }} {{ messages[-1].content }} {{ messages[1:] | length }}", "3 bye 2"),
        ("{% for m in messages if m.role == 'user' %}{{ loop.index0 }}{{ loop.last }}{% endfor %}", "0False1True"),
        ("{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}2{% break %}{% endfor %}", "2"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join('+') }}", "hello+bye"),
        ("{{ messages | rejectattr('role', 'eq', 'user') | list | length }}", "1"),
        ("{% set n = namespace(a=0) %}{% for m in messages %}{% set n.a = n.a + 1 %}{% endfor %}{{ n.a }}", "3"),
        ("{% macro say(x, y='!') %}{{ x }}{{ y }}{% endmacro %}{{ say('a') }}{{ say('b', y='?') }}", "a!b?"),
        ("{% call(x) wrap() %}{{ x }}{% endcall %}{% macro wrap() %}{% endmacro %}", None),
        ("{{ {'a': [1, 'é', '<'], 'b': none} | tojson }}", '{"a": [1, "é", "<"], "b": null}'),
        ("{{ {'b': 1, 'a': 2} | tojson(indent=2, sort_keys=true) }}", json.dumps({"a": 2, "b": 1}, indent=2)),
        ("{{ {'b': 1, 'a': 2} | dictsort }} {{ {'b': 1}.items() | list }}", "[('a', 2), ('b', 1)] [('b', 1)]"),
        ("{{ 'a,b'.split(',')[-1] ~ 1 ~ none ~ true }} {{ '%02d:%s' % (7, 'x') }}", "b1NoneTrue 07:x"),
        ("{{ '{} {:>3}'.format('a', 1) }} {{ '%s' | format('b') }}", "a   1 b"),
        ("{{ ' x ' | trim }}{{ ' x '.strip() }}{{ 'x,y' | replace(',', ';') }}{{ 'ab' | upper }}", "xxx;yAB"),
        ("{{ 'a\nb' | indent(2) }} {{ [3, 1] | sort | first }} {{ [1, 2] | sum }}", "a\n  b 1 3"),
        ("{% filter upper %}ab{% endfilter %}{% set x %}cd{% endset %}{{ x }}", "ABcd"),
        ("{{ no is defined }}{{ messages is iterable }}{{ 1 is number }}{{ no | default('d') }}", "FalseTrueTrued"),
        ("{{ 'b' in 'abc' }}{{ 'x' not in ['y'] }}{{ 'role' in messages[0] }}{{ 1 < 2 <= 2 }}", "TrueTrueTrueTrue"),
        ("{% generation %}{{ messages[0].content }}{% endgeneration %}", "hello"),
        ("{{ strftime_now('%Y') }}", str(datetime.now().year)),
        ("{{ dict(a=1)['a'] }}{{ range(3) | list }}{{ messages[0]['content'][::-1] }}", "1[0, 1, 2]olleh"),
        ("{%- if true %}\n  a\n{%- endif %}\n  {% if true %}\nb\n{% endif %}", "  ab\n"),
    ],
)  # fmt: skip
def test_features_that_real_templates_use_work(
    source: str, expected: str | None, default_tokenizer: SubwordTokenizer
) -> None:
    if expected is None:
        with pytest.raises(TemplateError, match="line 1"):
            rendered(source, default_tokenizer)
    else:
        assert rendered(source, default_tokenizer) == expected
