"""The json report: every kind of run against the shipped schema, numbers that lose nothing, and one exact text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from importlib.resources import files
from io import StringIO
from itertools import permutations
from math import inf, isfinite, nan, prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator

from gradcheck.bounds import Enclosures
from gradcheck.case import check
from gradcheck.compare import Judgement
from gradcheck.exits import Exit
from gradcheck.formats import FORMATS, Ball, Dyadic
from gradcheck.gradients import Gradients
from gradcheck.judgements import Judgements
from gradcheck.outcome import Outcome, Run
from gradcheck.report import View, batch_json
from gradcheck.report.json import SCHEMA_VERSION, document, render
from gradcheck.report.streamed import pieces
from gradcheck.settings import Settings
from gradcheck.suite import Batch, Check, Problem, Result
from gradcheck.verdict import Verdict

SCHEMA = json.loads((files("gradcheck") / "schema" / "report.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
GOLDEN = Path(__file__).parent / "golden" / "polynomial.json"
POLYNOMIAL = "2*x**4+x**3+3*x**2+5*x+1"
LAYERS = "y = 3*x + 2; z = 2*y**2; out = mean(z)"
SHIFTED = Settings(under_test={"silu": lambda x: torch.nn.functional.silu(x) + 0.01})
"""A wrong value whose slope is right."""
EVERY_DTYPE = Settings(dtypes=tuple(FORMATS))


def checked(program: str, settings: Settings | None = None, **points: Any) -> Callable[[], Run]:
    return lambda: check(program, settings=settings, **points)


def changed(**changes: Any) -> Callable[[], Run]:
    """Return a run whose only outcome is changed by hand, for what no program reaches at will."""
    return lambda: on_outcome(check(LAYERS, x=[[1, 2], [3, 4]]), lambda outcome: replace(outcome, **changes))


def judged(verdict: Verdict, ulps: float | None, note: str | None) -> Callable[[], Run]:
    def change(outcome: Outcome) -> Outcome:
        (gradient,) = outcome.gradients
        planted = [Judgement(verdict, ulps, note), *gradient.judgements[1:]]
        return replace(outcome, gradients=Gradients([replace(gradient, judgements=Judgements.of(planted))]))

    return lambda: on_outcome(check(LAYERS, x=[[1, 2], [3, 4]]), change)


def on_outcome(run: Run, change: Callable[[Outcome], Outcome]) -> Run:
    return replace(run, outcomes=tuple(map(change, run)))


RUNS: dict[str, Callable[[], Run]] = {
    # agree
    "polynomial": checked(POLYNOMIAL, x=2),
    "layers": checked(LAYERS, x=[[1, 2], [3, 4]]),
    "every dtype": checked("sin(x*y)/3", EVERY_DTYPE, x="0.1,1/3", y=7),
    "tensors": checked("sum(a @ b)", a="randn(2,3)", b="randn(3,2)"),
    "not a scalar": checked("x**2", x=[1, 2, 3]),
    "one input of two": checked("x*y", Settings(wrt=("y",)), x=2, y=3),
    "a letter": checked("θ**2", θ=3),
    "an infinite point": checked("atan(x)", x=inf),
    "a negative zero": checked("-(x**2)", x=0),
    # expectations
    "expected": checked("x**2", Settings(expect=("2*x",)), x=3),
    "expected wrongly": checked("x**2*y", Settings(expect=("x=2*x", "y=x[0]**2 + x[1]**2")), x=[1, 3], y=2),
    "expected at a pole": checked("x**2", Settings(expect=("1/(x - 3)",)), x=3),
    "expected where there is none": checked("sqrt(x)", Settings(expect=("1",)), x=-1),
    # nan and infinities from torch, in the forward pass and backwards
    "nan": checked("where(x > 1, sqrt(x - 1), 0*x)", x=0),
    "infinity": checked("exp(x)", x=1000),
    "minus infinity": checked("-exp(x)", x=1000),
    "no enclosure of a value": checked("where(x > 0, log(x), x)", x=[0, 1]),
    # the other verdicts
    "outside the domain": checked("sqrt(x)", x=[-1, 4]),
    "at a kink": checked("abs(x)", x=[-1, 0]),
    "at a pole": checked("1/x", x=0),
    "untracked": checked("detach(x)*2", x=1),
    "undecided": checked("sign(sin(pi))*x", x=1),
    "cancelled": checked("(1 - cos(x))/x**2", x="1e-4"),
    "a lane that raised": changed(error="torch raised: no such kernel", layers=[], gradients=Gradients()),
    "no bound": lambda: replace(check("x**2", x=1), ulps=inf, seed=None),
    "astronomic": lambda: on_outcome(check("x**2", x=1), _astronomic),
    # a value or an operation that is wrong beside gradients that are right
    "a wrong value": checked("2*silu(x)", SHIFTED, x=[1, 2]),
    "a wrong operation": checked("where(silu(x) > 0, x, 2*x)", SHIFTED, x=[[1, 2], [3, 4]]),
    "a tolerance": checked("x**3", Settings(ulps=0.25, dtypes=("float64", "float16")), x=0.1),
    # nothing
    "no input": checked("1 + 2"),
    "no outcome": lambda: replace(check("1 + 2"), outcomes=()),
    # each verdict, whatever becomes of the programs above
    **{f"planted {one}": judged(one, 2.5, "a note") for one in Verdict},
    "planted without ulps": judged(Verdict.UNDECIDED, None, None),
    "planted beyond floats": judged(Verdict.DISAGREE, inf, None),
}


def _astronomic(outcome: Outcome) -> Outcome:
    (gradient,) = outcome.gradients
    far = Ball(Dyadic(-1, 10**30), Dyadic(1, 10**30))
    return replace(outcome, gradients=Gradients([replace(gradient, exact=Enclosures.of([far]))]))


@pytest.fixture(scope="module", params=RUNS)
def run(request: pytest.FixtureRequest) -> Run:
    return RUNS[request.param]()


def strictly(text: str) -> Any:
    """Parse JSON as the standard has it: NaN and Infinity are errors, and so is a key given twice."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len(dict(pairs)) == len(pairs)
        return dict(pairs)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=once)


