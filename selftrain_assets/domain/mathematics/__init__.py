"""Mathematical answers: one way to write them (`notation`), what they are made of (`forms`,
`reading`), and when two are equal (`comparison`; `algebra` and `numeric` where only evaluation
can tell)."""
