"""One of several processes that take the loss in chunks: nine positions of the embedded model's
small vocabulary at a time."""

import sys
from pathlib import Path

from selftrain_assets.trainers import launched, loss

if __name__ == "__main__":
    loss.LOGITS_AT_ONCE = 1000
    launched.main(Path(sys.argv[1]))
