"""What a mathematical answer is made of.

`str` of a form is its normal form, which `reading` reads as the same form.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scalar:
    """A number or formula, whose unit may be empty."""

    text: str
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.text} [{self.unit}]" if self.unit else self.text


@dataclass(frozen=True)
class Words:
    """An answer in words.

    Its normal form has quotation marks of its own, since words may look like a formula: `(a) or
    (c)`.
    """

    text: str

    def __str__(self) -> str:
        return f"«{self.text}»"


@dataclass(frozen=True)
class Based:
    """Digits, and the base that they are written in."""

    digits: str
    base: str

    def __str__(self) -> str:
        return f"{self.digits}_{{{self.base}}}"


@dataclass(frozen=True)
class Items:
    r"""Between brackets, a point, interval, vector or set; without, a list in any order.

    The empty set is `\{\}`.
    """

    opening: str
    items: tuple[Form, ...]
    closing: str

    @property
    def ordered(self) -> bool:
        return self.opening not in ("", "\\{")

    def __str__(self) -> str:
        return self.opening + ", ".join(map(str, self.items)) + self.closing


@dataclass(frozen=True)
class Named:
    r"""`x = 5`, and `x \in [0, 5]`; an inequality in one variable is one, too."""

    name: str
    value: Form

    def __str__(self) -> str:
        return f"{self.name} = {self.value}"


@dataclass(frozen=True)
class Relation:
    """An equation, inequality or chain of them that names nothing."""

    sides: tuple[str, ...]
    signs: tuple[str, ...]

    def __str__(self) -> str:
        return self.sides[0] + "".join(
            f" {sign} {side}" for sign, side in zip(self.signs, self.sides[1:], strict=True)
        )


@dataclass(frozen=True)
class Union:
    r"""Sets joined by `\cup`."""

    parts: tuple[Form, ...]

    def __str__(self) -> str:
        return " \\cup ".join(map(str, self.parts))


@dataclass(frozen=True)
class Without:
    """A set without the elements of another."""

    whole: Form
    left_out: Form

    def __str__(self) -> str:
        return f"{self.whole} \\setminus {self.left_out}"


@dataclass(frozen=True)
class Matrix:
    """Rows of entries."""

    rows: tuple[tuple[Form, ...], ...]

    def __str__(self) -> str:
        return (
            "\\begin{pmatrix}"
            + " \\\\ ".join(" & ".join(map(str, row)) for row in self.rows)
            + "\\end{pmatrix}"
        )


Form = Scalar | Words | Based | Items | Named | Relation | Union | Without | Matrix