def parts(value: Any) -> Iterator[Any]:
    """Yield a value of JSON and all within it."""
    yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(part)


# --- the schema -----------------------------------------------------------------------------------


def test_the_schema_is_one_and_names_what_the_code_names() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    definitions = SCHEMA["$defs"]
    verdicts = [verdict.value for verdict in Verdict]
    assert definitions["verdict"]["enum"] == verdicts
    assert list(definitions["counts"]["properties"]) == definitions["counts"]["required"] == verdicts
    assert definitions["dtype"]["enum"] == list(FORMATS)
    assert SCHEMA["properties"]["schema_version"]["const"] == SCHEMA_VERSION
    assert SCHEMA["properties"]["exit_code"]["enum"] == [Exit.PASS, Exit.FAIL, Exit.NOTHING]


def test_every_object_of_the_schema_is_closed_and_complete() -> None:
    objects = [part for part in parts(SCHEMA) if isinstance(part, dict) and "object" in part.get("type", ())]
    assert objects
    for part in objects:
        if "properties" in part:
            assert part["additionalProperties"] is False
            assert sorted(part["required"]) == sorted(part["properties"])


def test_every_definition_of_the_schema_is_used() -> None:
    used = {part["$ref"] for part in parts(SCHEMA) if isinstance(part, dict) and "$ref" in part}
    assert used == {f"#/$defs/{name}" for name in SCHEMA["$defs"]}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found.pop("seed"),
        lambda found: found.update(extra=1),
        lambda found: found.update(verdict="fine"),
        lambda found: found.update(schema_version=1),
        lambda found: found["counts"].update(maybe=1),
        lambda found: found["outcomes"][0].update(dtype="float128"),
        lambda found: found["outcomes"][0]["gradients"][0]["elements"][0].update(torch=93.0),
        lambda found: found["outcomes"][0]["gradients"][0]["elements"][0]["torch"].update(value=None),
        lambda found: found["outcomes"][0]["gradients"][0]["elements"][0]["torch"].update(hex="inf"),
        lambda found: found["outcomes"][0]["gradients"][0]["elements"][0]["enclosure"].update(lower=93),
        lambda found: found["outcomes"][0].pop("value"),
        lambda found: found["outcomes"][0]["value"].update(verdict="fine"),
        lambda found: found["outcomes"][0]["value"]["elements"][0].pop("ulps"),
        lambda found: found["outcomes"][0]["value"]["elements"][0].update(index=0),
        lambda found: found["outcomes"][0].pop("faults"),
        lambda found: found["outcomes"][0]["faults"][0].pop("blame"),
        lambda found: found["outcomes"][0]["faults"][0]["blame"].update(index=-1),
        lambda found: found["outcomes"][0].update(tolerance_ulps=None),
    ],
)
def test_the_schema_refuses_a_spoiled_document(spoil: Callable[[Any], object]) -> None:
    found = document(check("silu(x)", x=2, settings=SHIFTED))
    VALIDATOR.validate(found)
    spoil(found)
    assert not VALIDATOR.is_valid(found)


