"""`gentk import` and `gentk export` against diffusers itself: same networks, there and back, and refusals in one line."""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

import gentk
from gentk.errors import GentkError
from gentk.protocols import DataSpec, Leaf
from gentk_ddpm import diffusers as ours
from gentk_ddpm.config import DDPMConfig
from gentk_ddpm.model import DDPM
from tests.tools.pipelines import GOOGLE, SMALL, alone, change, flat, nested, old, unet

UNETS: dict[str, dict[str, Any]] = {
    "google": GOOGLE,
    "defaults": {"sample_size": 16, "block_out_channels": (32, 32, 64, 64)},
    "small": SMALL,
    "scale_shift": SMALL | {"resnet_time_scale_shift": "scale_shift"},
    "scale_shift, normed": SMALL | {"resnet_time_scale_shift": "scale_shift", "attn_norm_num_groups": 16},
    "other middle groups": SMALL | {"attn_norm_num_groups": 8},
    "no middle attention": SMALL | {"add_attention": False},
    "heads": SMALL | {"attention_head_dim": 16, "norm_num_groups": 8},
    "one head": SMALL | {"attention_head_dim": None},
    "head wider than a level without": SMALL | {"attention_head_dim": 64},
    "sines first": SMALL | {"flip_sin_to_cos": False},
    "frequencies to the end": SMALL | {"freq_shift": 1},
    "padding 0": SMALL | {"downsample_padding": 0},
    "eps": SMALL | {"norm_eps": 1e-2},
    "centred": SMALL | {"center_input_sample": True},
    "classes": SMALL | {"num_class_embeds": 5},
    "swish, dropout": SMALL | {"act_fn": "swish", "dropout": 0.3},
    "one channel, wide": SMALL | {"in_channels": 1, "out_channels": 1, "sample_size": (8, 12)},
}


def deviation(theirs: Any, model: Any) -> float:
    """The largest, relative to the largest output, over timesteps, by the network and by the model's own time."""
    x = torch.randn(3, *model.data.shape, generator=torch.Generator().manual_seed(1))
    steps = torch.tensor([0, 371, 999])
    label = torch.tensor([4, 0, 2]) if "label" in model.conditions else None
    with torch.no_grad():
        want = theirs(x, steps, class_labels=label).sample
        got = model.ask(x, (steps.double() + 1) / 1000, label)
    assert float(want.abs().max()) > 1e-2
    return float((got - want).abs().max() / want.abs().max())


def quietly(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ours.read(folder)


# ---------------------------------------------------------------- networks
@pytest.mark.parametrize("layout", [nested, flat, old, alone])
def test_every_layout_gives_the_same_network(layout: Callable[..., Path], tmp_path: Path) -> None:
    net = unet(**GOOGLE)
    model = quietly(layout(net, diffusers.DDPMScheduler(variance_type="fixed_large"), tmp_path))
    assert deviation(net, model) <= 1e-5
    assert (model.config.schedule, model.config.prediction, model.config.schedule_options["steps"]) == ("linear", "eps", 1000)


@pytest.mark.parametrize("name", UNETS)
def test_every_option_there_and_back(name: str, tmp_path: Path) -> None:
    """Imported it answers as diffusers does; exported, diffusers answers as before, and a second import has the same config."""
    net = unet(**UNETS[name])
    model = quietly(nested(net, diffusers.DDPMScheduler(), tmp_path / "theirs"))
    assert deviation(net, model) <= 1e-5
    (tmp_path / "back").mkdir()
    ours.write(model, tmp_path / "back")
    pipe = diffusers.DDPMPipeline.from_pretrained(tmp_path / "back")
    assert deviation(pipe.unet.eval(), model) <= 1e-5
    again = ours.read(tmp_path / "back")
    assert again.data == model.data and again.recommended_sampler == model.recommended_sampler
    assert again.net.state_dict().keys() == model.net.state_dict().keys() and deviation(net, again) <= 1e-5


def test_the_whole_of_ddpm_cifar10(tmp_path: Path) -> None:
    """328 tensors, 35.7 million numbers, through a folder of weights of our own."""
    net = unet(**GOOGLE | {"sample_size": 32, "block_out_channels": (128, 256, 256, 256)})
    gentk.save(ours.read(flat(net, diffusers.DDPMScheduler(variance_type="fixed_large"), tmp_path / "theirs")), tmp_path / "ours")
    model = gentk.load(str(tmp_path / "ours"))
    assert deviation(net, model) <= 1e-5
    assert model.config.model_dump(exclude={"dropout", "label_dropout", "schedule_options"}) == DDPMConfig().model_dump(
        exclude={"dropout", "label_dropout", "schedule_options"}
    )
    assert (model.recommended_sampler.variance, model.recommended_sampler.clip) == ("fixed-large", True)


def test_what_a_network_is_told_in_training_stays_here(tmp_path: Path) -> None:
    data = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 8, 8), range=(-1, 1))})
    model = DDPM(DDPMConfig(channels=(16, 16), layers=1, attention=(False, True), groups=8, augment=0.2), data).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.1)
    ours.write(model, tmp_path)
    pipe = diffusers.DDPMPipeline.from_pretrained(tmp_path)
    assert deviation(pipe.unet.eval(), model) <= 1e-5


