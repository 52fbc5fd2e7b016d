"""t-SNE of codes; `python -m limner.tsne` computes it in a process of its own.

That process reads codes in numpy's format, prints lines about its progress, and ends with a line of points.
"""

from __future__ import annotations

import base64
import io
import sys

import numpy as np

from limner.errors import LimnerError

MOST_COMPONENTS = 50  # principal components that t-SNE gets of longer codes on a map to explore
MARK = "points "  # before the points, in base64


def tsne(z: np.ndarray, seed: int = 0, verbose: int = 0) -> np.ndarray:
    """Codes (N, d) -> points (N, 2) by Barnes-Hut t-SNE (van der Maaten 2014), perplexity 30, from PCA.

    LimnerError where all codes are the same.
    """
    from sklearn.manifold import TSNE

    # equal codes become one point: scikit-learn's tree crashes the process where very many points are equal
    distinct, index = np.unique(z, axis=0, return_inverse=True)
    check_distinct(len(z), len(distinct))
    codes = z if len(distinct) == len(z) else distinct
    perplexity = min(30.0, (len(codes) - 1) / 3)
    model = TSNE(2, perplexity=perplexity, init="pca", random_state=seed, verbose=verbose)
    points: np.ndarray = model.fit_transform(codes)
    return points if codes is z else points[index.reshape(-1)]


def check_distinct(total: int, distinct: int) -> None:
    """LimnerError where all codes are the same."""
    if distinct == 1:
        raise LimnerError(
            f"all {total} codes are the same, so there is nothing to map: the model has collapsed"
        )


def shorten_codes(z: np.ndarray, seed: int = 0) -> np.ndarray:
    """Codes (N, d) as they are, or their first MOST_COMPONENTS principal components where they are longer."""
    from sklearn.decomposition import PCA

    most = min(MOST_COMPONENTS, len(z))
    if z.shape[1] <= most:
        return z
    components: np.ndarray = PCA(most, random_state=seed).fit_transform(z)
    return components


def main() -> None:
    """Codes from the standard input, points to the standard output; a mistake ends with code 2."""
    z = np.load(io.BytesIO(sys.stdin.buffer.read()), allow_pickle=False)
    try:
        points = tsne(shorten_codes(z), verbose=2)
    except LimnerError as error:
        sys.exit(f"limner: {error}")
    print(MARK + base64.b64encode(points.astype("<f4").tobytes()).decode(), flush=True)


if __name__ == "__main__":
    main()
