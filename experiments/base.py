"""Every field of a config, with its unit. Experiments change what differs."""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
  """The paper's system at 30³, joint training, on the embedded data set."""
  config = ConfigDict()
  config.seed = 0  # of initialisation, order, rotations and noise

  config.data = ConfigDict()
  config.data.builder = 'datasets/oqmd_icsd20'  # folder of a TFDS builder
  config.data.data_dir = ''  # where prepared data live; '': TFDS's default
  config.data.train_split = 'train'  # a TFDS split, or a part: 'train[:100]'
  config.data.heldout_split = 'val'  # never trained on
  config.data.max_atoms = 20  # atoms of the largest crystal
  config.data.filling = 'repeating'  # or 'single_cell'; of a box
  config.data.origins = 3  # samples a crystal and epoch, at other origins
  config.data.turn = True  # rotate (box) or shift (cell) at random
  config.data.channels = 'number'  # or 'elements': 40 channels
  config.data.max_images = 0  # atoms and images in a grid; 0: from the data

  config.grid = ConfigDict()
  config.grid.kind = 'box'  # or 'cell': the unit cell itself
  config.grid.length = 10.0  # Å, side of a box
  config.grid.size = 30  # voxels a side
  config.grid.sigma = 0.5  # Å, standard deviation of an atom
  config.grid.label_radius = 0.65  # Å, around an atom its species is labelled

  config.vae = ConfigDict()
  config.vae.widths = (16, 32, 64, 256)  # channels; the side halves between
  config.vae.depth = 1  # residual blocks a level
  config.vae.fold = 1  # side of voxel blocks folded into channels; 1: none
  config.vae.latent = 300  # length, or channels if spatial
  config.vae.spatial = False  # whether the latent keeps its place

  config.unet = ConfigDict()
  config.unet.widths = (64, 128, 256, 512)  # channels; the side halves between
  config.unet.depth = 1  # residual blocks a level, each way
  config.unet.fold = 1  # side of voxel blocks folded into channels; 1: none
  config.unet.features = 32  # channels at full resolution, before the classes

  config.lattice_head = ConfigDict()
  config.lattice_head.enabled = False  # six lattice parameters off the latent
  config.lattice_head.width = 256  # channels

  config.loss = ConfigDict()
  config.loss.beta = 1e-7  # of the KL (nats, summed over the latent)
  config.loss.beta_warmup = 1000  # steps over which beta rises from 0
  config.loss.free_bits = 0.0  # nats each latent number may carry for nothing
  # Share of the species loss that trains the VAE too. That loss is a thousand
  # times the reconstruction's, and a large share ruins the density.
  config.loss.gamma = 1e-4
  config.loss.species = 'cross_entropy'  # or 'bce', as the paper has it
  config.loss.balance = 0.5  # class weight count^-balance; 0: plain
  config.loss.species_voxels = 0  # random voxels it looks at a step; 0: all
  config.loss.lattice = 0.1  # of the lattice head's squared error

  config.train = ConfigDict()
  config.train.networks = 'both'  # or 'vae', or 'unet' on true densities
  config.train.steps = 100_000
  config.train.batch_size = 64  # examples over all devices and hosts
  config.train.learning_rate = 1e-3  # at the top of the schedule
  config.train.warmup_steps = 500
  config.train.weight_decay = 1e-4
  config.train.clip = 1.0  # largest norm of the gradient
  config.train.ema_decay = 0.999  # of the parameters used in evaluation
  config.train.dtype = 'float32'  # of the networks' arithmetic; 'bfloat16'
  config.train.log_every = 50  # steps
  config.train.eval_every = 1000  # steps between held-out losses
  config.train.eval_batches = 8  # batches of a held-out loss
  config.train.checkpoint_every = 1000  # steps
  config.train.keep = 2  # latest checkpoints kept, beside the best

  config.eval = ConfigDict()
  config.eval.crystals = 256  # of each split, decoded to atoms
  config.eval.batch_size = 16  # crystals decoded at once
  config.eval.max_atoms = 512  # slots of the decoder
  config.eval.pictures = 6  # crystals drawn in the report
  return config
