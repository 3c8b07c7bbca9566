"""Mathematical answers: their notation, their parts, and when two of them are equal.

`notation` gives each symbol one spelling, `forms` and `reading` say what an answer is made of, and
`comparison` compares; `algebra` and `numeric` do so where only evaluation can tell.
"""
