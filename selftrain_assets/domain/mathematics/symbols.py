# ruff: noqa: RUF001, SIM905
"""Tables of `notation`: characters and commands, and the canonical command of each."""

from __future__ import annotations

_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau"
    " upsilon phi chi psi omega".split()
)
_GREEK_CAPITALS = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split()

CHARACTERS = str.maketrans(
    {letter: f"\\{name} " for letter, name in zip("αβγδεζηθικλμνξπρστυφχψω", _GREEK, strict=True)}
    | {letter: f"\\{name} " for letter, name in zip("ΓΔΘΛΞΠΣΥΦΨΩ", _GREEK_CAPITALS, strict=True)}
    | {letter: f"\\mathbb{{{name}}}" for letter, name in zip("ℝℤℕℚℂ", "RZNQC", strict=True)}
    | dict.fromkeys("\u2212\u2010\u2011\u2012\u2013\u2014", "-")  # minus, hyphens, dashes
    | dict.fromkeys("×✕", "\\times ")
    | dict.fromkeys("·⋅∙", "\\cdot ")
    | dict.fromkeys("÷∕", "/")
    | dict.fromkeys("≤⩽", "\\le ")
    | dict.fromkeys("≥⩾", "\\ge ")
    | dict.fromkeys("°º˚", "\\degree ")
    | dict.fromkeys("∅⌀", "\\emptyset ")
    | dict.fromkeys("\u2009\u202f", "\\,")  # thin spaces
    | dict.fromkeys("\x00\ufeff\u200b\u2061", " ")
    | {
        "ϵ": "\\epsilon ",
        "ϕ": "\\phi ",
        "±": "\\pm ",
        "∓": "\\mp ",
        "≠": "\\ne ",
        "≈": "\\approx ",
        "≡": "\\equiv ",
        "∞": "\\infty ",
        "∪": "\\cup ",
        "∩": "\\cap ",
        "∈": "\\in ",
        "∖": "\\setminus ",
        "∠": "\\angle ",
        "△": "\\triangle ",
        "⟨": "\\langle ",
        "⟩": "\\rangle ",
        "⌊": "\\lfloor ",
        "⌋": "\\rfloor ",
        "⌈": "\\lceil ",
        "⌉": "\\rceil ",
        "′": "'",
        "’": "'",
        "€": "\\text{ euros}",
        "£": "\\text{ pounds}",
        "¢": "\\text{ cents}",
    }
)
RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ", "0123456789+-()n", strict=True))
LOWERED = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙ", "0123456789+-()n", strict=True))

COMMANDS = (
    dict.fromkeys(["dfrac", "tfrac", "cfrac", "sfrac", "nicefrac"], "\\frac")
    | dict.fromkeys(["dbinom", "tbinom"], "\\binom")
    | dict.fromkeys(
        [
            "textbf",
            "textit",
            "textrm",
            "textsf",
            "texttt",
            "textnormal",
            "textup",
            "mbox",
            "hbox",
            "emph",
        ],
        "\\text",
    )
    | dict.fromkeys(["leq", "leqslant", "leqq"], "\\le")
    | dict.fromkeys(["geq", "geqslant", "geqq"], "\\ge")
    | dict.fromkeys(["ldots", "cdots", "dotsc", "dotsb"], "\\dots")
    | dict.fromkeys(["vert", "lvert", "rvert"], "|")
    | dict.fromkeys(
        "left right mleft mright middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr"
        " displaystyle textstyle scriptstyle limits nolimits tiny small normalsize large Large"
        " LARGE huge Huge rm bf it hfill hline underline mathbf mathit mathsf mathtt boldsymbol bm"
        " boxed fbox ensuremath".split(),
        " ",
    )
    | dict.fromkeys(["quad", "qquad", "enspace", "thinspace", "space"], "\\ ")
    | {
        "neq": "\\ne",
        "lt": "<",
        "gt": ">",
        "div": "/",
        "ast": "*",
        "land": "\\text{ and }",
        "wedge": "\\text{ and }",
        "lor": "\\text{ or }",
        "vee": "\\text{ or }",
        "infin": "\\infty",
        "lbrace": "\\{",
        "rbrace": "\\}",
        "lbrack": "[",
        "rbrack": "]",
        "colon": ":",
        "mid": "|",
        "backslash": "\\setminus",
        "bigcup": "\\cup",
        "varnothing": "\\emptyset",
        "deg": "\\degree",
        "R": "\\mathbb{R}",
        "varphi": "\\phi",
        "varepsilon": "\\epsilon",
        "vartheta": "\\theta",
    }
)
FUNCTIONS = frozenset(
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh arsinh arcosh artanh "
    "log ln lg exp max min gcd lcm det sqrt pi infty mod".split()
)
"""Names that are functions or constants also where they are written without a backslash."""
