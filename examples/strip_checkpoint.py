# SPDX-License-Identifier: MIT
"""Drop the optimizer's state from a DeePMD-kit PyTorch checkpoint: python strip_checkpoint.py model.ckpt.pt model.pt.

Needs torch.
"""

import sys

import torch


def main() -> None:
    """Keep the weights and the model's own description; both are all that a compressor or `dp freeze` needs."""
    source, target = sys.argv[1:]
    checkpoint = torch.load(source, map_location="cpu", weights_only=True)
    torch.save({"model": checkpoint["model"]}, target)


if __name__ == "__main__":
    main()
