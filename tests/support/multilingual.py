"""Texts to try tokenizers on: many languages, odd spaces, numbers, marks, and strings that look like control tokens."""

from __future__ import annotations

from random import Random

_TEXT = """
The quick brown fox doesn't jump, I'll say; we've SEEN it. camelCase HTMLParser snake_case don’t 'tis
O'Neill's
L'été aujourd'hui, le cœur naïf goûte à la crème brûlée où ça « façon » Noël garçons
Straße Größe übermäßig schön Äpfel Öl daß Fußgängerübergänge Donaudampfschifffahrt
señor mañana ¿Qué? ¡Olé! pingüino corazón año niño
perché città è più l'università cioè così ragù
Żółć gęślą jaźń źrebię łódź ćma šiška ďábel řeka český ő ű ğ ı İstanbul þorn Ærø ångström
中文字符 測試 日本語テスト こんにちは カタカナ ﾊﾝｶｸ 한국어 안녕하세요 。 、 「」 《书》
مرحبا بالعالم العربية ٣٤٥ שלום नमस्ते দুনিয়া ไทยภาษา Ελληνικά Привет мир ქართული
👩‍👩‍👧‍👦 😀 🇫🇷🇩🇪 ✌🏽 ❤️ 🏴‍☠️ ⚡ → ≠ ∑ √2 © ™
e\u0301 n\u0303 a\u0308o\u0308 Z\u0351\u036b\u0343a\u0322lgo ﬁ Ǆ ẞ \u00e9 \u1e9b\u0323
0 7 42 123 4567 3.14159 1,000,000 2024-11-21 0xFF 1e-9 ½ ² Ⅷ 10% €5 $9.99
<|im_start|> <|im_end|> <|endoftext|> <s> </s> [INST] [/INST] <unk> <0x0A> <0xE4> <|eot_id|> <| |> <|im_
() {} [] [[ ]] ; : a.b ... !!! ??? \\n \\ / // /* */ # ## ``` ` ~ ^ & | == != <= => -- --- __ @me
http://x.y/z?q=1#f
"""
_UNUSUAL = ["\u200b", "\u200d", "\ufeff", "\u00ad", "\ufffd", "\ue000", "\ufdd0", "▁", "▁▁", "Ġ", "Ċ"]
_WORDS = [*_TEXT.split(), *_UNUSUAL]
_SPACES = [
    *[" "] * 8,
    "",
    "",
    "",
    "  ",
    "   ",
    "    ",
    "\n",
    "\n\n",
    "\t",
    "\r\n",
    " \n ",
    "\u00a0",
    "\u3000",
    "\x0b",
    "\x85",
    "\u2028",
]
_RANGES = [(0x01, 0x7F), (0x80, 0x2FF), (0x300, 0x36F), (0x370, 0xD7FF), (0xE000, 0xFFFF), (0x10000, 0x10FFFF)]


def texts(count: int, seed: int = 0) -> list[str]:
    """Reproducible texts of one to some hundred characters; every fifth is of random characters."""
    random = Random(seed)
    return [_random_characters(random) if index % 5 == 4 else _random_words(random) for index in range(count)]


def _random_words(random: Random) -> str:
    begin = random.choice(["", "", "", " ", "  ", "\n"])
    return begin + "".join(random.choice(_WORDS) + random.choice(_SPACES) for _ in range(random.randint(1, 30)))


def _random_characters(random: Random) -> str:
    return "".join(chr(random.randint(*random.choice(_RANGES))) for _ in range(random.randint(1, 40)))
