"""Memory of the GPU that this process gives back."""

from __future__ import annotations

import gc


def release_gpu_memory() -> None:
    """Return cached memory that nothing refers to from torch to the GPU.

    torch would keep it for this process. An engine in another process, which takes its share of the
    whole GPU when it starts, would lack it. vLLM's memory goes back when its process ends
    (engines/vllm_engine.py).
    """
    import torch

    if torch.cuda.is_available():
        gc.collect()  # a Trainer and its model refer to each other
        torch.cuda.empty_cache()
