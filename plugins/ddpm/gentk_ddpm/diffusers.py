"""diffusers' unconditional UNet2DModel pipelines ↔ models of this plugin. What cannot be said exactly is refused in one line.

A pipeline is `unet/` (config.json and safetensors) beside `scheduler/scheduler_config.json`; the oldest ones have all in the root.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

import gentk
from gentk.errors import GentkError
from gentk.protocols import DataSpec, Leaf
from gentk.weights import safety

from . import diffusers_paths as paths
from .config import DDPMConfig

if TYPE_CHECKING:
    from .model import DDPM

NAMES = ("UNet2DModel", "UNetUnconditionalModel")  # the second until its release 0.1
MOST = 20_000_000  # bytes of an index
WEIGHTS = ("diffusion_pytorch_model.safetensors", "model.safetensors")
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
Side = Annotated[int, Field(ge=1, le=8192)]


class UNet2D(BaseModel):
    """The keys of a UNet2DModel's config.json with the values that are supported. The defaults are those of its constructor."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    sample_size: Side | tuple[Side, Side]
    in_channels: int = Field(3, ge=1, le=4096)
    out_channels: int = 3
    center_input_sample: bool = False
    time_embedding_type: Literal["positional"] = "positional"
    time_embedding_dim: int | None = None
    freq_shift: Literal[0, 1] = 0
    flip_sin_to_cos: bool = True
    down_block_types: tuple[Literal["DownBlock2D", "AttnDownBlock2D"], ...] = ("DownBlock2D", *3 * ("AttnDownBlock2D",))
    mid_block_type: Literal["UNetMidBlock2D"] = "UNetMidBlock2D"
    up_block_types: tuple[Literal["UpBlock2D", "AttnUpBlock2D"], ...] = (*3 * ("AttnUpBlock2D",), "UpBlock2D")
    block_out_channels: tuple[int, ...] = Field((224, 448, 672, 896), min_length=1, max_length=8)
    layers_per_block: int = Field(2, ge=1, le=16)
    mid_block_scale_factor: Literal[1] = 1
    downsample_padding: Literal[0, 1] = 1
    downsample_type: Literal["conv"] = "conv"
    upsample_type: Literal["conv"] = "conv"
    dropout: float = Field(0.0, ge=0, lt=1)
    act_fn: Literal["silu", "swish"] = "silu"
    attention_head_dim: int | None = Field(8, ge=1)
    norm_num_groups: int = Field(32, ge=1)
    attn_norm_num_groups: int | None = Field(None, ge=1)
    norm_eps: float = Field(1e-5, gt=0)
    resnet_time_scale_shift: Literal["default", "scale_shift"] = "default"
    add_attention: bool = True
    class_embed_type: Literal[None] = None
    num_class_embeds: int | None = Field(None, ge=1, le=1_000_000)
    num_train_timesteps: Any = None  # of a learned time embedding only

    @model_validator(mode="before")
    @classmethod
    def _old_words(cls, config: dict[str, Any]) -> dict[str, Any]:
        blocks = {key: config[key] for key in ("down_block_types", "up_block_types") if isinstance(config.get(key), list)}
        renamed = {key: [str(kind).removeprefix("UNetRes") for kind in kinds] for key, kinds in blocks.items()}
        return {key: value for key, value in config.items() if not key.startswith("_")} | renamed

    @property
    def shape(self) -> tuple[int, int, int]:
        sides = self.sample_size if isinstance(self.sample_size, tuple) else (self.sample_size, self.sample_size)
        return (self.in_channels, *sides)

    def check(self) -> None:
        """What no single key decides. Raises GentkError in one line."""
        levels, wide = len(self.block_out_channels), 4 * self.block_out_channels[0]
        if self.out_channels != self.in_channels:
            raise GentkError(f"out_channels = {self.out_channels} with in_channels = {self.in_channels}: only as many out as in")
        if self.time_embedding_dim not in (None, wide):
            raise GentkError(f"time_embedding_dim = {self.time_embedding_dim}: only 4 times the first width, {wide}")
        for key, kinds in (("down_block_types", self.down_block_types), ("up_block_types", self.up_block_types)):
            if len(kinds) != levels:
                raise GentkError(f"{key} has {len(kinds)} entries, block_out_channels {levels}: they must agree")
        if self.up_block_types != (mirrored := up(self.down_block_types)):
            raise GentkError(f"up_block_types = {list(self.up_block_types)}: only the mirror of down_block_types, {list(mirrored)}")

    def ours(self) -> dict[str, Any]:
        """The part of a DDPMConfig that the network decides."""
        scale_shift = self.resnet_time_scale_shift == "scale_shift"
        return {
            "channels": self.block_out_channels,
            "layers": self.layers_per_block,
            "attention": tuple(kind.startswith("Attn") for kind in self.down_block_types),
            "middle_attention": self.add_attention,
            "middle_norm": bool(self.attn_norm_num_groups) or not scale_shift,
            "middle_groups": self.attn_norm_num_groups or 0,
            "head_dim": self.attention_head_dim,
            "groups": self.norm_num_groups,
            "eps": self.norm_eps,
            "dropout": self.dropout,
            "scale_shift": scale_shift,
            "downsample_padding": self.downsample_padding,
            "frequencies_end": self.freq_shift == 1,
            "cosine_first": self.flip_sin_to_cos,
            "centre": self.center_input_sample,
            "label_dropout": 0.0,
        }