def test_a_model_of_ours_with_classes_goes_out(tmp_path: Path) -> None:
    """The "none" of label dropout is one more class there."""
    data = DataSpec(modality="image", leaves={"x": Leaf(shape=(1, 8, 8), range=(-1, 1))}, conditions={"label": Leaf(classes=3)})
    config = DDPMConfig(channels=(16, 16), layers=1, attention=(False, True), groups=8, prediction="v", schedule="scaled-linear")
    model = DDPM(config, data).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 0.1)
    with pytest.warns(UserWarning, match="class 3 is none"):
        ours.write(model, tmp_path)
    pipe = diffusers.DDPMPipeline.from_pretrained(tmp_path)
    assert pipe.unet.config.num_class_embeds == 4 and pipe.scheduler.config.prediction_type == "v_prediction"
    x, label = torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 3])
    with torch.no_grad():
        want = pipe.unet.eval()(x, 250, class_labels=label).sample
        got = model.ask(x, torch.tensor(251 / 1000, dtype=torch.float64), label)
    assert float((got - want).abs().max() / want.abs().max()) <= 1e-5
    kept = model.schedule((torch.arange(1000).double() + 1) / 1000)[0].square()
    assert float((kept - pipe.scheduler.alphas_cumprod).abs().max()) <= 1e-6


