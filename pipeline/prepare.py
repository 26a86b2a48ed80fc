"""Stage `prepare`: one data set file from the raw files, MNIST or the stand-in."""

from pipeline.machine.process import begin, run_stage

if __name__ == "__main__":
    begin()

import sys

from nndl_jax.data.datasets import load_digits, load_mnist, save_dataset
from pipeline.machine.paths import DATASET, NOT_MNIST, RAW
from pipeline.machine.writing import remove_unfinished


def main() -> None:
    """Reads `data/raw/` and writes `data/dataset.safetensors`."""
    try:
        if (RAW / NOT_MNIST).exists():
            print("NOT MNIST: scikit-learn's digits stand in; see data/raw.", file=sys.stderr)
            dataset = load_digits()
        else:
            dataset = load_mnist(RAW)
    except (FileNotFoundError, ValueError) as error:
        sys.exit(f"error: {error}")
    DATASET.parent.mkdir(parents=True, exist_ok=True)
    remove_unfinished(DATASET.parent)
    save_dataset(dataset, DATASET)


if __name__ == "__main__":
    run_stage(main, __doc__)