def up(down: tuple[str, ...]) -> tuple[str, ...]:
    """The types of the way up that mirror those of the way down."""
    return tuple(kind.replace("Down", "Up") for kind in reversed(down))


# ---------------------------------------------------------------- reading
def read(folder: Path) -> DDPM:
    """The model of a pipeline's folder, or of a UNet's alone. Raises GentkError in one line; warns of what a sampler has no word for."""
    from gentk.weights.skeleton import skeleton

    from .model import DDPM

    if (folder / "model_index.json").is_file():
        _check_parts(safety.read_json(folder, "model_index.json"), folder)
    home = "unet/" if (folder / "unet").is_dir() else ""
    raw, where = safety.read_json(folder, f"{home}config.json"), f"{folder / home / 'config.json'}"
    if raw.get("_class_name") not in NAMES:
        raise GentkError(f"{where}: _class_name = {raw.get('_class_name')!r}: only a {NAMES[0]} is read")
    net: UNet2D = paths.checked(UNet2D, raw, where)
    try:
        net.check()
    except GentkError as error:
        raise GentkError(f"{where}: {error}") from None
    path = _path(folder)
    config: DDPMConfig = paths.checked(DDPMConfig, {**net.ours(), **path.config}, where)
    data = DataSpec(
        modality="image",
        leaves={"x": Leaf(shape=net.shape, range=(-1, 1), levels=256)},
        conditions={"label": Leaf(classes=net.num_class_embeds)} if net.num_class_embeds else {},
    )
    headers = [safety.read_header(folder, name) for name in _weights(folder, home)]
    header = _joined(headers)
    names = {renamed(name): name for name in header.tensors}
    if len(names) < len(header.tensors):
        raise GentkError(f"{header.path} holds the same tensor under its old and its new name")
    with skeleton():
        wanted = DDPM(config, data).net.state_dict()
    safety.compare(safety.Header(header.path, {new: header.tensors[old] for new, old in names.items()}, header.bytes), wanted)
    tensors = {name: tensor for one in headers for name, tensor in safety.read_tensors(one).items()}
    model = DDPM(config, data)
    model.net.load_state_dict({new: tensors[old].to(wanted[new].dtype) for new, old in names.items()})
    model.recommended_sampler = gentk.sampler(path.sampler, **path.options)  # type: ignore[assignment]
    return model.eval()


def _check_parts(index: Mapping[str, Any], folder: Path) -> None:
    """An unconditional pipeline in pixels has a network and a scheduler; with a decoder or a text encoder it is something else."""
    parts = [name for name, value in index.items() if isinstance(value, list) and any(value)]
    if other := sorted(set(parts) - {"unet", "scheduler"}):
        raise GentkError(f"{folder}: the pipeline has a part '{other[0]}'; only those of a unet and a scheduler alone are read")


def _path(folder: Path) -> paths.Path:
    for name in ("scheduler/scheduler_config.json", "scheduler_config.json"):
        if (folder / name).is_file():
            return paths.read(safety.read_json(folder, name, constants=True), str(folder / name))
    warnings.warn("there is no scheduler_config.json: a DDPMScheduler's defaults are taken (linear, epsilon)", stacklevel=2)
    return paths.read({"_class_name": "DDPMScheduler"}, str(folder))


def _weights(folder: Path, home: str) -> list[str]:
    """The names of the files with the numbers: the whole ones first, then those of another precision (`.fp16.`), then shards."""
    for name in WEIGHTS:
        if (folder / home / name).is_file():
            return [home + name]
    for stem in (name.removesuffix(".safetensors") for name in WEIGHTS):
        for variant in ("fp32", "bf16", "fp16", "non_ema"):
            if (folder / home / f"{stem}.{variant}.safetensors").is_file():
                return [f"{home}{stem}.{variant}.safetensors"]
    if found := sorted((folder / home).glob("*.safetensors.index*.json")):
        return _shards(folder, home + found[0].name, home)
    raise GentkError(
        f"{folder / home} holds no {WEIGHTS[0]}; if it has a .bin, which gentk never opens, "
        "convert it: load it with diffusers and save_pretrained(…, safe_serialization=True)"
    )


def _shards(folder: Path, index: str, home: str) -> list[str]:
    """The files that an index names. Raises GentkError for one that names what is no file beside it."""
    listed = safety.read_json(folder, index, most=MOST).get("weight_map")
    if not isinstance(listed, dict) or not listed or not all(isinstance(name, str) for name in listed.values()):
        raise GentkError(f"{folder / index}: weight_map must say of each tensor which file it is in")
    names = sorted(set(listed.values()))
    if wrong := [name for name in names if not re.fullmatch(r"[\w.-]+\.safetensors", name, re.ASCII)]:
        raise GentkError(f"{folder / index} lists {wrong[0][:40]!r}, which is no file beside it")
    return [home + name for name in names]


