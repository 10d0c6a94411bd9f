"""A network of your own: learned filters, a mask for each talker, the way back.

    mkdir mine && cd mine
    cp ../templates/own_model/own_model.py ../hparams/tiny.yaml .
    python ../train.py tiny.yaml --name own_model \
        --separator "!new:own_model.OwnModel"

How to go on: docs/own_model.md.
"""

import torch


class OwnModel(torch.nn.Module):
    """``[B, T] -> [B, T, num_spks]``; the arguments can be set in the YAML."""

    def __init__(self, num_spks=2, sample_rate=8000, filters=64, size=32):
        super().__init__()
        # These two are asked for.
        self.num_spks, self.sample_rate = num_spks, sample_rate
        self.hop = size // 2
        self.encoder = torch.nn.Conv1d(1, filters, size, self.hop, self.hop)
        self.rnn = torch.nn.GRU(
            filters, filters, batch_first=True, bidirectional=True
        )
        self.mask = torch.nn.Linear(2 * filters, num_spks * filters)
        self.decoder = torch.nn.ConvTranspose1d(filters, 1, size, self.hop)

    def forward(self, mix):
        features = self.encoder(mix.unsqueeze(1)).relu()  # [B, F, frames]
        masks = self.mask(self.rnn(features.mT)[0]).sigmoid().mT
        masks = masks.unflatten(1, (self.num_spks, -1))  # [B, S, F, frames]
        masked = (masks * features.unsqueeze(1)).flatten(0, 1)
        est = self.decoder(masked).unflatten(0, (len(mix), -1)).squeeze(2)
        padded = torch.nn.functional.pad(est, (0, self.hop))
        return padded[..., self.hop :][..., : mix.shape[1]].mT
