"""From the IR to any notation: which mark stands for an operation, and where its arguments need brackets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from gradcheck.explanation.formulas.names import is_word, literal, name, numeral
from gradcheck.explanation.formulas.notation import Notation
from gradcheck.explanation.formulas.pieces import Edge, Level, Piece, needs_dot
from gradcheck.explanation.shown import AT, LETTER, LITERAL, OVER, POINT, QUOTIENT, D
from gradcheck.program import Call, Name, Node, Number, Param, call, fold, param_text, postorder, to_text

MAX_EXPONENT = 12
"""Characters of an argument of exp that is still written as an exponent."""
FUNCTIONS = {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arsinh", "acosh": "arcosh", "atanh": "artanh",
    "maximum": "max", "minimum": "min", "amax": "max", "amin": "min",
}  # fmt: skip
"""Functions that mathematics calls otherwise."""
BELOW = ("dim", "dims", "key", "shape")
"""Parameters that are set below a function's name, in this order."""


def typeset(node: Node, notation: Notation, rename: Callable[[str], str]) -> Piece:
    """Return an expression in a notation, with the fewest brackets that keep its value.

    Where matrices are multiplied the elementwise product has a sign of its own, ⊙.
    """
    matrices = any(isinstance(part, Call) and part.op == "matmul" for part in postorder(node))
    printer = Printer(notation, rename, matrices)
    return fold(node, lambda one: printer.name(one.id), lambda one: printer.number(one.value), printer.call)


