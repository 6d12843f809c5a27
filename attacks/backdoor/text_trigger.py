"""A trigger for texts (Dai et al. 2019, Yoo and Kwak 2022): a rare word at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field
from torch import Tensor

from fflbench.attacks.backdoor.backdoor import Backdoor
from fflbench.contracts import DataKind, Rng, TaskView


@dataclass
class TextTrigger(Backdoor):
    """The last `count` tokens become the token `word`: by default the rarest of the vocabulary."""

    data: ClassVar[tuple[DataKind, ...]] = ("text",)
    paper: ClassVar[str] = "https://arxiv.org/abs/1905.12457"
    assumes: ClassVar[str] = "honest peers rarely use the word, so they do not unlearn it"
    cost: ClassVar[str] = "O(examples)"

    word: Annotated[int, Field(ge=2)] | None = None
    count: Annotated[int, Field(ge=1)] = 1

    def unfit(self, task: TaskView) -> str | None:
        reason = super().unfit(task)
        if reason is None and self.word is not None and self.word >= task.vocabulary:
            return f"word: found {self.word}, needs a token from 2 to {task.vocabulary - 1}"
        if reason is None and self.count > task.input_shape[0]:
            return f"count: found {self.count}, texts have {task.input_shape[0]} tokens"
        return reason

    def stamped(self, inputs: Tensor, task: TaskView, part: int | None, rng: Rng) -> Tensor:
        changed = inputs.clone()
        changed[:, -self.count :] = task.vocabulary - 1 if self.word is None else self.word
        return changed
