"""OpenAI's folders of GPT-2: what is refused, then a checkpoint that TensorFlow 2.21 wrote (the two files beside this one).

Its numbers are known: the sine of 0.7 times the place, which begins at the sum of the name's bytes. `global_step` is
in it as well. `test_a_checkpoint_of_tensorflow` writes one anew, where TensorFlow is installed.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from hornbook.cli import run
from hornbook.errors import UserError
from hornbook.tokenizers._byte_level import BYTE_ORDER, BYTE_TO_CHARACTER
from hornbook.weights._crc32c import crc32c, masked
from hornbook.weights.model_folder import load_model_folder
from hornbook.weights.openai_gpt2 import plain_name, read_openai
from hornbook.weights.tf_checkpoint import open_checkpoint

WRITTEN = Path(__file__).with_name("openai_gpt2")
HPARAMS = {"n_vocab": 257, "n_ctx": 8, "n_embd": 4, "n_head": 2, "n_layer": 2}
BLOCK = {
    "ln_1/g": (4,), "ln_1/b": (4,), "attn/c_attn/w": (1, 4, 12), "attn/c_attn/b": (12,), "attn/c_proj/w": (1, 4, 4),
    "attn/c_proj/b": (4,), "ln_2/g": (4,), "ln_2/b": (4,), "mlp/c_fc/w": (1, 4, 16), "mlp/c_fc/b": (16,),
    "mlp/c_proj/w": (1, 16, 4), "mlp/c_proj/b": (4,),
}  # fmt: skip
SHAPES = {"model/wte": (257, 4), "model/wpe": (8, 4), "model/ln_f/g": (4,), "model/ln_f/b": (4,)}
SHAPES |= {f"model/h{layer}/{name}": shape for layer in range(2) for name, shape in BLOCK.items()}
INDEX, DATA = "model.ckpt.index", "model.ckpt.data-00000-of-00001"


def numbers(name: str) -> np.ndarray:
    start, shape = sum(name.encode()), SHAPES[name]
    return np.sin(np.arange(start, start + int(np.prod(shape))) * 0.7).astype(np.float32).reshape(shape)


@pytest.fixture
def openai(tmp_path) -> Path:
    """A folder as OpenAI's, with a vocabulary of the 256 bytes."""
    folder = tmp_path / "117M"
    shutil.copytree(WRITTEN, folder)
    (folder / "checkpoint").write_text('model_checkpoint_path: "/home/else/model.ckpt"\nall_model: "x"\n')
    (folder / "hparams.json").write_text(json.dumps(HPARAMS))
    vocabulary = {BYTE_TO_CHARACTER[byte]: place for place, byte in enumerate(BYTE_ORDER)}
    (folder / "encoder.json").write_text(json.dumps(vocabulary | {"<|endoftext|>": 256}))
    (folder / "vocab.bpe").write_text("#version: 0.2\n")
    return folder


def damage(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 4
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / DATA).unlink(), "data-00000-of-00001' is missing"),
        (lambda folder: (folder / INDEX).unlink(), "model.ckpt.index' is missing"),
        (lambda folder: (folder / DATA).write_bytes((folder / DATA).read_bytes()[:-1]), "is cut short: 'model/"),
        (lambda folder: (folder / INDEX).write_bytes((folder / INDEX).read_bytes()[:-1]), "is damaged: ValueError it do"),
        (lambda folder: (folder / INDEX).write_bytes(b""), "is damaged: ValueError it doesn't end as a table does"),
        (lambda folder: damage(folder / INDEX, 100), "is damaged: ValueError a block's checksum is another"),
        (lambda folder: damage(folder / DATA, 3000), "is damaged: its checksum is another; hint: fetch it again"),
        (lambda folder: (folder / "checkpoint").write_text("odd"), "it names no model_checkpoint_path"),
        (lambda folder: (folder / "encoder.json").unlink(), "no such file"),
        (lambda folder: (folder / "hparams.json").write_text("[]"), "is not a JSON object"),
        (lambda folder: (folder / "hparams.json").write_text('{"n_vocab": 257}'), "'n_ctx' is missing"),
        (lambda folder: (folder / "hparams.json").write_text(json.dumps({**HPARAMS, "n_moe": 2})), "'n_moe' = 2 is not impl"),
        (lambda folder: (folder / "hparams.json").write_text(json.dumps({**HPARAMS, "n_layer": 3})), "is missing; hint: the w"),
        (lambda folder: (folder / "hparams.json").write_text(json.dumps({**HPARAMS, "n_embd": 8})), "has the shape"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_one_line(openai, tmp_path, capsys, change, message) -> None:
    change(openai)
    assert run(["import", str(openai), "--out", str(tmp_path / "deep" / "out")]) == 2
    out, err = capsys.readouterr()
    assert message in err.splitlines()[-1]
    assert out == ""
    assert not (tmp_path / "deep").exists()


def test_every_byte_of_the_index_matters(openai) -> None:
    """A changed one is an error, or lies in what is no part of a tensor's place (the padding of the footer)."""
    whole = (openai / INDEX).read_bytes()
    expected = {name: tensor.numpy() for name, tensor in open_checkpoint(openai / INDEX).items()}
    for place in range(0, len(whole), 7):
        damage(openai / INDEX, place)
        try:
            found = {name: tensor.numpy() for name, tensor in open_checkpoint(openai / INDEX).items()}
        except UserError:
            found = expected
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name], expected[name]) for name in expected)
        (openai / INDEX).write_bytes(whole)


