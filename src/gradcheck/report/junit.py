"""JUnit XML as pytest writes it (xunit2): a suite for each file, a case for each check.

xunit2 has no ``file`` and ``line`` of a case: the suite names the file, and the text of a failure begins with the line.
Python's own library writes it: what junitparser writes depends on whether lxml is installed.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import PurePath
from typing import IO
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from gradcheck.report import View
from gradcheck.report.diagnostic import Diagnostic, diagnostics, untold
from gradcheck.report.words import one_line
from gradcheck.suite import Batch
from gradcheck.verdict import Verdict

TOOL = "gradcheck"
"""Names the suite and the class of what belongs to no file."""


def write(batch: Batch, file: IO[str], _view: View) -> None:
    """Write the document: each check is one case with at most one failure or error, each unread file an error."""
    root = Element("testsuites", name=TOOL)
    for path, group in groupby(diagnostics(batch), key=lambda one: one.place.path):
        suite = _suite(root, path or TOOL, map(_case, group))
        if path is not None:
            suite.set("file", one_line(path))
    if problems := untold(batch):
        _suite(root, "problems", map(_problem, problems))
    _count(root, root.iter("testcase"))
    indent(root)
    file.write(f'<?xml version="1.0" encoding="utf-8"?>\n{tostring(root, encoding="unicode")}\n')


def _suite(root: Element, name: str, cases: Iterable[Element]) -> Element:
    suite = SubElement(root, "testsuite", name=one_line(name), skipped="0")
    suite.extend(cases)
    _count(suite, suite)
    return suite


def _count(element: Element, cases: Iterable[Element]) -> None:
    """Set the attributes that count the cases of an element, and the seconds that they took."""
    counted = list(cases)
    element.set("tests", str(len(counted)))
    for attribute, child in (("failures", "failure"), ("errors", "error")):
        element.set(attribute, str(sum(one.find(child) is not None for one in counted)))
    element.set("time", f"{sum(float(one.get('time', '0')) for one in counted):.3f}")


def _case(one: Diagnostic) -> Element:
    seconds = 0.0 if one.result is None else one.result.seconds
    case = Element("testcase", classname=_class(one.place.path), name=one.name, time=f"{seconds:.3f}")
    if one.failed:
        kind = "error" if one.verdict is Verdict.ERROR else "failure"
        SubElement(case, kind, type=one.label, message=one.message).text = one.located
    elif one.verdict is not Verdict.AGREE:
        SubElement(case, "system-out").text = one.located
    return case


def _class(path: str | None) -> str:
    """Return a path with dots, without its suffix and without what leads out of the directory.

    >>> _class("../expressions/poly nomials.toml"), _class(None)
    ('expressions.poly nomials', 'gradcheck')
    """
    if path is None:
        return TOOL
    found = PurePath(path).with_suffix("")
    return one_line(".".join(part for part in found.parts if part not in (found.anchor, "..")))


def _problem(one: Diagnostic) -> Element:
    case = Element("testcase", classname=TOOL, name=one.headline, time="0.000")
    SubElement(case, "error", type=one.label, message=one.headline).text = one.located
    return case
