#!/usr/bin/env python3
"""Hugging Face models once more, without numpy or torch: a second derivation to test folders against.

hf_logits.py make FOLDER               tiny random models as transformers would save them, a folder each
hf_logits.py score FOLDER... < texts   the log-likelihood of each line's bytes (but the first) by each model,
                                       into FOLDER/loglik, computed from the folder by transformers' own
                                       conventions: rotary halves, Conv1D's transposed matrices, GPT-NeoX's
                                       interleaved queries, keys and values, Gemma's 1 + w, and so on

The weights are large, so that a wrong order of rows or a missing factor shows.
"""
import array
import json
import math
import os
import random
import struct
import sys

COMMON = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
              intermediate_size=24, max_position_embeddings=64, rms_norm_eps=1e-5,
              rope_theta=10000.0, vocab_size=260, hidden_act="silu", bos_token_id=256, eos_token_id=257)
GEMMA = dict(COMMON, head_dim=8, query_pre_attn_scalar=8, hidden_activation="gelu_pytorch_tanh",
             tie_word_embeddings=True)
GPT2 = dict(model_type="gpt2", n_embd=16, n_layer=2, n_head=4, n_positions=64, n_ctx=64, vocab_size=260,
            layer_norm_epsilon=1e-5, activation_function="gelu_new", n_inner=None, eos_token_id=257)
NEOX = dict(model_type="gpt_neox", hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=24, max_position_embeddings=64, vocab_size=260, layer_norm_eps=1e-5,
            rotary_pct=0.5, rotary_emb_base=10000, hidden_act="gelu", tie_word_embeddings=False,
            eos_token_id=257)
CASES = {
    "llama": (dict(COMMON, model_type="llama", tie_word_embeddings=False), "F32"),
    "llama_rope": (dict(COMMON, model_type="llama", tie_word_embeddings=True, head_dim=8, attention_bias=True,
                        mlp_bias=True, rope_theta=500000.0, rope_scaling=dict(
                            rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                            original_max_position_embeddings=32)), "BF16"),
    "llama_v5": ({k: v for k, v in dict(
        COMMON, model_type="llama", rope_parameters=dict(
            rope_type="linear", factor=4.0, rope_theta=5000.0)).items() if k != "rope_theta"}, "F16"),
    "mistral": (dict(COMMON, model_type="mistral", sliding_window=4), "BF16"),
    "qwen2": (dict(COMMON, model_type="qwen2", tie_word_embeddings=True, use_sliding_window=False,
                   sliding_window=4, max_window_layers=1), "BF16"),
    "qwen3": (dict(COMMON, model_type="qwen3", head_dim=6, attention_bias=False), "F32"),
    "gpt2": (dict(GPT2), "F32"),
    "gpt_neox": (dict(NEOX, use_parallel_residual=True), "F16"),
    "gpt_neox_serial": (dict(NEOX, use_parallel_residual=False), "F32"),
    "gemma": (dict(GEMMA, model_type="gemma", hidden_act="gelu"), "BF16"),
    "gemma2": (dict(GEMMA, model_type="gemma2", sliding_window=4, attn_logit_softcapping=2.0,
                    final_logit_softcapping=3.0), "F32"),
    "gemma3_text": (dict(GEMMA, model_type="gemma3_text", num_hidden_layers=7, sliding_window=4,
                         rope_theta=100000.0, rope_local_base_freq=100.0,
                         rope_scaling=dict(rope_type="linear", factor=8.0)), "BF16"),
    "phi3": (dict(COMMON, model_type="phi3", sliding_window=5), "BF16"),
    "phi3_long": (dict(COMMON, model_type="phi3", sliding_window=None, hidden_size=32, partial_rotary_factor=0.5,
                       original_max_position_embeddings=32, rope_scaling=dict(
                           type="longrope", short_factor=[1.0, 1.5], long_factor=[1.0, 4.0])), "F32"),
}


# Files.

