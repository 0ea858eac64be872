"""Nothing is sent to Prefect's makers: imported before Prefect, which asks the environment once."""

import os

QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}

os.environ.update(QUIET)
