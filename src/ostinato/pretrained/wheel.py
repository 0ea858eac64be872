"""The published weights of the package `musicnn`, read from its wheel without installing it."""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import NamedTuple

from onnx import helper

from ostinato.errors import DataError, ParamsError
from ostinato.features._onnx import KEY
from ostinato.io.download import fetch
from ostinato.io.files import atomic_write
from ostinato.pretrained import checkpoint, musicnn

FILE = "musicnn-0.1.0-py3-none-any.whl"
PACKAGE = "1b/6f/38229e7d99c438e11114bbfa39c8c39185458c398011d0b6d7d7c7401617"
URL = f"https://files.pythonhosted.org/packages/{PACKAGE}/{FILE}"
SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
MAX_BYTES = 40_000_000
LICENSE = "ISC"
COPYRIGHT = "Music Technology Group, Universitat Pompeu Fabra, 2019"
SOURCE = "musicnn 0.1.0 (PyPI)"
MSD, MTT = "Million Song Dataset, last.fm tags", "MagnaTagATune"
ADVICE = "`pip download --no-deps musicnn==0.1.0` downloads it"
TAGS = {
    MSD: (
        "rock,pop,alternative,indie,electronic,female vocalists,dance,00s,alternative rock,jazz,beautiful,metal,"
        "chillout,male vocalists,classic rock,soul,indie rock,Mellow,electronica,80s,folk,90s,chill,instrumental,punk,"
        "oldies,blues,hard rock,ambient,acoustic,experimental,female vocalist,guitar,Hip-Hop,70s,party,country,"
        "easy listening,sexy,catchy,funk,electro,heavy metal,Progressive rock,60s,rnb,indie pop,sad,House,happy"
    ),
    MTT: (
        "guitar,classical,slow,techno,strings,drums,electronic,rock,fast,piano,ambient,beat,violin,vocal,synth,female,"
        "indian,opera,male,singing,vocals,no vocals,harpsichord,loud,quiet,flute,woman,male vocal,no vocal,pop,soft,"
        "sitar,solo,man,classic,choir,voice,new age,dance,male voice,female vocal,beats,harp,cello,no voice,weird,"
        "country,metal,female voice,choral"
    ),
}
"""In the order of the networks' outputs, from the package's configuration.py."""


class Network(NamedTuple):
    """A network of the package: its folder, and the dataset of its tags."""

    model: str
    trained_on: str

    @property
    def tags(self) -> list[str]:
        """Tags in the order of its scores."""
        return TAGS[self.trained_on].split(",")


NETWORKS = {
    "musicnn": Network("MSD_musicnn", MSD),
    "musicnn-mtt": Network("MTT_musicnn", MTT),
    "vgg": Network("MSD_vgg", MSD),
    "vgg-mtt": Network("MTT_vgg", MTT),
}
"""By name on the command line."""


def find_network(name: str) -> Network:
    """Find a network by its name on the command line, or by its folder in the package.

    Raises
    ------
    ParamsError
        If there is none.
    """
    networks = NETWORKS | {network.model: network for network in NETWORKS.values()}
    if name not in networks:
        raise ParamsError(f"there is no published encoder {name!r}; there are {', '.join(NETWORKS)}")
    return networks[name]


def download(folder: Path) -> Path:
    """Download the wheel from the package index, unless it exists."""
    folder.mkdir(parents=True, exist_ok=True)
    return fetch(URL, folder / FILE, f"sha256:{SHA256}", MAX_BYTES)


def import_network(wheel: Path, network: Network, target: Path) -> str:
    """Write a network of the wheel as ONNX.

    Parameters
    ----------
    wheel : Path
    network : Network
    target : Path
        The file to write.

    Returns
    -------
    str
        SHA-256 of the file, in hexadecimal.

    Raises
    ------
    DataError
        If the wheel is not the published one.
    """
    content = convert(wheel, network)
    with atomic_write(target) as partial:
        partial.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def convert(wheel: Path, network: Network) -> bytes:
    """Convert a network of the wheel to ONNX, with its preset, licence and tags in its metadata."""
    index, data, meta = (_read(wheel, network, end) for end in (".index", ".data-00000-of-00001", ".meta"))
    arrays = checkpoint.read_arrays(index, data, f"{wheel}: {network.model}")
    model = musicnn.convert(network.model, arrays, checkpoint.read_nodes(meta, f"{wheel}: {network.model}"))
    about = {"preset": "musicnn", "output": musicnn.EMBEDDING, "license": LICENSE, "trained_on": network.trained_on}
    helper.set_model_props(
        model,
        {
            KEY: json.dumps(about, sort_keys=True),
            "source": f"{SOURCE}, {network.model}",
            "copyright": COPYRIGHT,
            "tags": json.dumps(network.tags),
        },
    )
    return bytes(model.SerializeToString(deterministic=True))


def _read(wheel: Path, network: Network, end: str) -> bytes:
    """Read a file of a network after checking the hash of the wheel."""
    try:
        with open(wheel, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != SHA256:
                raise DataError(f"{wheel}: is not {FILE} as published (SHA-256 {digest} instead of {SHA256}); {ADVICE}")
            with zipfile.ZipFile(file) as archive:
                return archive.read(f"musicnn/{network.model}/{end}")
    except OSError as error:
        raise DataError(f"{wheel}: cannot be read ({error.strerror}); {ADVICE}") from error
