"""The networks and the step of stylegan2-pytorch 1.9.0, in an environment of its own.

    python stylegan2_step.py IMAGES BATCH PIXELS.pt G_CAPACITY D_CAPACITY

The package stops at its import without CUDA, and imports packages that its networks do not use; here it is
told that there is CUDA, and gets empty modules.  Its step is its trainer's: hinge loss, a gradient penalty on
real and generated images every fourth step, styles of two codes in nine batches of ten, Adam; without what
comes after step 5,000 (path length), its averaged weights (from step 20,000 on), its reading of image files
and its pictures.  z and w have 128 numbers and the mapping network has 4 layers, as Limner's default.
"""

import importlib.machinery
import json
import random
import sys
import time
import types
from unittest.mock import MagicMock

import torch

for name in ("fire", "aim", "torchvision", "vector_quantize_pytorch", "tqdm"):
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    module.__getattr__ = lambda attribute: MagicMock()
    sys.modules[name] = module
torch.cuda.is_available = lambda: True
from stylegan2_pytorch import stylegan2_pytorch as original  # noqa: E402

torch.cuda.is_available = lambda: False

DIM, DEPTH, SIZE = 128, 4, 32
images, batch, file, g_capacity, d_capacity = sys.argv[1:]
images, batch = int(images), int(batch)
pixels = torch.load(file)[: 50 * batch].float() / 255
torch.manual_seed(0)
random.seed(0)
S = original.StyleVectorizer(DIM, DEPTH, lr_mul=0.1)
G = original.Generator(SIZE, DIM, int(g_capacity))
D = original.Discriminator(SIZE, int(d_capacity))
G_opt = torch.optim.Adam([*G.parameters(), *S.parameters()], lr=2e-4, betas=(0.5, 0.9))
D_opt = torch.optim.Adam(D.parameters(), lr=4e-4, betas=(0.5, 0.9))


def generate():
    """A batch of generated images; the noise of pixels is uniform."""
    draw = original.mixed_list if random.random() < 0.9 else original.noise_list
    styles = original.styles_def_to_tensor(
        [(S(z), layers) for z, layers in draw(batch, G.num_layers, DIM, "cpu")]
    )
    return G(styles, torch.rand(batch, SIZE, SIZE, 1))


torch.Tensor.cuda = lambda self, device=None: self  # its helpers that draw noise move it
iterations = images // batch
start = time.perf_counter()
for step in range(iterations):
    penalise = step % 4 == 0
    x = pixels[torch.randint(len(pixels), (batch,))]
    D_opt.zero_grad()
    fake = generate().detach().requires_grad_(penalise)
    fake_output, _ = D(fake)
    real_output, _ = D(x.requires_grad_(penalise))
    divergence = loss = original.hinge_loss(fake_output, real_output)
    if penalise:
        penalty = original.gradient_penalty(x, real_output) + original.gradient_penalty(fake, fake_output)
        penalty.detach().item()
        loss = loss + penalty
    loss.backward()
    divergence.detach().item()
    D_opt.step()
    G_opt.zero_grad()
    loss = original.gen_hinge_loss(D(generate())[0], None)
    loss.backward()
    loss.detach().item()
    G_opt.step()
print(json.dumps({"images_per_second": iterations * batch / (time.perf_counter() - start)}))
