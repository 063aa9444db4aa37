"""Every field of a config, with its unit. Experiments change what differs.

`model` says what is learnt, alone enough to build it; `data` from what; `train`
how; `eval` what is asked of it afterwards.
"""

from ml_collections import ConfigDict, config_dict

from crystal_jax.density.labels import LABEL_RADIUS


def get_config() -> ConfigDict:
  """The paper's system at 30³, joint training, on the embedded data set."""
  config = ConfigDict()
  config.model = _model()
  config.data = _data()
  config.train = _train()
  config.eval = _eval()
  return config


def _model():
  model = ConfigDict()
  model.representation = 'box'  # of `crystal_jax.tasks.TASKS`
  model.networks = 'both'  # or 'vae', or 'unet' on true densities
  model.dtype = 'float32'  # of the networks' arithmetic; 'bfloat16'

  model.box = ConfigDict()
  model.box.length = 10.0  # Å, side of the box
  model.box.size = 30  # voxels a side
  model.box.sigma = 0.5  # Å, standard deviation of an atom
  model.box.label_radius = LABEL_RADIUS  # Å, an atom's species is labelled
  model.box.filling = 'repeating'  # or 'single_cell'
  model.box.turn = True  # rotate at random
  model.box.channels = 'number'  # or 'elements': 40 channels
  model.box.max_images = 0  # atoms and images in it; 0: from the data
  model.box.max_decoded = 512  # slots for the atoms and images in it

  model.vae = ConfigDict()
  model.vae.widths = (16, 32, 64, 256)  # channels; the side halves between
  model.vae.depth = 1  # residual blocks a level
  model.vae.fold = 1  # side of voxel blocks folded into channels; 1: none
  model.vae.latent = 300  # length, or channels if spatial
  model.vae.spatial = False  # whether the latent keeps its place

  model.unet = ConfigDict()
  model.unet.widths = (64, 128, 256, 512)  # channels; the side halves between
  model.unet.depth = 1  # residual blocks a level, each way
  model.unet.fold = 1  # side of voxel blocks folded into channels; 1: none
  model.unet.features = 32  # channels at full resolution, before the classes

  model.lattice_head = ConfigDict()
  model.lattice_head.enabled = False  # six lattice parameters off the latent
  model.lattice_head.width = 256  # channels

  model.cell = ConfigDict()
  model.cell.size = 16  # voxels a side
  model.cell.sigma = 0.9  # voxels, standard deviation of an atom
  model.cell.max_atoms = 20  # of a primitive cell
  model.cell.closest = 1.0  # voxels; nearer atoms are refused
  # Metrics that differ by less than this, Å², are reduced alike, so that small
  # strains do not change the basis; measured in benchmarks/stability.py.
  model.cell.niggli_tolerance = 0.2

  model.cell_vae = ConfigDict()
  model.cell_vae.fold = 4  # side of the voxel block that is a token
  model.cell_vae.width = 192  # channels of a token
  model.cell_vae.encoder = 'pp'  # blocks, of `models.tokens.MIXES`
  model.cell_vae.decoder = 'ppp'
  model.cell_vae.factor = 2  # how much wider a token is while it thinks
  model.cell_vae.latent = 15  # numbers of a token
  model.cell_vae.learn_codes = True  # offsets of the codes elements are read by

  model.coded_vae = ConfigDict()  # of a coded box; what it lies in is `box`
  model.coded_vae.fold = 6  # as in cell_vae
  model.coded_vae.width = 192
  model.coded_vae.encoder = 'pp'
  model.coded_vae.decoder = 'ppp'
  model.coded_vae.factor = 2
  model.coded_vae.latent = 8  # numbers of a token
  model.coded_vae.vector = 0  # numbers of one vector in its place; 0: none
  model.coded_vae.learn_codes = True
  model.coded_vae.head_width = 256  # channels of the lattice head
  return model


