"""Commands on networks, weights and datasets."""

from json import dumps
from pathlib import Path
from typing import Annotated

import typer

from ostinato.cli.root import LOOK, Json, app, echo


@app.command(rich_help_panel=LOOK)
def architectures(json: Json = False) -> None:
    """List the available networks, their papers and the features they take."""
    from ostinato.training.describe import list_architectures

    rows = list_architectures()
    if json:
        echo(dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        inputs = "logits of members" if row["features"] is None else ", ".join(row["features"])
        echo(f"{row['name']:20} {row['summary']}\n{'':20} takes {inputs}\n{'':20} {row['paper']}")


@app.command(rich_help_panel=LOOK)
def describe(
    architecture: Annotated[str, typer.Argument(help="one of `ostinato architectures`")],
    feature: Annotated[
        list[str], typer.Option(help="the feature it reads, such as mel, or with its shape cover:3x32x32; repeatable")
    ],
    classes: Annotated[int, typer.Option(min=1, help="number of classes")],
    frames: Annotated[int | None, typer.Option(min=1, help="frames per chunk; default: as in the paper")] = None,
    network: Annotated[
        list[str] | None, typer.Option(help="set an option of the network, such as fusion=gated; repeatable")
    ] = None,
    json: Json = False,
) -> None:
    """Print a network's layers, parameters, multiply-adds per clip and receptive field."""
    from ostinato.core import registry

    registry.check("ostinato.architectures", architecture)  # before torch is imported
    from ostinato.training import describe as describing

    inputs = describing.read(architecture, feature, classes, frames)
    description = describing.describe(architecture, inputs, classes, describing.departures(network or []))
    echo(dumps(description.table, indent=2) if json else description.text)


@app.command("import-weights", rich_help_panel=LOOK)
def import_weights(
    source: Annotated[
        Path, typer.Argument(help="HDF5 of Keras 1, such as weights_layer4_theano.hdf5; or the wheel of musicnn 0.1.0")
    ],
    target: Annotated[
        Path, typer.Argument(help="a .safetensors file, for train: {weights: ...}; or an .onnx file, an encoder")
    ],
    model: Annotated[
        str, typer.Option(help="of the wheel: MSD_musicnn, MTT_musicnn, MSD_vgg or MTT_vgg")
    ] = "MSD_musicnn",
) -> None:
    """Convert published weights: of the network `choi` for use as train.weights, of musicnn for use as an encoder."""
    import zipfile
    from hashlib import sha256

    if zipfile.is_zipfile(source):
        from ostinato.pretrained import wheel

        if target.suffix != ".onnx":
            raise typer.BadParameter(f"a wheel becomes an .onnx file: name the target {target.with_suffix('.onnx')}")

        network = wheel.find_network(model)
        digest = wheel.import_network(source, network, target)
        echo(f"{target}: {network.model} of {wheel.SOURCE}, trained on {network.trained_on}; licence {wheel.LICENSE}")
        echo(f"features: {{kinds: {{{target.stem}: {{kind: encoder, model: {target}, sha256: {digest}}}}}}}")
        return
    from ostinato.training.import_keras import import_keras

    for name, shape in import_keras(source, target).items():
        echo(f"{name:24} {' x '.join(map(str, shape))}")
    echo(f"weights: {target}\nweights_sha256: {sha256(target.read_bytes()).hexdigest()}")


@app.command(rich_help_panel=LOOK)
def datasets(
    name: Annotated[str | None, typer.Argument(help="a dataset; without one all are listed")] = None,
    cite: Annotated[bool, typer.Option("--cite", help="print only how to cite it")] = False,
    license_: Annotated[bool, typer.Option("--license", help="print only its licence")] = False,
) -> None:
    """List the datasets, or show one in detail."""
    from ostinato.core import registry
    from ostinato.datasets import about

    if name is None:
        names = registry.names("ostinato.datasets")
        plugins = {n: registry.load("ostinato.datasets", n) for n in names}
        for n, plugin in plugins.items():
            echo(f"{n:20} {(plugin.__doc__ or '').splitlines()[0]}")
        return
    plugin = registry.load("ostinato.datasets", name)
    texts = [text for text, is_set in ((plugin.CITATION, cite), (plugin.LICENSE, license_)) if is_set]
    echo("\n".join(texts) if texts else about(name))


@app.command(rich_help_panel=LOOK)
def download(
    name: Annotated[str, typer.Argument(help="a dataset")],
    to: Annotated[Path | None, typer.Option(help="target folder; default: data/raw/NAME")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="set an option of the dataset, such as subset=medium; repeatable")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="only verify existing files against its index")] = False,
) -> None:
    """Download a dataset, check it and unpack it; an interrupted download resumes."""
    from ostinato.core.counts import format_count
    from ostinato.core.paths import Paths
    from ostinato.datasets import index, remotes
    from ostinato.datasets._index import compare
    from ostinato.errors import ParamsError
    from ostinato.io.download import download
    from ostinato.io.locks import exclusive

    if wrong := [pair for pair in set_ or [] if "=" not in pair]:
        raise ParamsError(f"--set {wrong[0]}: must be key=value")
    options = dict(pair.split("=", 1) for pair in set_ or [])
    paths = Paths(Path.cwd())
    root, index_file = to or paths.raw(name), index(name)
    if check and index_file is None:
        raise ParamsError(f"--check: {name} has no index; remove --check")
    with exclusive(paths.lock("download", name)):
        if not check:
            files = download(remotes(name, options), root)
            echo("\n".join(f"downloaded {file}" for file in files) or f"{name}: already complete")
        if index_file is None:
            return
        download((index_file,), root)
        result = compare(root, root / index_file.name)
    for state, paths_in_state in (("missing", result.missing), ("altered", result.altered)):
        echo("".join(f"{state}: {path}\n" for path in paths_in_state), nl=False)
    n_same = result.n_files - len(result.missing) - len(result.altered)
    echo(f"{name}: {n_same:,} of {format_count(result.n_files, 'file')} as published")
    if n_same < result.n_files:
        raise typer.Exit(1)
