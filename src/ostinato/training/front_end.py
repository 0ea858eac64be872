"""The feature of a batch of augmented waveforms, computed by torchaudio on the training device.

Frames, bands, decibels and their floor are those of `ostinato.features`, so that a
network trained this way can read the cached feature later.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
import torchaudio.functional as F
from torch import Tensor, nn
from torchaudio import transforms

from ostinato.core.chunks import EPSILON
from ostinato.errors import ParamsError
from ostinato.training.augment import augment

Scaling: TypeAlias = Literal["decibels", "below_loudest", "logarithm"]

AMIN, TOP_DB = 1e-10, 80.0
BLACKMAN_HARRIS = (0.44959, 0.49364, 0.05677)


class Recipe(NamedTuple):
    """How a feature is computed from a power spectrogram."""

    scaling: Scaling = "decibels"
    mel_scale: Literal["slaney", "htk"] | None = "slaney"
    pad: Literal["reflect", "constant"] = "reflect"
    cepstral: bool = False


RECIPES: Mapping[str, Recipe] = {
    "stft": Recipe(mel_scale=None),
    "mel": Recipe(),
    "mel40": Recipe("logarithm", "htk", "constant"),
    "mel96": Recipe("below_loudest", pad="constant"),
    "mfcc": Recipe(cepstral=True),
    "mfcc13": Recipe(cepstral=True),
}
"""By module of `ostinato.features`; torchaudio has neither a constant-Q transform nor chroma."""


class FrontEnd(nn.Module):
    """Compute standardised chunks of a feature from waveforms.

    Parameters
    ----------
    feature : str
        Module of `ostinato.features`, one of `RECIPES`.
    parameters : mapping
        Arguments of its ``compute``.
    normalise : {"frame", "track", "train", "none"}
    mean, std : sequence of float, optional
        Statistics of each bin over the training tracks, for ``train``.
    augmentations : sequence of str
        Keys of `ostinato.training.augment.AUGMENTATIONS`, applied in this order.

    Raises
    ------
    ParamsError
        If torchaudio cannot compute the feature.
    """

    cosines: Tensor | None
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        feature: str,
        parameters: Mapping[str, Any],
        normalise: str = "none",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        augmentations: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if feature not in RECIPES:
            raise ParamsError(
                f"train.front_end: waveform computes {', '.join(RECIPES)}, not {feature}; "
                f"read {feature} from the cache: remove the waveform from `feature` and set front_end: cache"
            )
        self.recipe, self.how, self.augmentations = RECIPES[feature], normalise, tuple(augmentations)
        self.sample_rate, self.factor = parameters["sample_rate"], parameters.get("factor", 1.0)
        self.n_fft, self.hop_length = parameters["n_fft"], parameters["hop_length"]
        window = torch.hann_window if self.recipe.mel_scale != "htk" else _blackman_harris
        self.spectrogram = transforms.Spectrogram(
            self.n_fft, hop_length=self.hop_length, window_fn=window, power=2.0, center=False
        )
        self.mel = nn.Identity() if self.recipe.mel_scale is None else _mel_scale(self.recipe, parameters)
        cosines = _cosines(parameters) if self.recipe.cepstral else None
        self.register_buffer("cosines", cosines, persistent=False)
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, None if values is None else torch.tensor(values)[:, None], persistent=False)

    def n_samples(self, n_frames: int) -> int:
        """Return the number of samples that frames span."""
        return (n_frames - 1) * self.hop_length + self.n_fft

    def compute_power(self, x: Tensor) -> Tensor:
        """Compute the power of each bin or band.

        Parameters
        ----------
        x : Tensor [shape=(batch, n_samples)]

        Returns
        -------
        Tensor [shape=(batch, bins, n_frames)]
            Of frames within the samples.
        """
        power: Tensor = self.mel(self.spectrogram(x))
        return power

    def compute_loudness(self, x: Tensor) -> Tensor:
        """Compute the loudest value of each example in dB, shape (batch,)."""
        return _decibels(self.compute_power(x)).amax((1, 2))

    def forward(
        self, x: Tensor, loudness: Tensor, n_frames: Tensor, levels: Tensor, generator: torch.Generator | None = None
    ) -> Tensor:
        """Compute the feature, with augmentation if there is a generator.

        Parameters
        ----------
        x : Tensor [shape=(batch, n_samples)]
        loudness : Tensor [shape=(batch,)]
            Maximum of the whole track in dB, to which the floor is relative.
        n_frames : Tensor [shape=(batch,), dtype=int64]
            Length of the track; one shorter than a chunk is repeated.
        levels : Tensor [shape=(batch, 2)]
            Mean and deviation of the whole track, for ``normalise: track``.
        generator : torch.Generator, optional
            CPU generator for augmentation.

        Returns
        -------
        Tensor [shape=(batch, 1, bins, chunk_frames)]
        """
        with torch.autocast(x.device.type, enabled=False):
            if generator is not None and self.augmentations:
                clean, x = x, augment(x, self.augmentations, self.sample_rate, generator)
                loudness = loudness + _power_db(x) - _power_db(clean)
            power = self.compute_power(x)
            indices = torch.arange(power.shape[2], device=x.device) % n_frames[:, None]
            rows = self._scale(power.gather(2, indices[:, None].expand_as(power)), loudness)
            return self._standardise(rows, levels)[:, None]

    def _scale(self, power: Tensor, loudness: Tensor) -> Tensor:
        """Compress power as the feature does, with a floor `TOP_DB` below the track's maximum."""
        if self.recipe.scaling == "logarithm":
            return torch.log10(1 + self.factor * power)
        rows = _decibels(power)
        loudest = torch.maximum(loudness, rows.amax((1, 2)))[:, None, None]
        rows = torch.maximum(rows, loudest - TOP_DB)
        if self.recipe.scaling == "below_loudest":
            return rows - loudest
        return rows if self.cosines is None else self.cosines @ rows

    def _standardise(self, rows: Tensor, levels: Tensor) -> Tensor:
        """Standardise like `ostinato.core.chunks.normalise`."""
        if self.how == "none":
            return rows
        if self.how == "frame":
            mean, std = rows.mean(1, keepdim=True), rows.std(1, correction=0, keepdim=True)
        elif self.how == "track":
            mean, std = levels[:, :1, None], levels[:, 1:, None]
        else:
            mean, std = self.mean, self.std
        return (rows - mean) / torch.where(std < EPSILON, 1.0, std)


