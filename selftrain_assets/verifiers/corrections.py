"""How a completion corrects itself.

Words that replace an answer, take it back, or lead to another one.
"""

from __future__ import annotations

import re

VALUE = r"(?=\(?[A-Z]\)?\W{0,9}$|[-$\d(\\][^\n]{0,60}$)"  # that fills its line
TAKEN_BACK = (
    r"(?:that|this|it|what\s+I\s+(?:said|wrote))(?:(?:'s|\s+is|\s+was)\s+(?:wrong|incorrect|"
    r"not\s+(?:right|correct)|a\s+mistake)|"
    r"\s+(?:isn't|wasn't)\s+(?:right|correct))"
)
CORRECTED_TO = (
    r"\b(?:wait|no|actually|sorry|oops|correction)\b[\s,.:!\u2014-]{1,4}(?:I\s+meant?|it(?:'s|"
    r"\s+is|\s+(?:should|must)\s+be)|make\s+(?:that|it))\b|"
    r"(?<=[,.;])\s?(?:no|wait|sorry|actually|I\s+mean)[,:]\s+(?=\(?[A-Z]\b|[-$\d])|"
    r"(?:^|(?<=[.;!?*\u2014-]))["
    r" *_]{0,4}(?:h+m+|no|wait|sorry|oops|scratch\s+that|actually|correction|"
    r"corrected(?:\s+answer)?)\b"
    r"(?:[\s,.:!*\u2026\u2014-]{1,4}(?:no|wait|sorry|actually|rather|it(?:'s|\s+is|\s+(?:should|"
    r"must)\s+be)|I\s+meant?|make\s+(?:that|it))\b){0,3}"
    rf"(?:[\s*]{{0,3}}[,:.!\u2026\u2014-][\s,:*.\u2014-]{{0,4}}|"
    rf"(?<!\bno)(?<!wait)(?<!hmm)(?<!oops)(?<!sorry)\s{{1,2}}){VALUE}|"
    rf"\b{TAKEN_BACK}\W{{1,4}}(?:so\s+|rather\s+)?(?:it|the\s+answer|that)(?:'s|\s+is|\s+(?:should|"
    rf"must)\s+be)\b"
)
"""Behind it comes the answer that counts."""
WITHDRAWAL = re.compile(
    rf"\b(?:h+m+|no|wait|sorry|oops|actually|"
    rf"hold\s+on)\b[\s,.!\u2026\u2014-]{{1,4}}(?:{TAKEN_BACK}|I\s+was\s+wrong)\b|"
    r"\bscratch\s+that\b|\bI\s+made\s+(?:a\s+mistake|an\s+error)\b",
    re.IGNORECASE,
)
"""Without another answer there is none."""
CORRECTION = re.compile(
    r"\b(?:wait|nope|actually|correction|corrected|sorry|oops|h+m+|mistake|instead|rather|error|"
    r"wrong|incorrect|scratch\s+that|second\s+thou?ght|"
    r"re-?(?:check|calculat|comput|consider|examin|think|do|evaluat)\w*|apologi\w+|should\s+(?:be|"
    r"have)|not\s+right)\b|\bno\b(?=\s*[,.!:;\u2014-])",
    re.IGNORECASE,
)
"""A mark behind it replaces the one before it."""
WITHDRAWN = re.compile(
    r"(?:undefined|impossible|unknown|unclear|indeterminate|none|no|not|cannot)\b", re.IGNORECASE
)
