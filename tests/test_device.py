"""Which precision a training takes where nobody says: by the model's size and what the device was made for."""

from contextlib import nullcontext

import pytest
import torch

from hornbook.device import LARGE, Precision, has_bf16_unit, precision_for


@pytest.mark.parametrize(
    ("parameters", "bf16_unit", "precision"),
    [
        (LARGE - 1, True, "fp32"),
        (LARGE, True, "bf16"),
        (124_439_808, True, "bf16"),
        (861_824, False, "fp32"),
        (LARGE, False, "fp32"),
        (70_000_000_000, False, "fp32"),
    ],
)
def test_bf16_needs_a_unit_and_a_large_model(parameters: int, bf16_unit: bool, precision: Precision) -> None:
    assert precision_for(parameters, bf16_unit) == precision


@pytest.mark.parametrize("tiles", [True, False])
def test_of_processors_those_with_tiles_have_the_unit(tiles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)  # says nothing
    assert has_bf16_unit(torch.device("cpu")) is tiles


@pytest.mark.parametrize("cores", [True, False])
def test_a_card_that_only_imitates_bf16_has_none(cores: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def supported(including_emulation: bool = True) -> bool:
        return cores or including_emulation

    monkeypatch.setattr(torch.cuda, "device", lambda device: nullcontext())
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert has_bf16_unit(torch.device("cuda")) is cores


def test_mps_has_none() -> None:
    assert not has_bf16_unit(torch.device("mps"))
