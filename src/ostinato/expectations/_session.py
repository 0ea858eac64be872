"""Run suites on frames with Great Expectations 1.x: an ephemeral context, pandas, no analytics."""

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
    """Runs suites on tables, and writes their Data Docs.

    Parameters
    ----------
    docs : Path
        Folder for the pages of `write_docs`.
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
            Each with a `reason` in its `meta`.

        Returns
        -------
        receipt : dict
            Expectations and results; deterministic.
        faults : DataFrame
            track_id, reason, evidence: one row per value that violates an expectation
            of single rows.

        Raises
        ------
        DataError
            If an expectation could not be evaluated.
        """
        batch = self.source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("all")
        registered = self.context.suites.add(gx.ExpectationSuite(name=table, expectations=suite))
        definition = gx.ValidationDefinition(name=table, data=batch, suite=registered)
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
        """Write the results as static HTML pages.

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
    """Raise an error if an expectation could not be evaluated."""
    info = result.exception_info or {}
    for exception in [info] if "raised_exception" in info else info.values():
        if exception["raised_exception"]:
            raise DataError(
                f"{table}: {result.expectation_config.type} cannot be checked: {exception['exception_message']}"
            )


def _faults(result: Any) -> pd.DataFrame:
    """List the rows that violate an expectation of single rows."""
    config, details = result.expectation_config, result.result
    if "unexpected_index_list" not in details or config.kwargs.get("mostly", 1) < 1:
        return pd.DataFrame(columns=FAULTS)
    column, reason = config.kwargs["column"], config.meta["reason"]
    rows = [(row["track_id"], reason, _evidence(column, row[column])) for row in details["unexpected_index_list"] or []]
    return pd.DataFrame(rows, columns=FAULTS)


def _evidence(column: str, value: Any) -> str:
    if column == "error":
        return str(value)
    return f"{column} = {value:.6g}" if isinstance(value, float) else f"{column} = {value}"


def _receipt(result: Any) -> dict[str, Any]:
    config, details = result.expectation_config, result.result
    arguments = {k: v for k, v in config.kwargs.items() if k not in ("column", "batch_id")}
    rows = details.get("unexpected_index_list") or []
    example = {"example": str(rows[0]["track_id"])} if rows else {}
    return {
        "type": config.type,
        "column": config.kwargs.get("column"),
        "reason": config.meta["reason"],
        "expected": arguments,
        "success": bool(result.success),
        "n_broken": int(details.get("unexpected_count", 0 if result.success else 1)),
        **example,
    }
