from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from .conftest import Cli, instance
