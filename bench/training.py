"""Measure what training costs: clips a second of every architecture at the papers' size, against the machine's limit.

``python -m bench.training`` measures, in one run,

* the machine: multiply-adds a second of a large matrix product and bytes a second of a large copy, again for
  each architecture, since other work on a shared machine changes what a core can do,
* each architecture: clips a second forward (training mode, keeping what a gradient needs) and forward and
  backward, and the share of the bound that this is; a quarter is wanted,
* the loader: how many times as many clips a second come out of the feature cache as the training step takes;
  at least 3.

For the bound, each layer that multiplies takes as long as its multiply-adds, or as writing its result, reading
it again and reading its weights once a batch, whichever takes longer; all else is free; backward costs
twice as much. A stack is measured as its head on logits, since its members are not trained.

On a CPU one thread is timed by its processor time, which depends least on other work on the machine.
On a GPU (``--device cuda``) networks and matrix product are in bf16. Tensors are in channels-last format;
``--compile`` passes networks through ``torch.compile``. ``--quick`` takes each measurement once.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ostinato.cache import store
from ostinato.cache.writer import Writer, half
from ostinato.core import registry
from ostinato.core.malloc import keep_freed
from ostinato.training.data.batches import TrackDataModule
from ostinato.training.data.sources import Features
from ostinato.training.describe import Description, describe, shape_of

N_CLASSES = 16
SECONDS = 1.0
MATRIX, COPY, ROUNDS = 1024, 2**25, 5
BACKWARD = 3
"""Forward and backward together, in forwards."""
WANTED, LOADER = 0.25, 3.0
TRACKS, BATCHES = 256, 16
SOUND = dict.fromkeys(("chroma", "mfcc", "cqt_time", "cqt_freq", "mel_time", "mel_freq"), 800)
LOGITS = {f"member {i}": N_CLASSES for i in range(8)}
TRACK_OF_CHUNKS = 640


@dataclass(frozen=True)
class Case:
    """The inputs of an architecture in its paper: features as `describe` knows them, or widths of members."""

    reads: tuple[str, ...] | Mapping[str, int]
    batch: int
    frames: int | None = None
    n_classes: int = N_CLASSES

    @property
    def inputs(self) -> dict[str, Any]:
        """Shapes by feature, or widths by member."""
        if isinstance(self.reads, Mapping):
            return dict(self.reads)
        return {kind: shape_of(kind.split("-")[0], self.frames) for kind in self.reads}


CASES = {
    "albums": Case(("cover",), 6, n_classes=800),
    "choi": Case(("mel96",), 8),
    "cnn": Case(("mfcc13",), 32),
    "cnns_3": Case(("mel40",), 10),
    "freq": Case(("mel",), 8),
    "genre_ensemble": Case(LOGITS, 8),
    "large_rnn": Case(("mfcc",), 8, n_classes=800),
    "lyrics": Case(("lyrics",), 16, n_classes=800),
    "lyrics_transformer": Case(("lyrics",), 16),
    "mcclstm": Case(("mel40",), 10, TRACK_OF_CHUNKS),
    "mlp": Case(("mfcc13",), 32),
    "r0": Case(("mel40",), 10),
    "r1": Case(("mel40",), 10, TRACK_OF_CHUNKS),
    "r2": Case(("mel40",), 10),
    "r3": Case(("mel40",), 10),
    "r4": Case(("mel40",), 10, TRACK_OF_CHUNKS),
    "recommendation": Case(SOUND, 8, n_classes=800),
    "rnn": Case(("mfcc",), 8),
    "rnn_lstm": Case(("mfcc13",), 32),
    "simple": Case(("mel",), 8),
    "time": Case(("mel",), 8),
    "timefreq": Case({"time": N_CLASSES, "freq": N_CLASSES}, 8),
    "two_windows": Case(("mel", "mel-short"), 8),
}
"""Architectures without weights are left out."""


@dataclass(frozen=True)
class Machine:
    """The measured limits of a device.

    Parameters
    ----------
    device : str
    products, bytes : float
        Multiply-adds of a large matrix product and bytes of a large copy, read and written, a second.
    width : int
        Bytes of a number.
    """

    device: str
    products: float
    bytes: float
    width: int

    def compute_bound(self, about: Description, batch: int) -> float:
        """Return the least seconds that a clip can take, forward."""
        seconds = 0.0
        for layer in about.layers:
            if layer.multiply_adds:
                moved = 2 * np.prod(layer.shape) + layer.trainable / batch
                seconds += max(layer.multiply_adds / self.products, moved * self.width / self.bytes)
        return seconds


def time_call(work: Callable[[], Any], device: str, least: float) -> float:
    """Time a call by processor time, or by the clock on a GPU: once to warm up, then for a while."""
    clock = time.process_time if device == "cpu" else _gpu_clock
    work()
    n, begin = 0, clock()
    while n == 0 or clock() - begin < least:
        work()
        n += 1
    return (clock() - begin) / n


def _gpu_clock() -> float:
    torch.cuda.synchronize()
    return time.perf_counter()


def measure_machine(device: str, least: float) -> Machine:
    """Measure a large matrix product and a large copy."""
    kind = torch.float32 if device == "cpu" else torch.bfloat16
    size = MATRIX if device == "cpu" else 8 * MATRIX
    a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
    product = min(time_call(lambda: torch.mm(a, b), device, least) for _ in range(ROUNDS))
    x = torch.zeros(COPY, device=device)
    y = torch.empty_like(x)
    copy = min(time_call(lambda: y.copy_(x), device, least) for _ in range(ROUNDS))
    return Machine(device, size**3 / product, 2 * x.nbytes / copy, kind.itemsize)


def make_batch(name: str, case: Case, device: str) -> tuple[Tensor, ...]:
    """Make a batch of random inputs."""
    inputs = case.inputs
    if isinstance(case.reads, Mapping):
        return (torch.randn(case.batch, sum(inputs.values()), device=device),)
    if name.startswith("lyrics"):
        return tuple(torch.randint(1, n, (case.batch, words), device=device) for _, n, words in inputs.values())
    return tuple(torch.randn(case.batch, *shape, device=device) for shape in inputs.values())


def use_bf16(device: str) -> AbstractContextManager[Any]:
    """Return a context that computes in bf16 on a GPU."""
    return nullcontext() if device == "cpu" else torch.autocast(device, torch.bfloat16)


def measure_speeds(name: str, case: Case, device: str, least: float, compiled: bool) -> dict[str, float]:
    """Measure clips a second: forward, forward and backward, and with the optimiser's step."""
    network: nn.Module = registry.load("ostinato.architectures", name).Network(case.inputs, case.n_classes)
    network = network.to(device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    batch = make_batch(name, case, device)
    if compiled:
        network.compile()
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def forward() -> Tensor:
        with use_bf16(device):
            return network(*batch).float().square().mean()

    def backward() -> None:
        network.zero_grad()
        forward().backward()

    def step() -> None:
        backward()
        optimizer.step()

    calls = {"forward": forward, "backward": backward, "step": step}
    return {label: case.batch / time_call(work, device, least) for label, work in calls.items()}


def measure_loader(case: Case, folder: Path, least: float) -> float:
    """Measure the clips a second that the loader takes out of the feature cache, for one input."""
    (kind, shape), *_ = case.inputs.items()
    cache = folder / f"{kind}-{shape[2]}"
    if not cache.exists():
        write_cache(cache, shape)
    ids = np.array([f"t{i}" for i in range(TRACKS)], object)
    source = Features.of(kind, store.Store(cache), list(ids), shape[2], "frame")
    target, all_ = np.zeros((TRACKS, case.n_classes), np.float32), np.arange(TRACKS)
    data = TrackDataModule(source, target, ids, all_, all_[:0], batch_size=case.batch, chunks_per_track=1, seed=0)
    return TRACKS / time_call(lambda: [None for _ in data.train_dataloader()], "cpu", least)


def write_cache(folder: Path, shape: tuple[int, int, int]) -> None:
    """Fill a cache with tracks a little longer than a chunk."""
    rows = half(np.random.default_rng(0).standard_normal((shape[2] + 10, shape[1])).astype(np.float32))
    folder.mkdir()
    with Writer(store.shard_file(folder, 0)) as writer:
        for _ in range(TRACKS):
            writer.append(rows)
        writer.finish().commit()
    store.write_meta(folder, {"tail": [shape[1]]})
    store.write_index(folder, [store.Entry(i, f"t{i}", "", 0, i * len(rows), len(rows)) for i in range(TRACKS)])


def measure(name: str, args: argparse.Namespace, least: float, folder: Path) -> tuple[list[str], Machine]:
    """Return an architecture's row of the table, and the limits of the machine at that time."""
    case = CASES[name]
    about = describe(name, case.inputs, case.n_classes)
    before = measure_machine(args.device, least / ROUNDS)
    speeds = measure_speeds(name, case, args.device, least, args.compile)
    here = max(before, measure_machine(args.device, least / ROUNDS), key=lambda x: x.products)
    bound = here.compute_bound(about, case.batch)
    audio = not isinstance(case.reads, Mapping) and case.reads[0] not in ("cover", "lyrics")
    shapes = [f"{kind} {'x'.join(map(str, np.atleast_1d(shape)))}" for kind, shape in case.inputs.items()]
    cells = [
        name,
        ", ".join(shapes) if len(shapes) < 3 else f"{len(shapes)} members",
        f"{about.multiply_adds / 1e6:.1f}",
        f"{speeds['forward']:.1f}",
        f"{speeds['forward'] * bound:.0%}",
        f"{speeds['backward']:.1f}",
        f"{speeds['backward'] * bound * BACKWARD:.0%}",
        f"{measure_loader(case, folder, least) / speeds['step']:.1f}" if audio else "",
    ]
    return cells, here


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("architectures", nargs="*", help="default: all")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed()
    least, limits = 0.0 if args.quick else SECONDS, []
    print("| architecture | reads | M multiply-adds | forward/s | of bound | forward+backward/s | of bound | loader |")
    print("|---|---|--:|--:|--:|--:|--:|--:|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in args.architectures or CASES:
            cells, here = measure(name, args, least, Path(folder))
            limits.append(here)
            print(f"| {' | '.join(cells)} |", flush=True)
    for label, speeds in (("G multiply-adds", [x.products for x in limits]), ("GB copied", [x.bytes for x in limits])):
        print(f"\n{args.device}: {min(speeds) / 1e9:.0f} to {max(speeds) / 1e9:.0f} {label} a second")


if __name__ == "__main__":
    main()