@dataclass(frozen=True, slots=True)
class Printer:
    """Writes the operations of one expression; ``matrices`` says that it holds a matrix product."""

    notation: Notation
    rename: Callable[[str], str]
    matrices: bool

    def call(self, node: Call, args: list[Piece]) -> Piece:
        """Return an operation of pieces."""
        form = FORMS.get(node.op)
        return form(self, node, args) if form is not None else self.applied(node, args)

    def bracketed(self, piece: Piece) -> Piece:
        """Return a piece in brackets."""
        made = self.notation.fence("(", piece.markup, ")", piece.tall)
        edge = Edge.DIGIT if piece.level is Level.POINT else Edge.BRACKET
        return Piece(made, first=edge, last=edge, tall=piece.tall, plain=piece.plain, size=piece.size + 2)

    def held(self, piece: Piece, level: Level, *, first: bool = True, last: bool = True) -> Piece:
        """Return a piece as an operand, in brackets where it needs them."""
        return piece if piece.fits(level, first=first, last=last) else self.bracketed(piece)

    # --- leaves ---

    def name(self, id_: str) -> Piece:
        """Return a name."""
        text = self.rename(id_)
        made, word = name(self.notation, text), is_word(text)
        return Piece(made, first=Edge.LETTER, last=Edge.LETTER, size=len(text), word=word)

    def number(self, value: Fraction) -> Piece:
        """Return a constant: an integer, a decimal or a fraction."""
        text = to_text(Number(abs(value)))
        above, slash, below = text.partition("/")
        if slash:
            digits = self.notation.fraction(self.notation.digits(above), self.notation.digits(below))
            made = Piece(digits, Level.POWER, Edge.FRACTION, Edge.FRACTION, tall=True)
        else:
            level = Level.PRODUCT if "e" in text else Level.ATOM
            made = Piece(numeral(self.notation, text), level, Edge.DIGIT, Edge.DIGIT)
        made = replace(made, plain=True, size=len(text))
        return self.minus(made) if value < 0 else made

    def point(self, node: Call, _args: list[Piece]) -> Piece:
        """Return a number of the point, which an operation has in brackets: f(2), and 3·(2)."""
        text = str(node.param("text"))
        made = numeral(self.notation, text)
        return Piece(made, Level.POINT, Edge.DIGIT, Edge.DIGIT, plain=True, size=len(text) + 2)

    def literal(self, node: Call, _args: list[Piece]) -> Piece:
        """Return a number as the user wrote it."""
        text = str(node.param("text"))
        return Piece(
            numeral(self.notation, text), Level.PRODUCT if "e" in text else Level.ATOM, Edge.DIGIT, Edge.DIGIT,
            plain=True, size=len(text),
        )  # fmt: skip

    def letter(self, node: Call, _args: list[Piece]) -> Piece:
        """Return an index."""
        return Piece(self.notation.letter(str(node.param("name"))), first=Edge.LETTER, last=Edge.LETTER)

    def constant(self, node: Call, _args: list[Piece]) -> Piece:
        """Return pi, e or infinity."""
        letter = {"pi": "π", "inf": "∞"}.get(node.op)
        made = self.notation.letter(letter) if letter else self.notation.word(node.op)
        return Piece(made, first=Edge.LETTER, last=Edge.LETTER)

    # --- arithmetic ---

    def minus(self, piece: Piece) -> Piece:
        """Return a piece with a minus before it; it still multiplies from the left without brackets."""
        body = self.held(piece, Level.PRODUCT, first=False)
        made = replace(body, markup=self.notation.negative(body.markup), level=Level.PRODUCT, first=Edge.OTHER)
        return replace(made, signed=True, size=body.size + 1, applied=None)

    def negated(self, _node: Call, args: list[Piece]) -> Piece:
        """Return the negative."""
        return self.minus(args[0])

    def joined(self, sign: str, level: Level, left: Piece, right: Piece) -> Piece:
        """Return two operands of one level with a sign between them."""
        markup = left.markup + sign + right.markup
        return Piece(
            markup, level, left.first, right.last, left.signed, right.open, left.tall or right.tall,
            left.plain and right.plain, size=left.size + right.size + 1,
        )  # fmt: skip

    def product(self, _node: Call, args: list[Piece]) -> Piece:
        """Return the elementwise product: with no sign where it is clear without one."""
        left = self.held(args[0], Level.PRODUCT, last=False)
        right = self.held(args[1], Level.MATMUL, first=False)
        if self.matrices and not left.plain and not right.plain:
            sign = self.notation.sign("⊙")
        elif needs_dot(left, right):
            sign = self.notation.sign("·")
        else:
            sign = self.notation.times(left.last is Edge.DIGIT)
        return self.joined(sign, Level.PRODUCT, left, right)

    def matmul(self, _node: Call, args: list[Piece]) -> Piece:
        """Return the matrix product, which has no sign."""
        left = self.held(args[0], Level.MATMUL, last=False)
        right = self.held(args[1], Level.POWER, first=False)
        return self.joined(self.notation.times(False), Level.MATMUL, left, right)

    def modulo(self, _node: Call, args: list[Piece]) -> Piece:
        """Return the remainder."""
        left, right = (self.held(one, Level.POWER, first=False, last=False) for one in args)
        return self.joined(self.notation.sign("mod"), Level.MODULO, left, right)

    def fraction(self, _node: Call, args: list[Piece]) -> Piece:
        """Return a fraction; 1 over a single argument."""
        above, below = args if len(args) == 2 else (self.number(Fraction(1)), args[0])
        made = self.notation.fraction(above.markup, below.markup)
        return Piece(
            made, Level.POWER, Edge.FRACTION, Edge.FRACTION, tall=True, plain=above.plain and below.plain,
            size=above.size + below.size + 1,
        )  # fmt: skip

    # --- powers and roots ---

    def raised(self, base: Piece, exponent: str, size: int, whole: bool = False) -> Piece:
        """Return a power; a whole power of a function is written at its name."""
        if base.applied is not None and whole:
            function, arguments = base.applied
            return replace(base, markup=self.notation.power(function, exponent) + arguments, applied=None)
        base = self.held(base, Level.ATOM)
        made = self.notation.power(base.markup, exponent)
        return Piece(made, Level.POWER, base.first, tall=base.tall, plain=base.plain, size=base.size + size)

    def power(self, node: Call, args: list[Piece]) -> Piece:
        """Return ``x**y``."""
        value = _ratio(node.args[1])
        if value is None:
            return self.raised(args[0], args[1].markup, args[1].size)
        return self.raised(args[0], self.slashed(value), args[1].size, value.denominator == 1 and value > 0)

    def slashed(self, value: Fraction) -> str:
        """Return a constant as it stands in an exponent."""
        parts = [numeral(self.notation, one) for one in to_text(Number(abs(value))).split("/")]
        made = self.notation.sign("/").join(parts)
        return self.notation.negative(made) if value < 0 else made

    def square(self, _node: Call, args: list[Piece]) -> Piece:
        """Return the second power."""
        return self.raised(args[0], self.notation.digits("2"), 1, True)

    def exponential(self, node: Call, args: list[Piece]) -> Piece:
        """Return a power of e, or exp of an argument that is too large for an exponent."""
        if node.op == "exp2":
            return self.raised(self.number(Fraction(2)), args[0].markup, args[0].size)
        if args[0].tall or args[0].size > MAX_EXPONENT:
            return self.applied(node, args)
        return self.raised(self.constant(call("e"), []), args[0].markup, args[0].size)

    def root(self, node: Call, args: list[Piece]) -> Piece:
        """Return a square root, or 1 over it."""
        made = Piece(self.notation.root(args[0].markup), tall=args[0].tall, plain=args[0].plain, size=args[0].size + 1)
        return self.fraction(node, [made]) if node.op == "rsqrt" else made

    # --- conditions and choices ---

    def negation(self, _node: Call, args: list[Piece]) -> Piece:
        """Return the opposite of a condition."""
        body = self.held(args[0], Level.ATOM)
        return replace(body, markup=self.notation.sign("¬") + body.markup, level=Level.COMPARISON)

    def where(self, _node: Call, args: list[Piece]) -> Piece:
        """Return a choice."""
        return self.cases(*args)

    def mask(self, _node: Call, args: list[Piece]) -> Piece:
        """Return a choice of which the other side is 0."""
        return self.cases(args[1], args[0], self.number(Fraction(0)))

    def cases(self, condition: Piece, yes: Piece, no: Piece) -> Piece:
        """Return two values under each other, with a condition beside the first."""
        rows = ((yes.markup, condition.markup), (no.markup, self.notation.word("otherwise")))
        size = condition.size + yes.size + no.size
        return Piece(self.notation.cases(rows), Level.CASES, tall=True, plain=yes.plain and no.plain, size=size)

    def unseen(self, _node: Call, args: list[Piece]) -> Piece:
        """Return the first argument: the operation has no meaning for a reader."""
        return args[0]

    # --- tensors ---

    def index(self, node: Call, args: list[Piece]) -> Piece:
        """Return elements of a tensor, with the index below it."""
        key = to_text(Call("index", (Name("x"),), node.params))[2:-1]
        base = self.held(args[0], Level.ATOM)
        made = self.notation.index(base.markup, literal(self.notation, key))
        return replace(base, markup=made, last=Edge.LETTER, size=base.size + len(key))

    def transposed(self, node: Call, args: list[Piece]) -> Piece:
        """Return the transpose of a matrix; another order of axes is a function."""
        if node.op == "permute" and node.param("dims") != (1, 0):
            return self.applied(node, args)
        return self.raised(args[0], self.notation.sign("⊤"), 1)

    def large(self, sign: str, node: Call, body: Piece) -> Piece:
        """Return a sum or a product of all that its operand holds."""
        below = "".join(self.below(node))
        if node.param("keepdim"):
            below += (self.notation.sign(",") if below else "") + self.notation.word("keepdim")
        body = self.held(body, Level.PRODUCT, first=False)
        made = self.notation.big(sign, below) + body.markup
        return Piece(made, Level.MATMUL, last=body.last, open=True, tall=True, size=body.size + 2)

    def at(self, _node: Call, args: list[Piece]) -> Piece:
        """Return one element of a tensor."""
        base, *indices = args
        made = self.notation.index(base.markup, self.notation.sign(",").join(one.markup for one in indices))
        return replace(base, markup=made, last=Edge.LETTER, size=sum(one.size for one in args))

    def over(self, node: Call, args: list[Piece]) -> Piece:
        """Return a sum or a product over indices."""
        letters = node.param("letters")
        assert isinstance(letters, tuple)
        named = self.notation.sign(",").join(self.notation.letter(str(one)) for one in letters)
        below = args[1].markup if len(args) > 1 else named
        body = self.held(args[0], Level.PRODUCT, first=False)
        made = self.notation.big("∑" if node.param("big") == "sum" else "∏", below) + body.markup
        return Piece(made, Level.MATMUL, last=body.last, open=True, tall=True, size=body.size + 2)

    def norm(self, node: Call, args: list[Piece]) -> Piece:
        """Return a norm, with its order below it unless that is 2."""
        order = node.param("p", 2)
        parts = [] if order in (2, "fro") else [literal(self.notation, param_text(order))]
        below = self.notation.sign(",").join([*parts, *self.below(node)])
        made = self.notation.fence("‖", args[0].markup, "‖", args[0].tall)
        return Piece(self.notation.index(made, below) if below else made, tall=args[0].tall, size=args[0].size + 2)

    # --- functions ---

    def applied(self, node: Call, args: list[Piece]) -> Piece:
        """Return a function of its arguments and of the parameters that are not below its name."""
        function, below = (
            self.notation.function(FUNCTIONS.get(node.op, node.op)),
            self.notation.sign(";").join(self.below(node)),
        )
        head = self.notation.index(function, below) if below else function
        tall = any(one.tall for one in args)
        inner = self.notation.sign(",").join([*(one.markup for one in args), *self.keywords(node)])
        arguments = self.notation.fence("(", inner, ")", tall)
        size = len(node.op) + 2 + sum(one.size for one in args)
        made = Piece(head + arguments, Level.APPLIED, Edge.LETTER, Edge.BRACKET, tall=tall, size=size)
        return made if below else replace(made, applied=(head, arguments))

    def below(self, node: Call) -> Iterator[str]:
        """Yield the parameters that stand below a function's name."""
        for key in BELOW:
            value = node.param(key)
            if value is not None:
                words = self.notation.word("dim") + self.notation.space if key == "dim" else ""
                yield words + literal(self.notation, _listed(key, value))

    def keywords(self, node: Call) -> Iterator[str]:
        """Yield the other parameters, each with its name."""
        for key, value in node.params:
            if key not in BELOW and (key, value) != ("keepdim", False):
                text = literal(self.notation, param_text(value))
                yield self.notation.word(key) + self.notation.sign("=") + text

    def derivative(self, node: Call, args: list[Piece]) -> Piece:
        """Return a derivative still to be taken: of a name as one fraction, of more in square brackets.

        The parameter ``partial`` says that other names are held where they are: it has round d's.
        """
        d = self.notation.sign("∂") if node.param("partial") else self.notation.letter("d")
        by = self.differential(d, self.name(str(node.param("by"))) if node.op == D else args[1])
        if isinstance(node.args[0], Name) or (isinstance(node.args[0], Call) and node.args[0].op == AT):
            made = self.notation.fraction(self.differential(d, args[0]), by)
            return Piece(made, Level.POWER, Edge.FRACTION, Edge.FRACTION, tall=True, size=args[0].size + 5)
        body = self.notation.wide(args[0].terms) if args[0].terms else args[0].markup
        made = self.notation.fraction(d, by) + self.notation.fence("[", body, "]", True)
        return Piece(made, Level.APPLIED, Edge.FRACTION, Edge.BRACKET, tall=True, size=args[0].size + 5)

    def differential(self, d: str, piece: Piece) -> str:
        """Return a name with a d before it, apart from one that is a word."""
        return d + (self.notation.space if piece.word else "") + piece.markup


