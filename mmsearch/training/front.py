"""Networks that learn along under a method: what they read becomes the features the method takes.

Unusual: they are no part of the method, so that every method can have one under it. Weights come
from the pretrained network, not from the trial's seed.
"""

from copy import deepcopy
from dataclasses import replace
from typing import cast

from torch import nn

from mmsearch import backbones
from mmsearch.backbones.network import Network, taken
from mmsearch.backbones.settings import FineTunedImages, Learning, Reader
from mmsearch.batch import Batch
from mmsearch.methods.base import MethodConfig, ParameterGroup


class Front(nn.ModuleDict):
    """The networks that learn along, by modality; with none it gives a batch as it is."""

    def __init__(self, config: MethodConfig) -> None:
        """Copies the pretrained networks.

        Raises:
            StudyError: one is not there.
        """
        super().__init__()
        self._settings: dict[str, Reader] = {}
        for chosen in backbones.learning(config):
            network = deepcopy(backbones.source(chosen).network)
            if isinstance(chosen.settings, FineTunedImages):
                network.flip = chosen.settings.horizontal_flip
            self[chosen.modality] = network
            self._settings[chosen.modality] = chosen.settings

    def forward(self, batch: Batch) -> Batch:
        """The batch with features in place of what the networks read; of it what there is."""
        there = {name: one for name, one in self._settings.items() if name in batch.inputs}
        if not there:
            return batch
        inputs, lengths = dict(batch.inputs), dict(batch.lengths)
        for name, settings in there.items():
            steps = cast("Network", self[name])(inputs[name], lengths[name])
            inputs[name], lengths[name] = taken(settings.output, steps)
        return replace(batch, inputs=inputs, lengths=lengths)

    def parameter_groups(self) -> list[ParameterGroup]:
        """`<modality>_backbone`, and `<modality>_backbone_plain` of what does not decay."""
        return [group for name in self._settings for group in self._groups(name)]

    def _groups(self, name: str) -> list[ParameterGroup]:
        settings = self._settings[name]
        assert isinstance(settings, Learning)
        weights = [p for p in self[name].parameters() if p.requires_grad]
        # Biases and the weights of normalisations are vectors.
        decayed = [p for p in weights if settings.decay_all or p.dim() > 1]
        plain = [p for p in weights if not settings.decay_all and p.dim() <= 1]
        rate, decay = settings.learning_rate, settings.weight_decay
        return [
            group
            for group in (
                ParameterGroup(f"{name}_backbone", decayed, rate, decay),
                ParameterGroup(f"{name}_backbone_plain", plain, rate),
            )
            if group.parameters
        ]
