"""The paper's network for texts."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

Width = Annotated[int, Field(ge=1)]


class BiLSTM(nn.Module):
    """The paper's network for IMDB: 100-d embeddings, a bidirectional LSTM of 128, mean and max over time, one logit."""

    def __init__(self, vocabulary: int, embedding: Width = 100, hidden: Width = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.lstm = nn.LSTM(embedding, hidden, bidirectional=True, batch_first=True)
        self.output = nn.Linear(4 * hidden, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(tokens))
        logits: Tensor = self.output(torch.cat((states.mean(1), states.max(1).values), dim=1))
        return logits