def to_bytes(values, dtype):
    if dtype == "F32":
        return array.array("f", values).tobytes()
    if dtype == "F16":
        return struct.pack("<%de" % len(values), *values)
    return b"".join(array.array("f", [v]).tobytes()[2:] for v in values)


def from_bytes(data, dtype):
    if dtype == "F32":
        return array.array("f", data).tolist()
    if dtype == "F16":
        return list(struct.unpack("<%de" % (len(data) // 2), data))
    return [struct.unpack("<f", b"\0\0" + data[i:i + 2])[0] for i in range(0, len(data), 2)]


def write_safetensors(path, tensors):
    header, at, body = {}, 0, b""
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
        body += data
    text = json.dumps(header).encode()
    open(path, "wb").write(struct.pack("<Q", len(text)) + text + body)


def read_safetensors(folder):
    index = os.path.join(folder, "model.safetensors.index.json")
    files = ["model.safetensors"]
    if os.path.exists(index):
        files = sorted(set(json.load(open(index))["weight_map"].values()))
    tensors = {}
    for name in files:
        data = open(os.path.join(folder, name), "rb").read()
        n = struct.unpack("<Q", data[:8])[0]
        for key, t in json.loads(data[8:8 + n]).items():
            if key == "__metadata__" or t["dtype"] not in ("F32", "F16", "BF16"):
                continue
            a, b = t["data_offsets"]
            values = from_bytes(data[8 + n + a:8 + n + b], t["dtype"])
            if len(t["shape"]) == 2:
                cols = t["shape"][1]
                values = [values[i:i + cols] for i in range(0, len(values), cols)]
            tensors[key] = values
    return tensors


def byte_names():
    """GPT-2's spelling of bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    names, n = {}, 0
    for b in range(256):
        names[b] = chr(b) if b in plain else chr(256 + n)
        n += b not in plain
    return names


def write_tokenizer(folder):
    vocab = {name: b for b, name in byte_names().items()}
    added = [{"id": 256 + i, "content": name, "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True} for i, name in enumerate(["<s>", "</s>"])]
    for token in added:
        vocab[token["content"]] = token["id"]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    json.dump({"version": "1.0", "truncation": None, "padding": None, "added_tokens": added,
               "normalizer": None, "pre_tokenizer": level, "post_processor": None, "decoder": level,
               "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                         "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
                         "vocab": vocab, "merges": []}},
              open(os.path.join(folder, "tokenizer.json"), "w"))
    json.dump({"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": False,
               "tokenizer_class": "PreTrainedTokenizerFast"},
              open(os.path.join(folder, "tokenizer_config.json"), "w"))


def shapes(c):
    """Name, shape and kind of every tensor that transformers would save."""
    kind = c["model_type"]
    if kind == "gpt2":
        n, f = c["n_embd"], 4 * c["n_embd"]
        yield "transformer.wte.weight", [c["vocab_size"], n], "w"
        yield "transformer.wpe.weight", [c["n_positions"], n], "w"
        for i in range(c["n_layer"]):
            p = "transformer.h.%d." % i
            yield p + "attn.bias", [1, 1, 4, 4], "mask"
            for name, a, b in (("attn.c_attn", n, 3 * n), ("attn.c_proj", n, n), ("mlp.c_fc", n, f),
                               ("mlp.c_proj", f, n)):
                yield p + name + ".weight", [a, b], "w"
                yield p + name + ".bias", [b], "b"
            for name in ("ln_1", "ln_2"):
                yield p + name + ".weight", [n], "n"
                yield p + name + ".bias", [n], "b"
        yield "transformer.ln_f.weight", [n], "n"
        yield "transformer.ln_f.bias", [n], "b"
        return
    n, f, v = c["hidden_size"], c["intermediate_size"], c["vocab_size"]
    if kind == "gpt_neox":
        yield "gpt_neox.embed_in.weight", [v, n], "w"
        for i in range(c["num_hidden_layers"]):
            p = "gpt_neox.layers.%d." % i
            yield p + "attention.bias", [1, 1, 4, 4], "mask"
            yield p + "attention.rotary_emb.inv_freq", [2], "b"
            for name, a, b in (("attention.query_key_value", 3 * n, n), ("attention.dense", n, n),
                               ("mlp.dense_h_to_4h", f, n), ("mlp.dense_4h_to_h", n, f)):
                yield p + name + ".weight", [a, b], "w"
                yield p + name + ".bias", [a], "b"
            for name in ("input_layernorm", "post_attention_layernorm"):
                yield p + name + ".weight", [n], "n"
                yield p + name + ".bias", [n], "b"
        yield "gpt_neox.final_layer_norm.weight", [n], "n"
        yield "gpt_neox.final_layer_norm.bias", [n], "b"
        yield "embed_out.weight", [v, n], "w"
        return
    d = c.get("head_dim") or n // c["num_attention_heads"]
    q, kv = c["num_attention_heads"] * d, c["num_key_value_heads"] * d
    norm = "g" if kind.startswith("gemma") else "n"
    yield "model.embed_tokens.weight", [v, n], "w"
    for i in range(c["num_hidden_layers"]):
        p = "model.layers.%d." % i
        attention = [("q_proj", q, n), ("k_proj", kv, n), ("v_proj", kv, n)]
        mlp = [("gate_proj", f, n), ("up_proj", f, n)]
        if kind == "phi3":
            attention, mlp = [("qkv_proj", q + 2 * kv, n)], [("gate_up_proj", 2 * f, n)]
        for name, a, b in attention + [("o_proj", n, q)]:
            yield p + "self_attn." + name + ".weight", [a, b], "w"
            if c.get("attention_bias") or (kind == "qwen2" and name != "o_proj"):
                yield p + "self_attn." + name + ".bias", [a], "b"
        for name, a, b in mlp + [("down_proj", n, f)]:
            yield p + "mlp." + name + ".weight", [a, b], "w"
            if c.get("mlp_bias"):
                yield p + "mlp." + name + ".bias", [a], "b"
        norms = ["input_layernorm", "post_attention_layernorm"]
        if kind in ("gemma2", "gemma3_text"):
            norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        for name in norms:
            yield p + name + ".weight", [n], norm
        if kind in ("qwen3", "gemma3_text"):
            yield p + "self_attn.q_norm.weight", [d], norm
            yield p + "self_attn.k_norm.weight", [d], norm
    yield "model.norm.weight", [n], norm
    if not c.get("tie_word_embeddings"):
        yield "lm_head.weight", [v, n], "w"


def make(case, folder):
    config, dtype = CASES[case]
    rng = random.Random(case)
    tensors = {}
    for name, shape, kind in shapes(config):
        count = math.prod(shape)
        if kind == "mask":
            tensors[name] = ("BOOL", shape, bytes(count))
            continue
        mean, spread = {"w": (0, 0.5), "b": (0, 0.3), "n": (1, 0.3), "g": (0, 0.3)}[kind]
        tensors[name] = (dtype, shape, to_bytes([rng.gauss(mean, spread) for _ in range(count)], dtype))
    os.makedirs(folder, exist_ok=True)
    json.dump(config, open(os.path.join(folder, "config.json"), "w"), indent=1)
    names = list(tensors)
    if dtype == "F32":
        # in shards
        files = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
        for file, part in files.items():
            write_safetensors(os.path.join(folder, file), {n: tensors[n] for n in part})
        json.dump({"metadata": {}, "weight_map": {n: f for f, part in files.items() for n in part}},
                  open(os.path.join(folder, "model.safetensors.index.json"), "w"))
    else:
        write_safetensors(os.path.join(folder, "model.safetensors"), tensors)
    write_tokenizer(folder)


# The forward pass, one text at a time.

def matvec(w, x):
    return [sum(a * b for a, b in zip(row, x)) for row in w]


def linear(t, name, x, transposed=False):
    w = t[name + ".weight"]
    y = matvec(zip(*w) if transposed else w, x)
    b = t.get(name + ".bias")
    return [a + c for a, c in zip(y, b)] if b else y


def rms(x, w, eps, one=0.0):
    scale = 1 / math.sqrt(sum(a * a for a in x) / len(x) + eps)
    return [a * scale * (one + b) for a, b in zip(x, w)]


def layer_norm(t, name, x, eps):
    mean = sum(x) / len(x)
    scale = 1 / math.sqrt(sum((a - mean) ** 2 for a in x) / len(x) + eps)
    return [(a - mean) * scale * w + b for a, w, b in zip(x, t[name + ".weight"], t[name + ".bias"])]


def silu(x):
    return x / (1 + math.exp(-x))


def gelu_tanh(x):
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3)))


def gelu(x):
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def add(*vectors):
    return [sum(v) for v in zip(*vectors)]


def rotate(x, position, freqs, scale=1.0):
    """transformers: x cos + rotate_half(x) sin over the first 2 len(freqs) dimensions."""
    n = 2 * len(freqs)
    cos = [math.cos(position * f) * scale for f in freqs] * 2
    sin = [math.sin(position * f) * scale for f in freqs] * 2
    half = [-a for a in x[n // 2:n]] + x[:n // 2]
    return [a * c + h * s for a, h, c, s in zip(x, half, cos, sin)] + x[n:]


def frequencies(n, base, scaling, c):
    """Inverse frequencies and the factor of cos and sin."""
    freqs = [base ** (-2 * i / n) for i in range(n // 2)]
    kind = (scaling or {}).get("rope_type") or (scaling or {}).get("type")
    if kind == "linear":
        return [f / scaling["factor"] for f in freqs], 1.0
    if kind == "llama3":
        old = scaling["original_max_position_embeddings"]
        low, high, factor = (scaling[k] for k in ("low_freq_factor", "high_freq_factor", "factor"))
        out = []
        for f in freqs:
            wave = 2 * math.pi / f
            smooth = (old / wave - low) / (high - low)
            if wave < old / high:
                out.append(f)
            elif wave > old / low:
                out.append(f / factor)
            else:
                out.append((1 - smooth) * f / factor + smooth * f)
        return out, 1.0
    if kind == "longrope":
        old = c["original_max_position_embeddings"]
        ratio = c["max_position_embeddings"] / old
        scale = math.sqrt(1 + math.log(ratio) / math.log(old)) if ratio > 1 else 1.0
        return [f / s for f, s in zip(freqs, scaling["short_factor"])], scale
    return freqs, 1.0


def attend(q, keys, values, scale, window, cap):
    """One query against what came before it and itself."""
    first = max(0, len(keys) - window) if window else 0
    scores = [sum(a * b for a, b in zip(q, k)) * scale for k in keys[first:]]
    if cap:
        scores = [cap * math.tanh(s / cap) for s in scores]
    top = max(scores)
    weights = [math.exp(s - top) for s in scores]
    total = sum(weights)
    return [sum(w * v[i] for w, v in zip(weights, values[first:])) / total for i in range(len(values[0]))]


class Attention:
    """Keys and values of one layer, and what a position takes from them."""

    def __init__(self, heads, kv_heads, scale, window=None, cap=None):
        self.heads, self.kv, self.scale, self.window, self.cap = heads, kv_heads, scale, window, cap
        self.keys = [[] for _ in range(kv_heads)]
        self.values = [[] for _ in range(kv_heads)]

    def __call__(self, q, k, v):
        out = []
        for h in range(self.kv):
            self.keys[h].append(k[h])
            self.values[h].append(v[h])
        for h in range(self.heads):
            g = h // (self.heads // self.kv)
            out += attend(q[h], self.keys[g], self.values[g], self.scale, self.window, self.cap)
        return out


def begin(attention, past):
    """Positions that stand before the text, of each layer a list of keys and values by head; how many there are."""
    for layer, positions in zip(attention, past):
        for k, v in positions:
            for h in range(layer.kv):
                layer.keys[h].append(k[h])
                layer.values[h].append(v[h])
    return len(past[0]) if past else 0


def split(x, heads):
    d = len(x) // heads
    return [x[i * d:(i + 1) * d] for i in range(heads)]


def gpt2(t, c, ids, past=()):
    n, heads, eps = c["n_embd"], c["n_head"], c["layer_norm_epsilon"]
    attention = [Attention(heads, heads, (n // heads) ** -0.5) for _ in range(c["n_layer"])]
    for position, token in enumerate(ids, begin(attention, past)):
        x = add(t["transformer.wte.weight"][token], t["transformer.wpe.weight"][position])
        for i in range(c["n_layer"]):
            p = "transformer.h.%d." % i
            qkv = linear(t, p + "attn.c_attn", layer_norm(t, p + "ln_1", x, eps), True)
            y = attention[i](*(split(qkv[j * n:(j + 1) * n], heads) for j in range(3)))
            x = add(x, linear(t, p + "attn.c_proj", y, True))
            y = linear(t, p + "mlp.c_fc", layer_norm(t, p + "ln_2", x, eps), True)
            x = add(x, linear(t, p + "mlp.c_proj", [gelu_tanh(a) for a in y], True))
        x = layer_norm(t, "transformer.ln_f", x, eps)
        yield matvec(t.get("lm_head.weight", t["transformer.wte.weight"]), x)


def gpt_neox(t, c, ids, past=()):
    n, heads, eps = c["hidden_size"], c["num_attention_heads"], c["layer_norm_eps"]
    d = n // heads
    freqs, _ = frequencies(int(d * c["rotary_pct"]), c["rotary_emb_base"], c.get("rope_scaling"), c)
    attention = [Attention(heads, heads, d ** -0.5) for _ in range(c["num_hidden_layers"])]
    for position, token in enumerate(ids, begin(attention, past)):
        x = t["gpt_neox.embed_in.weight"][token]
        for i in range(c["num_hidden_layers"]):
            p = "gpt_neox.layers.%d." % i
            qkv = split(linear(t, p + "attention.query_key_value", layer_norm(
                t, p + "input_layernorm", x, eps)), heads)
            q = [rotate(h[:d], position, freqs) for h in qkv]
            k = [rotate(h[d:2 * d], position, freqs) for h in qkv]
            y = linear(t, p + "attention.dense", attention[i](q, k, [h[2 * d:] for h in qkv]))
            mid = add(x, y)
            z = layer_norm(t, p + "post_attention_layernorm", x if c["use_parallel_residual"] else mid, eps)
            z = [gelu(a) for a in linear(t, p + "mlp.dense_h_to_4h", z)]
            x = add(mid, linear(t, p + "mlp.dense_4h_to_h", z))
        yield matvec(t["embed_out.weight"], layer_norm(t, "gpt_neox.final_layer_norm", x, eps))


def heirs(t, c, ids, past=()):
    """llama, mistral, qwen2, qwen3, gemma, gemma2, gemma3_text, phi3"""
    kind, n, heads = c["model_type"], c["hidden_size"], c["num_attention_heads"]
    kv, eps, layers = c["num_key_value_heads"], c["rms_norm_eps"], c["num_hidden_layers"]
    d = c.get("head_dim") or n // heads
    gemma = kind.startswith("gemma")
    one = 1.0 if gemma else 0.0
    act = gelu_tanh if gemma else silu
    scale = d ** -0.5
    if kind in ("gemma2", "gemma3_text"):
        scale = c["query_pre_attn_scalar"] ** -0.5
    rope = c.get("rope_parameters") or {}
    rotated = int(d * c.get("partial_rotary_factor", 1))
    everywhere = frequencies(rotated, rope.get("rope_theta") or c["rope_theta"],
                             rope or c.get("rope_scaling"), c)
    attention, rotary = [], []
    for i in range(layers):
        window, freqs = c.get("sliding_window"), everywhere
        if kind == "qwen2" and not c.get("use_sliding_window"):
            window = None
        if kind == "gemma2" and i % 2 == 1:
            window = None
        if kind == "gemma3_text":
            if i % 6 == 5:
                window = None
            else:
                freqs = frequencies(d, c["rope_local_base_freq"], None, c)
        attention.append(Attention(heads, kv, scale, window, c.get("attn_logit_softcapping")))
        rotary.append(freqs)
    for position, token in enumerate(ids, begin(attention, past)):
        x = t["model.embed_tokens.weight"][token]
        if gemma:
            x = [a * math.sqrt(n) for a in x]
        for i in range(layers):
            p = "model.layers.%d." % i

            def norm(name, v):
                return rms(v, t[p + name + ".weight"], eps, one)

            y = norm("input_layernorm", x)
            if kind == "phi3":
                qkv = linear(t, p + "self_attn.qkv_proj", y)
                parts = qkv[:heads * d], qkv[heads * d:(heads + kv) * d], qkv[(heads + kv) * d:]
            else:
                parts = [linear(t, p + "self_attn.%s_proj" % j, y) for j in "qkv"]
            q, k, v = split(parts[0], heads), split(parts[1], kv), split(parts[2], kv)
            if kind in ("qwen3", "gemma3_text"):
                q = [norm("self_attn.q_norm", h) for h in q]
                k = [norm("self_attn.k_norm", h) for h in k]
            freqs, factor = rotary[i]
            q = [rotate(h, position, freqs, factor) for h in q]
            k = [rotate(h, position, freqs, factor) for h in k]
            y = linear(t, p + "self_attn.o_proj", attention[i](q, k, v))
            if kind in ("gemma2", "gemma3_text"):
                x = add(x, norm("post_attention_layernorm", y))
                y = norm("pre_feedforward_layernorm", x)
            else:
                x = add(x, y)
                y = norm("post_attention_layernorm", x)
            if kind == "phi3":
                both = linear(t, p + "mlp.gate_up_proj", y)
                gate, up = both[:len(both) // 2], both[len(both) // 2:]
            else:
                gate, up = linear(t, p + "mlp.gate_proj", y), linear(t, p + "mlp.up_proj", y)
            y = linear(t, p + "mlp.down_proj", [act(a) * b for a, b in zip(gate, up)])
            x = add(x, norm("post_feedforward_layernorm", y) if kind in ("gemma2", "gemma3_text") else y)
        logits = matvec(t.get("lm_head.weight", t["model.embed_tokens.weight"]),
                        rms(x, t["model.norm.weight"], eps, one))
        cap = c.get("final_logit_softcapping")
        yield [cap * math.tanh(a / cap) for a in logits] if cap else logits


def score(folder, lines):
    config = json.load(open(os.path.join(folder, "config.json")))
    tensors = read_safetensors(folder)
    forward = {"gpt2": gpt2, "gpt_neox": gpt_neox}.get(config["model_type"], heirs)
    names = byte_names()
    vocab = json.load(open(os.path.join(folder, "tokenizer.json")))["model"]["vocab"]
    out = open(os.path.join(folder, "loglik"), "w")
    for line in lines:
        ids = [vocab[names[b]] for b in line.rstrip(b"\n")]
        total = 0.0
        for logits, following in zip(forward(tensors, config, ids), ids[1:]):
            top = max(logits)
            total += logits[following] - top - math.log(sum(math.exp(a - top) for a in logits))
        print("%.6f" % total, file=out)


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"] and len(sys.argv) == 3:
        for name in CASES:
            make(name, os.path.join(sys.argv[2], name))
    elif sys.argv[1:2] == ["score"]:
        texts = sys.stdin.buffer.readlines()
        for name in sys.argv[2:]:
            score(name, texts)
    else:
        sys.exit(__doc__)
