"""Turn off telemetry of Prefect; to be imported before Prefect, which reads the environment once."""

import os

QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

os.environ.update(QUIET)
