"""Cross-entropy of completion tokens in bounded memory.

The logits of all positions never exist at once. At a vocabulary of 152k the float32 logits of 8
rows of 2,048 tokens take 10 GB, and their gradient as much again. Here the hidden states of
completion positions alone are projected, some hundred at a time, and each chunk's gradient is taken
before the next chunk is made: no logits outlive the forward pass, and nothing is computed twice.

What lies behind the backbone is the model's own code (`_Head`): its forward runs with given hidden
states in place of the backbone's. So logits are scaled, capped and adapted as each family does it,
whatever it is called there. Liger's fused loss would save memory as well, but knows a list of
families and needs Triton; trl's reads scale and cap from known names of the config, and another
name would be missed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn.functional import cross_entropy, pad
from transformers.modeling_outputs import CausalLMOutput, ModelOutput

from selftrain_assets.trainers.examples import IGNORED

if TYPE_CHECKING:
    from peft import PeftModel
    from torch.autograd.function import FunctionCtx
    from transformers import PreTrainedModel

LOGITS_AT_ONCE = 2**26
"""Logits of a chunk: 256 MB in float32. Smaller chunks lose time to adding up the gradient of
the head, larger ones gain none."""
PROBED_TOKENS = 16
Project = Callable[[torch.Tensor], torch.Tensor]
WHOLE, CHUNKED = "all logits at once", "in chunks"


def weighted_loss(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Sum of the cross-entropy of each position, times its weight, in float32.

    `logits` is of shape (positions, vocabulary), `labels` and `weights` of shape (positions,). A
    label of `IGNORED` counts nothing.
    """
    losses = cross_entropy(logits.float(), labels, reduction="none", ignore_index=IGNORED)
    return (losses * weights).sum()


def give_loss(model: PreTrainedModel | PeftModel, example: list[int], chunked: bool = True) -> str:
    """Have the model's forward return the loss where it is given `loss_weights`.

    Calls without `loss_weights` are not changed. The loss is taken in chunks where the head, run
    apart on the tokens `example`, gives the logits that the model gives; else, and where not
    `chunked`, from all logits at once. The model may be an adapter's.

    Returns:
        Which of the two it is, and why.
    """
    inner = model.get_base_model() if hasattr(model, "peft_config") else model
    forward, head = inner.forward, _Head(inner)
    obstacle = (
        head.obstacle(example[:PROBED_TOKENS]) if chunked else "DeepSpeed keeps the head in parts"
    )

    @wraps(forward)  # `generate` reads the signature
    def with_loss(
        *args: Any, loss_weights: torch.Tensor | None = None, **inputs: Any
    ) -> ModelOutput:
        if loss_weights is None:
            return forward(*args, **inputs)
        # Of the token that comes next; labels are moved, because to cut the last of each row's
        # logits off would copy them.
        labels = pad(inputs.pop("labels")[:, 1:], (0, 1), value=IGNORED).flatten()
        weights = pad(loss_weights[:, 1:].float(), (0, 1)).flatten()
        if obstacle:
            return CausalLMOutput(
                loss=weighted_loss(forward(*args, **inputs).logits.flatten(0, 1), labels, weights)
            )
        outputs = head.backbone(*args, **inputs)
        learned = (labels != IGNORED).nonzero().flatten()
        hidden = outputs.last_hidden_state.flatten(0, 1).index_select(0, learned)
        return CausalLMOutput(
            loss=_in_chunks(
                partial(head, outputs), head.vocabulary, hidden, labels[learned], weights[learned]
            )
        )

    inner.forward = with_loss
    return f"{WHOLE}: {obstacle}" if obstacle else CHUNKED


