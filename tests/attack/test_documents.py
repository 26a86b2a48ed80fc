"""Changed documents: each is a document, and stays one when written, or is refused with a line."""

from pathlib import Path

from attack.mutants import IDS, content_of, damage, mutate_text, mutate_values, text_of
from attack.verdict import REFUSED, RIGHT, FindingError, attempt
from nndl_jax.documents import Document
from nndl_jax.documents.load import dump_spec, load_spec, parse_spec
from nndl_jax.documents.variants import variants
from nndl_jax.reading.faults import SpecError

MUTANT = Path("spec/mutant.yaml")


def test_changed_documents_are_documents_or_refused_with_a_line(attack, tmp_path):
    def try_one(rng):
        name = rng.choice(IDS)
        match rng.randrange(3):
            case 0:
                text = text_of(name)
                for _ in range(rng.choice([1, 1, 1, 2, 5])):
                    text = mutate_text(text, rng)
                return try_text(text)
            case 1:
                return try_text(
                    mutate_values(content_of(name), rng, num_changes=rng.choice([1, 1, 2]))
                )
            case _:
                path = tmp_path / f"{name}.yaml"
                text = text_of(name)
                encoding = rng.choice(["utf-8"] * 8 + ["utf-8-sig", "utf-16", "cp1252"])
                path.write_bytes(damage(text.encode(encoding, "replace"), rng))
                return try_file(path)

    attack("documents", try_one)


def try_text(text: str) -> str:
    spec, error = attempt(lambda: parse_spec(text, MUTANT), SpecError, where=MUTANT)
    if isinstance(error, SpecError) and not all(fault.line for fault in error.faults):
        raise FindingError(f"names no line: {error}")
    return REFUSED if spec is None else check_document(spec)


def try_file(path: Path) -> str:
    spec, _ = attempt(lambda: load_spec(path), SpecError, where=path)
    return REFUSED if spec is None else check_document(spec)


def check_document(spec: Document) -> str:
    if parse_spec(dump_spec(spec), MUTANT) != spec:
        raise FindingError("is another document when it has been written")
    if not variants(spec):
        raise FindingError("has no variants")
    return RIGHT
