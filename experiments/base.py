"""The base config: every field, with its unit and default.

`model` defines representation and networks, and is enough to build a codec;
`data` the training crystals, `train` the optimisation and `eval` the evaluation
after it. Experiments change fields of it.
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
  model.representation = 'box'  # a name in `crystal_jax.tasks.TASKS`
  model.networks = 'both'  # or 'vae', or 'unet' on true densities
  model.dtype = 'float32'  # of the networks' arithmetic; 'bfloat16'

  model.box = ConfigDict()
  model.box.length = 10.0  # Å, side of the box
  model.box.size = 30  # voxels a side
  model.box.sigma = 0.5  # Å, standard deviation of an atom
  model.box.label_radius = LABEL_RADIUS  # Å, of an atom's species label
  model.box.filling = 'repeating'  # or 'single_cell'
  model.box.turn = True  # rotate at random
  model.box.channels = 'number'  # or 'elements': 40 channels
  model.box.max_images = 0  # most atoms and images in it; 0: from the data
  model.box.max_decoded = 512  # most atoms and images that are decoded

  model.vae = ConfigDict()
  model.vae.widths = (16, 32, 64, 256)  # channels; the side halves between
  model.vae.depth = 1  # residual blocks a level
  model.vae.fold = 1  # side of voxel blocks folded into channels; 1: none
  model.vae.latent = 300  # length, or channels if spatial
  model.vae.spatial = False  # one latent a coarse voxel, not one in all

  model.unet = ConfigDict()
  model.unet.widths = (64, 128, 256, 512)  # channels; the side halves between
  model.unet.depth = 1  # residual blocks a level, each way
  model.unet.fold = 1  # side of voxel blocks folded into channels; 1: none
  model.unet.features = 32  # channels at full resolution, before the classes

  model.lattice_head = ConfigDict()
  model.lattice_head.enabled = False  # predict the lattice from the latent
  model.lattice_head.width = 256  # channels

  model.cell = ConfigDict()
  model.cell.size = 16  # voxels a side
  model.cell.sigma = 0.9  # voxels, standard deviation of an atom
  model.cell.max_atoms = 20  # of a primitive cell
  model.cell.closest = 1.0  # voxels; crystals with nearer atoms are refused
  # Metrics that differ by less than this, Å², are reduced alike, so that small
  # strains do not change the basis; measured in benchmarks/stability.py.
  model.cell.niggli_tolerance = 0.2

  model.cell_vae = ConfigDict()
  model.cell_vae.fold = 4  # side of the voxel block that is a token
  model.cell_vae.width = 192  # channels of a token
  model.cell_vae.encoder = 'pp'  # blocks, of `models.tokens.MIXES`
  model.cell_vae.decoder = 'ppp'
  model.cell_vae.factor = 2  # hidden width of a block's MLP, in widths
  model.cell_vae.latent = 15  # latent numbers of a token
  model.cell_vae.vector = 0  # length of a single latent vector; 0: tokens
  model.cell_vae.learn_codes = True  # learn an offset of each element's code
  model.cell_vae.conditioned = False  # give the encoder the lattice too
  # Properties that linear heads read off a cell's latent: element_fractions,
  # crystal_system (needs the column spacegroup_number), num_atoms,
  # volume_per_atom, and scalar columns of the data set. (): none
  model.properties = ()

  model.coded_vae = ConfigDict()  # of a coded box, with the fields of `box`
  model.coded_vae.fold = 6  # as in cell_vae
  model.coded_vae.width = 192
  model.coded_vae.encoder = 'pp'
  model.coded_vae.decoder = 'ppp'
  model.coded_vae.factor = 2
  model.coded_vae.latent = 8  # latent numbers of a token
  model.coded_vae.vector = 0  # length of one latent vector instead; 0: none
  model.coded_vae.learn_codes = True
  model.coded_vae.head_width = 256  # channels of the lattice head

  model.prior = ConfigDict()  # of latents; its codec is `first_stage`
  model.prior.width = 768  # channels of the residual stream
  model.prior.blocks = 6  # residual blocks
  model.prior.factor = 2  # hidden width of a block, in widths
  model.prior.condition_width = 256  # channels of time and conditions
  model.prior.composition_width = 256  # channels of the composition network
  model.prior.operands = 'float32'  # of matrix products; or 'bfloat16'
  model.prior.columns = ()  # conditions: 'spacegroup_number', 'icsd'
  model.prior.properties = ()  # further columns that are conditions
  return model


def _data():
  data = ConfigDict()
  # A prepared folder, a TFDS builder's folder, or the stem of compact files;
  # several with commas between them.
  data.builder = 'datasets/oqmd_icsd20'
  data.weights = ()  # shares of several in an epoch; (): their sizes
  data.data_dir = ''  # folder of prepared data; '': TFDS's default
  data.manual_dir = ''  # your own files; '': downloads/manual in data_dir
  data.train_split = 'train'  # a TFDS split, or a part: 'train[:100]'
  data.heldout_split = 'val'  # never trained on
  data.elements = ()  # only crystals of these symbols; (): all
  data.min_atoms = 1  # smaller crystals are left out
  data.max_atoms = 20  # larger crystals are left out
  # eV/atom; crystals above it, or of unknown energy, are left out; None: all
  data.max_e_above_hull = config_dict.placeholder(float)
  # Å; crystals of which a cell does not fit into a box are left out; None: all
  data.box_length = config_dict.placeholder(float)
  # Folder of a file of prepared crystals, made once and mapped into memory, for
  # data sets larger than memory; '': in memory
  data.in_place = ''
  # Share of training examples with more than `large_above` atoms, sampled with
  # replacement; 0: every crystal once an epoch.
  data.large_share = 0.0
  data.large_above = 20
  data.origins = 3  # samples of a crystal in an epoch, each at another origin
  return data


def _train():
  train = ConfigDict()
  train.seed = 0  # of initialisation, order, rotations and noise
  train.start_from = ''  # folder of a codec, or a workdir; '': fresh parameters
  train.steps = 100_000
  train.batch_size = 64  # examples over all devices and hosts
  train.learning_rate = 1e-3  # peak of the schedule
  train.warmup_steps = 500
  train.weight_decay = 1e-4
  train.clip = 1.0  # largest norm of the gradient
  train.ema_decay = 0.999  # of the parameters used in evaluation
  train.log_every = 50  # steps
  train.eval_every = 1000  # steps between held-out losses
  train.eval_batches = 8  # batches of a held-out loss
  train.checkpoint_every = 1000  # steps
  train.keep = 2  # latest checkpoints that are kept, besides the best

  train.box_loss = ConfigDict()
  train.box_loss.beta = 1e-7  # weight of the KL (nats, summed over the latent)
  train.box_loss.beta_warmup = 1000  # steps over which beta rises from 0
  train.box_loss.free_bits = 0.0  # nats of a latent number without cost
  # Share of the species loss that trains the VAE. The species loss is a
  # thousand times the reconstruction loss: a large share ruins the density.
  train.box_loss.gamma = 1e-4
  train.box_loss.species = 'cross_entropy'  # or 'bce', as the paper has it
  train.box_loss.balance = 0.5  # class weight count^-balance; 0: plain
  train.box_loss.species_voxels = 0  # random voxels of a step; 0: all
  train.box_loss.lattice = 0.1  # weight of the lattice head's squared error

  train.cell_loss = _coded_loss()
  train.coded_box_loss = _coded_loss()
  train.coded_box_loss.lattice = 0.01  # of its error, 0.3 % and 0.3 degrees
  train.coded_box_loss.atoms = 96

  train.prior_loss = ConfigDict()
  train.prior_loss.lattice = 0.1  # share of the lattice's six; 0: none there
  train.prior_loss.composition = 0.05  # of a nat of the composition
  train.prior_loss.time_mean = 0.0  # of the logit of the time
  train.prior_loss.time_deviation = 1.0
  train.prior_loss.drop = ConfigDict()  # shares of examples without it
  train.prior_loss.drop.everything = 0.1
  train.prior_loss.drop.composition = 0.0
  train.prior_loss.drop.space_group = 0.7
  train.prior_loss.drop.other = 0.5

  train.property_loss = ConfigDict()
  train.property_loss.element_fractions = 0.1  # of their cross entropy
  train.property_loss.crystal_system = 0.15  # of its cross entropy
  train.property_loss.num_atoms = 0.05  # of standardised Huber losses
  train.property_loss.volume_per_atom = 0.05
  train.property_loss.columns = 0.3  # of each scalar column
  return train


def _coded_loss():
  """See `crystal_jax.training.coded_terms.CodedLossWeights`."""
  loss = ConfigDict()
  loss.beta = 1e-4  # weight of the KL (nats, summed over the latent)
  loss.beta_warmup = 1  # steps over which beta rises from 0
  loss.occupancy = 100.0  # weight of its squared error, a mean over voxels
  loss.offset = 0.3  # weight of its squared error (voxels²), a mean over atoms
  loss.sharpness = 2.0  # scale of the logits: squared distances of codes
  loss.jitter = 0.3  # voxels, deviation of the voxel at which an atom is read
  loss.atoms = 0  # random atoms of a step; 0: all
  return loss


def _eval():
  evaluation = ConfigDict()
  evaluation.crystals = 256  # crystals of each split that are decoded
  evaluation.batch_size = 16  # crystals that are decoded together
  evaluation.pictures = 6  # crystals in the report's pictures
  return evaluation
