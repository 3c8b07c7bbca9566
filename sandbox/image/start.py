"""Entry point of the container.

Python does not add the folder of its script there (-P), so the path of the runner is added by hand.
"""

import os
import sys

sys.path.insert(0, "/opt")

from sandbox.runner.at_fork import hold_back

hold_back()

from sandbox.runner.supervisor import main  # noqa: E402 (what it imports is to be held back)

role, limits = main()  # returns in the process of a case alone
try:
    role(limits)
finally:
    os._exit(122)
