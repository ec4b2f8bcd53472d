# SPDX-License-Identifier: MIT
"""Drop the optimizer's state from a DeePMD-kit PyTorch checkpoint: python strip_checkpoint.py model.ckpt.pt model.pt.

Needs torch.
"""

import argparse

import torch


def main() -> None:
    """Keep the weights and the model's own description; both are all that a compressor or `dp freeze` needs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="checkpoint of a training")
    parser.add_argument("target", help="file to write")
    files = parser.parse_args()
    checkpoint = torch.load(files.source, map_location="cpu", weights_only=True)
    torch.save({"model": checkpoint["model"]}, files.target)


if __name__ == "__main__":
    main()