def _joined(headers: Sequence[safety.Header]) -> safety.Header:
    """What several files hold together. Raises GentkError for a tensor that stands in two of them."""
    tensors: dict[str, Any] = {}
    for one in headers:
        if twice := sorted(tensors.keys() & one.tensors.keys()):
            raise GentkError(f"{one.path} holds '{twice[0][:80]}', as another shard does")
        tensors |= one.tensors
    return safety.Header(headers[0].path, tensors, sum(one.bytes for one in headers))


def renamed(name: str) -> str:
    """A tensor's present name. Attention was spelled otherwise up to release 0.15."""
    return re.sub(r"(\.attentions\.\d+\.)(query|key|value|proj_attn)(?=\.)", lambda m: m[1] + OLD_ATTENTION[m[2]], name)


# ---------------------------------------------------------------- writing
def write(model: Any, folder: Path) -> None:
    """The folder of a DDPMPipeline, in float32. Raises GentkError in one line for a model that a UNet2DModel is not; warns of what the
    pipeline leaves to its user."""
    from safetensors.torch import save as serialised

    net = _unet(model)
    scheduler = paths.write(model.config, getattr(model, "recommended_sampler", None))
    if model.classes:
        none = f", and class {model.classes - 1} is none" if model.conditions["label"].dropout else ""
        warnings.warn(f"a DDPMPipeline gives no classes: call unet(x, t, class_labels){none}", stacklevel=2)
    index = {
        "_class_name": "DDPMPipeline",
        "unet": ["diffusers", NAMES[0]],
        "scheduler": ["diffusers", scheduler["_class_name"]],
    }
    (folder / "unet").mkdir()
    (folder / "scheduler").mkdir()
    for name, config in (("model_index", index), ("unet/config", net), ("scheduler/scheduler_config", scheduler)):
        (folder / f"{name}.json").write_text(json.dumps(config, indent=2) + "\n", "utf-8")
    held = {name: tensor for name, tensor in model.net.state_dict().items() if name != "told_embedding.weight"}  # drawing tells nothing
    tensors = {name: tensor.detach().cpu().float().contiguous().clone() for name, tensor in held.items()}
    (folder / "unet" / WEIGHTS[0]).write_bytes(serialised(tensors, {"format": "pt"}))


def _unet(model: Any) -> dict[str, Any]:
    """The config of the UNet2DModel that is this model's network."""
    config, data = model.config, model.data
    if not isinstance(config, DDPMConfig):
        raise GentkError(f"a {type(model).__name__} cannot be exported to diffusers, only the U-Net of model 'ddpm'")
    _check_unet(model)
    down = tuple(f"{'Attn' if attends else ''}DownBlock2D" for attends in config.attention)
    sides = list(data.shape[1:])
    return {
        "_class_name": NAMES[0],
        "sample_size": sides[0] if sides[0] == sides[1] else sides,
        "in_channels": data.shape[0],
        "out_channels": data.shape[0],
        "center_input_sample": config.centre,
        "time_embedding_type": "positional",
        "freq_shift": int(config.frequencies_end),
        "flip_sin_to_cos": config.cosine_first,
        "down_block_types": down,
        "up_block_types": up(down),
        "block_out_channels": config.channels,
        "layers_per_block": config.layers,
        "downsample_padding": config.downsample_padding,
        "dropout": config.dropout,
        "act_fn": "silu",
        "attention_head_dim": config.head_dim,
        "norm_num_groups": config.groups,
        "attn_norm_num_groups": (config.middle_groups or config.groups) if config.middle_norm else None,
        "norm_eps": config.eps,
        "resnet_time_scale_shift": "scale_shift" if config.scale_shift else "default",
        "add_attention": config.middle_attention,
        "num_class_embeds": model.classes or None,
    }


def _check_unet(model: Any) -> None:
    """Raises GentkError, in one line, for what no UNet2DModel and no DDPMPipeline does."""
    config, leaves = model.config, model.data.leaves
    if config.patch > 1:
        raise GentkError(f"patch = {config.patch} cannot be exported: diffusers' U-Net folds no pixels into channels")
    if hasattr(model, "latents"):
        raise GentkError("a model of another model's latents cannot be exported: an unconditional pipeline draws pixels")
    if set(leaves) != {"x"} or leaves["x"].classes or leaves["x"].range != (-1, 1):
        raise GentkError(f"data in range {leaves['x'].range} cannot be exported: an unconditional pipeline draws pixels in (-1, 1)")
    if config.middle_attention and not (config.middle_norm or config.scale_shift):
        raise GentkError("middle_norm = False cannot be exported without scale_shift: diffusers' middle attention has a norm then")
    if any(side % 2 ** (len(config.channels) - 1) for side in model.data.shape[1:]):
        raise GentkError(f"sides {model.data.shape[1:]} cannot be exported: diffusers halves them {len(config.channels) - 1} times exactly")