def _ratio(node: Node) -> Fraction | None:
    """Return a constant, or a quotient of two that is written as one."""
    if isinstance(node, Number):
        return node.value
    if not isinstance(node, Call) or node.op not in ("neg", "div"):
        return None
    if node.op == "neg":
        value = _ratio(node.args[0])
        return None if value is None else -value
    above, below = node.args
    if not isinstance(above, Number) or not isinstance(below, Number) or not below.value:
        return None
    value = above.value / below.value
    return value if value.numerator == above.value and value.denominator == below.value else None


def _listed(key: str, value: Param) -> str:
    """Return sizes or dims as they stand below a name."""
    if key == "key":
        return to_text(call("index", Name("x"), key=value))[2:-1]
    items = value if isinstance(value, tuple) else (value,)
    return (" × " if key == "shape" else ", ").join(map(param_text, items)) or "scalar"


# --- the marks ------------------------------------------------------------------------------------

Form = Callable[[Printer, Call, list[Piece]], Piece]


def infix(sign: str, level: Level, *, chains: bool = False) -> Form:
    """Return how a sign between two operands is written; one that ``chains`` needs no brackets on its left."""
    above = Level(level + 1)

    def form(printer: Printer, _node: Call, args: list[Piece]) -> Piece:
        left = printer.held(args[0], level if chains else above, last=level < Level.PRODUCT)
        right = printer.held(args[1], above, first=level < Level.SUM)
        made = printer.joined(printer.notation.sign(sign), level, left, right)
        if level is not Level.SUM:
            return made
        return replace(made, terms=(*(left.terms or (left.markup,)), printer.notation.sign(sign) + right.markup))

    return form