def _data():
  data = ConfigDict()
  # A prepared folder, a TFDS builder's folder, or the stem of compact files;
  # several with commas between them.
  data.builder = 'datasets/oqmd_icsd20'
  data.weights = ()  # shares of several in an epoch; (): their sizes
  data.data_dir = ''  # where prepared data live; '': TFDS's default
  data.manual_dir = ''  # files you provide; '': downloads/manual in data_dir
  data.train_split = 'train'  # a TFDS split, or a part: 'train[:100]'
  data.heldout_split = 'val'  # never trained on
  data.elements = ()  # only crystals of these symbols; (): all
  data.min_atoms = 1  # of a crystal; smaller ones are left out
  data.max_atoms = 20  # of a crystal; larger ones are left out
  # eV/atom; crystals above it, or not known to be below, are left out
  data.max_e_above_hull = config_dict.placeholder(float)
  # Å; crystals of which one cell does not fit such a box are left out
  data.box_length = config_dict.placeholder(float)
  # A folder; crystals are made ready in a file there, once, and read in place:
  # for sets that do not fit in memory. '': all in memory
  data.in_place = ''
  data.origins = 3  # samples a crystal and epoch, at other origins
  return data


def _train():
  train = ConfigDict()
  train.seed = 0  # of initialisation, order, rotations and noise
  train.start_from = ''  # a codec's folder or a workdir; '': from nothing
  train.steps = 100_000
  train.batch_size = 64  # examples over all devices and hosts
  train.learning_rate = 1e-3  # at the top of the schedule
  train.warmup_steps = 500
  train.weight_decay = 1e-4
  train.clip = 1.0  # largest norm of the gradient
  train.ema_decay = 0.999  # of the parameters used in evaluation
  train.log_every = 50  # steps
  train.eval_every = 1000  # steps between held-out losses
  train.eval_batches = 8  # batches of a held-out loss
  train.checkpoint_every = 1000  # steps
  train.keep = 2  # latest checkpoints kept, beside the best

  train.box_loss = ConfigDict()
  train.box_loss.beta = 1e-7  # of the KL (nats, summed over the latent)
  train.box_loss.beta_warmup = 1000  # steps over which beta rises from 0
  train.box_loss.free_bits = 0.0  # nats a latent number may carry for nothing
  # Share of the species loss that trains the VAE too. That loss is a thousand
  # times the reconstruction's, and a large share ruins the density.
  train.box_loss.gamma = 1e-4
  train.box_loss.species = 'cross_entropy'  # or 'bce', as the paper has it
  train.box_loss.balance = 0.5  # class weight count^-balance; 0: plain
  train.box_loss.species_voxels = 0  # random voxels asked in a step; 0: all
  train.box_loss.lattice = 0.1  # of the lattice head's squared error

  train.cell_loss = ConfigDict()
  train.cell_loss.beta = 1e-4  # of the KL (nats, summed over the latent)
  train.cell_loss.beta_warmup = 1  # steps over which beta rises from 0
  train.cell_loss.occupancy = 100.0  # of its squared error, a voxel
  train.cell_loss.offset = 0.3  # of its squared error (voxels²), an atom
  train.cell_loss.sharpness = 2.0  # of species, in squared distance of codes
  train.cell_loss.jitter = 0.3  # voxels; how far from an atom it is asked

  train.coded_box_loss = ConfigDict()
  train.coded_box_loss.beta = 1e-4  # as in cell_loss
  train.coded_box_loss.beta_warmup = 1
  train.coded_box_loss.occupancy = 100.0
  train.coded_box_loss.offset = 0.3
  train.coded_box_loss.sharpness = 2.0
  train.coded_box_loss.jitter = 0.3
  train.coded_box_loss.lattice = 0.01  # of its error, 0.3 % and 0.3 degrees
  train.coded_box_loss.atoms = 96  # random atoms asked in a step; 0: all
  return train


def _eval():
  evaluation = ConfigDict()
  evaluation.crystals = 256  # of each split, decoded to atoms
  evaluation.batch_size = 16  # crystals decoded at once
  evaluation.pictures = 6  # crystals drawn in the report
  return evaluation