def test_the_checksum_is_castagnoli_s() -> None:
    assert crc32c(np.frombuffer(b"123456789", dtype=np.uint8)) == 0xE3069283
    assert crc32c(np.zeros(32, dtype=np.uint8)) == 0x8A9136AA  # RFC 3720, B.4
    assert crc32c(np.full(32, 255, dtype=np.uint8)) == 0x62A8AB43
    assert crc32c(np.zeros(0, dtype=np.uint8)) == 0
    long = np.random.default_rng(1).integers(0, 256, 3_000_001, dtype=np.uint8)
    before = crc32c(long)
    long[1_234_567] ^= 1
    assert crc32c(long) != before
    assert masked(0) == 0xA282EAD8


def test_tensors_are_those_that_tensorflow_wrote(openai) -> None:
    found = open_checkpoint(openai / INDEX)
    assert set(found) == {*SHAPES, "global_step"}
    assert found["global_step"].item() == 7
    for name in SHAPES:
        assert np.array_equal(found[name].numpy(), numbers(name)), name


@pytest.mark.parametrize(
    ("theirs", "plain"),
    [
        ("model/h11/attn/c_attn/w", "h.11.attn.c_attn.weight"),
        ("model/h0/ln_1/g", "h.0.ln_1.weight"),
        ("model/h0/mlp/c_proj/b", "h.0.mlp.c_proj.bias"),
        ("model/wte", "wte.weight"),
        ("model/ln_f/b", "ln_f.bias"),
        ("global_step", None),
        ("model/wte/Adam_1", None),
    ],
)
def test_names(theirs, plain) -> None:
    assert plain_name(theirs) == plain


@torch.no_grad()
@pytest.mark.parametrize("kind", ["checkpoint", "without its text", "npz", "safetensors"])
def test_logits_are_those_of_the_same_tensors_in_transformers(openai, tmp_path, kind) -> None:
    if kind != "checkpoint":
        (openai / "checkpoint").unlink()
    if kind in ("npz", "safetensors"):
        (openai / INDEX).unlink()
        (openai / DATA).unlink()
        arrays = {name: numbers(name) for name in SHAPES}
        if kind == "npz":
            np.savez(openai / "model.npz", **arrays)
        else:
            save_file({name: torch.from_numpy(array) for name, array in arrays.items()}, openai / "model.safetensors")
    model, tokenizer = read_openai(openai)
    assert tokenizer.encode("a\xe9") == [64, 127, 102]
    assert (model.config.context_length, model.config.num_heads, model.config.tied_output) == (8, 2, True)
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(vocab_size=257, n_positions=8, n_embd=4, n_head=2, n_layer=2)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    state = {f"transformer.{plain_name(name)}": torch.from_numpy(numbers(name)).squeeze(0) for name in SHAPES}
    missing, odd = theirs.load_state_dict(state, strict=False)
    assert (set(missing), odd) == ({"lm_head.weight"}, [])
    tokens = torch.tensor([[1, 256, 3, 77, 200, 5, 6, 9]])
    torch.testing.assert_close(model(tokens), theirs(tokens).logits, atol=1e-5, rtol=0)


def test_the_command_makes_a_model_folder(openai, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert run(["import", str(openai), "--out", str(out), "--skip-comparison", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["source"], result["format"], result["architecture"]) == ("117M", "openai gpt-2", "gpt2")
    assert load_model_folder(out)[2]["imported"]["source"] == "117M"
    assert run(["import", str(openai), "--out", str(tmp_path / "no"), "--tokenizer", "x.bin"]) == 2
    assert "--tokenizer belongs to a .bin of llama2.c" in capsys.readouterr().err


@pytest.mark.slow
def test_a_checkpoint_of_tensorflow(tmp_path) -> None:
    tf = pytest.importorskip("tensorflow").compat.v1
    with tf.Graph().as_default(), tf.Session() as session:
        variables = [tf.get_variable(name, initializer=numbers(name)) for name in SHAPES]
        session.run(tf.global_variables_initializer())
        tf.train.Saver(variables).save(session, str(tmp_path / "model.ckpt"))
    found = open_checkpoint(tmp_path / INDEX)
    assert all(np.array_equal(found[name].numpy(), numbers(name)) for name in SHAPES)
