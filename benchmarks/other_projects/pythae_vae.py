"""pythae's own trainer on its VAE, in an environment of its own: pythae_vae.py IMAGES BATCH PIXELS.pt."""

import contextlib
import io
import json
import logging
import sys
import tempfile
import time

import torch

logging.disable(logging.CRITICAL)

from pythae.data.datasets import BaseDataset  # noqa: E402
from pythae.models import VAE, VAEConfig  # noqa: E402
from pythae.trainers import BaseTrainer, BaseTrainerConfig  # noqa: E402

images, batch = int(sys.argv[1]), int(sys.argv[2])
x = torch.load(sys.argv[3])[:images].float() / 255
torch.manual_seed(0)
model = VAE(VAEConfig(input_dim=(1, 28, 28), latent_dim=16, reconstruction_loss="mse"))
data = BaseDataset(x, torch.ones(len(x)))
config = BaseTrainerConfig(
    output_dir=tempfile.mkdtemp(),
    num_epochs=max(1, images // len(x)),
    learning_rate=1e-3,
    per_device_train_batch_size=batch,
    no_cuda=True,
)
with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
    trainer = BaseTrainer(model=model, train_dataset=data, training_config=config)
    start = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - start
print(json.dumps({"images_per_second": len(x) * config.num_epochs / seconds}))
