"""The denoisers: networks from image to image that know nothing of training. One file each, and one line in the table
below."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unnoise.errors import UsageError
from unnoise.registry import Registry

if TYPE_CHECKING:
    from unnoise.denoisers.base import Denoiser

_CLASSICAL = {
    "bm3d": "classical.bm3d:BM3D",
    "wnnm": "classical.wnnm:WNNM",
    "mcwnnm": "classical.mcwnnm:MCWNNM",
    "non-local-means": "classical.scikit:NonLocalMeans",
    "wavelets": "classical.scikit:Wavelets",
    "total-variation": "classical.scikit:TotalVariation",
}
"""Denoisers without weights. Their names are models: see `unnoise.models.classical`."""

_DENOISERS: Registry[type[Denoiser]] = Registry(
    "denoiser",
    "unnoise.denoisers",
    {
        "dbsn": "dbsn:DBSN",
        "dbsn-dense": "dbsn:DenseDBSN",
        "ssbsn": "ssbsn:SSBSN",
        "atbsn": "atbsn:ATBSN",
        "atbsn-student-a": "atbsn_students:StudentA",
        "atbsn-student-b": "atbsn_students:StudentB",
        "atbsn-student-c": "atbsn_students:StudentC",
        "tmbsn": "tmbsn:TMBSN",
        "tmbsn-student": "tmbsn:TMBSNStudent",
        "tmbsn-student-rounded": "quantized_student:QuantizedStudent",
        "restormer": "restormer:Restormer",
        "deamnet": "deamnet:DeamNet",
        "nafnet": "nafnet:NAFNet",
        "nafnet-baseline": "nafnet:NAFNetBaseline",
        "unet": "unet:UNet",
        "unet-blindspot": "unet_blindspot:BlindSpotUNet",
        "dncnn": "dncnn:DnCNN",
        "tbsn": "tbsn:TBSN",
        "puca": "puca:PUCA",
        "lgbpn": "lgbpn:LGBPN",
        "bnn": "bnn:BNN",
        "lan": "bnn:LAN",
        "unet-nearest": "unet_nearest:NearestUNet",
        "tbsn-student": "unet_nearest:TBSNStudent",
        "cvf-sid": "cvf_sid:CVFSID",
        "cvf-sid-twice": "cvf_sid:CVFSIDTwice",
        "cbdnet": "cbdnet:CBDNet",
        "ridnet": "ridnet:RIDNet",
        "vdn": "vdn:VDN",
        "danet": "vdn:DANet",
        "c2n": "learned_noise:C2N",
        "gcbd": "learned_noise:GCBD",
        "scpgabn": "scpgabn:SCPGabN",
        "mash-unet": "mash_unet:MashUNet",
        "self2self-unet": "self2self_unet:Self2SelfUNet",
        "laine19": "laine19:Laine19",
        "dbsn-first": "dbsn_first:DBSNFirst",
        "ffdnet": "ffdnet:FFDNet",
        "drunet": "drunet:DRUNet",
        "scunet": "scunet:SCUNet",
        "i2v": "i2v:I2V",
        "n2v-unet": "n2v_unet:N2VUNet",
        "zs-n2n": "zs_n2n:ZSN2NNetwork",
    }
    | _CLASSICAL,
)

lookup = _DENOISERS.lookup


def names() -> list[str]:
    """The names of all networks that can be trained.

    >>> "dncnn" in names(), "bm3d" in names()
    (True, False)
    """
    return [name for name in _DENOISERS.names() if name not in _CLASSICAL]


def names_of(kind: type[Denoiser]) -> list[str]:
    """The names of all networks of one kind: of this class, or of one that is made from it.

    >>> from unnoise.denoisers.cvf_sid import CVFSID
    >>> "cvf-sid" in names_of(CVFSID), "dncnn" in names_of(CVFSID)
    (True, False)
    """
    return [name for name in names() if issubclass(lookup(name), kind)]


def classical_names() -> list[str]:
    """The names of the denoisers without weights.

    >>> "bm3d" in classical_names()
    True
    """
    return list(_CLASSICAL)


def create(name: str, **sizes: Any) -> Denoiser:
    """Make a denoiser with random weights.

    Args:
        name: one of `names()`.
        sizes: the network's own keyword arguments.

    Raises:
        UsageError: for an unknown name, or sizes that the network does not take.

    Example:
        >>> create("dncnn", features=8, layers=3).sizes
        {'channels': 3, 'features': 8, 'layers': 3}
    """
    network_class = lookup(name)
    try:
        return network_class(**sizes)
    except (TypeError, ValueError) as error:
        raise UsageError(f"The denoiser '{name}' cannot be made with {sizes}: {error}") from error


def name_of(network: Denoiser) -> str:
    """The registered name of a network's class.

    Raises:
        KeyError: for a class that is not in the table.

    >>> name_of(create("dncnn", features=4, layers=3))
    'dncnn'
    """
    return _DENOISERS.name_of(type(network))