class _Head:
    """All that a causal language model does behind its backbone.

    `vocabulary` is known once it was looked for an `obstacle`.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self._model, self.backbone, self._forward = model, model.base_model, model.forward
        self.vocabulary = 0

    def __call__(self, outputs: ModelOutput, hidden: torch.Tensor) -> torch.Tensor:
        """Logits of shape (positions, vocabulary) of `hidden` states of shape (positions, width).

        `outputs` are what the backbone gave together with them.
        """
        replaced = type(outputs)(**{**outputs, "last_hidden_state": hidden[None]})
        unread = torch.zeros(1, len(hidden), dtype=torch.long, device=hidden.device)
        with _giving(self.backbone, replaced):
            return self._forward(input_ids=unread, use_cache=False).logits.flatten(0, 1)

    def obstacle(self, tokens: list[int]) -> str:
        """What keeps the head from being run apart; empty where nothing does."""
        name = type(self._model).__name__
        if self.backbone is self._model:
            return f"{name} has no backbone of its own"
        ids = torch.tensor([tokens], device=next(self._model.parameters()).device)
        was_training = self._model.training
        self._model.eval()
        try:
            with torch.no_grad():
                whole = self._forward(input_ids=ids, use_cache=False).logits.flatten(0, 1)
                outputs = self.backbone(input_ids=ids, use_cache=False)
                hidden = outputs.last_hidden_state[0]
                apart = torch.cat(
                    [self(outputs, part) for part in hidden.split(len(tokens) // 2 + 1)]
                )
        except Exception as error:
            # whatever an unknown model's code raises; the plain way needs none of this
            return f"the head of {name} cannot be run apart ({type(error).__name__})"
        finally:
            self._model.train(was_training)
        self.vocabulary = whole.shape[-1]
        rounding = 1e-4 if hidden.dtype == torch.float32 else 0.02
        same_shape = apart.shape == whole.shape
        if not same_shape or not (apart - whole).abs().max() <= rounding * whole.abs().max():
            return f"the head of {name} run apart gives other logits"
        return ""


@contextmanager
def _giving(module: torch.nn.Module, outputs: ModelOutput) -> Iterator[None]:
    """The module computes nothing and returns `outputs`."""
    own = vars(module).get("forward")
    module.forward = lambda *args, **inputs: outputs
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


@torch.compiler.disable
def _in_chunks(
    project: Project,
    vocabulary: int,
    hidden: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor,
) -> torch.Tensor:
    """`weighted_loss` of the logits of `hidden`, at most `LOGITS_AT_ONCE` logits at a time."""
    rows = max(1, LOGITS_AT_ONCE // vocabulary)
    if len(hidden) <= rows:
        return weighted_loss(project(hidden), labels, weights)
    return _ChunkedLoss.apply(
        project, rows, hidden, labels, weights, *_leaves(project(hidden[:1].detach()))
    )


def _leaves(tensor: torch.Tensor) -> list[torch.Tensor]:
    """The trained parameters that the tensor was computed from."""
    leaves, seen, pending = [], set(), [tensor.grad_fn]
    while pending:
        node = pending.pop()
        if node is not None and node not in seen:
            seen.add(node)
            pending += [before for before, _ in node.next_functions]
            leaves += [node.variable] if hasattr(node, "variable") else []
    return leaves


def _chunk(
    project: Project,
    hidden: torch.Tensor,
    label: torch.Tensor,
    weight: torch.Tensor,
    parameters: Sequence[torch.Tensor],
) -> tuple[torch.Tensor, ...]:
    """`weighted_loss` of one chunk, and its gradients by `hidden` and each of the parameters.

    Two tensors hold logits, until it returns.
    """
    hidden = hidden.detach().requires_grad_()
    with torch.enable_grad():
        logits = project(hidden)
    scores = logits.detach().float().log_softmax(-1)
    loss = -(scores.gather(1, label) * weight).sum()
    # The gradient of cross-entropy, in the same memory: probabilities, less one at the label.
    gradient = scores.exp_().scatter_add_(1, label, torch.full_like(weight, -1.0)).mul_(weight)
    return loss, *torch.autograd.grad(logits, [hidden, *parameters], gradient.to(logits.dtype))


class _ChunkedLoss(torch.autograd.Function):
    """Takes the gradients in the forward pass, chunk by chunk, where the logits are at hand.

    The backward pass scales them.
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        project: Project,
        rows: int,
        hidden: torch.Tensor,
        labels: torch.Tensor,
        weights: torch.Tensor,
        *parameters: torch.Tensor,
    ) -> torch.Tensor:
        total = torch.zeros((), device=hidden.device)
        hidden_gradient = torch.empty_like(hidden)
        parameter_gradients = [torch.zeros_like(p) for p in parameters]
        for start in range(0, len(hidden), rows):
            here = slice(start, start + rows)
            loss, hidden_gradient[here], *more = _chunk(
                project, hidden[here], labels[here, None], weights[here, None], parameters
            )
            total += loss
            for gradient, part in zip(parameter_gradients, more, strict=True):
                gradient += part
        ctx.gradients = hidden_gradient, parameter_gradients
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, scale: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden_gradient, parameter_gradients = ctx.gradients
        ctx.gradients = None
        scaled = [gradient.mul_(scale) for gradient in parameter_gradients]
        return None, None, hidden_gradient.mul_(scale), None, None, *scaled
