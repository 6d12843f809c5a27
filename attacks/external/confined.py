"""Other people's code runs in our process, so that it gets our networks as they are; this keeps it from leaving traces."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

import torch
from torch import Tensor, nn

from fflbench.contracts import Observation, Rng, UserError


@contextmanager
def confined(name: str, rng: Rng, device: torch.device) -> Iterator[None]:
    """Code inside draws from this stream, prints to nobody and leaves torch's switches alone. What goes wrong in it is a
    `UserError` that names the tool; an interruption that it kept to itself is raised again."""
    printed = io.StringIO()
    cudnn = torch.backends.cudnn
    switches = cudnn.benchmark, cudnn.deterministic
    try:
        with rng.inside_torch(device), redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{name} failed: {type(error).__name__}: {error}") from error
    finally:
        cudnn.benchmark, cudnn.deterministic = switches
    if " manually" in printed.getvalue():  # Both tools take Ctrl-C for a wish to see the images so far.
        raise KeyboardInterrupt


def copied_model(seen: Observation) -> nn.Module:
    """The network for them to keep, in the mode in which the victim trained."""
    return copy.deepcopy(seen.model).train(seen.training_mode)


def tensors(seen: Observation, flat: Tensor) -> list[Tensor]:
    """The trained part of `flat[d]` as both tools want gradients: a tensor a parameter, without NaN and infinities."""
    clean = torch.nan_to_num(flat, posinf=0.0, neginf=0.0)
    return [tensor.clone() for parameter, tensor in seen.layout.split(clean) if parameter.trainable]


def frozen(model: nn.Module) -> str | None:
    """Both tools take the gradient of every parameter."""
    names = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    return f"needs gradients of all parameters, {names[0]} is not trained" if names else None
