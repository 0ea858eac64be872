"""Offline Data Docs: the pages of Great Expectations without external resources.

Their styles and scripts are on external servers. Our own style replaces the former;
the latter are removed, and the list of pages is written directly.
"""

import html
import re
from collections.abc import Mapping
from pathlib import Path

STYLE = """
:root { color-scheme: light dark; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; color: #202124;
  background: #fcfcfa; }
a { color: #0072b2; }
h1, h5, .h6, h6 { font-size: 1rem; font-weight: 650; margin: 0; } h1 { font-size: 1.6rem; }
.row { display: flex; flex-wrap: wrap; } .col-12 { flex: 0 0 100%; max-width: 100%; }
.col-6 { flex: 0 0 50%; max-width: 50%; }
.col-md-2, .col-md-10 { flex: 0 0 100%; max-width: 100%; } .d-none, .btn-group, .card.mb-3 { display: none; }
.alert, .card { border: 1px solid #e4e5e2; border-radius: 8px; padding: .6rem .9rem; margin: .6rem 0;
  background: #fff; }
.nav { list-style: none; padding: 0; margin: 0; }
.breadcrumb { display: flex; gap: .8rem; list-style: none; padding: 0; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; } th { text-align: left; }
th, td { padding: .4rem .5rem; border-bottom: 1px solid #e4e5e2; vertical-align: top; }
.badge { border-radius: 6px; padding: 0 .4em; background: #f2f3f0; } pre { white-space: pre-wrap; }
.fas { font-style: normal; font-weight: 700; } .text-success { color: #16794f; } .text-danger { color: #b3401e; }
.fa-check-circle::before { content: "\\2713"; } .fa-times::before { content: "\\2717"; }
.fa-exclamation-triangle::before { content: "!"; }
.cooltip .top { display: none; }
@media (min-width: 768px) { .d-md-block { display: block; } .col-md-2 { flex-basis: 18%; }
  .col-md-10 { flex-basis: 82%; max-width: 82%; padding-left: 1rem; } }
@media (prefers-color-scheme: dark) { body { color: #e7e8ea; background: #15171a; }
  .alert, .card, .bg-light { background: #1c1f23; border-color: #2d3136; }
  th, td { border-color: #2d3136; } a { color: #62b5e5; } .badge { background: #2d3136; } }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
HEAD = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}"><style>{STYLE}</style>'
"""Pages contain names of files unescaped; this policy prevents them from running or loading anything."""
EXTERNAL = (
    re.compile(r"<script\b.*?</script>", re.DOTALL | re.IGNORECASE),
    re.compile(r"<footer\b.*?</footer>", re.DOTALL),
    re.compile(r"<style\b.*?</style>", re.DOTALL),
    re.compile(r"<(?:link|meta|base)\b[^>]*>", re.IGNORECASE),
    re.compile(r"<img\b[^>]*>", re.DOTALL | re.IGNORECASE),
    re.compile(r"\son\w+=(\"[^\"]*\"|'[^']*')"),
)


def settle(docs: Path, results: Mapping[str, bool]) -> None:
    """Remove external resources from all pages, and list them on the first one.

    Parameters
    ----------
    docs : Path
    results : mapping of str to bool
        Whether each table meets its expectations.
    """
    for page in docs.rglob("*.html"):
        page.write_text(make_offline(page.read_text(encoding="utf-8")), encoding="utf-8")
    (docs / "index.html").write_text(index(docs, results), encoding="utf-8")


def make_offline(page: str) -> str:
    """Remove external resources and scripts from a page.

    Examples
    --------
    >>> make_offline('<script src="https://x"></script><p onclick="go()">a</p>')
    '<p>a</p>'
    """
    for pattern in EXTERNAL:
        page = pattern.sub("", page)
    return re.sub(r"<head\b[^>]*>", lambda _: f"<head>{HEAD}", page, count=1)


def index(docs: Path, results: Mapping[str, bool]) -> str:
    """Return the page that lists the others."""
    rows = []
    for table, success in results.items():
        mark = '<b class="text-success">holds</b>' if success else '<b class="text-danger">broken</b>'
        validations = sorted((docs / "validations" / table).rglob("*.html"))
        expectations = docs / "expectations" / f"{table}.html"
        cells = [(validations[-1], "results")] if validations else []
        cells += [(expectations, "expectations")] if expectations.exists() else []
        links = ", ".join(
            f'<a href="{html.escape(page.relative_to(docs).as_posix())}">{text}</a>' for page, text in cells
        )
        rows.append(f"<tr><th>{html.escape(table)}</th><td>{mark}</td><td>{links}</td></tr>")
    head = f"<head>{HEAD}<title>Data Docs</title></head>"
    body = f"<body><h1>Expectations of the data</h1><table><tbody>{''.join(rows)}</tbody></table></body></html>\n"
    return f'<!doctype html>\n<html lang="en">{head}\n{body}'