# --- every run ------------------------------------------------------------------------------------


def test_the_runs_reach_every_verdict_and_every_dtype() -> None:
    found = [make() for make in RUNS.values()]
    assert {verdict for run in found for verdict in run.counts()} == set(Verdict)
    assert {outcome.dtype for run in found for outcome in run} == set(FORMATS)
    assert {run.exit for run in found} == {Exit.PASS, Exit.FAIL, Exit.NOTHING}


def test_the_report_is_strict_json_that_fits_the_schema(run: Run) -> None:
    found = strictly(render(run))
    VALIDATOR.validate(found)
    assert found == document(run)


def test_the_hex_float_is_the_value(run: Run) -> None:
    for part in parts(document(run)):
        if isinstance(part, dict) and part.keys() == {"value", "hex"}:
            number = float.fromhex(part["hex"])
            if part["value"] is None:
                assert not isfinite(number)
            else:
                assert number.hex() == part["value"].hex()


def test_the_report_holds_what_the_run_holds(run: Run) -> None:
    found = document(run)
    assert (found["verdict"], found["exit_code"]) == (run.verdict, run.exit)
    assert +run.counts() == {verdict: count for verdict, count in found["counts"].items() if count}
    assert found["environment"] == run.environment
    for outcome, shown in zip(run, found["outcomes"], strict=True):
        assert shown["verdict"] == outcome.verdict
        assert shown["program"]["source"] == outcome.program.source
        assert [one["input"] for one in shown["gradients"]] == [one.input for one in outcome.gradients]
        for gradient, one in zip(outcome.gradients, shown["gradients"], strict=True):
            assert one["verdict"] == gradient.verdict
            assert [element["verdict"] for element in one["elements"]] == [each.verdict for each in gradient.judgements]
            assert [element["note"] for element in one["elements"]] == [each.note for each in gradient.judgements]
            stated = [element["expected"] for element in one["elements"]]
            assert [one and one["verdict"] for one in stated] == [
                each.verdict for each in gradient.expectations or ()
            ] or stated == [None] * len(gradient.judgements)


def test_the_report_holds_the_value_and_the_operations_at_fault(run: Run) -> None:
    for outcome, shown in zip(run, document(run)["outcomes"], strict=True):
        assert shown["tolerance_ulps"] == outcome.ulps
        assert (shown["value"] is None) == (outcome.value is None)
        if outcome.value is not None:
            found = [(one["verdict"], one["note"]) for one in shown["value"]["elements"]]
            assert found == [(one.verdict, one.note) for one in outcome.value.judgements]
            assert len(found) == outcome.value.values.size
            assert shown["value"]["layer"] == outcome.value.name == shown["layers"][-1]["name"]
            assert +outcome.value_counts() == Counter(verdict for verdict, _ in found)
            assert [one["cause"] for one in shown["value"]["blames"]] == [one.cause for one in outcome.value.blames]
        assert [(one["verdict"], one["blame"]["cause"], one["blame"]["index"]) for one in shown["faults"]] == [
            (one.judgement.verdict, one.blame.cause, None) for one in outcome.faults
        ]


@pytest.mark.parametrize("name", ["a wrong value", "a wrong operation"])
def test_what_is_wrong_beside_the_gradients_is_in_the_document(name: str) -> None:
    run = RUNS[name]()
    found = document(run)
    assert set(run.counts()) == {Verdict.AGREE}
    assert (found["verdict"], found["exit_code"]) == ("disagree", Exit.FAIL)
    [fault] = found["outcomes"][0]["faults"]
    assert (fault["blame"]["cause"], fault["blame"]["operation"]) == ("wrong-value", "silu")
    value = found["outcomes"][0]["value"]
    assert value["verdict"] == ("agree" if name == "a wrong operation" else "disagree")


def test_the_tolerance_of_every_dtype_is_said_and_the_users_own_is_null_where_none_is_given() -> None:
    for ulps in (None, 3.0):
        found = document(check("x**3", x=0.1, settings=replace(EVERY_DTYPE, ulps=ulps)))
        assert found["tolerance_ulps"] == ulps
        assert {one["dtype"]: one["tolerance_ulps"] for one in found["outcomes"]} == {
            dtype: ulps or (2.0 if FORMATS[dtype].precision < 24 else 16.0) for dtype in FORMATS
        }


