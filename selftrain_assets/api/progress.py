"""Progress of stages in a terminal or notebook."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm


class ProgressBar:
    """The bar of the stage that is being done; it is on stderr, and gone when that is finished.

    Args:
        shown: Whether there is one. None: in a terminal and in a notebook.
    """

    def __init__(self, shown: bool | None) -> None:
        # a notebook's stderr is no terminal
        self._shown = sys.stderr.isatty() or "ipykernel" in sys.modules if shown is None else shown
        self._stage = ""
        self._bar: tqdm | None = None

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *exception: object) -> None:
        self._close()

    def update(self, stage: str, done: int, total: int) -> None:
        """Show that so much of a stage is done."""
        if not self._shown:
            return
        if stage != self._stage or self._bar is None:
            self._close()
            with warnings.catch_warnings():  # of a notebook without widgets, where it is text
                warnings.simplefilter("ignore")
                from tqdm.auto import tqdm

                self._stage, self._bar = stage, tqdm(desc=stage, total=total, leave=False)
        self._bar.total = total
        self._bar.update(done - self._bar.n)
        if done >= total:
            self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
