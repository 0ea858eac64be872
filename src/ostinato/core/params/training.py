"""Section `train`: how networks are trained."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ostinato.core.params.section import Section

CHUNKS_PER_EPOCH = 128
"""For small sets: eight steps at the default batch size, so that validation costs less than training."""
USED_WITH: dict[str, tuple[str, tuple[Any, ...]]] = {
    "temperature": ("loss", ("infonce",)),
    "margin": ("loss", ("triplet",)),
    "gamma": ("loss", ("focal", "asymmetric")),
    "clip": ("loss", ("asymmetric",)),
    "mask_share": ("spec_augment", (True,)),
    "n_masks": ("spec_augment", (True,)),
    "lr_factor": ("schedule", ("plateau",)),
    "lr_patience": ("schedule", ("plateau",)),
}
"""Keys of `train` that only have an effect if another key has one of these values."""


class RatePhase(Section):
    """A phase of training with its own learning rate and patience."""

    lr: float = Field(gt=0)
    patience: int = Field(ge=1)


class Train(Section):
    """Training of every candidate; a candidate's own `train` overrides single keys.

    Augmentation, other losses, schedules and repeated runs are off by default.
    """

    FORMER: ClassVar[Mapping[str, str]] = {
        "apart": "is called margin",
        "focus": "is called gamma",
        "subsample": "is called subsample_threshold",
        "vocabulary": "is called max_vocabulary",
        "tokens": "is called sequence_length",
        "absent_share": "is called modality_dropout",
        "batch_norm_momentum": "has no effect: running statistics are those of the training chunks; delete it",
    }

    max_epochs: int = Field(30, ge=1, description="maximum number of passes over the training tracks")
    patience: int = Field(8, ge=1, description="epochs without improvement, once validation is above chance")
    patience_steps: int = Field(50, ge=0, description="optimiser steps without improvement, in addition")
    batch_size: int = Field(16, ge=1, description="chunks per step")
    optimizer: str = "adam"
    lr: float = Field(1e-3, gt=0, description="learning rate")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty of the optimiser")
    chunk_frames: int = Field(129, ge=1, description="frames per chunk")
    chunks_per_track: Annotated[int, Field(ge=1)] | Literal["auto"] = Field(
        "auto", description="per epoch; auto: about 128 chunks of all training tracks together, at least 1 of each"
    )
    normalise: Literal["frame", "track", "train", "none"] = Field(
        "frame", description="standardise features over each frame, each track, or the training set"
    )
    max_vocabulary: int = Field(20000, ge=1, description="number of distinct words in lyrics")
    sequence_length: int = Field(256, ge=1, description="words per chunk of lyrics")
    subsample_threshold: float | None = Field(None, gt=0, description="subsample frequent words; null: keep all")
    monitor: str = Field("val_loss", description="value that selects the best epoch")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="share of the target spread over all classes")
    mixup: float = Field(0.0, ge=0, description="alpha of the Beta distribution that mixes two tracks; 0: off")
    spec_augment: bool = Field(False, description="mask bins and frames of each chunk")
    mask_share: float = Field(0.125, gt=0, le=1, description="maximum share of bins and frames per mask, rounded up")
    n_masks: int = Field(1, ge=1, description="masks per axis")
    front_end: Literal["cache", "waveform"] = Field(
        "cache", description="source of the training feature; waveform needs a feature such as mel+waveform"
    )
    augment: list[Literal["speed", "pitch", "bandwidth", "level", "noise"]] = Field(
        [], description="augmentations of the waveform, in this order"
    )
    loss: Literal["plain", "focal", "asymmetric", "infonce", "triplet"] = Field(
        "plain", description="the last two draw tracks of one artist, genre or tag together"
    )
    temperature: float = Field(0.1, gt=0, description="of infonce")
    margin: float = Field(0.2, gt=0, le=2, description="margin of the triplet loss")
    gamma: float = Field(2.0, ge=0, description="focusing parameter of a focal or asymmetric loss")
    clip: float = Field(0.05, ge=0, lt=1, description="of an asymmetric loss: scores up to it cost absent tags nothing")
    schedule: Literal["constant", "cosine", "plateau"] = Field("constant", description="of the learning rate")
    lr_factor: float = Field(0.5, gt=0, lt=1, description="of a plateau")
    lr_patience: int = Field(3, ge=1, description="of a plateau, in epochs")
    phases: list[RatePhase] = Field([], description="successive learning rates, instead of lr and schedule")
    runs: int = Field(1, ge=1, description="fits with different seeds; the best on validation is kept")
    compile: bool = Field(False, description="compile the network by torch.compile")
    class_weights: Literal["balanced"] | None = Field(None, description="weight rare classes more in the loss")
    clip_norm: float | None = Field(None, gt=0, description="maximum gradient norm; null: no clipping")
    weights: str | None = Field(None, description="safetensors file of initial weights; the head is new")
    weights_sha256: str | None = Field(None, description="hash of that file; the candidates run again when it changes")
    freeze: int = Field(0, ge=0, description="number of first layers to freeze")
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed", "bf16-true", "16-true"] = "auto"
    devices: int | str = "auto"
    strategy: str = "auto"
    modality_dropout: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="probability that a stack trains on a track without one of its `numbers` or `optional` members",
    )

    def count_chunks(self, n_tracks: int) -> int:
        """Count the chunks of each track in an epoch.

        Parameters
        ----------
        n_tracks : int
            Number of training tracks.

        Returns
        -------
        int

        Examples
        --------
        >>> [Train().count_chunks(n) for n in (16, 64, 128, 5000)], Train(chunks_per_track=3).count_chunks(16)
        ([8, 2, 1, 1], 3)
        """
        if self.chunks_per_track != "auto":
            return self.chunks_per_track
        return max(1, round(CHUNKS_PER_EPOCH / max(n_tracks, 1)))


def find_unused(keys: Iterable[str], train: Mapping[str, Any]) -> str | None:
    """Return a message on the first key of `train` that has no effect given the others.

    Parameters
    ----------
    keys : iterable of str
        Keys that were set.
    train : mapping
        Values of the candidate, including defaults.

    Returns
    -------
    str, optional
        None if all have an effect.

    Examples
    --------
    >>> find_unused(["margin"], {"loss": "focal"})
    'margin has no effect with loss: focal; delete it or set loss: triplet'
    """
    for key in keys:
        other, values = USED_WITH.get(key, ("", ()))
        if other and train[other] not in values:
            hint = " or ".join(str(value).lower() for value in values)
            return f"{key} has no effect with {other}: {str(train[other]).lower()}; delete it or set {other}: {hint}"
    return None
