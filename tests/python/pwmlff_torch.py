# SPDX-License-Identifier: MIT
"""TorchScript models by torch itself, with the classes and attributes that MatPL's `script` gives them (`jit_dp.pt`, of a
compressed checkpoint `jit_cmp_dp.pt`): an element list of its own, attributes that cannot be scripted, tables beside the nets.
The module evaluates its nets, with code of our own: the geometry is not in it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from pwmlff_files import Model
from torch import Tensor, nn

ROWS = 7  # of a table


class LayerModule(nn.Module):
    def __init__(self, layer: dict[str, Any], dtype: torch.dtype) -> None:
        super().__init__()
        for name in ("weight", "bias", "resnet_dt"):
            values = layer.get(name)
            setattr(self, name, None if values is None else nn.Parameter(torch.tensor(values, dtype=dtype)))


class _Layers(nn.Module):
    def __init__(self, net: list[dict[str, Any]], dtype: torch.dtype) -> None:
        super().__init__()
        self.network_size = [len(net[0]["weight"]), *(layer["weight"].shape[1] for layer in net)]
        self.bias_flag = any("bias" in layer for layer in net)
        self.resnet_dt_flag = any("resnet_dt" in layer for layer in net)
        self.activation = torch.tanh
        self.layers = nn.ModuleList([LayerModule(layer, dtype) for layer in net])


class EmbeddingNet(_Layers):
    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            y = torch.matmul(x, layer.weight)
            if layer.bias is not None:
                y = y + layer.bias
            y = self.activation(y)
            skips = y.shape[1] // x.shape[1]
            if y.shape[1] == skips * x.shape[1] and 0 < skips < 3:
                if layer.resnet_dt is not None:
                    y = y * layer.resnet_dt
                y = y + x.repeat(1, skips)
            x = y
        return x


class FittingNet(_Layers):
    def forward(self, x: Tensor) -> Tensor:
        for k, layer in enumerate(self.layers):
            y = torch.matmul(x, layer.weight) + layer.bias
            if k < len(self.layers) - 1:
                y = self.activation(y)
                if layer.resnet_dt is not None:
                    y = y * layer.resnet_dt
                if k > 0:
                    y = y + x
            x = y
        return x


class _Model(nn.Module):
    """Attributes in MatPL's order; torch puts the modules behind all others."""

    def __init__(self, model: Model, dtype: torch.dtype) -> None:
        super().__init__()
        n, slots = len(model.numbers), model.max_neigh_num * len(model.numbers)
        zero = np.zeros((n, 1))
        self.config = {"Rc_M": model.rmax, "M2": model.m2, "atomType": [{"type": number} for number in model.numbers]}
        self.model_type = "DP"
        self.ntypes = n
        self.atom_type = list(model.numbers)
        self.M2 = model.m2
        self.Rmax = model.rmax
        self.Rmin = model.rmin
        self.maxNeighborNum = model.max_neigh_num
        self.dtype = dtype
        self.davg = torch.tensor(np.tile(np.hstack([model.average[:, None], zero, zero, zero]), slots), dtype=dtype)
        self.dstd = torch.tensor(np.tile(np.hstack([model.deviation[:, :1], *[model.deviation[:, 1:]] * 3]), slots), dtype=dtype)
        self.energy_shift = np.full(n, -100.0)
        nets = [*model.unused, *model.embedding]
        self.embedding_net = nn.ModuleList([EmbeddingNet(net, dtype) for net in nets])
        self.fitting_net = nn.ModuleList([FittingNet(net, dtype) for net in model.fitting])
        self.compress_tab = None

    def set_comp_tab(self, order: int) -> None:
        """Tables that are wrong, as those are."""
        n, m = self.ntypes, self.embedding_net[-1].network_size[-1]
        table = torch.full((n * n, ROWS, m, order + 1), 7.0, dtype=self.dtype)
        self.compress_tab_shape = table.shape
        self.compress_tab = table.reshape(n * n * ROWS, m, order + 1)
        self.dx = 0.01
        self.sij_min = np.float64(-0.4)
        self.sij_max = np.float64(5.5)
        self.sij_out_max = 55.0
        self.sij_len = 590
        self.sij_out_len = 495
        self.order = order


class DP(_Model):
    def forward(self, s: Tensor, features: Tensor) -> list[Tensor]:
        """The embedding nets at s (n, 1), or the tables' shape where there are some; then the fitting nets' energies."""
        found: list[Tensor] = []
        if self.compress_tab is None:
            for net in self.embedding_net:
                found.append(net(s))
        else:
            row = int((float(s.max()) - self.sij_min) / self.dx)
            found.append(self.compress_tab[min(max(row, 0), self.compress_tab_shape[1] - 1)])
        for net in self.fitting_net:
            found.append(net(features))
        return found


class TypeDP(_Model):
    def __init__(self, model: Model, dtype: torch.dtype) -> None:
        super().__init__(model, dtype)
        self.physical_property = list(model.properties)
        self.type_vector = dict(zip(model.numbers, model.vectors.tolist(), strict=True))

    def forward(self, s: Tensor, features: Tensor) -> list[Tensor]:
        """The same of each neighbour's element; torch.tensor makes single precision of a list."""
        found: list[Tensor] = []
        for number in self.atom_type:
            vector = torch.tensor(self.type_vector[number]).repeat(len(s), 1)
            found.append(self.embedding_net[-1](torch.cat([s, vector.to(s.dtype)], dim=1)))
        for net in self.fitting_net:
            found.append(net(features))
        return found


LayerModule.__module__ = EmbeddingNet.__module__ = FittingNet.__module__ = "src.model.dp_embedding"
DP.__module__, TypeDP.__module__ = "src.model.dp_dp_script", "src.model.dp_dp_typ_emb_script"


def write(path: Path, model: Model, order: int | None, dtype: torch.dtype = torch.float64) -> Path:
    """The file of a model; order: of tables, None without these."""
    module = (DP if model.vectors is None else TypeDP)(model, dtype)
    if order is not None:
        module.set_comp_tab(order)
    torch.jit.script(module).save(str(path))
    return path


def evaluate(path: Path, s: np.ndarray, features: np.ndarray) -> list[np.ndarray]:
    """What the file itself says, run by torch."""
    with torch.no_grad():
        return [found.numpy() for found in torch.jit.load(str(path))(torch.tensor(s)[:, None], torch.tensor(features))]
