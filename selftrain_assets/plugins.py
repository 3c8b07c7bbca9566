"""What an experiment can name: tasks, verifiers, recipes, engines and trainers, ours and yours.

A member of one of these five kinds is a class of settings. In an experiment its name is `type`:

- `math`: one that ships with selftrain, or one that an installed distribution offers as an entry
  point of the group `selftrain.verifiers` (`.tasks`, `.recipes`, `.engines`, `.trainers`);
- `package.module:Name`: one that can be imported;
- `./file.py:Name`: one in a file beside the experiment's.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import logging
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import (
    BaseModel,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticKnownError, core_schema

from selftrain_assets.domain.errors import UserError, nearest

log = logging.getLogger(__name__)
_OURS = __name__.partition(".")[0]
_HERE = str(Path(__file__).parent)
_FILE = "__selftrain_file__"
_IN_FILE = re.compile(r"([^:]+\.py):([A-Za-z_][\w.]*)")


def beside(values: Any, folder: Path) -> Any:
    """Settings in which each `./file.py:Name` is the whole path of a file in this folder."""
    if isinstance(values, Mapping):
        here = {name: beside(value, folder) for name, value in values.items()}
        kind = here.get("type")
        if isinstance(kind, str) and (match := _IN_FILE.fullmatch(kind)):
            here["type"] = f"{folder.resolve() / match[1]}:{match[2]}"
        return here
    if isinstance(values, list | tuple):
        return [beside(value, folder) for value in values]
    return values


class Member(BaseModel):
    """Base of every kind. The base class of a kind, such as `Verifier`, has its `registry`.

    As a type of a field the base class of a kind stands for all of its members: what is validated
    becomes the member that `type` names. A class of another package need not declare `type`: it is
    the name by which the class is found again.

    Attributes:
        version: Raised by its author whenever the same settings may lead to something else. None:
            the hash of the file that has its source.
    """

    registry: ClassVar[Registry[Any]]
    version: ClassVar[Any] = None

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        if "registry" in cls.__dict__:
            cls.registry.base = cls
        elif _is_outside(cls):
            # in place of the literal of a class of ours, and of its version
            cls.__annotations__ = {**inspect.get_annotations(cls), "type": str}
            cls.type = ""  # type: ignore[attr-defined]
            if "version" not in cls.__dict__:
                files = cls.source_files()
                cls.version = "+".join(map(_digest, files)) if files else None

    @model_validator(mode="before")
    @classmethod
    def _with_name(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or not _is_outside(cls):
            return data
        return {**data, "type": cls.registry.name_of(cls)}

    @classmethod
    def source_files(cls) -> list[Path]:
        """The files that the class is written in; empty without one, as in a notebook."""
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
        return [Path(file)] if file and Path(file).is_file() else []

    @classmethod
    def identity_of_class(cls) -> Mapping[str, str]:
        """What the class adds to the keys of what is made with it; empty for one of ours.

        Raises:
            UserError: It has neither a version nor a source.
        """
        if not _is_outside(cls):
            return {}
        module = sys.modules.get(cls.__module__)
        file = getattr(module, _FILE, None) or getattr(module, "__file__", None)
        by_file = cls.__module__ == "__main__" or hasattr(module, _FILE)
        name = Path(file).name if by_file and file else cls.__module__
        if not isinstance(cls.version, str):
            raise UserError(
                f"{cls.registry.kind} {cls.__qualname__} is in no file whose hash would say when it"
                ' changes; give it a version, such as version="1", and raise that with each change'
            )
        # what it inherits may change too
        bases = [base.__dict__.get("version") for base in cls.__mro__[1:]]
        versions = [cls.version, *(version for version in bases if isinstance(version, str))]
        return {"type": f"{name}:{cls.__qualname__}", "version": " over ".join(versions)}

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if "registry" not in cls.__dict__:
            return handler(source)
        return core_schema.no_info_plain_validator_function(
            cls.registry.validate,
            metadata={"pydantic_js_functions": [cls.registry.schema]},
        )


M = TypeVar("M", bound=Member)


class Registry(Mapping[str, type[M]], Generic[M]):
    """The members of one kind by name; those of other distributions are imported when asked for.

    As a mapping it has the members that need no reference: those of selftrain, and entry points. An
    entry point that cannot be imported is left out with a warning; to ask for it is an error.

    Args:
        kind: Its name in sentences; the group of entry points is `selftrain.` and its plural.
    """

    base: type[M]

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.group = f"selftrain.{kind}s"
        self._built_in: dict[str, type[M]] = {}
        self._resolved: dict[str, type[M]] = {}
        self._met: dict[type[M], None] = {}
        self._in_schema = False
        self._warned: set[str] = set()

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            log.warning("%s", message)

    def add(self, *members: type[M]) -> None:
        """Members that ship with selftrain, each under the default of its field `type`."""
        self._built_in |= {member.model_fields["type"].default: member for member in members}

    @property
    def built_in(self) -> list[str]:
        """The names of those that ship with selftrain."""
        return list(self._built_in)

    @cached_property
    def _offers(self) -> dict[str, list[EntryPoint]]:
        offers: dict[str, list[EntryPoint]] = {}
        for offer in entry_points(group=self.group):
            if offer.name in self._built_in:
                self._warn(
                    f"{_distribution(offer)} offers a {self.kind} {offer.name}, which is the name"
                    f" of one of selftrain's and stays that; name theirs as {offer.value}"
                )
            else:
                offers.setdefault(offer.name, []).append(offer)
        return offers

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        for name in self._offers:
            try:
                self[name]
            except UserError as error:
                self._warn(str(error))
            else:
                yield name

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._offers

    def __getitem__(self, name: str) -> type[M]:
        """The class of this name or reference.

        Raises:
            UserError: There is none, it cannot be imported, two distributions offer it, or it is
                something else.
        """
        if (known := self._built_in.get(name) or self._resolved.get(name)) is not None:
            return known
        if ":" in name:
            found = self._imported(name, f"{self.kind} {name}")
        elif offers := self._offers.get(name):
            values = {offer.value for offer in offers}
            if len(values) > 1:
                theirs = " and ".join(sorted(map(_distribution, offers)))
                raise UserError(
                    f"{theirs} both offer a {self.kind} {name};"
                    f" name the one that is meant: {' or '.join(sorted(values))}"
                )
            from_where = f"{self.kind} {name} of {_distribution(offers[0])}, {offers[0].value},"
            found = self._imported(offers[0].value, from_where)
        else:
            hint = nearest(name, [*self._built_in, *self._offers])
            own = "" if "did you mean" in hint else ", ./file.py:Name, package.module:Name"
            raise UserError(f'there is no "{name}"{hint}{own}')
        if _IN_FILE.fullmatch(name) is None:  # a file may change
            self._resolved[name] = found
        return found

    def of(self, section: Any) -> type[M] | None:
        """The class of a member, or the one that a section of settings names; None without one."""
        if isinstance(section, self.base):
            return type(section)
        name = section.get("type") if isinstance(section, Mapping) else None
        try:
            return self[name] if isinstance(name, str) else None
        except UserError:  # which validation says
            return None

    @property
    def in_use(self) -> list[type[M]]:
        """Members that have a name, and all others that were asked for in this process."""
        return list(dict.fromkeys([*self.values(), *self._met]))

    def _imported(self, reference: str, what: str) -> type[M]:
        place, _, name = reference.partition(":")
        found: Any = _module(place, what)
        for part in name.split("."):
            if (found := getattr(found, part, None)) is None:
                raise UserError(f"{what} is not there: {place} has no {part}")
        if not isinstance(found, type) or not issubclass(found, self.base):
            is_function = callable(found) and not isinstance(found, type)
            advice = f"; decorate it with @{self.kind}" if self.kind in ("verifier", "task") else ""
            raise UserError(
                f"{what} is a {'class' if isinstance(found, type) else type(found).__name__} that"
                f" is no {self.base.__name__}{advice if is_function else ''}"
            )
        self._met[found] = None
        return found

    def name_of(self, member: type[M]) -> str:
        """The name by which this class is found again."""
        own = member.model_fields["type"].default if "type" in member.model_fields else None
        if own and self._built_in.get(own) is member:
            return own
        module = sys.modules.get(member.__module__)
        reference = f"{member.__module__}:{member.__qualname__}"
        if file := getattr(module, _FILE, None):
            return f"{file}:{member.__qualname__}"
        script = Path(getattr(module, "__file__", None) or "")
        if member.__module__ == "__main__" and script.is_file():
            return f"{script.resolve()}:{member.__qualname__}"
        for name, (offer, *others) in self._offers.items():
            package = offer.value.partition(":")[0].partition(".")[0]
            if package == member.__module__.partition(".")[0] and not others:
                with suppress(UserError):  # another member of its distribution may be broken
                    if self[name] is member:
                        return name
        self._resolved[reference] = member  # a notebook's cell may define it again
        return reference

    def validate(self, value: Any) -> M:
        """The member that a value stands for: itself, a class, or settings with `type`."""
        if isinstance(value, type) and issubclass(value, self.base):
            value = value()
        if isinstance(value, self.base):
            try:
                type(value).identity_of_class()
            except UserError as error:
                raise ValueError(str(error)) from None
            self._met[type(value)] = None
            return value
        if not isinstance(value, Mapping):
            raise PydanticKnownError("dict_type")
        name = value.get("type")
        try:
            if not isinstance(name, str):
                raise UserError(
                    f"say which {self.kind}: {', '.join(self._built_in)}, one that is installed, or"
                    " ./file.py:Name"
                )
            member = self[name]
            try:
                member.identity_of_class()
            except UserError as error:
                whose = f"{_distribution(self._offers[name][0])}: " if name in self._offers else ""
                raise UserError(f"{whose}{error}") from None
        except UserError as error:
            fault = InitErrorDetails(
                type="value_error", loc=("type",), input={}, ctx={"error": ValueError(str(error))}
            )
            raise ValidationError.from_exception_data(self.kind, [fault]) from None
        try:
            return member.model_validate(dict(value))
        except ValidationError as error:
            raise relocated(error, (name,)) from None

    def schema(self, _: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """JSON schema of what stands for a member; members of members are left open."""
        other: JsonSchemaValue = {
            "type": "object",
            "title": f"{self.kind} of another package",
            "properties": {"type": {"type": "string"}},
            "required": ["type"],
        }
        if self._in_schema:
            return other
        self._in_schema = True
        try:
            # in definitions: of the outermost schema the handler forgets what its class adds
            members = [
                handler(core_schema.definitions_schema(member.__pydantic_core_schema__, []))
                for member in self.values()
            ]
        finally:
            self._in_schema = False
        other["properties"]["type"]["pattern"] = ":"
        return {"anyOf": [*members, other]}


def relocated(error: ValidationError, within: tuple[str | int, ...]) -> ValidationError:
    """The same faults, at places within this one."""
    details = [
        InitErrorDetails(
            type=fault["type"],
            loc=(*within, *fault["loc"]),
            input=fault["input"],
            ctx=fault.get("ctx", {}),
        )
        for fault in error.errors(include_url=False)
    ]
    return ValidationError.from_exception_data(error.title, details)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:32]


def _is_outside(member: type) -> bool:
    return member.__module__.partition(".")[0] != _OURS


def _distribution(offer: EntryPoint) -> str:
    return f"distribution {offer.dist.name}" if offer.dist else "a distribution"


def _module(place: str, what: str) -> ModuleType:
    try:
        return _file(place) if place.endswith(".py") else importlib.import_module(place)
    except UserError as error:
        raise UserError(f"{what} {error}") from None
    except (Exception, SystemExit) as error:  # whatever a person's module raises
        if isinstance(error, ModuleNotFoundError) and place.startswith(str(error.name)):
            raise UserError(
                f"{what} cannot be imported: there is no module {error.name}; install its package,"
                " or put its folder on PYTHONPATH"
            ) from error
        frames = traceback.extract_tb(error.__traceback__)
        theirs = [frame for frame in frames if not frame.filename.startswith(_HERE)]
        file, line = theirs[-1].filename, theirs[-1].lineno
        if isinstance(error, SyntaxError):
            file, line = error.filename or file, error.lineno
        raise UserError(
            f"{what} cannot be imported ({type(error).__name__}: {error}; {file}, line {line})"
        ) from error


def _file(place: str) -> ModuleType:
    """The module in a file, imported once for each state of its source.

    A path that is not whole is taken from the folder that the command runs in.
    """
    path = Path(place).resolve()
    main = sys.modules.get("__main__")
    if getattr(main, "__file__", None) and Path(main.__file__).resolve() == path:  # type: ignore[union-attr, arg-type]
        return main  # type: ignore[return-value]
    if not path.is_file():
        raise UserError(f"is not there: there is no file {path}")
    state = hashlib.sha256(bytes(path) + path.read_bytes()).hexdigest()[:12]
    name = f"selftrain_file_{path.stem}_{state}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    setattr(module, _FILE, str(path))
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
