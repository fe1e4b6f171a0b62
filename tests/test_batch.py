"""Batches: indexing by rows, cutting to the longest sequence, moving between types."""

import torch

from mmsearch.batch import Batch


def split() -> Batch:
    lengths = torch.tensor([1, 3, 2, 5])
    steps = torch.arange(5) < lengths[:, None]
    return Batch(
        inputs={
            "text": torch.arange(8.0).reshape(4, 1, 2),
            "audio": steps[:, :, None].float() * torch.arange(1.0, 5.0)[:, None, None],
        },
        lengths={"text": torch.ones(4, dtype=torch.int64), "audio": lengths},
        target=torch.tensor([0.0, 1.0, 2.0, 3.0]),
        rows=torch.arange(10, 14),
    )


def test_taken_examples_keep_the_row_numbers_of_their_split() -> None:
    taken = split().take(torch.tensor([2, 0]))
    assert taken.rows.tolist() == [12, 10]
    assert taken.target.tolist() == [2.0, 0.0]


def test_a_batch_is_cut_to_its_longest_sequence_by_modality() -> None:
    taken = split().take(torch.tensor([1, 2]))
    assert taken.inputs["audio"].shape == (2, 3, 1)
    assert taken.inputs["text"].shape == (2, 1, 2)


def test_cutting_loses_no_real_step() -> None:
    taken = split().take(torch.tensor([0, 1, 2]))
    assert taken.inputs["audio"].sum(dim=(1, 2)).tolist() == [1.0, 6.0, 6.0]


def test_examples_may_be_taken_more_than_once() -> None:
    assert split().take(torch.tensor([3, 3])).rows.tolist() == [13, 13]


def test_the_length_of_a_batch_is_its_number_of_examples() -> None:
    assert len(split()) == 4


def test_another_type_is_for_the_inputs_alone() -> None:
    moved = split().to(torch.device("cpu"), torch.bfloat16)
    assert moved.inputs["audio"].dtype == torch.bfloat16
    assert moved.target.dtype == torch.float32
    assert moved.lengths["audio"].dtype == torch.int64


def test_without_a_type_everything_keeps_its_own() -> None:
    moved = split().to(torch.device("cpu"))
    assert moved.inputs["audio"].dtype == torch.float32
