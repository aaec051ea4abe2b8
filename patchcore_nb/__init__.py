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
    "PatchCore": "model",
    "Ensemble": "model",
    "TiledPatchCore": "model",
    "load_model": "model",
    "Embedder": "patches",
    "Coreset": "coreset",
    "Scoring": "scorer",
    "Views": "line.views",
    "RegionOfInterest": "line.roi",
    "Search": "scale.search",
    "MergeReduce": "scale.bounded",
    "OnDisk": "scale.bounded",
    "OnWorkers": "scale.distributed",
    "CoresetExplorer": "look.coverage",
    "HeatmapExplorer": "look.heatmaps",
    "PatchInspector": "look.inspector",
    "LayerExplorer": "look.layers",
    "Studio": "look.studio",
}
__all__ = ["__version__", *_PUBLIC]
if TYPE_CHECKING:  # the same, for type checkers and editors
    from .backbones import FeatureExtractor as FeatureExtractor
    from .backbones import load_backbone as load_backbone
    from .box.demo import make_demo as make_demo
    from .coreset import Coreset as Coreset
    from .data import Geometry as Geometry
    from .data import ImageFolder as ImageFolder
    from .data import MVTecAD as MVTecAD
    from .line.roi import RegionOfInterest as RegionOfInterest
    from .line.views import Views as Views
    from .look.coverage import CoresetExplorer as CoresetExplorer
    from .look.heatmaps import HeatmapExplorer as HeatmapExplorer
    from .look.inspector import PatchInspector as PatchInspector
    from .look.layers import LayerExplorer as LayerExplorer
    from .look.studio import Studio as Studio
    from .model import Ensemble as Ensemble
    from .model import PatchCore as PatchCore
    from .model import TiledPatchCore as TiledPatchCore
    from .model import load_model as load_model
    from .patches import Embedder as Embedder
    from .scale.bounded import MergeReduce as MergeReduce
    from .scale.bounded import OnDisk as OnDisk
    from .scale.distributed import OnWorkers as OnWorkers
    from .scale.search import Search as Search
    from .scorer import Scoring as Scoring


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)


def __dir__():
    return sorted(__all__)
