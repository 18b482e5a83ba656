"""What a model might write: everything at once, and everything that must do no harm."""

HOSTILE = r"""
<script>window.owned = 1</script><img src=x onerror="window.owned = 2">

[click](javascript:window.owned=3) [click](JAVASCRIPT&colon;window.owned=4) <javascript:window.owned=5>

![picture](https://tracker.invalid/pixel.png) ![x](data:image/svg+xml,<svg/onload=window.owned=6>)

[a]: javascript:window.owned=7 "title"
[a] and [b](data:text/html;base64,PHNjcmlwdD53aW5kb3cub3duZWQ9ODwvc2NyaXB0Pg==)

$\href{javascript:window.owned=9}{x}$ $\htmlStyle{color:red}{x}$ $\url{javascript:window.owned=10}$
$<img src=x onerror=window.owned=11>$ $\includegraphics{https://tracker.invalid/p.png}$ $\fcolorbox{red}{blue}{x}$

```html "><img src=x onerror=window.owned=12>
</code></pre><script>window.owned = 13</script>
<svg><style><img src=x onerror=window.owned=14></style></svg>
```

<style>body { display: none }</style><iframe srcdoc="<script>parent.owned = 15</script>"></iframe>

| a <svg onload=window.owned=16> | b |
|---|:-:|
| <math><mtext><table><mglyph><style><img src=x onerror=window.owned=17> | `<b>` |

<form action="https://evil.invalid"><button>ok</button></form><a href="//evil.invalid" style="position:fixed">x</a>
"""

RICH = r"""Words with `code` and $e^{i\pi} + 1 = 0$.

```python
def north(wind: str) -> int:
    return len(wind)  # how long
```

$$
\sum_{k=1}^{n} k = \frac{n(n+1)}{2}
$$

| Wind | Share |
|:-----|------:|
| North | 61 % |

1. one

2. two
"""
