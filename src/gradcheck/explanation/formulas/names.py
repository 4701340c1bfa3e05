"""Names as they are printed: Greek letters, subscripts, upright words; and texts of indices and parameters."""

from __future__ import annotations

import re

from gradcheck.explanation.formulas.notation import Notation

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "zeta": "ζ", "eta": "η", "theta": "θ",
    "iota": "ι", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "xi": "ξ", "pi": "π", "rho": "ρ", "sigma": "σ",
    "tau": "τ", "upsilon": "υ", "phi": "φ", "chi": "χ", "psi": "ψ", "omega": "ω", "Gamma": "Γ", "Delta": "Δ",
    "Theta": "Θ", "Lambda": "Λ", "Xi": "Ξ", "Pi": "Π", "Sigma": "Σ", "Upsilon": "Υ", "Phi": "Φ", "Psi": "Ψ",
    "Omega": "Ω",
}  # fmt: skip
"""Greek letters that look like no Latin one."""
SIGNS = {"...": "…", "inf": "∞"}
"""Words of parameters and indices that have a sign."""
TOKEN = re.compile(r"\.\.\.|-?[0-9]+(?:\.[0-9]+)?|[^\W\d]\w*|\S")
NUMERAL = re.compile(r"(-?)([0-9]+(?:\.[0-9]+)?)(?:e([+-]?)0*([0-9]+))?")


def name(notation: Notation, text: str) -> str:
    """Return a name, with the indices or the parts after underscores below it."""
    found = re.fullmatch(r"([^\[\]]+)\[(.+)\]", text, re.DOTALL)
    if found:
        return notation.index(_plain(notation, found[1]), literal(notation, found[2]))
    return _plain(notation, text)


def is_word(text: str) -> bool:
    """Return whether a name begins with several upright letters."""
    head = re.split(r"[_\[]", text)[0]
    return len(GREEK.get(head, head)) > 1


def _plain(notation: Notation, text: str) -> str:
    head, *rest = text.split("_")
    if not rest or not all((head, *rest)):
        return _symbol(notation, text)
    below = notation.sign(",").join(_symbol(notation, part) for part in rest)
    return notation.index(_symbol(notation, head), below)


def _symbol(notation: Notation, text: str) -> str:
    if text.isascii() and text.isdigit():
        return notation.digits(text)
    letter = GREEK.get(text, text)
    return notation.letter(letter) if len(letter) == 1 and letter.isalpha() else notation.word(text)


def literal(notation: Notation, text: str) -> str:
    """Return the text of indices or of a parameter: ``i, j``, ``0:2, ...``, ``keepdim``."""
    return "".join(_token(notation, one) for one in TOKEN.findall(text))


def _token(notation: Notation, text: str) -> str:
    if text in SIGNS:
        return notation.sign(SIGNS[text])
    if NUMERAL.fullmatch(text):
        return numeral(notation, text)
    return _symbol(notation, text) if text.isidentifier() else notation.sign(text)


def numeral(notation: Notation, text: str) -> str:
    """Return a number as it is written in a program or by a dtype: ``-0.5``, ``1e-07``, ``inf``."""
    found = NUMERAL.fullmatch(text)
    if found is None:
        return literal(notation, text)
    minus, digits, sign, exponent = found.groups()
    made = notation.digits(digits)
    if exponent:
        ten = notation.digits(exponent)
        power = notation.power(notation.digits("10"), notation.negative(ten) if sign == "-" else ten)
        made = made + notation.sign("·") + power
    return notation.negative(made) if minus else made
