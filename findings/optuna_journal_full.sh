#!/bin/sh
# A study in a journal file whose disk is full does not end with the system's error: `optimize` asserts about the state of
# the trial while that error passes, so that what is raised is AssertionError("Should not reach.") and a handler of OSError
# sees nothing. `ask` and `tell` raise the OSError. Here a limit on the size of files stands for the full disk.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/env"
"$work/env/bin/pip" install --quiet --disable-pip-version-check "optuna==5.0.0"
cd "$work"
"$work/env/bin/python" - <<'PY'
import os
import resource
import sys
import warnings

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
print(f"optuna {optuna.__version__}")


def start(file):
    """Create a study whose journal has room for the start of a trial, not for its end."""
    study = optuna.create_study(storage=JournalStorage(JournalFileBackend(file)))
    size = os.path.getsize(file) + 250
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    return study


def ask_and_tell(study):
    study.tell(study.ask(), 1.0)


seen = {}
for name, run in (("optimize", lambda study: study.optimize(lambda trial: 1.0, n_trials=1)), ("tell", ask_and_tell)):
    try:
        run(start(f"{name}.log"))
        seen[name] = "nothing"
    except Exception as error:
        seen[name] = type(error).__name__
        print(f"{name}: {type(error).__name__}: {error}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
sys.exit(0 if seen == {"optimize": "AssertionError", "tell": "OSError"} else 1)
PY
