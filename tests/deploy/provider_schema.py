"""The schema of Google's Terraform provider, from a package of bindings that were made out of it.

The provider itself is in no package registry. ``cdktn-provider-google`` holds, for each of its
resources, a JavaScript class whose comments and literals repeat the schema: names, types, which
arguments are required, which are read-only, how blocks nest, and the values that an argument takes.
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

Type = str | list["Type"]

_SIMPLE: dict[str, Type] = {
    "string": "string",
    "number": "number",
    "boolean": "bool",
    "stringMap": ["map", "string"],
}
_GETTERS: dict[str, Type] = {
    "getStringAttribute": "string",
    "getNumberAttribute": "number",
    "getBooleanAttribute": "bool",
    "getListAttribute": ["list", "string"],
    "getStringMapAttribute": ["map", "string"],
}


@dataclass
class Attribute:
    """An argument, or a value that the provider tells.

    Attributes:
        type: As Terraform writes types in JSON.
        required: It must be given.
        optional: It may be given.
        computed: The provider fills it in.
        values: All that it takes, where the provider lists them.
    """

    type: Type
    required: bool
    optional: bool
    computed: bool
    values: tuple[str, ...] = ()


@dataclass
class Block:
    """The inside of a resource, or of a block in it."""

    attributes: dict[str, Attribute] = field(default_factory=dict)
    blocks: dict[str, NestedBlock] = field(default_factory=dict)


@dataclass
class NestedBlock:
    """How a block stands in another.

    Attributes:
        block: Its inside.
        nesting: ``single``, ``list`` or ``set``.
        required: It must be there.
        repeatable: It may be there more than once.
    """

    block: Block
    nesting: str
    required: bool
    repeatable: bool


@dataclass(frozen=True)
class Schema:
    """What the provider knows, of the resources and data sources that were asked for."""

    provider: Block
    resources: dict[str, Block]
    data_sources: dict[str, Block]


def read_schema(package: Path, resources: Iterable[str], data_sources: Iterable[str]) -> Schema:
    """Reads the schema out of the installed package.

    Args:
        package: The folder into which ``cdktn-provider-google`` was installed.
        resources: Names such as ``google_storage_bucket``.
        data_sources: Likewise.

    Raises:
        KeyError: The provider has no resource of one of the names.
    """
    folders = {name: _folder(name) for name in resources}
    data_folders = {name: f"data-google-{_folder(name)}" for name in data_sources}
    (archive,) = package.glob("cdktn_provider_google/_jsii/*.jsii.tgz")
    sources = _read(archive, {"provider", *folders.values(), *data_folders.values()})
    return Schema(
        provider=_Bindings(**sources["provider"]).block(),
        resources={
            name: _Bindings(**sources[folder]).block() for name, folder in sorted(folders.items())
        },
        data_sources={
            name: _Bindings(**sources[folder]).block()
            for name, folder in sorted(data_folders.items())
        },
    )


def _folder(name: str) -> str:
    return name.removeprefix("google_").replace("_", "-")


def _read(archive: Path, folders: set[str]) -> dict[str, dict[str, str]]:
    """The JavaScript and the type declarations of each folder; KeyError for one that is missing."""
    found: dict[str, dict[str, str]] = {}
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            parts = member.name.split("/")
            if len(parts) < 4 or parts[1] != "lib" or parts[2] not in folders:
                continue
            kind = {"js": "code", "ts": "types"}.get(member.name.rpartition(".")[2])
            file = tar.extractfile(member)
            if kind and file:
                texts = found.setdefault(parts[2], {"code": "", "types": ""})
                texts[kind] += file.read().decode()
    missing = folders - found.keys()
    if missing:
        raise KeyError(f"the provider has no {', '.join(sorted(missing))}")
    return found


class _Bindings:
    """The bindings of one resource."""

    def __init__(self, code: str, types: str) -> None:
        self._values = dict(_listed_values(types))
        self._classes = {
            match["name"]: match["body"]
            for match in re.finditer(
                r"^class (?P<name>\w+) extends (?P<body>.*?)(?=^class |^function |\Z)",
                code,
                re.DOTALL | re.MULTILINE,
            )
        }
        self._writers = {
            match["name"].lower(): match["body"]
            for match in re.finditer(
                r"^function (?P<name>\w+)ToHclTerraform\(struct\) \{(?P<body>.*?)^\}",
                code,
                re.DOTALL | re.MULTILINE,
            )
        }

    def block(self) -> Block:
        """The resource as a whole."""
        (name,) = (
            name
            for name, body in self._classes.items()
            if re.match(r"cdktn\.Terraform(Resource|DataSource|Provider) ", body)
        )
        body = self._classes[name]
        return self._block(f"{name}Config", body, body[body.index("synthesizeHclAttributes") :])

    def _block(self, interface: str, reader: str, writer: str) -> Block:
        """A block, from the class that reads it and the literal that writes it."""
        block = Block()
        written = dict(_written(writer))
        flags = {name: (flag, code) for name, flag, code in _flags(reader)}
        for name in {**flags, **written}:
            flag, code = flags.get(name, _OPTIONAL)
            if written.get(name, {}).get("isBlock") == "true":
                block.blocks[name] = self._nested(written[name], flag["required"])
            else:
                kind = _SIMPLE.get(written[name]["kind"]) if name in written else None
                if kind is None:
                    kind = self._list_type(written[name]) if name in written else self._read(code)
                block.attributes[name] = Attribute(
                    kind, **flag, values=self._values.get((interface, name), ())
                )
        return block

    def _nested(self, written: dict[str, str], required: bool) -> NestedBlock:
        match = re.search(r"(\w+)ToHclTerraform", written["value"])
        assert match, written
        interface = match[1][0].upper() + match[1][1:]
        reader = self._classes.get(f"{interface}OutputReference", "")
        nesting = {"struct": "single"}.get(written["type"], written["type"])
        return NestedBlock(
            self._block(interface, reader, self._writers[match[1].lower()]),
            nesting,
            required,
            repeatable="listMapper" in written["value"],
        )

    @staticmethod
    def _list_type(written: dict[str, str]) -> Type:
        match = re.fullmatch(r"(string|number|boolean)(List|Map)", written["kind"])
        assert match, written
        outer = "map" if match[2] == "Map" else written["type"]
        return [outer, {"boolean": "bool"}.get(match[1], match[1])]

    def _read(self, code: str) -> Type:
        """The type of what the provider tells, from the code that reads it."""
        for getter, kind in _GETTERS.items():
            if getter in code:
                return kind
        if "cdktn.StringMap" in code:
            return ["map", "string"]
        match = re.search(r"new (\w+?)(List)\(this, \"\w+\", (true|false)\)", code)
        if match:
            members = {
                name: self._read(inside)
                for name, _, inside in _flags(self._classes[f"{match[1]}OutputReference"])
            }
            return ["set" if match[3] == "true" else "list", ["object", members]]  # type: ignore[list-item]
        return "string"


_OPTIONAL = ({"computed": False, "optional": True, "required": False}, "")


def _flags(reader: str) -> Iterator[tuple[str, dict[str, bool], str]]:
    """Each name that a class reads, its flags, and the code that reads it."""
    parts = re.split(
        r"// (\w+) - computed: (true|false), optional: (true|false), required: (true|false)", reader
    )
    columns = (parts[start::5] for start in range(1, 6))
    for name, computed, optional, required, code in zip(*columns, strict=True):
        yield (
            name,
            {
                "computed": computed == "true",
                "optional": optional == "true",
                "required": required == "true",
            },
            code,
        )


def _written(writer: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Each name of a literal that writes a block, and how it is written."""
    for match in re.finditer(
        r"^\s+(?P<name>\w+): \{\s+value: (?P<value>.*),\s+isBlock: (?P<isBlock>\w+),"
        r"\s+type: \"(?P<type>\w+)\",\s+storageClassType: \"(?P<kind>\w+)\"",
        writer,
        re.MULTILINE,
    ):
        yield match["name"], match.groupdict()


def _listed_values(types: str) -> Iterator[tuple[tuple[str, str], tuple[str, ...]]]:
    """The values that arguments take, where the documentation lists all: by interface and name."""
    for interface in re.finditer(
        r"^export interface (\w+)[^{]*\{(.*?)^\}", types, re.DOTALL | re.MULTILINE
    ):
        for comment in re.finditer(
            r"/\*\*((?:(?!\*/).)*)\*/\s+readonly (\w+)\??:", interface[2], re.DOTALL
        ):
            listed = re.search(r"Possible values: (\[[^\]]*\])", comment[1])
            if listed:
                name = re.sub(r"(?<!^)([A-Z])", r"_\1", comment[2]).lower()
                yield (interface[1], name), tuple(json.loads(listed[1]))
