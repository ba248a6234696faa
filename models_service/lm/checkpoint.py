"""Checkpoint folders: read, write, hash. Hugging Face layout, safetensors only, all or nothing."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from models_service.lm import formats, passes
from models_service.lm.chat import settle, settled
from models_service.lm.formats import REWARD_KIND, WEIGHTS
from models_service.lm.heads import ScalarModel
from models_service.lm.logprobs import unembedding

# Workers write plain log lines; the library's progress bars would run through them.
transformers_logging.disable_progress_bar()


class CheckpointError(Exception):
    """A checkpoint cannot be used; the message says what is wrong and what to do."""


@contextmanager
def write_folder(folder: Path | str) -> Iterator[Path]:
    """Yield a new temporary folder that becomes `folder` when the block ends without an error.

    Every file is on disk before the rename, so a reader sees the old folder, none, or the whole
    new one. An existing folder is replaced.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, for a rename is one step only within a file system. The dot hides it from
    # every listing of checkpoints; what a kill leaves behind is found by it (`States.latest`).
    new = folder.parent / f".{folder.name}.{uuid4().hex}.new"
    new.mkdir()
    try:
        yield new
        # Before the rename, never after: file systems may write the new name before the contents,
        # and a power cut between would leave a checkpoint of zeros under its final name.
        for path in [*new.rglob("*"), new]:
            _flush(path)
        _replace(folder, new)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def load_policy(
    source: Path | str, *, dtype: torch.dtype = torch.float32
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A causal language model in evaluation mode and its tokenizer.

    `source` is a folder or a Hugging Face id. Raises CheckpointError.
    """
    folder = _locate(source)
    with _explained(source):
        # The configuration alone first: a reward model, an encoder-decoder or quantised weights are
        # told from it, before gigabytes are read.
        config, _ = PreTrainedConfig.get_config_dict(folder)
        if reason := formats.why_no_policy(source, config):
            raise CheckpointError(reason)
        model, info = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            # Without it the library falls back to a pickle where there is no safetensors file.
            use_safetensors=True,
            # The library only warns of weights that are missing, and starts them at random.
            output_loading_info=True,
            trust_remote_code=False,  # without a word the library would ask at a terminal
        )
        _require_complete(source, info)
        _require_causal(source, model.eval())
        tokenizer = load_tokenizer(folder)
        # Here, while the model is at hand: its rows and ends are not in the tokenizer's files, and
        # everything later asks the tokenizer alone.
        settle(tokenizer, rows=_rows(model), ends=_ends(model))
        unembedding(model)  # measured while the weights are whole
        return model, tokenizer


def take_up(
    source: Path | str, folder: Path | str, *, day: datetime.date, options: Mapping[str, Any]
) -> None:
    """Write a model that people bring as a folder of float32 safetensors, its habits settled.

    The clock of its chat template stops on that day, and the template gets these options, such as
    `enable_thinking`, from then on: in the folder and all that descends from it. Raises
    CheckpointError, also for an option that the template does not know.
    """
    # Read in float32 whatever it was stored in: a learning rate of 1e-5 moves a weight by less than
    # half precision can tell.
    model, tokenizer = load_policy(source)
    template = str(tokenizer.chat_template or "")
    # Templates ignore what they do not know: a misspelt `enable_thinking` would stay on, for good.
    if unknown := sorted(name for name in options if name not in template):
        raise CheckpointError(
            f"the chat template of {source} knows no option {', '.join(unknown)}. Leave it out, or "
            "write it as the template does"
        )
    with _explained(source):
        settle(tokenizer, rows=_rows(model), ends=_ends(model), day=day, options=options)
    save_policy(model, tokenizer, folder)


def save_policy(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path | str,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write the model and tokenizer as a Hugging Face folder, whole or not at all.

    `weights` are written in place of the model's own, by the names of its `state_dict`.
    """
    with write_folder(folder) as new:
        model.save_pretrained(new, state_dict=weights)
        tokenizer.save_pretrained(new)


def load_reward(
    folder: Path | str, *, dtype: torch.dtype = torch.float32
) -> tuple[ScalarModel, PreTrainedTokenizerBase]:
    """A reward or value model in evaluation mode and its tokenizer. Raises CheckpointError."""
    folder = Path(_locate(folder))
    with _explained(folder):
        config = _reward_config(folder)
        # Built from the configuration and filled from the one file: no second folder whose weights
        # could be exchanged, and nothing of the library's loading that could look elsewhere.
        trunk = AutoModel.from_config(AutoConfig.for_model(**config["trunk"]), dtype=dtype)
        weights = _without_bias(load_file(folder / WEIGHTS))
        # How many heads, and how wide, by the weights themselves, which it has to fit in any case.
        model = ScalarModel(trunk, *weights["head.weight"].shape)
        model.load_state_dict(weights)
        tokenizer = load_tokenizer(folder)
        settle(tokenizer, rows=_rows(trunk), ends=settled(tokenizer).get("ends", ()))
        return model.to(dtype).eval(), tokenizer


def save_reward(
    model: ScalarModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path | str,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write trunk, head and offset in one safetensors file, whole or not at all.

    `config.json` holds `kind` (always "reward"), how many `heads`, and `trunk`, the transformer's
    own configuration.
    """
    trunk = model.trunk.config.to_dict()
    config = {"kind": REWARD_KIND, "heads": model.heads, "trunk": trunk}
    tensors = model.state_dict() if weights is None else weights
    with write_folder(folder) as new:
        # safetensors refuses views and tensors that share memory. A trunk has no unembedding that
        # could be tied to its embedding.
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, new / WEIGHTS, metadata={"format": "pt"})
        (new / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        tokenizer.save_pretrained(new)


def load_tokenizer(source: Path | str) -> PreTrainedTokenizerBase:
    """The tokenizer of a checkpoint folder or a Hugging Face id."""
    try:
        return AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except Exception:  # the libraries' own: of each kind of tokenizer another
        if Path(source).is_dir() and (reason := formats.why_no_tokenizer(Path(source))):
            raise CheckpointError(reason) from None
        raise


def _rows(model: PreTrainedModel) -> int:
    """How many token ids the model's embedding knows."""
    return int(model.get_input_embeddings().weight.shape[0])


def _ends(model: PreTrainedModel) -> list[int]:
    """What ends a reply by the model's configuration and its generation configuration."""
    # All three, since they differ: Llama 3's generation configuration names ends that its tokenizer
    # does not. A reply that runs through one of them would go on as another turn.
    configs = (model.config, model.config.get_text_config(), model.generation_config)
    named = (getattr(config, "eos_token_id", None) for config in configs)
    return [i for ids in named for i in ([ids] if isinstance(ids, int) else ids or [])]


def _without_bias(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Of a reward model from before heads had no bias: the bias as a part of the offset."""
    if "head.bias" in weights:
        bias = weights.pop("head.bias").mean()
        # Scores stay what they were: w·x + b − offset. The mean, for an ensemble's score is the
        # mean of its heads.
        weights["offset"] = (weights["offset"] - bias).to(weights["offset"].dtype)
    return weights


def weights_sha256(folder: Path | str) -> str:
    """Hash of all weights by name, type, shape and bytes; how they are split over files, and
    everything that is not a weight, leaves it unchanged. Raises CheckpointError."""
    files = sorted(Path(folder).glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"{folder} has no safetensors file; it is not a checkpoint")
    # Not of the files' bytes: how the library cuts shards, and the order in its header, change
    # between versions; the weights do not.
    digest = hashlib.sha256()
    with _explained(folder):
        names = {name: path for path in files for name in _names(path)}
        # One tensor at a time, so that a model larger than memory can be named too.
        for name in sorted(names):
            with safe_open(names[name], framework="pt") as file:
                tensor = file.get_tensor(name)
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            # As bytes: NumPy has no bfloat16, and a −0 is another weight than 0 if a run must end
            # in the same bits.
            digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _names(path: Path) -> list[str]:
    with safe_open(path, framework="pt") as file:
        return list(file.keys())


def _locate(source: Path | str) -> Path | str:
    """A folder that has a configuration, or the Hugging Face id as it is."""
    folder = Path(source)
    if folder.is_dir():
        if reason := formats.why_unreadable(folder):
            raise CheckpointError(reason)
        return folder
    # A mistyped path must not become a download: an id has one slash at most, and begins with none.
    if isinstance(source, str) and source.count("/") <= 1 and source[:1] not in "./~":
        return source
    raise CheckpointError(f"there is no checkpoint folder {folder}")


def _require_complete(source: Path | str, info: dict[str, Any]) -> None:
    # Not the unexpected ones: heads that a policy does not need, and buffers of older versions of
    # the library, are many a good checkpoint's.
    wrong = sorted(map(str, [*info["missing_keys"], *info["mismatched_keys"]]))
    if wrong:
        raise CheckpointError(
            f"the weights of {source} do not fit its config.json; first of {len(wrong)}: "
            f"{wrong[0]}. Copy the folder again, or choose another model."
        )


@torch.no_grad()
def _require_causal(source: Path | str, model: PreTrainedModel) -> None:
    """What stands after a token must not change what is said of it. An encoder loads as a language
    model too, and reads both ways: its logits move by a hundredth of their spread at the least
    (measured over 300 fresh ones), a causal model's by its rounding."""
    # Two rows that differ in their last token alone, read one by one: in a batch together another
    # kernel's rounding might stand between them.
    ids = torch.tensor([[0, 1, 2, 3], [0, 1, 2, 0]], device=model.device) % _rows(model)
    one, other = (passes.run(model, input_ids=row[None]).logits[0, :3].float() for row in ids)
    # Between the two: the square root of the precision, 3e-4 in float32.
    if (one - other).abs().max() > torch.finfo(model.dtype).eps ** 0.5 * one.std():
        raise CheckpointError(
            f"{source} reads its text both ways, as an encoder does, and cannot write any. Choose "
            "a causal language model."
        )


def _reward_config(folder: Path) -> dict[str, Any]:
    config = json.loads((folder / "config.json").read_text())
    if config.get("kind") != REWARD_KIND:
        raise CheckpointError(f"{folder} is not a reward model; its config.json says no such kind")
    return dict(config)


@contextmanager
def _explained(source: Path | str) -> Iterator[None]:
    """Turn the libraries' errors about one checkpoint into one that names it."""
    try:
        yield
    except SafetensorError as error:
        raise CheckpointError(
            f"the weights in {source} are damaged or cut short ({error}); copy them again"
        ) from error
    # What transformers and torch raise of damaged files. A MemoryError or a KeyboardInterrupt says
    # nothing about the checkpoint, and passes.
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
        if "trust_remote_code" in str(error):
            raise CheckpointError(
                f"{source} needs code that comes with it, and such code is never run here. Choose "
                "a model whose architecture the transformers library has itself."
            ) from error
        # The first line: the rest is the library's advice to programmers.
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise CheckpointError(
            f"{source} cannot be loaded: {reason}. Copy the folder again, or choose another model."
        ) from error


def _replace(folder: Path, new: Path) -> None:
    old = new.with_suffix(".old")
    if folder.exists():
        # A folder cannot be renamed onto one that is not empty: for a moment there is neither, and
        # a kill just then leaves the old one under its hidden name and the new one whole beside it.
        # States have an older one to go on from; a stage writes its output again.
        folder.rename(old)
    new.rename(folder)
    # The rename itself is an entry of the parent, and durable only with it.
    _flush(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
