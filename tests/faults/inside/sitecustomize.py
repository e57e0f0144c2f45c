"""Imported by the enforcing child's interpreter at its start, where a test put this folder on its path."""

import json
import os

import faults

if plan := os.environ.get(faults.CHILD_PLAN):
    os.environ[faults.CHILD] = "1"
    faults.obey(json.loads(plan))
