"""Released models and catalogs for Python programs, in the words of the commands.

``import ostinato`` gives `load_model` and `load_catalog` and imports this only when one of them is called for.
"""

from pathlib import Path

import numpy as np

from ostinato.audio.context import AudioContext
from ostinato.errors import OstinatoError
from ostinato.inference.answers import Answer, answer_file, to_answer
from ostinato.inference.model import ReleasedModel
from ostinato.inference.predict import choose_models
from ostinato.inference.streaming import decode_and_measure
from ostinato.io.versions import CATALOG, find_current
from ostinato.recommendation.catalog import Catalog, open_whole


class Model:
    """A released model.

    Parameters
    ----------
    folder : Path
        With model.json and network.onnx.

    Attributes
    ----------
    name, task : str
    classes : tuple of str
    """

    def __init__(self, folder: Path) -> None:
        self._released = ReleasedModel(folder)
        self.name, self.task, self.classes = self._released.name, self._released.task, self._released.classes

    def predict(self, sound: str | Path | np.ndarray, sample_rate: int | None = None) -> Answer:
        """Classify a file, or samples.

        Parameters
        ----------
        sound : str, Path or np.ndarray [shape=(n_samples,) or (n_samples, n_channels)]
            A file in any format that is decoded, or samples between -1 and 1.
        sample_rate : int, optional
            In Hz; samples need it.

        Returns
        -------
        dict
            task, model, label, unsure, reasons, scores, and path of a file: an answer of `ostinato predict --json`.
            Samples are not compared with the files of training, so that reasons speak of scores alone.

        Raises
        ------
        OstinatoError
            If the file cannot be decoded, or the samples cannot be used.
        """
        if not isinstance(sound, np.ndarray):
            return answer_file(Path(sound), [self._released])[0]
        answer = to_answer("", self._released, self._released.predict(_make_context(sound, sample_rate)))
        return {key: value for key, value in answer.items() if key != "path"}

    def embed(self, sound: str | Path | np.ndarray, sample_rate: int | None = None) -> np.ndarray:
        """Compute the embedding of a file, or of samples; see `predict`.

        Returns
        -------
        np.ndarray [shape=(d,), dtype=float64]
        """
        if isinstance(sound, np.ndarray):
            context = _make_context(sound, sample_rate)
        else:
            context, _ = decode_and_measure(Path(sound), self._released.rates)
        return np.asarray(self._released.embedding(self._released.compute_inputs(context)), np.float64)


def _make_context(samples: np.ndarray, sample_rate: int | None) -> AudioContext:
    """Mix samples to mono."""
    if sample_rate is None:
        raise OstinatoError("samples need their sample_rate, in Hz: predict(samples, sample_rate=44100)")
    if samples.ndim == 2:
        samples = samples.mean(axis=1, dtype=np.float32)
    return AudioContext(samples, sample_rate)


def load_model(path: str | Path, task: str | None = None) -> Model:
    """Load a released model.

    Parameters
    ----------
    path : str or Path
        models/released; also the folder of one task, of one version, or its network.onnx.
    task : str, optional
        Default: genre if released, else the only one.

    Returns
    -------
    Model

    Raises
    ------
    OstinatoError
        If there is none such, several, or one whose files are not those that were released.
    """
    folders = choose_models(Path(path), task)
    if len(folders) > 1:
        raise OstinatoError(f"{path}: holds {len(folders)} models; choose one with task")
    return Model(folders[0])


def load_catalog(path: str | Path) -> Catalog:
    """Load a catalog.

    Parameters
    ----------
    path : str or Path
        A folder that `ostinato catalog --of` wrote, or models/released.

    Returns
    -------
    Catalog
        For `ostinato.recommendation.recommend.recommend`.

    Raises
    ------
    OstinatoError
        If it is absent or damaged.
    """
    folder = Path(path)
    return open_whole(find_current(folder / CATALOG if (folder / CATALOG).is_dir() else folder))
