"""``python -m sympozium_core.runner``."""

import sys

from sympozium_core.runner.main import main

if __name__ == "__main__":
    sys.exit(main())