def fenced(left: str, right: str, edge: Edge = Edge.OTHER) -> Form:
    """Return how arguments between two signs are written."""

    def form(printer: Printer, _node: Call, args: list[Piece]) -> Piece:
        inner = printer.notation.sign(",").join(one.markup for one in args)
        made = printer.notation.fence(left, inner, right, any(one.tall for one in args))
        return Piece(
            made, first=edge, last=edge, tall=any(one.tall for one in args), size=sum(one.size for one in args) + 2
        )

    return form


def large(sign: str) -> Form:
    """Return how a large operator is written."""
    return lambda printer, node, args: printer.large(sign, node, args[0])


FORMS: dict[str, Form] = {
    "pi": Printer.constant, "e": Printer.constant, "inf": Printer.constant, POINT: Printer.point, D: Printer.derivative,
    QUOTIENT: Printer.derivative, LITERAL: Printer.literal, LETTER: Printer.letter, AT: Printer.at, OVER: Printer.over,
    "neg": Printer.negated, "add": infix("+", Level.SUM, chains=True), "sub": infix("-", Level.SUM, chains=True),
    "mul": Printer.product, "matmul": Printer.matmul, "remainder": Printer.modulo, "outer": infix("⊗", Level.PRODUCT),
    "div": Printer.fraction, "reciprocal": Printer.fraction, "rsqrt": Printer.root, "sqrt": Printer.root,
    "pow": Printer.power, "square": Printer.square, "exp": Printer.exponential, "exp2": Printer.exponential,
    "lt": infix("<", Level.COMPARISON), "le": infix("≤", Level.COMPARISON), "gt": infix(">", Level.COMPARISON),
    "ge": infix("≥", Level.COMPARISON), "eq": infix("=", Level.COMPARISON), "ne": infix("≠", Level.COMPARISON),
    "logical_and": infix("∧", Level.AND, chains=True), "logical_or": infix("∨", Level.OR, chains=True),
    "logical_not": Printer.negation,
    "where": Printer.where, "mask": Printer.mask, "guard": Printer.unseen, "patch": Printer.unseen,
    "abs": fenced("|", "|", Edge.BAR), "floor": fenced("⌊", "⌋"), "ceil": fenced("⌈", "⌉"), "dot": fenced("⟨", "⟩"),
    "norm": Printer.norm, "sum": large("∑"), "prod": large("∏"), "index": Printer.index,
    "T": Printer.transposed, "mT": Printer.transposed, "t": Printer.transposed, "permute": Printer.transposed,
}  # fmt: skip
"""How an operation is written; one that is not here is a function."""