def test_the_same_run_gives_the_same_bytes(run: Run) -> None:
    shuffled = replace(run, environment=dict(reversed(run.environment.items())))
    assert render(run) == render(run) == render(shuffled)


# --- many elements, many points -------------------------------------------------------------------

LARGE: dict[str, Callable[[], Run]] = {
    "a large tensor": checked(LAYERS, x="randn(40,50)"),
    "a large output": checked("log(1 + exp(x))", x="linspace(-400,400,1500)"),
    "expected wrongly in places": checked("x**2", Settings(expect=("where(x > 1, x, 2*x)",)), x="randn(1200)"),
    "many points": checked("gelu(x)", x="-9:9:1201"),
    "many points with a kink": checked("abs(x)", x="-9:9:1501"),
}


@pytest.fixture(scope="module", params=LARGE)
def large(request: pytest.FixtureRequest) -> Run:
    return LARGE[request.param]()


def test_a_large_document_fits_the_schema_in_short_and_in_full(large: Run) -> None:
    for everything in (False, True):
        VALIDATOR.validate(strictly(render(large, everything=everything)))
    assert len(render(large)) < len(render(large, everything=True)) / 3


def test_what_is_left_out_is_counted_and_milder_than_what_is_shown(large: Run) -> None:
    short, full = document(large), document(large, everything=True)
    assert full["left_out"] == 0
    assert short["left_out"] + len(short["outcomes"]) == len(full["outcomes"]) == len(large)
    assert short["counts"] == full["counts"]
    for one, whole in lists(short, full):
        assert one["left_out"] == len(whole["elements"]) - len(one["elements"])
        assert one["counts"] == whole["counts"]
        assert Counter(+Counter(whole["counts"])) == Counter(each["verdict"] for each in whole["elements"])
        assert [each["index"] for each in one["elements"]] == sorted(each["index"] for each in one["elements"])
        shown = [each for each in whole["elements"] if each in one["elements"]]
        hidden = [each for each in whole["elements"] if each not in one["elements"]]
        assert shown == one["elements"]
        blamed = [each["index"] for each in one["blames"]]
        worst = [rank(each) for each in shown if each["index"] not in blamed]
        assert max(map(rank, hidden), default=(0, 0)) <= min(worst, default=(inf, inf))


