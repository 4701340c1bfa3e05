"""LaTeX's notation, with amsmath: whatever a name holds, the source is ASCII and compiles."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gradcheck.explanation.formulas.names import GREEK
from gradcheck.explanation.formulas.notation import Notation

SIGNS = {
    "·": r"\cdot", "⊙": r"\odot", "⊗": r"\otimes", "×": r"\times", "mod": r"\bmod", "≤": r"\le", "≥": r"\ge",
    "≠": r"\ne", "≈": r"\approx", "∧": r"\land", "∨": r"\lor", "¬": r"\lnot", "∑": r"\sum", "∏": r"\prod",
    "⊤": r"\top", "…": r"\ldots", "∞": r"\infty", "∂": r"\partial ", "⌊": r"\lfloor", "⌋": r"\rfloor",
    "⌈": r"\lceil", "⌉": r"\rceil", "⟨": r"\langle", "⟩": r"\rangle", ":": "{:}",
}  # fmt: skip
"""Signs that are not written as they are."""
BARS = {"|": (r"\lvert", r"\rvert"), "‖": (r"\lVert", r"\rVert")}
"""Signs that open and close alike: LaTeX has to be told which."""
PLAIN = frozenset("+-=<>()[],;./")
"""Signs that are."""
SPACED = frozenset("+-=<>·⊙⊗×≤≥≠≈∧∨") | {"mod"}
"""Signs that have blanks around them in the source, for people who read it."""
OPERATORS = frozenset({
    "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsin", "arccos", "arctan", "exp", "log", "max", "min",
})  # fmt: skip
"""Functions that LaTeX knows."""
VARIANTS = {"epsilon": "varepsilon", "phi": "varphi"}
"""Letters whose Unicode character is LaTeX's variant."""
LETTERS = {letter: f"\\{VARIANTS.get(word, word)}" for word, letter in GREEK.items()}


def escaped(text: str) -> str:
    """Return a text for upright letters; a character that the fonts may lack is its place in Unicode."""
    return "".join(c if c.isascii() and (c.isalnum() or c in " .,-") else _named(c) for c in text)


def _named(c: str) -> str:
    return f"{LETTERS[c]} " if c in LETTERS else r"\_" if c == "_" else f"[U{{+}}{ord(c):04X}]"


def _letter(text: str) -> str:
    # A command ends at the first character that is no letter, so a blank keeps the next letter out of it.
    return f"{LETTERS[text]} " if text in LETTERS else text if text.isascii() and text.isalpha() else _word(text)


def _word(text: str) -> str:
    return rf"\mathrm{{{escaped(text)}}}"


def _sign(text: str) -> str:
    found = SIGNS.get(text) or (text if text in PLAIN else _word(text))
    return f" {found} " if text in SPACED else f"{found} " if text in (",", ";", "¬") else found


def _function(text: str) -> str:
    return rf"\{text}" if text in OPERATORS else rf"\operatorname{{{escaped(text)}}}"


def _power(base: str, exponent: str) -> str:
    return f"{base.rstrip()}^{{{exponent.strip()}}}"


def _index(base: str, index: str) -> str:
    base = base.rstrip()
    return f"{{{base}}}_{{{index.strip()}}}" if "_" in base else f"{base}_{{{index.strip()}}}"


def _big(sign: str, index: str) -> str:
    return f"{SIGNS[sign]}_{{{index}}} " if index else f"{SIGNS[sign]} "


def _fence(left: str, body: str, right: str, tall: bool) -> str:
    opened, closed = BARS.get(left, (SIGNS.get(left, left), SIGNS.get(right, right)))
    if tall:
        return rf"\left{opened} {body.strip()} \right{closed}"
    space = " " if opened.startswith("\\") else ""
    return f"{opened}{space}{body.strip()}{space}{closed}"


def _cases(rows: Sequence[tuple[str, str]]) -> str:
    lines = r" \\ ".join(f"{value.strip()} & {condition.strip()}" for value, condition in rows)
    return rf"\begin{{cases}} {lines} \end{{cases}}"


MAX_WIDE = 60
"""Signs of a sum within brackets from which it stands in several lines."""
BELOW = r" \\ & "


def filled(terms: Sequence[str], wide: int) -> list[str]:
    """Return the terms of a sum, each with its sign, in lines of about ``wide`` signs that are seen."""
    made: list[str] = []
    for term in terms:
        if made and _seen(made[-1]) + _seen(term) <= wide:
            made[-1] += term
        else:
            made.append("{}" * bool(made) + term.lstrip())
    return [" ".join(one.split()) for one in made]


def _seen(source: str) -> int:
    """Return about how many signs are seen of a source."""
    return len(re.sub(r"\\[a-zA-Z]+|[{}_^&\s\\]", lambda found: "." if len(found[0]) > 1 else "", source))


def _wide(terms: Sequence[str]) -> str:
    lines = filled(terms, MAX_WIDE)
    return "".join(terms) if len(lines) == 1 else below_each_other(lines)


def below_each_other(lines: Sequence[str]) -> str:
    """Return lines as one formula."""
    return rf"\begin{{aligned}} & {BELOW.join(lines)} \end{{aligned}}"


LATEX = Notation(
    letter=_letter,
    word=_word,
    digits=str,
    sign=_sign,
    function=_function,
    negative=lambda body: f"-{body}",
    root=lambda body: rf"\sqrt{{{body.strip()}}}",
    fraction=lambda above, below: rf"\frac{{{above.strip()}}}{{{below.strip()}}}",
    power=_power,
    index=_index,
    big=_big,
    fence=_fence,
    cases=_cases,
    wide=_wide,
    times=lambda tight: "" if tight else r"\,",
    space=r"\,",
)
