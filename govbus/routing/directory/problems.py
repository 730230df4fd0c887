"""What is wrong with a directory, and where: written like the findings about documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from govbus.document.finding import Severity
from govbus.errors import DirectoryError
from govbus.routing.directory.fields import Cites

FOUND_CHARACTERS_MAX = 60
PROBLEMS_MAX = 100
"""Problems told of one file or entry."""
_NAME_CHARACTERS_MAX = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a directory: where, what was expected, and which rule says so."""

    place: str
    """File or entry."""
    field: str
    """Path in it, such as ``certificates.0.file``; empty for the whole."""
    detail: str
    """What was expected, and what is there instead."""
    rule: str = ""
    """Rule id; empty where only the form of the files or the entries asks for it."""
    severity: Severity = Severity.REFUSE
    """With `Severity.WARN` the directory may be published all the same."""

    @property
    def is_warning(self) -> bool:
        """Whether the directory may be published all the same."""
        return self.severity is Severity.WARN

    def __str__(self) -> str:
        words = ": ".join(part for part in (self.place, self.field, self.detail) if part)
        return f"{words} ({self.rule})" if self.rule else words


def require_none(problems: Iterable[Problem]) -> None:
    """Check that nothing is wrong; warnings are let pass.

    Raises:
        DirectoryError: naming the first problem, and how many more there are.
    """
    grave = [problem for problem in problems if not problem.is_warning]
    if grave:
        more = f" (and {len(grave) - 1} more)" if len(grave) > 1 else ""
        raise DirectoryError(f"{grave[0]}{more}")


def problems_of(err: ValidationError, place: str, model: type[BaseModel]) -> list[Problem]:
    """Return what a model found wrong: field, what was expected, what was found, and the rule that asks for it.

    Args:
        err: what pydantic raised.
        place: file or entry.
        model: that was validated.

    Returns:
        The first `PROBLEMS_MAX`; whoever mends them sees the rest next time.
    """
    details = err.errors(include_url=False)[:PROBLEMS_MAX]
    places = [detail["loc"] for detail in details]
    return [
        Problem(
            place,
            ".".join(map(_shown, detail["loc"])),
            _words(detail["type"], detail["msg"], detail["input"]),
            _rule(model, detail["loc"]),
        )
        for detail in details
        if not (detail["type"] == "too_short" and _has_part(places, detail["loc"]))
    ]


def in_few_words(problems: Sequence[object], most: int = 5) -> str:
    """Return the first few problems as one text, and how many more there are."""
    more = f" (and {len(problems) - most} more)" if len(problems) > most else ""
    return "; ".join(map(str, problems[:most])) + more


def _shown(part: int | str) -> str:
    """Return a step of a path as a problem can carry it: where a name is unknown, its author chose it."""
    text = str(part)[:_NAME_CHARACTERS_MAX]
    return text if text.isprintable() else ascii(text)


def _has_part(places: list[tuple[int | str, ...]], whole: tuple[int | str, ...]) -> bool:
    """Return whether something inside `whole` is wrong; then its length says nothing new."""
    return any(len(place) > len(whole) and place[: len(whole)] == whole for place in places)


def _rule(model: type[BaseModel], path: tuple[int | str, ...]) -> str:
    """Return the rule that the innermost field on a path cites."""
    rule = ""
    inner: Any = model
    for part in path:
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            continue
        field = next(
            (one for name, one in inner.model_fields.items() if part in (name, one.alias)),
            None,
        )
        if field is None:
            continue
        rule = next((mark.rule for mark in field.metadata if isinstance(mark, Cites)), rule)
        inner = _model_in(field.annotation)
    return rule


def _model_in(annotation: Any) -> Any:
    """Return the model that a field holds, by itself or several of it; None where it holds none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    parts = get_args(annotation)[:1] if get_origin(annotation) is Annotated else get_args(annotation)
    return next((found for part in parts if (found := _model_in(part)) is not None), None)


def _words(kind: str, message: str, found: Any) -> str:
    match kind:
        case "missing":
            return "this field is required"
        case "extra_forbidden":
            return "this field is unknown"
        case "too_short":
            return "expected at least one"
        case _:
            words = message.removeprefix("Value error, ").replace("Input should", "should")
            words = words[:1].lower() + words[1:]
            shown = found if isinstance(found, str | int | float) else type(found).__name__
            return words if "found" in words else f"{words}, found {str(shown)[:FOUND_CHARACTERS_MAX]!r}"
