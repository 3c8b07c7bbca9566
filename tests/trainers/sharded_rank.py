"""One of several processes without GPUs that share a model, and take its loss in chunks:
accelerate shards models among GPUs alone, unless it takes gloo for one."""

import sys
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import DistributedType

from selftrain_assets.trainers import launched, loss

if __name__ == "__main__":
    PartialState(cpu=True, backend="gloo")._shared_state["distributed_type"] = (
        DistributedType.MULTI_GPU
    )
    loss.LOGITS_AT_ONCE = 1000
    launched.main(Path(sys.argv[1]))
