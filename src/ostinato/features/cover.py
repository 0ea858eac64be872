"""The album's cover as pixels, as in paper 004.

References
----------
R. Whitell, "Content-based music recommendation using deep learning", Regis University, 2019,
section "Metadata".
"""

import numpy as np

SOURCE = "cover"
COLUMNS = ("cover",)


def compute(pixels: np.ndarray | None, *, size: int = 640) -> np.ndarray:
    """Resize a cover.

    Parameters
    ----------
    pixels : np.ndarray [shape=(height, width, 3), dtype=uint8] or None
    size : int
        Height and width of the result (bilinear).

    Returns
    -------
    np.ndarray [shape=(size, size, 3), dtype=uint8]
        Black if there is no cover.
    """
    if pixels is None:
        return np.zeros((size, size, 3), np.uint8)
    if pixels.shape[:2] == (size, size):
        return pixels
    from PIL import Image

    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))
