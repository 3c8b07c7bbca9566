"""A function as a member: a class of settings whose fields are the function's keyword parameters.

`@verifier` (verifiers/functions.py) and `@task` (tasks/functions.py) are made of it.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import create_model

from selftrain_assets.plugins import Member

M = TypeVar("M", bound=Member)


def member_of(
    function: Callable[..., Any],
    base: type[M],
    version: str | None,
    positional: Sequence[str] = (),
    optional: Sequence[str] = (),
    fields: Mapping[str, tuple[Any, Any]] | None = None,
    **attributes: Any,
) -> type[M]:
    """A subclass of `base` whose fields are the keyword-only parameters of a function.

    A parameter without a default is a setting that must be given, and one without an annotation has
    the type of its default. The function's docstring describes the class.

    Args:
        function: What the class is made of.
        base: A kind of member that knows how to call a function.
        version: As in `Member`.
        positional: What the parameters before the keyword-only ones are.
        optional: Names of parameters that are no settings and that the function may have.
        fields: Types and defaults of fields of `base` that this class has others of.
        attributes: Class attributes beside `function`.

    Raises:
        TypeError: The function has no name, is asynchronous, or has other parameters.
    """
    kind = base.registry.kind
    if not inspect.isfunction(function) or function.__name__ == "<lambda>":
        raise TypeError(f"@{kind} is for a function that has a name, not for {function!r}")
    subject = f"{kind} {function.__name__}"
    if inspect.iscoroutinefunction(function):
        raise TypeError(f"{subject} is asynchronous; declare it with def, and wait within it")
    annotations = typing.get_type_hints(function, include_extras=True)
    settings: dict[str, Any] = dict(fields or {})
    count = 0
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in optional:
            continue
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            count += 1
        elif parameter.kind == parameter.KEYWORD_ONLY:
            settings[parameter.name] = _field(parameter, annotations, base, subject)
        else:
            raise TypeError(f"{subject} takes {parameter}; name its settings one by one")
    if count != len(positional):
        needed = " and ".join(positional) or "nothing else"
        raise TypeError(f"{subject} must take {needed}, and its settings behind a *")
    member = create_model(
        function.__name__,
        __base__=base,
        __module__=function.__module__,
        __doc__=inspect.getdoc(function) or f"The function {function.__name__}.",
        **settings,
    )
    member.__qualname__ = function.__qualname__
    member.function = staticmethod(function)  # type: ignore[attr-defined]
    if version is not None:
        member.version = version
    for attribute, value in attributes.items():
        setattr(member, attribute, value)
    return member


def _field(
    parameter: inspect.Parameter, annotations: Mapping[str, Any], base: type[Member], subject: str
) -> tuple[Any, Any]:
    """Type and default of the setting that a parameter is."""
    name = parameter.name
    if hasattr(base, name) or name in base.model_fields or name.startswith("_"):
        raise TypeError(f"{subject} has a parameter {name}, which cannot be a setting; rename it")
    default = ... if parameter.default is parameter.empty else parameter.default
    if name not in annotations and default in (..., None):
        raise TypeError(f"{subject} does not say the type of its setting {name}")
    return annotations.get(name, type(default)), default
