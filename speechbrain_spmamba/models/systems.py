"""The table of systems: whatever is known of one stands in its row.

From the files of the networks, such as ``models.spmamba``; to ``build_model``
and to whatever converts, checks, compares, draws or counts systems. One more
system is one file with its network and one row here.
"""

from dataclasses import dataclass

from speechbrain_spmamba.models.afrcnn import AFRCNN
from speechbrain_spmamba.models.bsrnn import BSRNN
from speechbrain_spmamba.models.conv_tasnet import ConvTasNet
from speechbrain_spmamba.models.dprnn import DPRNN
from speechbrain_spmamba.models.resepformer import RESepFormer
from speechbrain_spmamba.models.sepformer import SepFormer
from speechbrain_spmamba.models.skim import SkiM
from speechbrain_spmamba.models.spmamba import SPMamba
from speechbrain_spmamba.models.sudormrf import SudoRMRF
from speechbrain_spmamba.models.tdanet import TDANet
from speechbrain_spmamba.models.tf_gridnet import TFGridNet

PUBLISHED = "speechbrain_spmamba.weights.published"


@dataclass(frozen=True)
class System:
    """A row of the table.

    Arguments
    ---------
    model : type
        The network; the defaults of its arguments are the published size.
    title : str
        How the system is called in tables and figures.
    colour : str
        In figures, as #RRGGBB.
    marker : str
        In figures, one of matplotlib's.
    smoke : dict
        Arguments with which it learns something within a minute or two on two
        cores: 40 to 160 thousand parameters at 8 kHz.
    layouts : tuple of str
        Modules that read its published weights, see ``weights.published``;
        each names its source. They are imported when they are needed.
    table_1 : tuple of float, optional
        Parameters in M and multiply-accumulates in G/s, as printed in Table 1
        of arXiv 2404.02063.
    """

    model: type
    title: str
    colour: str
    marker: str
    smoke: dict
    layouts: tuple = ()
    table_1: tuple | None = None


# The paper's own, the other systems of its Table 1, and SpeechBrain's own. The
# colours are those of Paul Tol's "muted" set, made to be told apart with any
# kind of colour vision; the markers tell systems apart without colour.
# fmt: off
SYSTEMS = {
    "spmamba": System(
        SPMamba, "SPMamba", "#000000", "o",
        smoke={"n_fft": 256, "num_blocks": 1, "emb_ks": 4, "emb_hs": 4,
               "d_state": 4, "expand": 1, "num_heads": 2, "attn_qk_dim": 256},
        layouts=(f"{PUBLISHED}.spmamba",),
        table_1=(6.14, 78.69),
    ),
    "tf_gridnet": System(
        TFGridNet, "TF-GridNet", "#332288", "s",
        smoke={"n_fft": 256, "num_blocks": 1, "lstm_hidden": 32, "emb_dim": 16,
               "emb_ks": 4, "emb_hs": 4, "num_heads": 2, "attn_qk_dim": 256},
        layouts=(f"{PUBLISHED}.tf_gridnet",),
        table_1=(14.43, 445.56),
    ),
    "bsrnn": System(
        BSRNN, "BSRNN", "#CC6677", "D",
        smoke={"n_fft": 256, "hop_length": 128, "feature_dim": 16,
               "num_repeat": 2},
        layouts=(f"{PUBLISHED}.bsrnn",),
        table_1=(25.97, 98.69),
    ),
    "tdanet": System(
        TDANet, "TDANet", "#117733", "^",
        smoke={"out_channels": 48, "in_channels": 96, "num_blocks": 4,
               "upsampling_depth": 4, "enc_kernel_size": 4},
        layouts=(f"{PUBLISHED}.tdanet",),
        table_1=(2.33, 9.13),
    ),
    "afrcnn": System(
        AFRCNN, "A-FRCNN", "#88CCEE", "v",
        smoke={"out_channels": 64, "in_channels": 64, "num_blocks": 4,
               "upsampling_depth": 4, "enc_num_basis": 128},
        layouts=(f"{PUBLISHED}.afrcnn",),
        table_1=(6.13, 81.20),
    ),
    "sudormrf": System(
        SudoRMRF, "SudoRM-RF", "#AA4499", "P",
        smoke={"out_channels": 64, "in_channels": 96, "num_blocks": 3,
               "upsampling_depth": 4, "enc_num_basis": 128},
        layouts=(f"{PUBLISHED}.sudormrf", f"{PUBLISHED}.sudormrf_asteroid"),
        table_1=(2.72, 4.60),
    ),
    "conv_tasnet": System(
        ConvTasNet, "Conv-TasNet", "#999933", "X",
        smoke={"n_filters": 128, "bottleneck": 48, "hidden": 96, "n_layers": 5,
               "n_stacks": 1},
        layouts=(f"{PUBLISHED}.conv_tasnet",
                 f"{PUBLISHED}.conv_tasnet_asteroid",
                 f"{PUBLISHED}.conv_tasnet_sonicsim"),
        table_1=(5.62, 10.23),
    ),
    "dprnn": System(
        DPRNN, "DualPathRNN", "#882255", "<",
        smoke={"n_filters": 64, "feature_dim": 32, "hidden": 32,
               "kernel_size": 16, "num_blocks": 2, "chunk_size": 50},
        layouts=(f"{PUBLISHED}.dprnn", f"{PUBLISHED}.dprnn_asteroid"),
        table_1=(2.72, 85.32),
    ),
    "sepformer": System(
        SepFormer, "SepFormer", "#44AA99", ">",
        smoke={"n_filters": 64, "num_blocks": 1, "num_layers": 1,
               "num_heads": 4, "ffn_dim": 128, "chunk_size": 50},
    ),
    "resepformer": System(
        RESepFormer, "RE-SepFormer", "#DDCC77", "h",
        smoke={"n_filters": 64, "num_blocks": 1, "num_layers": 1,
               "num_heads": 4, "ffn_dim": 128, "segment_size": 50},
    ),
    "skim": System(
        SkiM, "SkiM", "#777777", "d",
        smoke={"n_filters": 64, "num_blocks": 1, "hidden": 48,
               "segment_size": 50},
    ),
}
# fmt: on
