"""PatchCore for industrial visual inspection, written to be read."""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

# Public name -> module that defines it. Resolved on first use, so that `import patchcore_nb` stays light.
_PUBLIC = {
    "MVTecAD": "data",
    "ImageFolder": "data",
    "Geometry": "data",
    "make_demo": "box.demo",
    "FeatureExtractor": "backbones",
    "load_backbone": "backbones",
    "PatchCore": "patchcore",
    "Ensemble": "line.ensemble",
    "TiledPatchCore": "line.tiles",
}
__all__ = ["__version__", *_PUBLIC]
if TYPE_CHECKING:  # the same, for type checkers and editors
    from .backbones import FeatureExtractor as FeatureExtractor, load_backbone as load_backbone
    from .data import Geometry as Geometry, ImageFolder as ImageFolder, MVTecAD as MVTecAD
    from .box.demo import make_demo as make_demo
    from .line.ensemble import Ensemble as Ensemble
    from .patchcore import PatchCore as PatchCore
    from .line.tiles import TiledPatchCore as TiledPatchCore


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)


def __dir__():
    return sorted(__all__)
