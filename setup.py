"""Package metadata: everything is read from settings.ini."""
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=["="])
config.read(here / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]


def lines(key):
    return [line for line in cfg[key].splitlines() if line.strip()]


extras = [key.removesuffix("_requirements") for key in cfg if key.endswith("_requirements")]
setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    license="Apache-2.0",
    keywords=cfg["keywords"],
    packages=find_packages(include=[cfg["lib_name"] + "*"]),
    package_data={cfg["lib_name"]: ["*.safetensors", "*.json"]},  # the backbone in the box
    python_requires=">=" + cfg["min_python"],
    install_requires=lines("requirements"),
    extras_require={extra: lines(f"{extra}_requirements") for extra in extras},
    entry_points={
        "console_scripts": lines("console_scripts"),
        "nbdev": [f"{cfg['lib_name']}={cfg['lib_name']}._modidx:d"],
    },
)
