"""What weights are known by."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from selftrain_assets.domain.errors import UserError
from selftrain_assets.domain.identity import digest_files
from selftrain_assets.domain.weights import NOTES_FILE

WEIGHT_SUFFIXES = (".safetensors", ".bin")


def weights_digest(directory: Path) -> str:
    """Digest of everything that shapes the output: weights, configuration and tokenizer files."""
    shaping = (*WEIGHT_SUFFIXES, ".json", ".model", ".jinja")
    files = [
        p
        for p in directory.iterdir()
        if p.suffix in shaping and p.is_file() and p.name != NOTES_FILE
    ]
    if not any(p.suffix in WEIGHT_SUFFIXES for p in files):
        raise UserError(f"model: {directory} holds no weights (*.safetensors)")
    return _digest(tuple(sorted((str(p), p.stat().st_size, p.stat().st_mtime_ns) for p in files)))


@lru_cache(maxsize=256)
def _digest(files: tuple[tuple[str, int, int], ...]) -> str:
    return digest_files([Path(path) for path, _, _ in files])
