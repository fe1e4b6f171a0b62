"""Encoders against packing, padding and shapes."""

import torch
from torch.nn.utils.rnn import pack_padded_sequence

from mmsearch.encoders import FirstStep, Head, LastState


def test_the_last_state_is_what_packing_by_true_lengths_gives():
    torch.manual_seed(0)
    encoder = LastState(LastState.Config(hidden=6, features=4), in_features=3)
    sequence, lengths = torch.randn(5, 7, 3), torch.tensor([1, 7, 3, 6, 2])
    packed = pack_padded_sequence(sequence, lengths, batch_first=True, enforce_sorted=False)
    _, (hidden, _) = encoder.lstm(packed)
    torch.testing.assert_close(encoder(sequence, lengths), encoder.output(hidden[-1]))


def test_gradients_are_those_of_packing():
    torch.manual_seed(0)
    encoder = LastState(LastState.Config(hidden=6, features=4), in_features=3)
    sequence, lengths = torch.randn(4, 5, 3), torch.tensor([5, 2, 1, 4])
    encoder(sequence, lengths).sum().backward()
    ours = [parameter.grad for parameter in encoder.parameters()]
    encoder.zero_grad()
    packed = pack_padded_sequence(sequence, lengths, batch_first=True, enforce_sorted=False)
    encoder.output(encoder.lstm(packed)[1][0][-1]).sum().backward()
    torch.testing.assert_close(ours, [parameter.grad for parameter in encoder.parameters()])


def test_steps_beyond_the_length_have_no_effect():
    encoder = LastState(LastState.Config(hidden=6, features=4), in_features=3)
    sequence, lengths = torch.randn(2, 5, 3), torch.tensor([2, 3])
    other = sequence.clone()
    other[0, 2:], other[1, 3:] = 9.0, -9.0
    assert encoder(sequence, lengths).equal(encoder(other, lengths))


def test_a_vector_is_a_sequence_of_one_step():
    encoder = LastState(LastState.Config(hidden=6, features=4), in_features=3)
    assert encoder(torch.randn(2, 1, 3), torch.tensor([1, 1])).shape == (2, encoder.out_features)


def test_the_first_step_represents_a_sequence():
    encoder, sequence = FirstStep(3), torch.randn(2, 5, 3)
    assert encoder(sequence, torch.tensor([5, 1])).equal(sequence[:, 0])
    assert encoder.out_features == 3
    assert list(encoder.parameters()) == []


def test_a_head_gives_a_feature_that_is_never_negative_and_one_number():
    feature, prediction = Head(5, 8, dropout=0.5)(torch.randn(16, 5))
    assert feature.shape == (16, 8)
    assert (feature >= 0).all()
    assert prediction.shape == (16,)