def lists(short: Any, full: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the values and gradients of the outcomes of a short document beside those of the full one."""
    by_command = {one["command"]: one for one in full["outcomes"]}
    for one in short["outcomes"]:
        whole = by_command[one["command"]]
        yield one["value"], whole["value"]
        yield from zip(one["gradients"], whole["gradients"], strict=True)
        for part, same in zip([*one["point"], *one["layers"]], [*whole["point"], *whole["layers"]], strict=True):
            kept, numbers = (next(each[key] for key in ("rounded", "values") if key in each) for each in (part, same))
            assert kept == numbers[: len(kept)]
            assert part["left_out"] + len(kept) == len(numbers) == prod(part["shape"])


def rank(element: Any) -> tuple[int, float]:
    """Return how bad an element of a document is: the worst verdict on it, and its error where that is its own."""
    judged = [element, *([element["expected"]] if element.get("expected") else [])]
    worst = max(Verdict(one["verdict"]).severity for one in judged)
    return worst, max(one["ulps"] or 0.0 for one in judged if Verdict(one["verdict"]).severity == worst)


def test_the_number_of_the_input_stands_beside_each_element(large: Run) -> None:
    for outcome, shown in zip(large.leading(100), document(large)["outcomes"], strict=True):
        for gradient in shown["gradients"]:
            for one in gradient["elements"]:
                assert one["at"]["value"] == outcome.rounded[gradient["input"]][tuple(one["index"])]


# --- numbers --------------------------------------------------------------------------------------


def test_what_is_not_finite_is_written_by_its_name() -> None:
    outcome = RUNS["layers"]()[0]
    gradient = replace(outcome.gradients[0], torch=np.array([nan, inf, -inf, 0.1]))
    run = replace(RUNS["layers"](), outcomes=(replace(outcome, gradients=Gradients([gradient])),))
    elements = strictly(render(run))["outcomes"][0]["gradients"][0]["elements"]
    assert [element["torch"] for element in elements] == [
        {"value": None, "hex": "nan"},
        {"value": None, "hex": "inf"},
        {"value": None, "hex": "-inf"},
        {"value": 0.1, "hex": "0x1.999999999999ap-4"},
    ]


def test_the_index_of_an_element_is_its_place_in_the_tensor() -> None:
    (gradient,) = document(check(LAYERS, x=[[1, 2, 3], [4, 5, 6]]))["outcomes"][0]["gradients"]
    assert [element["index"] for element in gradient["elements"]] == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("x", ["2", "0.1", "1/3", "-2.7", "1e-3", "-9.999"])
def test_the_enclosures_contain_the_truth_and_little_else(x: str, dtype: str) -> None:
    """The truth is in fractions: of the polynomial, its derivative, and a quotient that has no finite decimal."""
    run = check(f"p = {POLYNOMIAL}; q = p/7", f"x={x}", settings=Settings(dtypes=(dtype,)))
    (outcome,) = document(run)["outcomes"]
    at = Fraction(float.fromhex(outcome["point"][0]["rounded"][0]["hex"]))
    value, slope = 2 * at**4 + at**3 + 3 * at**2 + 5 * at + 1, 8 * at**3 + 3 * at**2 + 6 * at + 5
    shown = [layer["enclosure"][0] for layer in outcome["layers"]]
    shown.append(outcome["gradients"][0]["elements"][0]["enclosure"])
    for ends, truth in zip(shown, (value, value / 7, slope / 7), strict=True):
        lower, upper = Fraction(ends["lower"]), Fraction(ends["upper"])
        assert lower <= truth <= upper
        assert upper - lower <= abs(truth) / 10**30


def test_a_point_is_shown_as_written_and_as_rounded() -> None:
    found = [one["point"] for one in document(check("x**2", "x=0.1", settings=EVERY_DTYPE))["outcomes"]]
    for (point,), fmt in zip(found, FORMATS.values(), strict=True):
        assert point["text"] == "0.1"
        assert point["rounded"][0]["value"] == fmt.round(Fraction(1, 10))


# --- text -----------------------------------------------------------------------------------------


def test_odd_characters_are_escaped_and_come_back() -> None:
    odd = 'x # \x00\x07\x1b[31m\t"\\\x7f\x85\u2028\ud800 \N{GREEK SMALL LETTER THETA}\N{GRINNING FACE}'
    run = on_outcome(
        check("x**2", x=2), lambda outcome: replace(outcome, program=replace(outcome.program, source=odd), notes=[odd])
    )
    text = render(run)
    assert text.isascii()
    assert all(line.isprintable() for line in text.split("\n"))
    (outcome,) = strictly(text)["outcomes"]
    assert (outcome["program"]["source"], outcome["notes"]) == (odd, [odd])


def test_every_element_has_its_line() -> None:
    """So that a large report can be searched and compared line by line."""
    lines = render(check(LAYERS, x=[[1, 2], [3, 4]])).splitlines()
    value, *found = [strictly(line.strip(" ,")) for line in lines if '"index"' in line]
    number = {"value": 203.0, "hex": "0x1.96p+7"}
    assert value == {"index": [], "verdict": "agree", "ulps": 0.0, "note": None, "torch": number}
    assert [element["torch"]["value"] for element in found] == [15.0, 24.0, 33.0, 42.0]


def test_the_whole_report_of_the_polynomial(golden: Callable[[str, str], None]) -> None:
    run = check(POLYNOMIAL, x=2)
    masked = replace(run, environment=dict.fromkeys(run.environment, "..."))
    golden(GOLDEN.name, render(masked))


def test_items_of_any_kind_stand_in_one_list() -> None:
    """A result without a run is flat, and one with a run is not: whichever comes first."""
    flat: list[Any] = [1, {"a": 1}, {"a": None}]
    for order in permutations([*flat, "deep", "empty"]):
        made = [
            iter([{"b": [{"c": 1}]}]) if one == "deep" else {"d": iter([])} if one == "empty" else one for one in order
        ]
        plainly = [[{"b": [{"c": 1}]}] if one == "deep" else {"d": []} if one == "empty" else one for one in order]
        assert json.loads("".join(pieces({"results": iter(made)}))) == {"results": plainly}


def test_a_batch_whose_first_check_has_no_run_is_a_document() -> None:
    run = check("x**2", 1)
    good, bad = Check("good", "x**2", ("1",), Settings()), Check("bad", "x**2", (), Settings(boundaries=True))
    results = Result(bad, None, Problem("it takes more than 1 s")), Result(good, run), Result(bad, None, Problem("no"))
    for some in permutations(results):
        file = StringIO()
        batch_json.write(Batch(some, run.environment), file, View())
        found = json.loads(file.getvalue())["results"]
        assert [one["run"] is None for one in found] == [one.run is None for one in some]
