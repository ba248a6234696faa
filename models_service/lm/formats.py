"""What a checkpoint is made of, told from its files' names and its configuration before anything is
loaded: why it cannot be taken up, in one sentence, and what to do about it in another.

Weights are safetensors files in Hugging Face's layout. A pickle is never opened here, no matter
what is in it, and no code that comes with a model is ever run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
REWARD_KIND = "reward"
# Each of these is a tokenizer. Of the second list the library first has to make one, with packages
# that are not installed here.
TOKENIZERS = ("tokenizer.json", "vocab.json", "vocab.txt", "tekken.json")
SENTENCEPIECE = ("tokenizer.model", "spiece.model", "sentencepiece.bpe.model")
OTHER_TASKS = (
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "ForMultipleChoice",
    "RewardModel",
    "ForRewardModeling",
)

CONVERT_WEIGHTS = (
    'python -c "from transformers import AutoModelForCausalLM as M; '
    "M.from_pretrained('{0}').save_pretrained('{0}')\""
)
MERGE_ADAPTERS = (
    'python -c "from peft import AutoPeftModelForCausalLM as M; '
    "M.from_pretrained('{0}').merge_and_unload().save_pretrained('{0}-merged')\""
)
CONVERT_TOKENIZER = (
    'python -c "from transformers import AutoTokenizer as T; '
    "T.from_pretrained('{0}').save_pretrained('{0}')\""
)


def why_unreadable(folder: Path) -> str | None:
    """What is wrong with a folder's files, and what to do; None where they can be read."""
    names = {path.name for path in folder.iterdir()}
    # The first that finds something is told, so the nearest cause stands first: a pointer also
    # looks like damaged weights, a folder of adapters also lacks a configuration.
    for check in (_pointers, _adapters, _configuration, _shards, _weights):
        if found := check(folder, names):
            return found
    return None


def why_no_policy(source: object, config: Mapping[str, Any]) -> str | None:
    """Why a model of this configuration cannot be a policy, and what to do; None where it can."""
    if config.get("kind") == REWARD_KIND:
        return f"{source} is a reward model, not a policy. Choose a policy instead."
    kinds = [str(name) for name in config.get("architectures") or ()]
    # all: a configuration that names a language model among others has its head.
    if kinds and all(name.endswith(OTHER_TASKS) for name in kinds):
        return (
            f"{source} has another head than a language model's ({kinds[0]}). Choose the language "
            "model it was made from."
        )
    if config.get("is_encoder_decoder"):
        return (
            f"{source} is an encoder-decoder model ({config.get('model_type')}), which does not go "
            "on with its prompt. Choose a causal language model, with a decoder alone."
        )
    # The second is what compressed-tensors wrote before the first became everybody's.
    if quantised := config.get("quantization_config") or config.get("compression_config"):
        method = quantised.get("quant_method", "a method that is not named")
        return (
            f"{source} has quantised weights ({method}); training needs them whole. Choose the "
            "model it was made from, or a copy in bfloat16."
        )
    return None


def why_no_tokenizer(folder: Path) -> str | None:
    """What a folder lacks whose tokenizer could not be loaded; None where that is not the cause."""
    names = {path.name for path in folder.iterdir()}
    if names & set(TOKENIZERS):
        return None
    # Without its configuration words would begin otherwise than where it was trained.
    if names & set(SENTENCEPIECE) and "tokenizer_config.json" in names:
        return (
            f"{folder} has its tokenizer as {min(names & set(SENTENCEPIECE))} alone. Install what "
            "reads it (pip install sentencepiece protobuf) and convert it once: "
            f"{CONVERT_TOKENIZER.format(folder)}"
        )
    return (
        f"{folder} cannot be loaded: it has no tokenizer (tokenizer.json). Copy the folder again, "
        "or the tokenizer's files from the model it was made from."
    )


def _pointers(folder: Path, names: Collection[str]) -> str | None:
    """Git LFS leaves a few lines where a large file belongs, until it is pulled."""
    for name in sorted(names):
        path = folder / name
        # A pointer has about 130 bytes; no file of weights is so small, so that none of those is
        # opened.
        if path.suffix in (".safetensors", ".json", ".model") and path.stat().st_size < 1000:
            with path.open("rb") as file:
                if file.read(40).startswith(b"version https://git-lfs"):
                    return f"{path} is a Git LFS pointer. Run `git lfs pull` in that folder."
    return None


def _adapters(folder: Path, names: Collection[str]) -> str | None:
    if "adapter_config.json" not in names:
        return None
    try:
        config = json.loads((folder / "adapter_config.json").read_text())
    except ValueError:
        config = {}
    base = config.get("base_model_name_or_path") or "another model"
    return (
        f"{folder} holds adapters for {base}, not a model. Merge them into it and choose what "
        f"comes out, with the tokenizer's files copied beside it: {MERGE_ADAPTERS.format(folder)}"
    )


def _configuration(folder: Path, names: Collection[str]) -> str | None:
    if "config.json" in names:
        return None
    return (
        f"{folder} has no config.json; it is not a checkpoint folder. Copy it again, or choose "
        "another model."
    )


def _shards(folder: Path, names: Collection[str]) -> str | None:
    """Weights in several files are whole where all are there that their index names."""
    # One file wins over an index, as when the library loads.
    if WEIGHTS in names:
        return None
    if INDEX not in names:
        shards = [name for name in names if name.startswith("model-0") and name.endswith("tensors")]
        if shards:
            return f"{folder} has {min(shards)} but no {INDEX}. Copy the folder again, with it."
        return None
    try:
        named = set(json.loads((folder / INDEX).read_text())["weight_map"].values())
    except (ValueError, KeyError, AttributeError):
        return f"{folder / INDEX} is damaged. Copy the folder again."
    if missing := sorted(named - set(names)):
        return (
            f"{folder} lacks {len(missing)} of the {len(named)} files that its weights are in, "
            f"first {missing[0]}. Copy the folder again."
        )
    return None


def _weights(folder: Path, names: Collection[str]) -> str | None:
    if {WEIGHTS, INDEX} & set(names):
        return None
    # Opening a pickle runs what is in it. The command is for the person, on their own machine.
    if pickled := sorted(name for name in names if name.startswith("pytorch_model")):
        return (
            f"{folder} has its weights as a pickle ({pickled[0]}), which is never opened here. If "
            f"you trust it, convert it once: {CONVERT_WEIGHTS.format(folder)}"
        )
    others = (".gguf", ".pth", ".pt", ".bin", ".h5", ".msgpack", ".onnx", ".npz", ".safetensors")
    if other := sorted(name for name in names if name.endswith(others)):
        return (
            f"{folder} has no {WEIGHTS}; of weights only {other[0]}, which is another format. "
            "Choose the model in Hugging Face's layout, with safetensors files."
        )
    return f"{folder} has no weights, no {WEIGHTS}. Copy the folder again."
