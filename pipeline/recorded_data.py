"""The data sets that the recorder measures on, prepared as `make` would where they are not yet."""

from collections.abc import Iterable
from pathlib import Path

from nndl_jax.data.datasets import save_dataset
from nndl_jax.data.named import load_data_of
from nndl_jax.documents import Document
from pipeline.machine.paths import DATASET
from pipeline.machine.process import in_words
from pipeline.plan.needed_data import learnt_data
from pipeline.store.dataset import file_of, is_missing


def prepare_data(learners: Iterable[Document]) -> dict[Path, str]:
    """Prepare the files that documents learn; why one could not be, by its path.

    Raises:
        SystemExit: MNIST is needed, and neither it nor what stands in for it can be had.
    """
    failed: dict[Path, str] = {}
    for path, spec in {file_of(spec): spec for spec in learners}.items():
        if path.exists() and not is_missing(path):
            continue
        if path == DATASET:
            from pipeline import download, prepare

            download.main()
            prepare.main()
        elif (data := learnt_data(spec)) is not None:
            try:
                dataset = load_data_of(data)._replace(name=data.name)
                path.parent.mkdir(parents=True, exist_ok=True)
                save_dataset(dataset, path)
            except OSError as error:
                failed[path] = in_words(error)
            except (ImportError, ValueError) as error:
                failed[path] = str(error)
    return failed
