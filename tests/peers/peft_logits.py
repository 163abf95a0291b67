#!/usr/bin/env python3
"""PEFT's LoRA and prefixes once more, in plain Python: a second derivation to test adapters against.

peft_logits.py score MODEL ADAPTER OUT ... < ids   for three names each: the logits of the Hugging Face folder MODEL
                                                   with the PEFT folder ADAPTER, for each line's array of ids, as
                                                   tests/logits writes them
peft_logits.py rewrite ADAPTER OUT ...             for two names each: another adapter made of one, with rsLoRA, an
                                                   alpha of its own for one kind of module, F16 and BF16

A module's weight (out, in) becomes W + scale B A, scale = lora_alpha / r or lora_alpha / sqrt(r); of Conv1D, whose
matrix is (in, out), W + scale (B A) transposed; of an embedding (rows, width) W + scale (B A) transposed, and a head
that shares its numbers stays as it was.

A prefix is viewed as PEFT's get_prompt does: (tokens, 2 layers, heads, head's width), of each two the first keys.
"""
import json
import math
import os
import re
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import hf_logits  # noqa: E402

PREFIX = "base_model.model."


def read_adapter(folder):
    config = json.load(open(os.path.join(folder, "adapter_config.json")))
    os.symlink("adapter_model.safetensors", os.path.join(folder, "model.safetensors"))
    try:
        tensors = hf_logits.read_safetensors(folder)
    finally:
        os.unlink(os.path.join(folder, "model.safetensors"))
    return config, tensors


def pattern(table, module, default):
    for key, value in (table or {}).items():
        if re.match(r"(.*\.)?(" + key + ")$", module):
            return value
    return default


def scale_of(config, module):
    r = pattern(config.get("rank_pattern"), module, config["r"])
    alpha = pattern(config.get("alpha_pattern"), module, config["lora_alpha"])
    return r, alpha / math.sqrt(r) if config.get("use_rslora") else alpha / r


def merge(tensors, kind, config, adapter):
    """The tensors with the adapter in them."""
    out = dict(tensors)
    for name, a in adapter.items():
        if ".lora_A." not in name and ".lora_embedding_A" not in name:
            continue
        b = adapter[name.replace("lora_A", "lora_B").replace("embedding_A", "embedding_B")]
        module = name[len(PREFIX):].split(".lora_")[0]
        r, scale = scale_of(config, module)
        assert len(a) == r and len(b[0]) == r, name
        delta = [[scale * sum(x * a[k][j] for k, x in enumerate(row)) for j in range(len(a[0]))] for row in b]
        w = tensors[module + ".weight"]
        conv1d = kind == "gpt2" and ".h." in module
        assert bool(config.get("fan_in_fan_out")) == (kind == "gpt2"), "fan_in_fan_out"
        if conv1d or "embedding" in name:
            delta = [list(column) for column in zip(*delta)]
        assert len(delta) == len(w) and len(delta[0]) == len(w[0]), name
        out[module + ".weight"] = [[x + d for x, d in zip(p, q)] for p, q in zip(w, delta)]
    return out


def past_of(config, tensors):
    """Of each layer, keys and values by head of every virtual token."""
    heads, width = config["num_attention_heads"], config["token_dim"] // config["num_attention_heads"]
    assert config["num_transformer_submodules"] == 1 and len(tensors["prompt_embeddings"]) == config["num_virtual_tokens"]
    past = [[] for _ in range(config["num_layers"])]
    for row in tensors["prompt_embeddings"]:
        view = [[row[(i * heads + h) * width:(i * heads + h + 1) * width] for h in range(heads)]
                for i in range(2 * config["num_layers"])]
        for layer, positions in enumerate(past):
            positions.append((view[2 * layer], view[2 * layer + 1]))
    return past


def score(model, adapter, out, lines):
    config = json.load(open(os.path.join(model, "config.json")))
    kind = config["model_type"]
    base = hf_logits.read_safetensors(model)
    settings, own = read_adapter(adapter)
    prefix = settings["peft_type"] == "PREFIX_TUNING"
    past = past_of(settings, own) if prefix else ()
    tensors = dict(base) if prefix else merge(base, kind, settings, own)
    if "lm_head.weight" not in base and kind != "gpt_neox":
        embedding = "transformer.wte.weight" if kind == "gpt2" else "model.embed_tokens.weight"
        tensors["lm_head.weight"] = base[embedding]
    forward = {"gpt2": hf_logits.gpt2, "gpt_neox": hf_logits.gpt_neox}.get(kind, hf_logits.heirs)
    rows = [row for line in lines for row in forward(tensors, config, json.loads(line), past)]
    with open(out, "wb") as f:
        f.write(struct.pack("<2I", len(rows), len(rows[0])))
        for row in rows:
            f.write(struct.pack("<%df" % len(row), *row))


def rewrite(source, out):
    config, adapter = read_adapter(source)
    config["use_rslora"] = True
    config["lora_alpha"] /= math.sqrt(config["r"])
    special = next(iter(adapter))[len(PREFIX):].split(".lora_")[0].rsplit(".", 1)[1]
    config["alpha_pattern"] = {special: 3.0}
    config["target_modules"] = ".*_proj"
    os.makedirs(out)
    json.dump(config, open(os.path.join(out, "adapter_config.json"), "w"))
    tensors = {}
    for i, (name, rows) in enumerate(adapter.items()):
        dtype = ["F32", "F16", "BF16"][i % 3]
        values = [x for row in rows for x in row]
        tensors[name] = (dtype, [len(rows), len(rows[0])], hf_logits.to_bytes(values, dtype))
    hf_logits.write_safetensors(os.path.join(out, "adapter_model.safetensors"), tensors)


if __name__ == "__main__":
    what, names = sys.argv[1:2], sys.argv[2:]
    if what == ["score"] and names and len(names) % 3 == 0:
        texts = sys.stdin.readlines()
        for k in range(0, len(names), 3):
            score(*names[k:k + 3], texts)
    elif what == ["rewrite"] and names and len(names) % 2 == 0:
        for k in range(0, len(names), 2):
            rewrite(*names[k:k + 2])
    else:
        sys.exit(__doc__)
