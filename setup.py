"""Package metadata: everything is read from settings.ini."""

import re
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
config = ConfigParser(delimiters=["="])
config.read(here / "settings.ini", encoding="utf-8")
cfg = config["DEFAULT"]


def lines(key):
    return [line for line in cfg[key].splitlines() if line.strip()]


# The README's links are relative to the repository, which is not there where a package index shows the README.
readme = (here / "README.md").read_text(encoding="utf-8")
readme = re.sub(r"(!\[[^\]]*\]\()(?![a-z]+:|#)", rf"\1{cfg['git_url']}/raw/{cfg['branch']}/", readme)
readme = re.sub(r"(\]\()(?![a-z]+:|#)", rf"\1{cfg['git_url']}/blob/{cfg['branch']}/", readme)

stages = {"3": "3 - Alpha", "4": "4 - Beta", "5": "5 - Production/Stable"}
classifiers = [
    f"Development Status :: {stages[cfg['status']]}",
    f"Intended Audience :: {cfg['audience']}",
    f"Natural Language :: {cfg['language']}",
    *(f"Programming Language :: Python :: {python}" for python in cfg["pythons"].split()),
    "Topic :: Scientific/Engineering :: Image Recognition",
    "Typing :: Typed",
]
extras = [
    key.removesuffix("_requirements")
    for key in cfg
    if key.endswith("_requirements") and not key.startswith(("pip_", "conda_"))
]
setup(
    name=cfg["lib_name"],
    version=cfg["version"],
    description=cfg["description"],
    long_description=readme,
    long_description_content_type="text/markdown",
    author=cfg["author"],
    author_email=cfg["author_email"],
    url=cfg["git_url"],
    project_urls={
        "Documentation": cfg["doc_host"] + cfg["doc_baseurl"],
        "Changelog": f"{cfg['git_url']}/blob/{cfg['branch']}/CHANGELOG.md",
    },
    license="Apache-2.0",
    keywords=cfg["keywords"],
    classifiers=classifiers,
    packages=find_packages(include=[cfg["lib_name"] + "*"]),
    package_data={cfg["lib_name"]: ["py.typed", "box/*.safetensors", "box/*.json", "formats/*.json", "look/*.js"]},
    python_requires=">=" + cfg["min_python"],
    install_requires=lines("requirements") + lines("pip_requirements"),
    extras_require={extra: lines(f"{extra}_requirements") for extra in extras},
    entry_points={
        "console_scripts": lines("console_scripts"),
        "nbdev": [f"{cfg['lib_name']}={cfg['lib_name']}._modidx:d"],
    },
)