# ---------------------------------------------------------------- refusals and notes
REFUSED = {  # what is changed in unet/config.json: words of the line
    "time_embedding_type": ("fourier", "positional"),
    "act_fn": ("gelu", "silu"),
    "out_channels": (6, "in_channels = 3"),
    "down_block_types": (["DownBlock2D", "SkipDownBlock2D"], "AttnDownBlock2D"),
    "up_block_types": (["UpBlock2D", "AttnUpBlock2D"], "mirror"),
    "downsample_type": ("resnet", "conv"),
    "mid_block_type": (None, "UNetMidBlock2D"),
    "mid_block_scale_factor": (2, "1"),
    "freq_shift": (2, "0 or 1"),
    "time_embedding_dim": (64, "128"),
    "resnet_time_scale_shift": ("spatial", "scale_shift"),
    "class_embed_type": ("timestep", "None"),
    "sample_size": (None, "integer"),
    "block_out_channels": ([10**9, 10**9], "channels"),
    "layers_per_block": (10**6, "16"),
    "num_class_embeds": (10**12, "1000000"),
    "norm_num_groups": (7, "groups"),
    "attention_head_dim": (7, "head_dim"),
    "encoder_hid_dim": (5, "no such key"),
    "norm_eps": (1e999, "norm_eps"),
    "_class_name": ("UNet2DConditionModel", "UNet2DModel"),
}
REFUSED_PATHS: dict[str, tuple[Any, str]] = {
    "_class_name": ("ScoreSdeVeScheduler", "DDIMScheduler"),
    "prediction_type": ("flow_prediction", "v_prediction"),
    "beta_schedule": ("laplace", "squaredcos_cap_v2"),
    "variance_type": ("learned_range", "fixed_small"),
    "thresholding": (True, "False"),
    "clip_sample_range": (2.0, "data's range"),
    "num_train_timesteps": (10**9, "10000"),
    "trained_betas": ([0.1, 0.2], "num_train_timesteps"),
    "beta_end": (1.5, "less than 1"),
    "surprise": (1, "no such key"),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nested(unet(**SMALL), diffusers.DDPMScheduler(), tmp_path_factory.mktemp("plain") / "p")


def refusal(folder: Path) -> str:
    with pytest.raises(GentkError) as caught:
        ours.read(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("part", ["unet", "scheduler"])
def test_what_is_not_supported_is_named_with_its_value(part: str, plain: Path, tmp_path: Path) -> None:
    for key, (value, word) in (REFUSED if part == "unet" else REFUSED_PATHS).items():
        shutil.copytree(plain, folder := tmp_path / key)
        change(folder / part / ("config.json" if part == "unet" else "scheduler_config.json"), **{key: value})
        line = refusal(folder)
        names = {"block_out_channels": "channels", "norm_num_groups": "groups", "attention_head_dim": "head_dim"}
        assert names.get(key, key) in line and word in line, line


def test_damaged_or_foreign_folders_are_one_line(plain: Path, tmp_path: Path) -> None:
    def with_(spoil: Callable[[Path], Any]) -> str:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        shutil.copytree(plain, folder)
        spoil(folder)
        return refusal(folder)

    weights = Path("unet/diffusion_pytorch_model.safetensors")
    tensors = load_file(plain / weights)
    less, more = dict(tensors), {**tensors, "extra": torch.zeros(1)}
    del less["conv_in.weight"]
    both = {**tensors, "mid_block.attentions.0.query.weight": tensors["mid_block.attentions.0.to_q.weight"].clone()}
    assert "lack conv_in.weight" in with_(lambda f: save_file(less, f / weights))
    assert "no place for extra" in with_(lambda f: save_file(more, f / weights))
    assert "old and its new name" in with_(lambda f: save_file(both, f / weights))
    bad = {**tensors, "conv_in.bias": torch.full((32,), math.nan)}
    assert "non-finite" in with_(lambda f: save_file(bad, f / weights))
    assert "truncated" in with_(lambda f: (f / weights).write_bytes((plain / weights).read_bytes()[:-9]))
    pickle = with_(lambda f: (f / weights).rename(f / "unet/diffusion_pytorch_model.bin"))
    assert ".bin" in pickle and "safe_serialization" in pickle
    shards = with_(lambda f: (f / weights).rename(f / f"{weights}.index.json"))
    assert "is not JSON" in shards
    assert "'vqvae'" in with_(lambda f: change(f / "model_index.json", vqvae=["diffusers", "VQModel"]))
    assert "config.json" in with_(lambda f: (f / "unet/config.json").unlink())
    assert "not JSON" in with_(lambda f: (f / "unet/config.json").write_text("{"))


def test_links_lead_out_of_the_folder_only_within_the_hubs_cache(plain: Path, tmp_path: Path) -> None:
    cache = tmp_path / "models--a--b"
    shutil.copytree(plain, snapshot := cache / "snapshots" / ("0" * 40))
    (cache / "blobs").mkdir()
    for i, path in enumerate(p for p in snapshot.rglob("*") if p.is_file()):
        path.rename(blob := cache / "blobs" / str(i))
        path.symlink_to(blob)
    ours.read(snapshot)
    shutil.copytree(snapshot, tmp_path / "elsewhere", symlinks=True)
    assert "outside" in refusal(tmp_path / "elsewhere")


CANNOT: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "patch": ({"patch": 2}, {}, "patch = 2"),
    "edm": ({"prediction": "edm"}, {}, "prediction 'edm'"),
    "score": ({"prediction": "score"}, {}, "prediction 'score'"),
    "continuous": ({"schedule": "cosine"}, {}, "schedule 'cosine'"),
    "odd": ({}, {"shape": (1, 7, 8)}, "sides"),
    "range": ({}, {"range": (0, 1)}, "range"),
    "no norm": ({"middle_norm": False}, {}, "middle_norm"),
}


@pytest.mark.parametrize("name", CANNOT)
def test_what_diffusers_cannot_express_is_not_exported(name: str, tmp_path: Path) -> None:
    config, leaf, word = CANNOT[name]
    small: dict[str, Any] = {"channels": (8, 8), "layers": 1, "attention": (False, False), "groups": 4}
    data = DataSpec(modality="image", leaves={"x": Leaf(**({"shape": (1, 8, 8), "range": (-1, 1)} | leaf))})
    with pytest.raises(GentkError) as caught:
        ours.write(DDPM(DDPMConfig(**small | config), data), tmp_path)
    assert word in str(caught.value) and "\n" not in str(caught.value) and not list(tmp_path.iterdir())
