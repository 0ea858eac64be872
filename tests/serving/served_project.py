"""A tiny released model and catalog over a folder of rendered tones."""

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from fastapi import FastAPI

from finished_project import description, write_network
from ostinato.io.files import write_json
from ostinato.recommendation.catalog import Catalog
from ostinato.serving.app import Limits, application
from ostinato.serving.models import open_model
from ostinato.serving.protocol import Server, make_config

GENRES, TAGS = ["blues", "jazz", "rock"], ["calm", "drums", "fast", "voice"]
PARAMETERS = {"sample_rate": 8000, "n_mels": 8, "n_fft": 512, "hop_length": 256}
RATE = 8000
KEY = "open-sesame-open-sesame"
NAMES = ["testserver", "localhost", "127.0.0.1"]


def release(folder: Path, task: str = "genre", weight: float = 0.05, name: str = "tiny") -> Path:
    """Write a released model."""
    classes = GENRES if task == "genre" else TAGS
    folder.mkdir(parents=True, exist_ok=True)
    write_network(folder, list(classes), weight)
    about = description(name, task, list(classes), "folder")
    about["inputs"]["mel"] |= {"parameters": PARAMETERS}
    write_json(folder / "model.json", about)
    return folder


def play(path: Path, seconds: float = 3.0, frequency: float = 440.0, rate: int = RATE) -> Path:
    """Write a beating tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(int(seconds * rate)) / rate
    tone = 0.4 * np.sin(2 * np.pi * frequency * time) * (1 + 0.5 * np.sin(9 * time)) + 0.1 * np.sin(3000 * time)
    soundfile.write(path, tone, rate)
    return path


@contextmanager
def listen(app: FastAPI, max_connections: int = 64) -> Iterator[str]:
    """Serve on a free port of this machine; gives the address."""
    server = Server(make_config(app, "127.0.0.1", 0, max_connections))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    thread.join()


class Served:
    """Everything `ostinato serve` needs below one folder."""

    def __init__(self, root: Path, limits: Limits | None = None, api_key: str | None = None) -> None:
        self.root, self.releases, self.sounds = root, root / "released", root / "music"
        self.genre = release(self.releases / "genre")
        release(self.releases / "tags", "tags")
        self.app: FastAPI = application(self.releases, root / "catalog", self.sounds, limits, api_key, NAMES)

    def catalog(self, n: int = 6) -> Catalog:
        """Write tones and a catalog of what the model makes of them."""
        from ostinato import audio
        from ostinato.audio.context import AudioContext

        model, ids, vectors, known = open_model(self.genre), [], [], []
        for i in range(n):
            path = play(self.sounds / f"tone {i}.wav", frequency=200.0 * 2 ** (i / 2))
            ids.append(f"tone{i}")
            vectors.append(model.released.predict(AudioContext(*audio.load(path))).embedding)
            known.append(
                {"title": f"Tone {i}", "artist": f"Artist {i // 2}", "genre": GENRES[i % 3], "path": path.name}
            )
        known[-1]["path"] = "../outside.wav"
        play(self.root / "outside.wav")
        made = Catalog(ids, np.array(vectors), known, version=model.version)
        made.save(self.root / "catalog")
        for name in ("network.onnx", "model.json"):
            shutil.copyfile(self.genre / name, self.root / "catalog" / name)
        return made
