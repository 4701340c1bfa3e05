"""The check checked: planted faults that it must find, and correct programs that it must not call wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from gradcheck.blame import Blame, Cause
from gradcheck.case import check, environment
from gradcheck.exits import Exit
from gradcheck.outcome import Outcome, Run
from gradcheck.selftest.controls import Control, controls
from gradcheck.selftest.faults import FAULTS
from gradcheck.selftest.of_the_table import planted_in_the_table
from gradcheck.selftest.planting import Fault
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from gradcheck.ways import Way

RIGHT = frozenset(verdict for verdict in Verdict if verdict.honest)
"""The verdicts that a correct program may have."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A planted fault, and what the check made of it."""

    fault: Fault
    verdict: Verdict
    cause: Cause | None
    operation: str | None

    @property
    def found(self) -> bool:
        """Return whether the verdict, the cause and the operation are the expected ones."""
        fault = self.fault
        return (self.verdict, self.cause, self.operation) == (fault.verdict, fault.cause, fault.op)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A correct program that the check called wrong in one dtype, or could not decide."""

    control: Control
    dtype: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Tally:
    """Everything that came out: a trial for every fault, and the verdicts on the correct programs."""

    trials: tuple[Trial, ...]
    programs: int
    verdicts: Counter[Verdict]
    alarms: tuple[Alarm, ...]
    environment: dict[str, str]

    @property
    def missed(self) -> tuple[Trial, ...]:
        """Return the trials whose fault was not found, or not for what it is."""
        return tuple(one for one in self.trials if not one.found)

    @property
    def exit(self) -> Exit:
        """Return the exit code: nothing tried is never green."""
        if not self.trials and not self.programs:
            return Exit.NOTHING
        return Exit.FAIL if self.missed or self.alarms else Exit.PASS


def selftest(text: str = "") -> Tally:
    """Try every fault and every correct program, or those alone whose name or program contains ``text``."""
    faults = [fault for fault in (*FAULTS, *planted_in_the_table()) if text in fault.name or text in fault.program]
    chosen = [control for control in controls() if text in control.program]
    runs = [checked(control) for control in chosen]
    return Tally(
        tuple([tried(fault) for fault in faults]),  # a list, whose loop no StopIteration ends unseen
        len(chosen),
        Counter(outcome.verdict for run in runs for outcome in run),
        tuple(alarm for pair in zip(chosen, runs, strict=True) for alarm in alarms(*pair)),
        environment(["cpu"]),
    )


def tried(fault: Fault) -> Trial:
    """Return what the check makes of a planted fault."""
    settings = Settings(
        dtypes=(fault.dtype,), under_test={fault.op: fault.operation}, nondet=fault.nondet,
        ways=(Way.parse(fault.way),),
    )  # fmt: skip
    run = check(fault.program, fault.at, settings=settings)
    return Trial(fault, run.verdict, *blamed(run, fault))


def blamed(run: Run, fault: Fault) -> tuple[Cause | None, str | None]:
    """Return what is blamed for the worst verdict, cause and operation: the expected ones if nothing else is."""
    blames = [one for outcome in run for one in _blames(outcome, run.verdict)]
    blames = blames or [one.blame for outcome in run for one in outcome.faults]  # where all elements are right
    found = [(one.cause, one.operation) for one in blames]
    others = [one for one in found if one != (fault.cause, fault.op)]
    return next(iter(others or found), (None, None))


def _blames(outcome: Outcome, verdict: Verdict) -> Iterator[Blame]:
    """Yield what is at fault for the elements with a verdict, of the gradients and of the value."""
    blamed = [(one.judgements, one.blames) for one in outcome.gradients]
    if outcome.value is not None:
        blamed.append((outcome.value.judgements, outcome.value.blames))
    for judgements, blames in blamed:
        yield from (blame for blame in blames if judgements[blame.element].verdict is verdict)


def checked(control: Control) -> Run:
    """Return the run of a correct program."""
    settings = Settings(dtypes=control.dtypes, under_test=control.under_test)
    return check(control.program, control.at, settings=settings)


def alarms(control: Control, run: Run) -> list[Alarm]:
    """Return the false alarms of one correct program."""
    return [Alarm(control, one.dtype, one.verdict) for one in run if one.verdict not in RIGHT]