def _decibels(power: Tensor) -> Tensor:
    """Convert power to dB of full scale."""
    return F.amplitude_to_DB(power, multiplier=10.0, amin=AMIN, db_multiplier=0.0, top_db=None)


def _power_db(x: Tensor) -> Tensor:
    """Compute the mean power of each waveform in dB, shape (batch,)."""
    return _decibels(x.square().mean(1))


def _blackman_harris(length: int) -> Tensor:
    """Return the window of `ostinato.features._spectrum.blackman_harris`."""
    window = torch.signal.windows.general_cosine(length, a=BLACKMAN_HARRIS, sym=False)
    return window * 2 / window.sum()


def _mel_scale(recipe: Recipe, parameters: Mapping[str, Any]) -> nn.Module:
    """Return the mel bands: of unit area on Slaney's scale, with weights that sum to 1 on HTK's."""
    bands = transforms.MelScale(
        parameters["n_mels"],
        parameters["sample_rate"],
        parameters["f_min"],
        parameters["f_max"],
        parameters["n_fft"] // 2 + 1,
        norm="slaney" if recipe.mel_scale == "slaney" else None,
        mel_scale=str(recipe.mel_scale),
    )
    if recipe.mel_scale == "htk":
        size = bands.fb.sum(0)
        bands.fb /= torch.where(size > 0, size, 1.0)
    return bands


def _cosines(parameters: Mapping[str, Any]) -> Tensor:
    """Return the orthonormal DCT-II of the feature's coefficients, shape (n_coefficients, n_mels)."""
    matrix: Tensor = F.create_dct(parameters["n_mfcc"], parameters["n_mels"], norm="ortho").T
    return matrix[parameters.get("n_dropped", 0) :].contiguous()
