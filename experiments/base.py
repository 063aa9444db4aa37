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
  model.dtype = 'float32'  # arithmetic of networks; or 'bfloat16'

  model.box = ConfigDict()
  model.box.length = 10.0  # Å, side of the box
  model.box.size = 30  # voxels a side
  model.box.sigma = 0.5  # Å, standard deviation of an atom
  model.box.label_radius = LABEL_RADIUS  # Å, radius of species labels
  model.box.filling = 'repeating'  # or 'single_cell'
  model.box.turn = True  # whether to rotate at random
  model.box.channels = 'number'  # or 'elements': 40 channels
  model.box.max_images = 0  # slots of atoms and images; 0: from the data
  model.box.max_decoded = 512  # slots of decoded atoms and images

  model.vae = ConfigDict()
  model.vae.widths = (16, 32, 64, 256)  # channels of each level; sides halve
  model.vae.depth = 1  # residual blocks per level
  model.vae.fold = 1  # side of voxel blocks folded into channels; 1: none
  model.vae.latent = 300  # length of the latent, or channels if spatial
  model.vae.spatial = False  # a latent for each coarse voxel

  model.unet = ConfigDict()
  model.unet.widths = (64, 128, 256, 512)  # channels of each level; sides halve
  model.unet.depth = 1  # residual blocks per level, down and up
  model.unet.fold = 1  # side of voxel blocks folded into channels; 1: none
  model.unet.features = 32  # channels at full resolution, before the classes

  model.lattice_head = ConfigDict()
  model.lattice_head.enabled = False  # whether to predict the lattice
  model.lattice_head.width = 256  # channels

  model.cell = ConfigDict()
  model.cell.size = 16  # voxels a side
  model.cell.sigma = 0.9  # voxels, standard deviation of an atom
  model.cell.max_atoms = 20  # atoms of a primitive cell
  model.cell.closest = 1.0  # voxels; crystals with nearer atoms are refused
  # Metrics that differ by less than this, Å², are reduced alike, so that small
  # strains do not change the basis; measured in benchmarks/stability.py.
  model.cell.niggli_tolerance = 0.2

  model.cell_vae = ConfigDict()
  model.cell_vae.fold = 4  # side of the voxel block that is a token
  model.cell_vae.width = 192  # channels of a token
  model.cell_vae.encoder = 'pp'  # kinds of blocks, see `models.tokens.MIXES`
  model.cell_vae.decoder = 'ppp'
  model.cell_vae.factor = 2  # hidden width of a block's MLP / width
  model.cell_vae.latent = 15  # latent numbers of a token
  model.cell_vae.vector = 0  # length of a single latent vector; 0: tokens
  model.cell_vae.learn_codes = True  # whether element codes get offsets
  model.cell_vae.conditioned = False  # whether the encoder gets the lattice
  # Properties that linear heads predict from the latent: element_fractions,
  # crystal_system (needs the column spacegroup_number), num_atoms,
  # volume_per_atom, and scalar columns of the data set. (): none
  model.properties = ()

  model.coded_vae = ConfigDict()  # networks of a coded box; see `box`
  model.coded_vae.fold = 6  # side of the voxel block that is a token
  model.coded_vae.width = 192
  model.coded_vae.encoder = 'pp'
  model.coded_vae.decoder = 'ppp'
  model.coded_vae.factor = 2
  model.coded_vae.latent = 8  # latent numbers of a token
  model.coded_vae.vector = 0  # length of a single latent vector; 0: tokens
  model.coded_vae.learn_codes = True
  model.coded_vae.head_width = 256  # channels of the lattice head

  model.prior = ConfigDict()  # prior of the codec `first_stage`
  model.prior.width = 768  # channels of the residual stream
  model.prior.blocks = 6  # residual blocks
  model.prior.factor = 2  # hidden width of a block / width
  model.prior.condition_width = 256  # channels of the embedding of conditions
  model.prior.composition_width = 256  # channels of the composition network
  model.prior.operands = 'float32'  # in matrix products; or 'bfloat16'
  model.prior.columns = ()  # conditions: 'spacegroup_number', 'icsd'
  model.prior.properties = ()  # further columns that are conditions
  return model


def _data():
  data = ConfigDict()
  # A prepared folder, a TFDS builder's folder, or the stem of compact files;
  # several are separated by commas.
  data.builder = 'datasets/oqmd_icsd20'
  data.weights = ()  # shares of data sets in an epoch; (): their sizes
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
  data.origins = 3  # samples of a crystal per epoch, at different origins
  return data


def _train():
  train = ConfigDict()
  train.seed = 0  # seed of all random numbers
  train.start_from = ''  # folder of a codec, or a workdir; '': fresh parameters
  train.steps = 100_000
  train.batch_size = 64  # examples over all devices and hosts
  train.learning_rate = 1e-3  # peak of the schedule
  train.warmup_steps = 500
  train.weight_decay = 1e-4
  train.clip = 1.0  # largest norm of the gradient
  train.ema_decay = 0.999  # average of parameters, for evaluation
  train.log_every = 50  # steps
  train.eval_every = 1000  # steps between held-out losses
  train.eval_batches = 8  # batches of a held-out loss
  train.checkpoint_every = 1000  # steps
  train.keep = 2  # latest checkpoints that are kept, besides the best

  train.box_loss = ConfigDict()
  train.box_loss.beta = 1e-7  # weight of the KL (nats, summed over the latent)
  train.box_loss.beta_warmup = 1000  # steps over which beta rises from 0
  train.box_loss.free_bits = 0.0  # KL of a latent number without cost, nats
  # Share of the species loss's gradient that reaches the VAE. That loss is a
  # thousand times the reconstruction loss: a large share ruins the density.
  train.box_loss.gamma = 1e-4
  train.box_loss.species = 'cross_entropy'  # or 'bce', as the paper has it
  train.box_loss.balance = 0.5  # class weight count^-balance; 0: plain
  train.box_loss.species_sample_voxels = 0  # random voxels per step; 0: all
  train.box_loss.lattice = 0.1  # weight of the lattice head's squared error

  train.cell_loss = _coded_loss()
  train.coded_box_loss = _coded_loss()
  train.coded_box_loss.lattice = 0.01  # weight; errors in 0.3 % and 0.3 degrees
  train.coded_box_loss.atoms = 96

  train.prior_loss = ConfigDict()
  train.prior_loss.lattice = 0.1  # share of lattice numbers; 0: no lattice
  train.prior_loss.composition = 0.05  # weight of the composition's nats
  train.prior_loss.time_mean = 0.0  # mean of the time's logit
  train.prior_loss.time_deviation = 1.0
  train.prior_loss.drop = ConfigDict()  # shares of examples without a condition
  train.prior_loss.drop.everything = 0.1
  train.prior_loss.drop.composition = 0.0
  train.prior_loss.drop.space_group = 0.7
  train.prior_loss.drop.other = 0.5

  train.property_loss = ConfigDict()
  train.property_loss.element_fractions = 0.1  # weight of the cross entropy
  train.property_loss.crystal_system = 0.15  # weight of the cross entropy
  train.property_loss.num_atoms = 0.05  # weight of a standardised Huber loss
  train.property_loss.volume_per_atom = 0.05
  train.property_loss.columns = 0.3  # weight of each scalar column's loss
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
  loss.atoms = 0  # random atoms per step; 0: all
  return loss


def _eval():
  evaluation = ConfigDict()
  evaluation.crystals = 256  # crystals of each split that are decoded
  evaluation.batch_size = 16  # crystals that are decoded together
  evaluation.pictures = 6  # crystals in the report's pictures
  return evaluation
