"""PatchCore for industrial visual inspection, written to be read."""

from importlib import import_module

__version__ = "0.1.0"

# Public name -> module that defines it. Resolved on first use, so that `import patchcore_nb` stays light.
_PUBLIC = {
    "MVTecAD": "data",
    "ImageFolder": "data",
    "Geometry": "data",
    "make_demo": "demo",
    "FeatureExtractor": "backbones",
    "load_backbone": "backbones",
    "PatchCore": "patchcore",
    "Ensemble": "ensemble",
    "TiledPatchCore": "tiles",
}
__all__ = ["__version__", *_PUBLIC]


def __getattr__(name):
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_PUBLIC[name]}", __name__), name)


def __dir__():
    return sorted(__all__)
