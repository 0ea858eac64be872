"""Running suites on frames by Great Expectations 1.x: an ephemeral context, pandas, no analytics."""

import shutil
from pathlib import Path
from typing import Any

import great_expectations as gx
import pandas as pd
from great_expectations.data_context.types.base import (
    DataContextConfig,
    InMemoryStoreBackendDefaults,
    ProgressBarsConfig,
)
from great_expectations.expectations.expectation import Expectation

from ostinato.errors import DataError
from ostinato.expectations._offline import settle

FAULTS = ["track_id", "reason", "evidence"]
RESULT = {"result_format": "COMPLETE", "unexpected_index_column_names": ["track_id"]}
MISSING = "missing"


class Session:
    """Suites run on tables, and the Data Docs of all of them.

    Parameters
    ----------
    docs : Path
        Where `write_docs` puts the pages.
    """

    def __init__(self, docs: Path) -> None:
        self.docs = docs
        self.results: dict[str, bool] = {}
        site = {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs.absolute())},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        }
        config = DataContextConfig(
            store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
            analytics_enabled=False,
            progress_bars=ProgressBarsConfig(globally=False),
            data_docs_sites={"local": site},
        )
        self.context = gx.get_context(mode="ephemeral", project_config=config)
        self.source = self.context.data_sources.add_pandas("ostinato")

    def check(self, table: str, frame: pd.DataFrame, suite: list[Expectation]) -> tuple[dict[str, Any], pd.DataFrame]:
        """Run a suite on a table.

        Parameters
        ----------
        table : str
        frame : DataFrame
            With `track_id`.
        suite : list of Expectation
            With a `reason` in each `meta`.

        Returns
        -------
        receipt : dict
            What was expected and found; the same for the same table.
        faults : DataFrame
            track_id, reason, evidence: a row for each value that broke an
            expectation of single rows.

        Raises
        ------
        DataError
            If an expectation could not be evaluated at all.
        """
        batch = self.source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all")
        checked = self.context.suites.add(gx.ExpectationSuite(name=table, expectations=suite))
        definition = gx.ValidationDefinition(name=table, data=batch, suite=checked)
        self.context.validation_definitions.add(definition)
        checkpoint = gx.Checkpoint(name=table, validation_definitions=[definition], result_format=RESULT, actions=[])
        outcome = self.context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
        self.results[table] = bool(outcome.success)
        results = [r for run in outcome.run_results.values() for r in run.results]
        for result in results:
            _refuse_unevaluated(table, result)
        faults = [_faults(result) for result in results]
        receipt = {
            "table": table,
            "n_rows": len(frame),
            "success": bool(outcome.success),
            "expectations": [_receipt(result) for result in results],
        }
        return receipt, pd.concat([pd.DataFrame(columns=FAULTS), *faults], ignore_index=True)

    def write_docs(self) -> Path:
        """Write what was checked as static HTML pages.

        Returns
        -------
        Path
            The first page.
        """
        shutil.rmtree(self.docs, ignore_errors=True)
        self.context.build_data_docs(site_names=["local"])
        settle(self.docs, self.results)
        return self.docs / "index.html"


def _refuse_unevaluated(table: str, result: Any) -> None:
    """Raise where an expectation raised: it said nothing about the data."""
    info = result.exception_info or {}
    for raised in [info] if "raised_exception" in info else info.values():
        if raised["raised_exception"]:
            raise DataError(
                f"{table}: {result.expectation_config.type} cannot be checked: {raised['exception_message']}"
            )


def _faults(result: Any) -> pd.DataFrame:
    """List the rows that broke an expectation of single rows."""
    config, found = result.expectation_config, result.result
    if "unexpected_index_list" not in found or config.kwargs.get("mostly", 1) < 1:
        return pd.DataFrame(columns=FAULTS)
    column, reason = config.kwargs["column"], config.meta["reason"]
    rows = [(row["track_id"], reason, _evidence(column, row[column])) for row in found["unexpected_index_list"] or []]
    return pd.DataFrame(rows, columns=FAULTS)


def _evidence(column: str, value: Any) -> str:
    if column == "error":
        return str(value)
    return f"{column} = {value:.6g}" if isinstance(value, float) else f"{column} = {value}"


def _receipt(result: Any) -> dict[str, Any]:
    config, found = result.expectation_config, result.result
    expected = {k: v for k, v in config.kwargs.items() if k not in ("column", "batch_id")}
    return {
        "type": config.type,
        "column": config.kwargs.get("column"),
        "reason": config.meta["reason"],
        "expected": expected,
        "success": bool(result.success),
        "n_broken": int(found.get("unexpected_count", 0 if result.success else 1)),
    }
